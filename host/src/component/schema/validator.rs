//! JSON Schema 2020-12, compiled once and closed to the network.

use std::sync::Arc;

use jsonschema::{Draft, PatternOptions, ValidationError, Validator};
use serde_json::{Map, Value};
use tokio::sync::Semaphore;

use super::budget;
use crate::engine::GuestRuntime;
use crate::text::ellipsize;

/// The longest schema, in bytes of JSON.
pub(in crate::component) const MAX_SCHEMA_BYTES: usize = 256 << 10;
/// The deepest nesting of a schema.
const MAX_SCHEMA_DEPTH: usize = 64;
/// What one regular expression of a schema may take, compiled.
const MAX_PATTERN_BYTES: usize = 1 << 20;

/// What a check may take, in parts of the schema times parts of the value; some tenths of a second.
const MAX_WORK: u64 = 50_000_000;
/// What it may take on the thread that serves the request; some milliseconds.
const LIGHT_WORK: u64 = 200_000;
/// What it may take to say what is wrong: every way that a value does not fit is kept until then.
const SENTENCE_WORK: u64 = 1_000_000;

/// Upper limit of a validation message: it quotes the value it is about.
const MAX_MESSAGE_BYTES: usize = 300;

const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// A schema and its compiled form.
pub struct Schema {
    /// As the component wrote it, or as the configuration has changed that.
    pub source: Map<String, Value>,
    validator: Arc<Validator>,
    /// How many parts it has.
    parts: u64,
}

/// What a schema of a tool must be besides valid.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::component) enum Root {
    /// The root type is `object`: arguments.
    Object,
    /// Anything: results.
    Any,
}

impl Schema {
    /// Parses and compiles `text`.
    ///
    /// # Errors
    /// One phrase that says what is wrong with it.
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
        if let Some(reference) = remote_reference(&value) {
            return Err(format!(
                "refers to `{reference}`; a `$ref` must stay inside the schema (`#…`)"
            ));
        }
        let counted = budget::counted(&value).map_err(|reference| {
            format!("refers to `{reference}`, which is a value and no schema; move it to `$defs`")
        })?;
        let validator = jsonschema::options()
            .with_draft(Draft::Draft202012)
            .with_keyword(budget::KEYWORD, |_, parts, _| Ok(budget::keyword(parts)))
            // The linear-time engine: a pattern must not be a way to burn the host's time.
            .with_pattern_options(PatternOptions::regex().size_limit(MAX_PATTERN_BYTES))
            .build(&counted)
            .map_err(|e| match e.instance_path().as_str() {
                "" => format!("is not a valid JSON Schema: {e}"),
                path => format!("is not a valid JSON Schema at `{path}`: {e}"),
            })?;
        let parts = budget::parts(&value);
        let Value::Object(source) = value else {
            unreachable!("it was an object above");
        };
        Ok(Self {
            source,
            validator: Arc::new(validator),
            parts,
        })
    }

    /// Compiles a schema of arguments that was made of another one.
    ///
    /// # Errors
    /// As [`Schema::new`].
    pub(crate) fn of_arguments(source: Map<String, Value>) -> Result<Self, String> {
        Self::new(&Value::Object(source).to_string(), Root::Object)
    }

    /// Checks a value, and gives it back. What takes long is done where guests compute.
    ///
    /// # Errors
    /// One sentence with the place as a JSON Pointer (RFC 6901).
    pub async fn check(&self, value: Value, guest_runtime: &GuestRuntime) -> Result<Value, String> {
        if let Some(checked) = check(&self.validator, self.parts, &value, LIGHT_WORK) {
            return checked.map(|()| value);
        }
        let (validator, parts) = (self.validator.clone(), self.parts);
        let turn = TURN.acquire().await;
        let checking = guest_runtime.spawn(async move {
            let _turn = turn;
            let checked = check(&validator, parts, &value, MAX_WORK);
            checked
                .unwrap_or_else(|| Err(TOO_LONG.into()))
                .map(|()| value)
        });
        // It panics no more than it is cancelled.
        checking.await.unwrap_or_else(|_| Err(TOO_LONG.into()))
    }

    /// What is wrong inside of the members of `object`, whichever others it may
    /// lack: one sentence each, as those of [`Schema::check`].
    pub(crate) fn member_faults(&self, object: &Value) -> Vec<String> {
        let faults = budget::within(MAX_WORK, || {
            let errors = self.validator.iter_errors(object);
            let inside = errors.filter(|error| !error.instance_path().as_str().is_empty());
            inside.map(|error| sentence(&error)).collect()
        });
        faults.unwrap_or_else(|| vec![TOO_LONG.into()])
    }
}

/// One long check at a time: it does not yield, and guests need the other threads. Who stops waiting for it leaves nothing.
static TURN: Semaphore = Semaphore::const_new(1);

/// What is said where the work is not enough to know.
const TOO_LONG: &str = "it takes too long to hold them against the tool's schema";

/// `None` where it takes more than this work.
fn check(
    validator: &Validator,
    parts: u64,
    value: &Value,
    work: u64,
) -> Option<Result<(), String>> {
    let is_valid = || budget::spend(parts, value) && validator.is_valid(value);
    if budget::within(work, is_valid)? {
        return Some(Ok(()));
    }
    let wrong = || {
        validator
            .validate(value)
            .err()
            .map(|error| sentence(&error))
    };
    let wrong = budget::within(work.min(SENTENCE_WORK), wrong).flatten();
    Some(Err(wrong.unwrap_or_else(|| {
        "the arguments do not fit the tool's schema".into()
    })))
}

fn sentence(error: &ValidationError<'_>) -> String {
    let path = error.instance_path().as_str();
    let place = if path.is_empty() {
        "the arguments".to_owned()
    } else {
        format!("`{path}`")
    };
    format!(
        "{place}: {}",
        ellipsize(&error.to_string(), MAX_MESSAGE_BYTES)
    )
}

fn depth(value: &Value) -> usize {
    // The parser bounds the nesting at 128, so this recursion is bounded too.
    1 + match value {
        Value::Array(items) => items.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

fn remote_reference(value: &Value) -> Option<&str> {
    match value {
        Value::Array(items) => items.iter().find_map(remote_reference),
        Value::Object(members) => members.iter().find_map(|(key, value)| match value {
            Value::String(reference)
                if (key == "$ref" || key == "$dynamicRef") && !reference.starts_with('#') =>
            {
                Some(reference.as_str())
            }
            _ => remote_reference(value),
        }),
        _ => None,
    }
}
