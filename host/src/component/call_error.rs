//! Errors of a call, as its client learns them.

use std::fmt;

use super::contract::{GuestError, StubCalled, TrapState};
use super::definitions::display_name;
use super::engine_error;
use crate::sandbox::{self, Limits, Stopped};
use crate::telemetry::Outcome;
use crate::text::truncate;

/// Maximum length of an error text of a guest. The output limit applies too.
const MAX_ERROR_BYTES: usize = 64 << 10;

/// The reason why a call has no result. `Display` is one sentence for the client; details for the operator are in the
/// log.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The guest or the tool's input schema rejects the arguments.
    #[error("{0}")]
    InvalidArguments(String),
    /// The guest reported a failure.
    #[error("{0}")]
    Failed(String),
    /// The guest does not have the requested resource.
    #[error("there is no such resource")]
    NotFound,
    /// The host stopped the call.
    #[error("{0}")]
    Stopped(#[from] Stopped),
    /// The guest exceeded its memory limit of so many MiB.
    #[error("the {0} ran out of its {1} MiB of memory")]
    Memory(TargetKind, usize),
    /// The guest exceeded the limit on handles, which is this one.
    #[error("the {0} has more handles than its limit of {1}")]
    Handles(TargetKind, usize),
    /// The guest waits for an event that nothing can cause.
    #[error("the {0} waits for what can never happen")]
    Deadlock(TargetKind),
    /// The guest trapped.
    #[error("the {0} crashed")]
    Crashed(TargetKind),
    /// The guest called `wasi:cli/exit`.
    #[error("the {0} exited with status {1} instead of returning a result")]
    Exited(TargetKind, i32),
    /// The guest called a stub of this import, which has no result to give.
    #[error("the {0} needs `{1}`, which this host does not have")]
    MissingImport(TargetKind, String),
    /// The result exceeds the output limit of so many bytes.
    #[error("the {0} returned more than its limit of {1} bytes")]
    OutputTooLarge(TargetKind, usize),
    /// The guest passed more than so many bytes to one function of the host.
    #[error("the {0} passed more than the limit of {1} bytes to one function of the host")]
    HostCallTooLarge(TargetKind, usize),
    /// The result violates the contract or the tool's output schema.
    #[error("the {0} returned a result that does not fit its definition")]
    InvalidOutput(TargetKind),
}

/// The kind of item that a client called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetKind {
    /// A tool.
    Tool,
    /// A prompt.
    Prompt,
    /// A resource.
    Resource,
    /// A completion of an argument.
    Completion,
    /// A handler of HTTP requests.
    Handler,
}

impl fmt::Display for TargetKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tool => "tool",
            Self::Prompt => "prompt",
            Self::Resource => "resource",
            Self::Completion => "completion",
            Self::Handler => "handler",
        })
    }
}

impl CallError {
    /// Returns whether the log has details that the sentence leaves out.
    pub fn has_more_in_log(&self) -> bool {
        matches!(self, Self::Crashed(_) | Self::InvalidOutput(_))
    }

    /// Returns whether the client cancelled the call, or the host is shutting down.
    pub fn is_cancellation(&self) -> bool {
        matches!(self, Self::Stopped(Stopped::Cancelled))
    }

    /// Returns the outcome of the call.
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::InvalidArguments(_) | Self::NotFound => Outcome::Invalid,
            Self::Failed(_) => Outcome::ToolError,
            Self::Stopped(Stopped::Cancelled) => Outcome::Cancelled,
            Self::Stopped(_)
            | Self::Memory(..)
            | Self::Handles(..)
            | Self::OutputTooLarge(..)
            | Self::HostCallTooLarge(..) => Outcome::Stopped,
            Self::Crashed(_)
            | Self::Deadlock(_)
            | Self::Exited(..)
            | Self::MissingImport(..)
            | Self::InvalidOutput(_) => Outcome::Crashed,
        }
    }

    pub(super) fn from_guest(target: TargetKind, error: GuestError, limits: &Limits) -> Self {
        match error {
            GuestError::InvalidArguments(text) => {
                Self::InvalidArguments(truncate_text(text, limits))
            }
            GuestError::Failed(text) => Self::Failed(truncate_text(text, limits)),
            GuestError::NotFound => Self::NotFound,
            GuestError::OutputTooLarge => Self::OutputTooLarge(target, limits.output_bytes),
            GuestError::Trap { error, state } => Self::from_trap(target, &error, &state, limits),
        }
    }

    fn from_trap(
        target: TargetKind,
        error: &wasmtime::Error,
        state: &TrapState,
        limits: &Limits,
    ) -> Self {
        if let Some(status) = sandbox::exit_status(error) {
            Self::Exited(target, status)
        } else if let Some(StubCalled(import)) = error.downcast_ref() {
            Self::MissingImport(target, display_name(import))
        } else if state.memory_refused {
            Self::Memory(target, limits.memory_bytes >> 20)
        } else if sandbox::is_out_of_handles(error) {
            Self::Handles(target, state.max_handles)
        } else if engine_error::is_deadlock(error) {
            Self::Deadlock(target)
        } else if engine_error::is_host_call_too_large(error) {
            Self::HostCallTooLarge(target, state.max_host_call_bytes)
        } else if engine_error::is_output_too_large(error) {
            Self::OutputTooLarge(target, limits.output_bytes)
        } else {
            Self::Crashed(target)
        }
    }
}

fn truncate_text(mut text: String, limits: &Limits) -> String {
    let max_bytes = limits.output_bytes.min(MAX_ERROR_BYTES);
    text.truncate(truncate(&text, max_bytes).len());
    text
}
