//! What every client is to do, and what must come of it.

use serde_json::{Value, json};

/// What comes of a step.
#[derive(Clone, Debug)]
pub(super) enum Comes {
    /// A list in the order of this field, in which these are.
    List(&'static str, &'static [&'static str]),
    /// A result that has this value at this place.
    At(&'static str, Value),
    /// A result whose text contains this.
    Text(&'static str),
    /// A result that is an error, and whose text contains this.
    Failure(&'static str),
    /// An error of the protocol with this code.
    Error(i64),
    /// A result, and before it these reports of progress.
    Progress(&'static [f64]),
    /// Nothing: the client has cancelled it.
    Cancelled,
}

/// What the user and the model of every client answer, by the field of the form.
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

/// Everything. What tools ask a client that cannot be asked ends their call.
pub(super) fn all(can_be_asked: bool) -> Vec<(Value, Comes)> {
    let mut all = one_of_each_language();
    all.extend(calls());
    all.extend(documents());
    all.extend(questions().into_iter().map(|(todo, comes)| {
        let ends = Comes::Failure("which this client cannot answer");
        (todo, if can_be_asked { comes } else { ends })
    }));
    all
}

fn one_of_each_language() -> Vec<(Value, Comes)> {
    vec![
        (
            json!({ "do": "tools" }),
            Comes::List(
                "name",
                &["echo", "jq", "markdown_to_html", "qr_code", "table_stats"],
            ),
        ),
        (
            call("echo", json!({ "text": "hé 世界" })),
            Comes::At("/structuredContent/text", "hé 世界".into()),
        ),
        (
            call("whoami", json!({})),
            Comes::At("/structuredContent/caller/subject", "alice".into()),
        ),
        (
            call("jq_each", json!({ "inputs": [1, 2, 3], "filter": ". * 2" })),
            Comes::Progress(&[0.0, 1.0, 2.0, 3.0]),
        ),
        (
            call("qr_code", json!({ "text": "https://example.com" })),
            Comes::At("/content/0/mimeType", "image/png".into()),
        ),
        (
            call(
                "table_stats",
                json!({ "csv": "city,degrees\nOslo,2\nRome,16\n" }),
            ),
            Comes::At(
                "/structuredContent/groups/0/columns/degrees/median",
                9.0.into(),
            ),
        ),
        (
            call("markdown_to_html", json!({ "markdown": "# Title" })),
            Comes::Text("<h1>Title</h1>"),
        ),
    ]
}

/// Calls of the fixture.
pub(super) fn calls() -> Vec<(Value, Comes)> {
    vec![
        (
            call("test_structured_output", json!({ "a": 1, "b": 41 })),
            Comes::At("/structuredContent/sum", 42.into()),
        ),
        (
            call("test_tool_with_progress", json!({})),
            Comes::Progress(&[0.0, 50.0, 100.0]),
        ),
        (
            call(
                "test_custom_header",
                json!({ "region": "世界", "urgent": true }),
            ),
            Comes::Text("世界"),
        ),
        (call("no_such_tool", json!({})), Comes::Error(-32602)),
        (
            call("test_sampling", json!({ "prompt": 1 })),
            Comes::Failure("`/prompt`"),
        ),
        (
            call("test_error_handling", json!({})),
            Comes::Failure("This tool intentionally returns an error for testing"),
        ),
        (
            json!({ "do": "cancel", "name": "slow_compute", "arguments": { "seconds": 60 } }),
            Comes::Cancelled,
        ),
    ]
}

/// Documents, prompts and completion.
pub(super) fn documents() -> Vec<(Value, Comes)> {
    vec![
        (
            json!({ "do": "resources" }),
            Comes::List("uri", &["test://static-binary", "test://static-text"]),
        ),
        (
            json!({ "do": "templates" }),
            Comes::List("uriTemplate", &["test://template/{id}/data"]),
        ),
        (
            json!({ "do": "read", "uri": "test://static-text" }),
            Comes::At("/contents/0/mimeType", "text/plain".into()),
        ),
        (
            json!({ "do": "read", "uri": "test://template/123/data" }),
            Comes::Text("Data for ID: 123"),
        ),
        (
            json!({ "do": "prompts" }),
            Comes::List(
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
            Comes::Text("arg1='one', arg2='two'"),
        ),
        (
            json!({
                "do": "complete",
                "prompt": "test_prompt_with_arguments",
                "argument": "arg1",
                "value": "par",
            }),
            Comes::At("/completion/values/2", "party".into()),
        ),
    ]
}

/// Tools that ask: the user, the user twice, and the model.
fn questions() -> Vec<(Value, Comes)> {
    vec![
        (
            call("test_elicitation", json!({ "message": "Who are you?" })),
            Comes::Text("alice@example.com"),
        ),
        (
            call("test_input_required_result_multi_round", json!({})),
            Comes::Text("Alice likes blue"),
        ),
        (
            call(
                "test_sampling",
                json!({ "prompt": "What is the capital of France?" }),
            ),
            Comes::Text("LLM response: Paris"),
        ),
    ]
}

fn call(tool: &str, arguments: Value) -> Value {
    json!({ "do": "call", "name": tool, "arguments": arguments })
}

impl Comes {
    /// Whether this is what came; if not, why.
    pub(super) fn check(&self, seen: &Value) -> Result<(), String> {
        let result = &seen["result"];
        let is_error = result["isError"] == true;
        let good = match self {
            Self::List(field, some) => {
                let items = result.as_array().ok_or("no list")?;
                let names: Vec<_> = items
                    .iter()
                    .filter_map(|item| item[field].as_str())
                    .collect();
                names.is_sorted() && some.iter().all(|name| names.contains(name))
            }
            Self::At(place, value) => {
                !is_error
                    && result
                        .pointer(place)
                        .is_some_and(|found| is_same(found, value))
            }
            Self::Text(part) => !is_error && texts(result).contains(part),
            Self::Failure(part) => is_error && texts(result).contains(part),
            Self::Error(code) => seen["code"] == *code,
            Self::Progress(reports) => {
                let seen = seen["progress"].as_array().ok_or("no progress")?;
                let seen = seen.iter().filter_map(Value::as_f64);
                !is_error && result.is_object() && seen.eq(reports.iter().copied())
            }
            Self::Cancelled => result.is_null(),
        };
        if good {
            Ok(())
        } else {
            Err(format!("not {self:?}"))
        }
    }
}

/// Whether two values are the same; 9 and 9.0 are, for not every language can tell them apart.
fn is_same(one: &Value, other: &Value) -> bool {
    match (one.as_f64(), other.as_f64()) {
        (Some(one), Some(other)) => one == other,
        _ => one == other,
    }
}

/// Every text of a result, wherever it stands.
fn texts(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(texts).collect::<Vec<_>>().join("\n"),
        Value::Object(fields) => fields.values().map(texts).collect::<Vec<_>>().join("\n"),
        _ => String::new(),
    }
}
