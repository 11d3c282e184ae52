//! The steps that every client executes, and their expected outcomes.

use serde_json::{Value, json};

/// The expected outcome of a step.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    /// A list that is sorted by this field and contains these values of it.
    List(&'static str, &'static [&'static str]),
    /// A result with this value at this JSON pointer.
    At(&'static str, Value),
    /// A result with this text.
    Text(&'static str),
    /// An error result with this text.
    ToolError(&'static str),
    /// A protocol error with this code.
    ProtocolError(i64),
    /// A result after these progress notifications.
    Progress(&'static [f64]),
    /// No result, because the client cancelled the call.
    Cancelled,
}

/// The answers of each client's user by form field, and the answer of its model.
pub(super) fn answers() -> Value {
    json!({
        "name": "Alice",
        "color": "blue",
        "username": "alice",
        "email": "alice@example.com",
        "context": "the sea",
        "model": "Paris",
    })
}

/// All steps. If the client cannot be asked, calls that ask a question must fail.
pub(super) fn all(can_be_asked: bool) -> Vec<(Value, Outcome)> {
    let mut all = example_calls();
    all.extend(calls());
    all.extend(resources_and_prompts());
    all.extend(questions().into_iter().map(|(step, outcome)| {
        let refusal = Outcome::ToolError("which this client cannot answer");
        (step, if can_be_asked { outcome } else { refusal })
    }));
    all
}

/// Calls of an example of each guest language.
fn example_calls() -> Vec<(Value, Outcome)> {
    vec![
        (
            json!({ "do": "tools" }),
            Outcome::List(
                "name",
                &["echo", "jq", "markdown_to_html", "qr_code", "table_stats"],
            ),
        ),
        (
            call("echo", json!({ "text": "hé 世界" })),
            Outcome::At("/structuredContent/text", "hé 世界".into()),
        ),
        (
            call("whoami", json!({})),
            Outcome::At("/structuredContent/caller/subject", "alice".into()),
        ),
        (
            call("jq_each", json!({ "inputs": [1, 2, 3], "filter": ". * 2" })),
            Outcome::Progress(&[0.0, 1.0, 2.0, 3.0]),
        ),
        (
            call("qr_code", json!({ "text": "https://example.com" })),
            Outcome::At("/content/0/mimeType", "image/png".into()),
        ),
        (
            call(
                "table_stats",
                json!({ "csv": "city,degrees\nOslo,2\nRome,16\n" }),
            ),
            Outcome::At(
                "/structuredContent/groups/0/columns/degrees/median",
                9.0.into(),
            ),
        ),
        (
            call("markdown_to_html", json!({ "markdown": "# Title" })),
            Outcome::Text("<h1>Title</h1>"),
        ),
    ]
}

/// Calls of the conformance fixture.
pub(super) fn calls() -> Vec<(Value, Outcome)> {
    vec![
        (
            call("test_structured_output", json!({ "a": 1, "b": 41 })),
            Outcome::At("/structuredContent/sum", 42.into()),
        ),
        (
            call("test_tool_with_progress", json!({})),
            Outcome::Progress(&[0.0, 50.0, 100.0]),
        ),
        (
            call(
                "test_custom_header",
                json!({ "region": "世界", "urgent": true }),
            ),
            Outcome::Text("世界"),
        ),
        (
            call("no_such_tool", json!({})),
            Outcome::ProtocolError(-32602),
        ),
        (
            call("test_sampling", json!({ "prompt": 1 })),
            Outcome::ToolError("`/prompt`"),
        ),
        (
            call("test_error_handling", json!({})),
            Outcome::ToolError("This tool intentionally returns an error for testing"),
        ),
        (
            json!({ "do": "cancel", "name": "slow_compute", "arguments": { "seconds": 60 } }),
            Outcome::Cancelled,
        ),
    ]
}

/// Resources, prompts and completions.
pub(super) fn resources_and_prompts() -> Vec<(Value, Outcome)> {
    vec![
        (
            json!({ "do": "resources" }),
            Outcome::List("uri", &["test://static-binary", "test://static-text"]),
        ),
        (
            json!({ "do": "templates" }),
            Outcome::List("uriTemplate", &["test://template/{id}/data"]),
        ),
        (
            json!({ "do": "read", "uri": "test://static-text" }),
            Outcome::At("/contents/0/mimeType", "text/plain".into()),
        ),
        (
            json!({ "do": "read", "uri": "test://template/123/data" }),
            Outcome::Text("Data for ID: 123"),
        ),
        (
            json!({ "do": "prompts" }),
            Outcome::List(
                "name",
                &["test_prompt_with_arguments", "test_simple_prompt"],
            ),
        ),
        (
            json!({
                "do": "prompt",
                "name": "test_prompt_with_arguments",
                "arguments": { "arg1": "one", "arg2": "two" },
            }),
            Outcome::Text("arg1='one', arg2='two'"),
        ),
        (
            json!({
                "do": "complete",
                "prompt": "test_prompt_with_arguments",
                "argument": "arg1",
                "value": "par",
            }),
            Outcome::At("/completion/values/2", "party".into()),
        ),
    ]
}

/// Calls of tools that ask the user, the user twice, and the model.
fn questions() -> Vec<(Value, Outcome)> {
    vec![
        (
            call("test_elicitation", json!({ "message": "Who are you?" })),
            Outcome::Text("alice@example.com"),
        ),
        (
            call("test_input_required_result_multi_round", json!({})),
            Outcome::Text("Alice likes blue"),
        ),
        (
            call(
                "test_sampling",
                json!({ "prompt": "What is the capital of France?" }),
            ),
            Outcome::Text("LLM response: Paris"),
        ),
    ]
}

pub(super) fn call(tool: &str, arguments: Value) -> Value {
    json!({ "do": "call", "name": tool, "arguments": arguments })
}

impl Outcome {
    /// Compares the outcome with a client's observation of the step.
    pub(super) fn check(&self, observation: &Value) -> Result<(), String> {
        let result = &observation["result"];
        let is_error = result["isError"] == true;
        let is_match = match self {
            Self::List(field, expected) => {
                let items = result.as_array().ok_or("no list")?;
                let names: Vec<_> = items
                    .iter()
                    .filter_map(|item| item[field].as_str())
                    .collect();
                names.is_sorted() && expected.iter().all(|name| names.contains(name))
            }
            Self::At(pointer, value) => {
                !is_error
                    && result
                        .pointer(pointer)
                        .is_some_and(|found| is_equal(found, value))
            }
            Self::Text(part) => !is_error && texts(result).contains(part),
            Self::ToolError(part) => is_error && texts(result).contains(part),
            Self::ProtocolError(code) => observation["code"] == *code,
            Self::Progress(expected) => {
                let progress = observation["progress"].as_array().ok_or("no progress")?;
                let progress = progress.iter().filter_map(Value::as_f64);
                !is_error && result.is_object() && progress.eq(expected.iter().copied())
            }
            Self::Cancelled => result.is_null(),
        };
        if is_match {
            Ok(())
        } else {
            Err(format!("expected {self:?}"))
        }
    }
}

/// Compares two values. 9 and 9.0 are equal, because some client languages do not distinguish them.
fn is_equal(one: &Value, other: &Value) -> bool {
    match (one.as_f64(), other.as_f64()) {
        (Some(one), Some(other)) => one == other,
        _ => one == other,
    }
}

/// Returns all strings within a value, joined by newlines.
fn texts(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(texts).collect::<Vec<_>>().join("\n"),
        Value::Object(fields) => fields.values().map(texts).collect::<Vec<_>>().join("\n"),
        _ => String::new(),
    }
}
