//! The outcomes of requests: the same words in the log, the metrics and the audit.

/// The way a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Outcome {
    /// It was answered, and a call has its result.
    Ok,
    /// The result of a tool says that the tool failed.
    ToolError,
    /// The arguments do not fit, or the target does not exist.
    Invalid,
    /// The guest crashed, or its result does not fit its definition.
    Crashed,
    /// The call reached a limit of the sandbox.
    Stopped,
    /// The client cancelled or disconnected, or the host was shutting down.
    Cancelled,
    /// The call asks the client questions, or goes on as a task.
    Pending,
    /// The caller lacks a scope.
    Denied,
    /// A limit of concurrent calls, of rates or of memory is reached.
    Limited,
    /// The token is missing or invalid.
    Unauthenticated,
    /// The request was refused for its `Host`, `Origin`, headers or body.
    Refused,
    /// The host failed.
    Failed,
}

impl Outcome {
    /// The number of outcomes.
    pub(super) const COUNT: usize = Self::ALL.len();
    /// All outcomes, in order.
    pub(super) const ALL: [Self; 12] = [
        Self::Ok,
        Self::ToolError,
        Self::Invalid,
        Self::Crashed,
        Self::Stopped,
        Self::Cancelled,
        Self::Pending,
        Self::Denied,
        Self::Limited,
        Self::Unauthenticated,
        Self::Refused,
        Self::Failed,
    ];

    /// Returns the outcome in logs, metrics and audit records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::ToolError => "tool_error",
            Self::Invalid => "invalid",
            Self::Crashed => "crashed",
            Self::Stopped => "stopped",
            Self::Cancelled => "cancelled",
            Self::Pending => "pending",
            Self::Denied => "denied",
            Self::Limited => "limited",
            Self::Unauthenticated => "unauthenticated",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }

    /// Returns whether the request was answered as it asks.
    pub fn is_success(self) -> bool {
        matches!(self, Self::Ok | Self::Pending)
    }
}
