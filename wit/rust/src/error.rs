//! The reasons that a call does not complete.

use std::fmt::Display;

use crate::bindings::toolcrib::mcp::types::Question;

/// The reason that a call does not complete. `?` turns any error that implements `Display` into [`Error::Failed`].
///
/// The message is one sentence for the caller and its model.
#[derive(Debug)]
pub enum Error {
    /// The caller can correct the arguments and try again.
    InvalidArguments(String),
    /// Any other failure.
    Failed(String),
    /// The client must answer a question first; the host then calls the tool again. Made by [`crate::ask`].
    Ask(Question),
}

impl Error {
    /// Returns the error of a mistake that the caller can correct.
    pub fn invalid_arguments(message: impl Display) -> Self {
        Self::InvalidArguments(message.to_string())
    }

    /// Returns the error of any other failure.
    pub fn failed(message: impl Display) -> Self {
        Self::Failed(message.to_string())
    }
}

// `Error` itself does not implement `Display`, since this implementation would then conflict with `From<Error>`.
impl<E: Display> From<E> for Error {
    fn from(error: E) -> Self {
        Self::failed(error)
    }
}
