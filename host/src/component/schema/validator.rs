//! JSON Schema 2020-12, compiled once, with references confined to the schema itself.

use std::sync::Arc;

use jsonschema::{Draft, PatternOptions, ValidationError, Validator};
use serde_json::{Map, Value};
use tokio::sync::Semaphore;

use super::{budget, references};
use crate::engine::GuestRuntime;
use crate::text::ellipsize;

/// Maximum size of a schema, in bytes of JSON.
pub(crate) const MAX_SCHEMA_BYTES: usize = 256 << 10;
/// Maximum nesting of a schema.
const MAX_SCHEMA_DEPTH: usize = 64;
/// Maximum size of one compiled regular expression of a schema.
const MAX_PATTERN_BYTES: usize = 1 << 20;

/// Maximum work of a validation, in schema nodes times value nodes. Takes a few tenths of a second.
const MAX_WORK: u64 = 50_000_000;
/// Maximum work on the thread that serves the request. Takes a few milliseconds.
const MAX_INLINE_WORK: u64 = 200_000;
/// Maximum work to find the error message of an invalid value. The validator keeps every mismatch in memory meanwhile.
const MAX_MESSAGE_WORK: u64 = 1_000_000;

/// Maximum length of an error message, which quotes the invalid value.
const MAX_MESSAGE_BYTES: usize = 300;

const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// Returned when a validation exceeds [`MAX_WORK`].
const TOO_LONG: &str = "it takes too long to check them against the tool's schema";

/// Limits long validations to one at a time. A validation does not yield, and guests need the other threads.
static LONG_VALIDATION: Semaphore = Semaphore::const_new(1);

/// A compiled schema and its source.
pub struct Schema {
    /// The schema as the component wrote it or as the configuration changed it.
    pub source: Map<String, Value>,
    validator: Arc<Validator>,
    nodes: u64,
}

/// The root type that a schema must have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Root {
    /// `object`, as MCP requires for arguments.
    Object,
    /// Any type, as MCP allows for results.
    Any,
}

impl Schema {
    /// Parses and compiles a schema.
    ///
    /// # Errors
    /// The defect of the schema, as the predicate of a sentence.
    pub(in crate::component) fn new(text: &str, root: Root) -> Result<Self, String> {
        if text.len() > MAX_SCHEMA_BYTES {
            return Err(format!("is longer than {MAX_SCHEMA_BYTES} bytes"));
        }
        let value: Value =
            serde_json::from_str(text).map_err(|e| format!("is not valid JSON: {e}"))?;
        let depth = depth(&value);
        if depth > MAX_SCHEMA_DEPTH {
            return Err(format!(
                "is nested {depth} levels deep; {MAX_SCHEMA_DEPTH} are allowed"
            ));
        }
        let Value::Object(source) = value else {
            return Err("is not a JSON object".into());
        };
        if root == Root::Object && source.get("type") != Some(&Value::from("object")) {
            return Err("must have the root type `object` (\"type\": \"object\")".into());
        }
        if let Some(dialect) = source.get("$schema")
            && dialect.as_str().map(|d| d.trim_end_matches('#')) != Some(DIALECT)
        {
            return Err(format!(
                "uses the dialect {dialect}; only \"{DIALECT}\" is supported"
            ));
        }
        let value = Value::Object(source);
        let validator = compile(&value)?;
        let nodes = budget::node_count(&value);
        let Value::Object(source) = value else {
            unreachable!("constructed as an object above");
        };
        Ok(Self {
            source,
            validator: Arc::new(validator),
            nodes,
        })
    }

    /// Compiles a schema of results, for the fuzz targets.
    ///
    /// # Errors
    /// As [`Schema::new`].
    pub(crate) fn for_results(text: &str) -> Result<Self, String> {
        Self::new(text, Root::Any)
    }

