//! Checks of a guest's output: its size and its form.

use std::collections::BTreeSet;

use serde_json::Value;

use super::contract::{
    Block, Body, Completion, Content, Embedded, Outcome, Output, PromptResult, Question,
};
use super::guest_json;

/// Maximum number of questions of one outcome.
const MAX_QUESTIONS: usize = 16;
/// Maximum length of a question's key.
const MAX_KEY_BYTES: usize = 64;
/// Size that a content block counts in addition to its data, because even an empty one takes memory.
const BLOCK_OVERHEAD_BYTES: usize = 64;
/// The same for a completion value.
const VALUE_OVERHEAD_BYTES: usize = 16;

/// A value that a guest returned and a client will receive.
pub(super) trait GuestOutput {
    /// Returns the size of everything in it that a client can receive.
    fn size_bytes(&self) -> usize;

    /// Checks its form.
    ///
    /// # Errors
    /// The violated rule, for the log.
    fn validate(&self) -> Result<(), String>;
}

impl<T: GuestOutput> GuestOutput for Outcome<T> {
    fn size_bytes(&self) -> usize {
        match self {
            Self::Complete(result) => result.size_bytes(),
            Self::InputRequired(questions) => {
                let sizes = questions.asked.iter().map(|question| {
                    question.key.len() + question.method.len() + question.params.len()
                });
                sizes.sum::<usize>() + questions.state.as_ref().map_or(0, Vec::len)
            }
        }
    }

    fn validate(&self) -> Result<(), String> {
        match self {
            Self::Complete(result) => result.validate(),
            Self::InputRequired(questions) => validate_questions(&questions.asked),
        }
    }
}

impl GuestOutput for Output {
    fn size_bytes(&self) -> usize {
        self.content.iter().map(content_bytes).sum::<usize>()
            + text_bytes(&self.structured)
            + text_bytes(&self.meta)
    }

    fn validate(&self) -> Result<(), String> {
        self.content.iter().try_for_each(validate_content)
    }
}

impl GuestOutput for PromptResult {
    fn size_bytes(&self) -> usize {
        let messages = self.messages.iter();
        messages.map(|m| content_bytes(&m.content)).sum::<usize>()
            + text_bytes(&self.description)
            + text_bytes(&self.meta)
    }

    fn validate(&self) -> Result<(), String> {
        let mut messages = self.messages.iter();
        messages.try_for_each(|message| validate_content(&message.content))?;
        validate_meta(self.meta.as_deref())
    }
}

impl GuestOutput for Vec<Embedded> {
    fn size_bytes(&self) -> usize {
        self.iter()
            .map(|contents| BLOCK_OVERHEAD_BYTES + embedded_bytes(contents))
            .sum()
    }

    fn validate(&self) -> Result<(), String> {
        Ok(())
    }
}

impl GuestOutput for Completion {
    fn size_bytes(&self) -> usize {
        self.values
            .iter()
            .map(|value| VALUE_OVERHEAD_BYTES + value.len())
            .sum()
    }

    fn validate(&self) -> Result<(), String> {
        Ok(())
    }
}

fn validate_content(content: &Content) -> Result<(), String> {
    let priority = content.audience.as_ref().and_then(|a| a.priority);
    match priority {
        Some(priority) if !(0.0..=1.0).contains(&priority) => {
            Err("a `priority` is not between 0.0 and 1.0".into())
        }
        _ => Ok(()),
    }
}

fn validate_meta(meta: Option<&str>) -> Result<(), String> {
    match meta.map(guest_json::parse) {
        None | Some(Ok(Value::Object(_))) => Ok(()),
        Some(_) => Err("`meta` is not a JSON object".into()),
    }
}

fn validate_questions(questions: &[Question]) -> Result<(), String> {
    if questions.is_empty() || questions.len() > MAX_QUESTIONS {
        return Err(format!(
            "it asks {} questions; 1 to {MAX_QUESTIONS} are allowed",
            questions.len()
        ));
    }
    let mut keys = BTreeSet::new();
    for question in questions {
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
        if !matches!(guest_json::parse(&question.params), Ok(Value::Object(_))) {
            return Err(format!(
                "the parameters of the question {key:?} are not a JSON object"
            ));
        }
    }
    Ok(())
}

fn content_bytes(content: &Content) -> usize {
    let data = match &content.block {
        Block::Text(text) => text.len(),
        Block::Image(media) | Block::Audio(media) => media.data.len() + media.media_type.len(),
        Block::Link(link) => {
            link.uri.len()
                + link.name.len()
                + text_bytes(&link.title)
                + text_bytes(&link.description)
                + text_bytes(&link.media_type)
        }
        Block::Embedded(embedded) => embedded_bytes(embedded),
    };
    BLOCK_OVERHEAD_BYTES + data
}

fn embedded_bytes(embedded: &Embedded) -> usize {
    embedded.uri.len()
        + text_bytes(&embedded.media_type)
        + match &embedded.body {
            Body::Text(text) => text.len(),
            Body::Binary(bytes) => bytes.len(),
        }
}

fn text_bytes(text: &Option<String>) -> usize {
    text.as_ref().map_or(0, String::len)
}
