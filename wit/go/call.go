package toolcrib

import (
	"time"

	host "toolcrib/bindings/imports/toolcrib_mcp_call"
	option "toolcrib/pkg/wit/types"
)

// Principal is the authenticated caller, from the verified access token.
type Principal struct {
	Issuer, Subject, ClientID string
	Scopes                    []string
	// A JSON object with the claims that the operator lists in `pass-claims`.
	Claims string
}

// Caller returns the caller, or false if the server runs without authentication.
func Caller() (Principal, bool) {
	found := host.Caller()
	if found.IsNone() {
		return Principal{}, false
	}
	caller := found.Some()
	return Principal{caller.Issuer, caller.Subject, caller.ClientId.SomeOr(""), caller.Scopes, caller.Claims}, true
}

// TimeLeft returns the time until the host stops this call.
func TimeLeft() time.Duration { return time.Duration(host.TimeLeft()) * time.Millisecond }

// Cancelled returns whether the client has disconnected or cancelled the call.
func Cancelled() bool { return host.Cancelled() }

// Progress reports progress to the client. `done` increases with each report; a total of 0 is unknown.
func Progress(done, total float64, message string) {
	all, text := option.None[float64](), option.None[string]()
	if total > 0 {
		all = option.Some(total)
	}
	if message != "" {
		text = option.Some(message)
	}
	host.Progress(done, all, text)
}

// Level is the severity of a log message.
type Level = host.Level

// The levels of log messages.
const (
	Debug   = host.Level_Debug
	Info    = host.Level_Info
	Warning = host.Level_Warning
	Error   = host.Level_Error
)

// Log writes a message to the operator's log, and to the client if it has requested log messages.
func Log(level Level, message string) { host.Log(level, message) }
