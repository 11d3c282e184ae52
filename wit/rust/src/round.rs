//! One round of a call: the tool is found and run, and its questions become an outcome.

use std::cell::RefCell;

use crate::bindings::exports::toolcrib::mcp::tool::{Error as CallError, Outcome, Request};
use crate::bindings::toolcrib::mcp::types::{Answer, Questions};
use crate::{Error, Output};

/// The answers of earlier rounds, and the state that is returned with the next question.
#[derive(Default)]
pub(crate) struct Round {
    pub(crate) answers: Vec<Answer>,
    pub(crate) state: Option<Vec<u8>>,
}

thread_local! {
    static ROUND: RefCell<Round> = RefCell::default();
}

/// Accesses the current round.
pub(crate) fn with_round<T>(access: impl FnOnce(&mut Round) -> T) -> T {
    ROUND.with_borrow_mut(access)
}

/// Runs the tool that a request names.
pub fn call(request: Request, tools: &[(&str, fn(String) -> Result<Output, Error>)]) -> Result<Outcome, CallError> {
    let Some((_, tool)) = tools.iter().find(|(name, _)| *name == request.tool) else {
        return Err(CallError::InvalidArguments(format!("there is no tool named {}", request.tool)));
    };
    with_round(|round| *round = Round { answers: request.answers, state: request.state });
    match tool(request.arguments) {
        Ok(output) => Ok(Outcome::Complete(output)),
        Err(Error::Ask(question)) => {
            let state = with_round(|round| round.state.take());
            Ok(Outcome::InputRequired(Questions { asked: vec![question], state }))
        }
        Err(Error::InvalidArguments(message)) => Err(CallError::InvalidArguments(message)),
        Err(Error::Failed(message)) => Err(CallError::Failed(message)),
    }
}
