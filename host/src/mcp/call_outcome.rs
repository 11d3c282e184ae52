//! The outcome of a call in its record. Reasons are the host's own words: those of a guest may repeat the arguments.

use std::borrow::Cow;

use super::admission::AdmissionError;
use super::in_flight::Failed;
use super::rounds::Ending;
use crate::component::{CallError, HandlerBodyError, HandlerError};
use crate::telemetry::Outcome;

/// The outcome and the reason, if the call has no result.
pub(super) type Recorded = (Outcome, Option<Cow<'static, str>>);

/// Returns the outcome of a call that did not start.
pub(super) fn of_rejection(error: &AdmissionError) -> Recorded {
    let outcome = match error {
        AdmissionError::UnknownTarget => Outcome::Invalid,
        AdmissionError::MissingScopes(_) => Outcome::Denied,
        AdmissionError::LimitReached(_) | AdmissionError::NotRecorded => Outcome::Limited,
    };
    (outcome, Some(error.to_string().into()))
}

/// Returns the outcome of a call that has ended.
///
/// `is_error` tells whether a result reports a failure.
pub(super) fn of_ending<T>(ending: &Ending<T>, is_error: fn(&T) -> bool) -> Recorded {
    match ending {
        Ending::Complete(result) if is_error(result) => (Outcome::ToolError, None),
        Ending::Complete(_) => (Outcome::Ok, None),
        Ending::InputRequired(_) => (Outcome::Pending, None),
        Ending::Slow(_) => (Outcome::Pending, Some("goes on as a task".into())),
        Ending::Cancelled => (Outcome::Cancelled, None),
        Ending::Rejected(_) => (Outcome::Refused, Some("a round was refused".into())),
        Ending::Protocol(_) => (Outcome::Invalid, Some("the client cannot answer".into())),
        Ending::Failed(failed) => of_failure(failed),
    }
}

/// Returns the outcome of a request to a mounted component that has no response.
pub(super) fn of_handler_failure(error: &HandlerError) -> Recorded {
    match error {
        HandlerError::Call(error) => of_call_error(error),
        HandlerError::NoResponse => (Outcome::Crashed, Some(error.to_string().into())),
    }
}

/// Returns the outcome of a request to a mounted component whose response ended early.
pub(super) fn of_body_error(error: &HandlerBodyError) -> Recorded {
    let outcome = match error {
        HandlerBodyError::TooLarge => Outcome::Stopped,
        HandlerBodyError::Incomplete => Outcome::Crashed,
    };
    (outcome, Some(error.to_string().into()))
}

fn of_failure(failed: &Failed) -> Recorded {
    match &failed.error {
        Some(error) => of_call_error(error),
        None => (Outcome::Failed, Some("the host panicked".into())),
    }
}

fn of_call_error(error: &CallError) -> Recorded {
    let reason = match error {
        CallError::InvalidArguments(_) => Some("invalid arguments".into()),
        CallError::NotFound => Some("no such resource".into()),
        // The sentence of a tool may contain what it was asked.
        CallError::Failed(_) => None,
        // A component chooses the names of its imports.
        CallError::MissingImport(..) => Some("needs a missing import".into()),
        error if error.is_cancellation() => None,
        error => Some(error.to_string().into()),
    };
    (error.outcome(), reason)
}
