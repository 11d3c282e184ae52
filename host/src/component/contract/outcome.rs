//! The outcome of a call that the guest finished without an error.

use super::bindings::exports::toolcrib::mcp::{prompts, resources};
use super::bindings::toolcrib::mcp::types::{self, Embedded, Output, Questions};

/// The outcome of a call: a result, or questions that the client has to answer first.
#[derive(Debug, Clone)]
pub enum Outcome<T> {
    /// The result of the finished call.
    Complete(T),
    /// Questions for the client, which answers them and calls again.
    InputRequired(Questions),
}

impl From<types::Outcome> for Outcome<Output> {
    fn from(outcome: types::Outcome) -> Self {
        match outcome {
            types::Outcome::Complete(output) => Self::Complete(output),
            types::Outcome::InputRequired(questions) => Self::InputRequired(questions),
        }
    }
}

impl From<prompts::Outcome> for Outcome<prompts::Prompt> {
    fn from(outcome: prompts::Outcome) -> Self {
        match outcome {
            prompts::Outcome::Complete(prompt) => Self::Complete(prompt),
            prompts::Outcome::InputRequired(questions) => Self::InputRequired(questions),
        }
    }
}

impl From<resources::Outcome> for Outcome<Vec<Embedded>> {
    fn from(outcome: resources::Outcome) -> Self {
        match outcome {
            resources::Outcome::Complete(contents) => Self::Complete(contents),
            resources::Outcome::InputRequired(questions) => Self::InputRequired(questions),
        }
    }
}
