package toolcrib

import (
	"errors"

	mcp "toolcrib/bindings/imports/toolcrib_mcp_types"
)

type invalidArguments struct{ message string }

func (err invalidArguments) Error() string { return err.message }

// InvalidArguments returns an error for a mistake that the caller can correct.
func InvalidArguments(message string) error { return invalidArguments{message} }

func failure(err error) *mcp.Error {
	made := mcp.MakeErrorFailed
	if invalid := (invalidArguments{}); errors.As(err, &invalid) {
		made = mcp.MakeErrorInvalidArguments
	}
	found := made(err.Error())
	return &found
}
