//! Results of tools.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::schema::{structured_json, structured_schema};
use crate::{Block, Content, Error, Media, Output};

/// A result of a tool.
///
/// | Type | Result |
/// |---|---|
/// | `String`, `&'static str` | text |
/// | [`Json<T>`](Json) | structured content with the schema of `T`, and the JSON as text |
/// | `(String, Json<T>)` | the same with another text |
/// | [`Content`], `Vec<Content>` | pictures, audio, links, resources, texts |
/// | [`Output`] | everything that the contract offers |
/// | `()` | nothing |
/// | `Result<T, E>` | one of these, or an [`Error`] |
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a result of a tool",
    note = "return `String`, `Json<T>`, `Content`, `Vec<Content>`, `Output`, or a `Result` of one of these",
    note = "`Json<T>` needs `T: serde::Serialize + schemars::JsonSchema`"
)]
pub trait IntoOutput {
    /// Returns the JSON Schema of the structured content.
    fn output_schema() -> Option<Value> {
        None
    }

    /// Returns the output of the call.
    ///
    /// # Errors
    /// The tool failed, or its result cannot be written as JSON.
    fn into_output(self) -> Result<Output, Error>;
}

/// A result with structured content.
///
/// A value that is not a JSON object, such as a list, becomes the member `result` of an object, since the structured content of
/// MCP is an object.
#[derive(Debug, Clone)]
pub struct Json<T>(pub T);

impl IntoOutput for Output {
    fn into_output(self) -> Result<Output, Error> {
        Ok(self)
    }
}

impl IntoOutput for () {
    fn into_output(self) -> Result<Output, Error> {
        Vec::new().into_output()
    }
}

impl IntoOutput for Vec<Content> {
    fn into_output(self) -> Result<Output, Error> {
        Ok(Output { content: self, structured: None, meta: None })
    }
}

impl IntoOutput for Content {
    fn into_output(self) -> Result<Output, Error> {
        vec![self].into_output()
    }
}

impl IntoOutput for String {
    fn into_output(self) -> Result<Output, Error> {
        Content::text(self).into_output()
    }
}

impl IntoOutput for &'static str {
    fn into_output(self) -> Result<Output, Error> {
        Content::text(self).into_output()
    }
}

impl<T: Serialize + JsonSchema> IntoOutput for Json<T> {
    fn output_schema() -> Option<Value> {
        Some(structured_schema::<T>())
    }

    fn into_output(self) -> Result<Output, Error> {
        let json = structured_json(&self.0)?;
        // First, so that the copy can take its memory.
        drop(self);
        Ok(Output { content: vec![Content::text(json.clone())], structured: Some(json), meta: None })
    }
}

impl<T: Serialize + JsonSchema> IntoOutput for (String, Json<T>) {
    fn output_schema() -> Option<Value> {
        Json::<T>::output_schema()
    }

    fn into_output(self) -> Result<Output, Error> {
        let (text, Json(value)) = self;
        Ok(Output { content: vec![Content::text(text)], structured: Some(structured_json(&value)?), meta: None })
    }
}

impl<T: IntoOutput, E: Into<Error>> IntoOutput for Result<T, E> {
    fn output_schema() -> Option<Value> {
        T::output_schema()
    }

    fn into_output(self) -> Result<Output, Error> {
        self.map_err(Into::into)?.into_output()
    }
}

impl Content {
    /// Returns a text.
    pub fn text(text: impl Into<String>) -> Self {
        Block::Text(text.into()).into()
    }

    /// Returns a picture, such as one of the type `image/png`.
    pub fn image(data: Vec<u8>, media_type: impl Into<String>) -> Self {
        Block::Image(Media { data, media_type: media_type.into() }).into()
    }

    /// Returns an audio clip, such as one of the type `audio/wav`.
    pub fn audio(data: Vec<u8>, media_type: impl Into<String>) -> Self {
        Block::Audio(Media { data, media_type: media_type.into() }).into()
    }
}

impl From<Block> for Content {
    fn from(block: Block) -> Self {
        Self { block, audience: None }
    }
}
