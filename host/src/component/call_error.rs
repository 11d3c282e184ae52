//! Why a call gave no result.

use super::contract;
use crate::sandbox::{self, Limits, MAX_HANDLES, Stopped};

/// Why a call gave no result. `Display` is one sentence for the client; what the
/// operator needs beyond it has been logged.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The guest, or the tool's schema, refuses the arguments.
    #[error("{0}")]
    InvalidArguments(String),
    /// The tool says that it failed.
    #[error("{0}")]
    Failed(String),
    /// There is no such document.
    #[error("there is no such resource")]
    NotFound,
    /// A limit or the client ended it.
    #[error("{0}")]
    Stopped(#[from] Stopped),
    /// The guest asked for more memory than it may have.
    #[error("the {0} ran out of its {1} MiB of memory")]
    Memory(TargetKind, usize),
    /// The guest holds more than the host keeps for one call.
    #[error("the {0} has more handles than its limit of {MAX_HANDLES}")]
    Handles(TargetKind),
    /// The guest trapped.
    #[error("the {0} crashed")]
    Crashed(TargetKind),
    /// The guest ended itself.
    #[error("the {0} exited with status {1} instead of returning a result")]
    Exited(TargetKind, i32),
    /// More came back than the limit allows.
    #[error("the {0} returned more than its limit of {1} bytes")]
    Oversized(TargetKind, usize),
    /// What came back is not what the guest announced.
    #[error("the {0} returned a result that does not fit its definition")]
    InvalidOutput(TargetKind),
}

/// What a client called, as its sentences name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetKind {
    /// A tool.
    Tool,
    /// A prompt that is filled in.
    Prompt,
    /// A document that is read.
    Resource,
    /// An argument that is completed.
    Completion,
}

impl std::fmt::Display for TargetKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Tool => "tool",
            Self::Prompt => "prompt",
            Self::Resource => "resource",
            Self::Completion => "completion",
        })
    }
}

impl CallError {
    /// Whether the sentence says less than the log does.
    pub fn has_more_in_log(&self) -> bool {
        matches!(self, Self::Crashed(_) | Self::InvalidOutput(_))
    }
}

/// What a client is told of a trap.
pub(super) fn trapped(
    called: TargetKind,
    error: &wasmtime::Error,
    memory_refused: bool,
    limits: &Limits,
) -> CallError {
    if let Some(status) = sandbox::exit_status(error) {
        CallError::Exited(called, status)
    } else if memory_refused {
        CallError::Memory(called, limits.memory_bytes >> 20)
    } else if sandbox::is_out_of_handles(error) {
        CallError::Handles(called)
    } else if contract::is_oversized(error) {
        CallError::Oversized(called, limits.output_bytes)
    } else {
        CallError::Crashed(called)
    }
}

/// Output that its component did not promise.
pub(super) fn refused(called: TargetKind, fault: String) -> CallError {
    tracing::warn!(output.fault = %fault, "output refused");
    CallError::InvalidOutput(called)
}
