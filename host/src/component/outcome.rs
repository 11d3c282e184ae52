//! What a guest returned, held against what it announced and against its limits.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Tool;
use super::contract::{
    Block, Body, Completion, Content, Embedded, Filled, Output, Question, Questions,
};
use crate::engine::GuestRuntime;

/// Questions that one outcome may ask.
const MAX_QUESTIONS: usize = 16;
/// The longest key of a question, in bytes.
const MAX_KEY_BYTES: usize = 64;

/// How a call ended: with a result, or with questions that the client has to
/// answer first.
#[derive(Debug, Clone)]
pub enum Outcome<T = Output> {
    /// It is done.
    Complete(T),
    /// The client answers and calls again.
    InputRequired(Questions),
}

/// What a call can return.
pub(super) trait Returned {
    /// Everything in it that a client may get, in bytes.
    fn size_bytes(&self) -> usize;

    /// Whether it is what its component promised.
    ///
    /// # Errors
    /// What is wrong with it, for the log.
    fn check(&self) -> Result<(), String>;
}

impl<T: Returned> Returned for Outcome<T> {
    fn size_bytes(&self) -> usize {
        match self {
            Self::Complete(done) => done.size_bytes(),
            Self::InputRequired(questions) => {
                let asked = questions.asked.iter();
                asked
                    .map(|q| q.key.len() + q.method.len() + q.params.len())
                    .sum::<usize>()
                    + questions.state.as_ref().map_or(0, Vec::len)
            }
        }
    }

    fn check(&self) -> Result<(), String> {
        match self {
            Self::Complete(done) => done.check(),
            Self::InputRequired(questions) => check_questions(&questions.asked),
        }
    }
}

impl Returned for Output {
    fn size_bytes(&self) -> usize {
        self.content.iter().map(content_bytes).sum::<usize>()
            + self.structured.as_ref().map_or(0, String::len)
            + self.meta.as_ref().map_or(0, String::len)
    }

    fn check(&self) -> Result<(), String> {
        self.content.iter().try_for_each(check_content)?;
        check_meta(self.meta.as_deref())
    }
}

impl Returned for Filled {
    fn size_bytes(&self) -> usize {
        let messages = self.messages.iter();
        messages.map(|m| content_bytes(&m.content)).sum::<usize>()
            + self.description.as_ref().map_or(0, String::len)
            + self.meta.as_ref().map_or(0, String::len)
    }

    fn check(&self) -> Result<(), String> {
        let mut messages = self.messages.iter();
        messages.try_for_each(|message| check_content(&message.content))?;
        check_meta(self.meta.as_deref())
    }
}

impl Returned for Completion {
    fn size_bytes(&self) -> usize {
        self.values.iter().map(|value| 16 + value.len()).sum()
    }

    fn check(&self) -> Result<(), String> {
        Ok(())
    }
}

impl Returned for Vec<Embedded> {
    fn size_bytes(&self) -> usize {
        self.iter().map(|part| 64 + embedded_bytes(part)).sum()
    }

    fn check(&self) -> Result<(), String> {
        Ok(())
    }
}

/// Holds structured output against the tool's output schema.
///
/// # Errors
/// What is wrong with it, for the log.
pub(super) async fn check_structured(
    output: &Output,
    tool: &Tool,
    guest_runtime: &GuestRuntime,
) -> Result<(), String> {
    match (&output.structured, &tool.output) {
        (None, Some(_)) => {
            Err("`structured` is missing although the tool has an output schema".into())
        }
        (Some(text), schema) => {
            let value: Value = serde_json::from_str(text)
                .map_err(|e| format!("`structured` is not valid JSON: {e}"))?;
            match schema {
                Some(schema) => schema
                    .check(value, guest_runtime)
                    .await
                    .map(drop)
                    .map_err(|e| format!("`structured` breaks the output schema: {e}")),
                None => Ok(()),
            }
        }
        (None, None) => Ok(()),
    }
}

fn check_content(content: &Content) -> Result<(), String> {
    let priority = content.audience.as_ref().and_then(|a| a.priority);
    match priority {
        Some(priority) if !(0.0..=1.0).contains(&priority) => {
            Err("a `priority` is not between 0.0 and 1.0".into())
        }
        _ => Ok(()),
    }
}

fn check_meta(meta: Option<&str>) -> Result<(), String> {
    match meta.map(serde_json::from_str) {
        None | Some(Ok(Value::Object(_))) => Ok(()),
        Some(_) => Err("`meta` is not a JSON object".into()),
    }
}

fn check_questions(asked: &[Question]) -> Result<(), String> {
    if asked.is_empty() || asked.len() > MAX_QUESTIONS {
        return Err(format!(
            "it asks {} questions; 1 to {MAX_QUESTIONS} are allowed",
            asked.len()
        ));
    }
    let mut keys = BTreeSet::new();
    for question in asked {
        let key = &question.key;
        if !(1..=MAX_KEY_BYTES).contains(&key.len()) {
            return Err(format!(
                "the key of a question has {} bytes; 1 to {MAX_KEY_BYTES} are allowed",
                key.len()
            ));
        }
        if !keys.insert(key) {
            return Err(format!("two questions have the key {key:?}"));
        }
        if !matches!(
            question.method.as_str(),
            "elicitation/create" | "sampling/createMessage" | "roots/list"
        ) {
            return Err(format!(
                "the question {key:?} has the method {:?}; it can be `elicitation/create`, \
                 `sampling/createMessage` or `roots/list`",
                question.method
            ));
        }
        if !matches!(serde_json::from_str(&question.params), Ok(Value::Object(_))) {
            return Err(format!(
                "the parameters of the question {key:?} are not a JSON object"
            ));
        }
    }
    Ok(())
}

fn content_bytes(content: &Content) -> usize {
    let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let block = match &content.block {
        Block::Text(text) => text.len(),
        Block::Image(media) | Block::Audio(media) => media.data.len() + media.media_type.len(),
        Block::Link(link) => {
            link.uri.len()
                + link.name.len()
                + text(&link.title)
                + text(&link.description)
                + text(&link.media_type)
        }
        Block::Embedded(embedded) => embedded_bytes(embedded),
    };
    // A block costs some bytes even where it is empty.
    64 + block
}

fn embedded_bytes(embedded: &Embedded) -> usize {
    embedded.uri.len()
        + embedded.media_type.as_ref().map_or(0, String::len)
        + match &embedded.body {
            Body::Text(text) => text.len(),
            Body::Binary(bytes) => bytes.len(),
        }
}
