// Package export_toolcrib_mcp_tool has the name that the generated code imports. The package toolcrib sets its variables, since
// the generated code and the library cannot import each other.
package export_toolcrib_mcp_tool

import (
	mcp "toolcrib/bindings/imports/toolcrib_mcp_types"
	"toolcrib/pkg/wit/types"
)

// List returns the definitions of the tools.
var List func() []mcp.Definition

// Run answers a call.
var Run func(mcp.Request) (mcp.Outcome, *mcp.Error)

// Definitions is what the host calls when it loads the component.
func Definitions() []mcp.Definition { return List() }

// Call is what the host calls for each call of a tool.
func Call(request mcp.Request) wit_types.Result[mcp.Outcome, mcp.Error] {
	outcome, failure := Run(request)
	if failure != nil {
		return wit_types.Err[mcp.Outcome](*failure)
	}
	return wit_types.Ok[mcp.Outcome, mcp.Error](outcome)
}
