//! The checked result of a tool call, with its JSON texts parsed.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::contract::{Content, Output};
use super::guest_json;
use super::schema::{Schema, Strings};
use crate::engine::GuestRuntime;

/// The result of a tool call.
#[derive(Debug, Clone, Default)]
pub struct ToolResult {
    /// The content for the model.
    pub content: Vec<Content>,
    /// The structured content. It fits the tool's output schema, if there is one.
    pub structured: Option<Value>,
    /// The structured content as the guest wrote it; `None` for a function, whose result is in `content` as text.
    pub structured_text: Option<String>,
    /// The `_meta` of the result.
    pub meta: Option<Map<String, Value>>,
    /// Whether the result reports a failure.
    pub is_error: bool,
}

/// Parses the JSON texts of a guest's output, and validates the structured content against the tool's output schema.
///
/// # Errors
/// The violated rule, for the log.
pub(super) async fn checked(
    output: Output,
    schema: Option<&Schema>,
    guest_runtime: &GuestRuntime,
) -> Result<ToolResult, String> {
    let structured = match &output.structured {
        Some(text) => Some(structured(text, schema, guest_runtime).await?),
        None if schema.is_some() => {
            return Err("`structured` is missing although the tool has an output schema".into());
        }
        None => None,
    };
    let meta = match output.meta.as_deref().map(guest_json::parse) {
        None => None,
        Some(Ok(Value::Object(meta))) => Some(meta),
        Some(_) => return Err("`meta` is not a JSON object".into()),
    };
    Ok(ToolResult {
        content: output.content,
        structured,
        structured_text: output.structured,
        meta,
        is_error: false,
    })
}

async fn structured(
    text: &str,
    schema: Option<&Schema>,
    guest_runtime: &GuestRuntime,
) -> Result<Value, String> {
    let value = guest_json::parse(text);
    let value = value.map_err(|e| format!("`structured` is not valid JSON: {e}"))?;
    let Some(schema) = schema else {
        return Ok(value);
    };
    let value = Arc::new(value);
    match schema.validate(&value, Strings::Exact, guest_runtime).await {
        Ok(_) => Ok(Arc::unwrap_or_clone(value)),
        Err(e) => Err(format!("`structured` breaks the output schema: {e}")),
    }
}
