//! A schema on the first line, a value on the second: the host accepts the value exactly if another validator does.

use std::sync::LazyLock;

use serde_json::Value;
use tokio::runtime::Runtime;
use toolcrib::engine::GuestRuntime;
use toolcrib::fuzzing;

/// Size of schema and value up to which they are validated by others, which have no budget of work.
const MAX_COMPARED_BYTES: usize = 4_096;

static RUNTIMES: LazyLock<(Runtime, GuestRuntime)> =
    LazyLock::new(|| (Runtime::new().expect("threads"), GuestRuntime::default()));

/// Compares the host with the library `jsonschema`.
pub fn run(input: &[u8]) {
    run_against(input, |_, _| None);
}

/// Like [`run`], and compares the host with another validator, which returns `None` for a schema that it does not
/// support.
pub fn run_against(input: &[u8], other: impl Fn(&Value, &Value) -> Option<bool>) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let (schema_text, value) = text.split_once('\n').unwrap_or((text, "null"));
    let schema = match fuzzing::compile_schema(schema_text) {
        Ok(schema) => schema,
        Err(message) => return super::assert_is_sentence(&message),
    };
    let Ok(value) = serde_json::from_str::<Value>(value) else {
        return;
    };
    let (runtime, guest_runtime) = &*RUNTIMES;
    let result = runtime.block_on(fuzzing::validate(&schema, value.clone(), guest_runtime));
    if let Err(message) = &result {
        super::assert_is_sentence(message);
    }
    let is_too_long = result.as_ref().err();
    let is_too_long = is_too_long
        .is_some_and(|message| message.contains("too long") || message.contains("too deep"));
    if is_too_long || input.len() > MAX_COMPARED_BYTES {
        return;
    }
    let source = Value::Object(schema.source.clone());
    let unchanged = jsonschema::options()
        .with_draft(jsonschema::Draft::Draft202012)
        .with_pattern_options(jsonschema::PatternOptions::regex())
        .build(&source);
    let expected = unchanged.ok().map(|validator| validator.is_valid(&value));
    for expected in [expected, other(&source, &value)].into_iter().flatten() {
        assert_eq!(result.is_ok(), expected, "{source}\n{value}\n{result:?}");
    }
}