    /// Compiles a schema of arguments that was derived from another schema.
    ///
    /// # Errors
    /// As [`Schema::new`].
    pub(crate) fn for_arguments(source: Map<String, Value>) -> Result<Self, String> {
        Self::new(&Value::Object(source).to_string(), Root::Object)
    }

    /// Validates a value and returns it. A long validation moves to the guest runtime.
    ///
    /// # Errors
    /// One sentence with the location as a JSON Pointer (RFC 6901).
    pub async fn validate(
        &self,
        value: Value,
        guest_runtime: &GuestRuntime,
    ) -> Result<Value, String> {
        if let Some(result) = validate(&self.validator, self.nodes, &value, MAX_INLINE_WORK) {
            return result.map(|()| value);
        }
        let (validator, nodes) = (self.validator.clone(), self.nodes);
        // Cancel-safe: a caller that is dropped here leaves the queue.
        let permit = LONG_VALIDATION.acquire().await;
        let validation = guest_runtime.spawn(async move {
            let _permit = permit;
            let result = validate(&validator, nodes, &value, MAX_WORK);
            result
                .unwrap_or_else(|| Err(TOO_LONG.into()))
                .map(|()| value)
        });
        // The task is never aborted, and the validator is not expected to panic.
        validation.await.unwrap_or_else(|_| Err(TOO_LONG.into()))
    }

    /// Returns the errors inside the members of `object`, one sentence each. Missing members are not reported.
    pub(crate) fn member_errors(&self, object: &Value) -> Vec<String> {
        let errors = budget::with_budget(MAX_WORK, || {
            let errors = self.validator.iter_errors(object);
            let inside = errors.filter(|error| !error.instance_path().as_str().is_empty());
            inside.map(|error| error_message(&error)).collect()
        });
        errors.unwrap_or_else(|| vec![TOO_LONG.into()])
    }
}

fn compile(schema: &Value) -> Result<Validator, String> {
    if let Some(reference) = references::remote_reference(schema) {
        return Err(format!(
            "refers to `{reference}`; a `$ref` must stay inside the schema (`#…`)"
        ));
    }
    let charged = references::with_charged_references(schema).map_err(|reference| {
        format!("refers to `{reference}`, which is a value, not a schema; move it to `$defs`")
    })?;
    jsonschema::options()
        .with_draft(Draft::Draft202012)
        .with_keyword(budget::KEYWORD, |_, nodes, _| Ok(budget::keyword(nodes)))
        // The linear-time engine: a backtracking pattern could occupy a thread of the host.
        .with_pattern_options(PatternOptions::regex().size_limit(MAX_PATTERN_BYTES))
        .build(&charged)
        .map_err(|e| match e.instance_path().as_str() {
            "" => format!("is not a valid JSON Schema: {e}"),
            path => format!("is not a valid JSON Schema at `{path}`: {e}"),
        })
}

/// Validates a value. Returns `None` if that takes more than `work`.
fn validate(
    validator: &Validator,
    nodes: u64,
    value: &Value,
    work: u64,
) -> Option<Result<(), String>> {
    let is_valid = || budget::charge(nodes, value) && validator.is_valid(value);
    if budget::with_budget(work, is_valid)? {
        return Some(Ok(()));
    }
    let message = || {
        let error = validator.validate(value).err()?;
        Some(error_message(&error))
    };
    let message = budget::with_budget(work.min(MAX_MESSAGE_WORK), message).flatten();
    Some(Err(message.unwrap_or_else(|| {
        "the arguments do not fit the tool's schema".into()
    })))
}

fn error_message(error: &ValidationError<'_>) -> String {
    let location = match error.instance_path().as_str() {
        "" => "the arguments".to_owned(),
        pointer => format!("`{pointer}`"),
    };
    format!(
        "{location}: {}",
        ellipsize(&error.to_string(), MAX_MESSAGE_BYTES)
    )
}

fn depth(value: &Value) -> usize {
    // The recursion is bounded: the JSON parser rejects nesting deeper than 128 levels.
    1 + match value {
        Value::Array(items) => items.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}
