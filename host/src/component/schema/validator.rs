//! JSON Schema 2020-12, parsed once, with references confined to the schema itself.

use std::sync::Arc;

use serde_json::{Map, Value};
use tokio::sync::Semaphore;

use super::evaluator::{Mismatch, Report, evaluate};
use super::limits::Exceeded;
use super::node::Document;
use super::pattern::PatternSpace;
use super::references::{self, DIALECT};
use super::{lenient, parser};
use crate::component::guest_json;
use crate::engine::GuestRuntime;
use crate::text::ellipsize;

/// Maximum size of a schema, in bytes of JSON.
pub(crate) const MAX_SCHEMA_BYTES: usize = 256 << 10;
/// Maximum nesting of a schema.
const MAX_SCHEMA_DEPTH: usize = 64;

/// Maximum work of an evaluation. Takes a few tenths of a second.
const MAX_WORK: u64 = 5_000_000;
/// Maximum work on the thread that serves the request. Takes a few milliseconds.
const MAX_INLINE_WORK: u64 = 50_000;
/// Maximum work to find the error message of an invalid value.
const MAX_MESSAGE_WORK: u64 = 500_000;

/// Maximum length of an error message, which quotes the invalid value.
const MAX_MESSAGE_BYTES: usize = 300;

/// Returned when an evaluation exceeds [`MAX_WORK`].
const TOO_LONG: &str = "it takes too long to check them against the tool's schema";
/// Returned when an evaluation exceeds the depth of the recursion.
const TOO_DEEP: &str = "they and the tool's schema are nested too deep to check them";

/// Limits long validations to one at a time. A validation does not yield, and guests need the other threads.
static LONG_VALIDATION: Semaphore = Semaphore::const_new(1);

/// A parsed schema and its source.
pub struct Schema {
    /// The schema as the component wrote it or as the configuration changed it.
    pub source: Map<String, Value>,
    document: Arc<Document>,
}

/// The root type that a schema must have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Root {
    /// `object`, as MCP requires for arguments.
    Object,
    /// Any type, as MCP allows for results.
    Any,
}

/// The treatment of strings that hold the JSON of another type than `string`, where the schema wants that type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Strings {
    /// They do not fit.
    Exact,
    /// They are converted.
    Lenient,
}

impl Schema {
    /// Parses a schema.
    ///
    /// # Errors
    /// The defect of the schema, as the predicate of a sentence.
    pub(in crate::component) fn new(
        text: &str,
        root: Root,
        space: &mut PatternSpace,
    ) -> Result<Self, String> {
        if text.len() > MAX_SCHEMA_BYTES {
            return Err(format!("is longer than {MAX_SCHEMA_BYTES} bytes"));
        }
        let value = guest_json::parse(text).map_err(|e| format!("is not valid JSON: {e}"))?;
        let depth = guest_json::depth(&value);
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
        let document = Arc::new(parse(&value, space)?);
        let Value::Object(source) = value else {
            unreachable!("constructed as an object above");
        };
        Ok(Self { source, document })
    }

    /// Parses a schema of results, for the fuzz targets.
    ///
    /// # Errors
    /// As [`Schema::new`].
    pub(crate) fn for_results(text: &str) -> Result<Self, String> {
        Self::new(text, Root::Any, &mut PatternSpace::new())
    }

    /// Parses a schema of arguments that was derived from another schema.
    ///
    /// # Errors
    /// As [`Schema::new`].
    pub(crate) fn for_arguments(source: Map<String, Value>) -> Result<Self, String> {
        let text = Value::Object(source).to_string();
        Self::new(&text, Root::Object, &mut PatternSpace::new())
    }

    /// Validates a value. Returns a copy with strings converted if they had to be and `strings` allows it. A long
    /// validation moves to the guest runtime.
    ///
    /// # Errors
    /// One sentence with the location as a JSON Pointer (RFC 6901).
    pub(crate) async fn validate(
        &self,
        value: &Arc<Value>,
        strings: Strings,
        guest_runtime: &GuestRuntime,
    ) -> Result<Option<Value>, String> {
        match validate(&self.document, value, strings, MAX_INLINE_WORK) {
            Verdict::Fits(converted) => return Ok(converted),
            Verdict::Mismatch(sentence) => return Err(sentence),
            Verdict::Undecided => {}
        }
        let value = value.clone();
        let document = self.document.clone();
        // Cancel-safe: a caller that is dropped here leaves the queue.
        let permit = LONG_VALIDATION.acquire().await;
        let validation = guest_runtime.spawn(async move {
            let _permit = permit;
            match validate(&document, &value, strings, MAX_WORK) {
                Verdict::Fits(converted) => Ok(converted),
                Verdict::Mismatch(sentence) => Err(sentence),
                Verdict::Undecided => Err(TOO_LONG.into()),
            }
        });
        // The task is never aborted, and the evaluation is not expected to panic.
        validation.await.unwrap_or_else(|_| Err(TOO_LONG.into()))
    }

    /// Returns the errors inside the members of `object`, one sentence each. Missing members are not reported.
    pub(crate) fn member_errors(&self, object: &Value) -> Vec<String> {
        match evaluate(&self.document, object, MAX_WORK, Report::All) {
            Ok(mismatches) => {
                let inside = mismatches
                    .iter()
                    .filter(|m| !m.pointer.is_empty() && !m.is_tentative);
                inside.map(error_message).collect()
            }
            Err(Exceeded::Work) => vec![TOO_LONG.into()],
            Err(Exceeded::Depth) => vec![TOO_DEEP.into()],
        }
    }
}

fn parse(schema: &Value, space: &mut PatternSpace) -> Result<Document, String> {
    if let Some(reference) = references::remote_reference(schema) {
        return Err(format!(
            "refers to `{reference}`; a `$ref` must stay inside the schema (`#…`)"
        ));
    }
    parser::parse(schema, space)
}

/// The result of a validation with limited work.
enum Verdict {
    /// With a copy in which strings are converted, if that was necessary.
    Fits(Option<Value>),
    Mismatch(String),
    /// The work did not suffice.
    Undecided,
}

fn validate(document: &Document, value: &Value, strings: Strings, work: u64) -> Verdict {
    match evaluate(document, value, work, Report::Nothing) {
        Ok(mismatches) if mismatches.is_empty() => {
            return Verdict::Fits(None);
        }
        Ok(_) => {}
        Err(Exceeded::Work) => return Verdict::Undecided,
        Err(Exceeded::Depth) => return Verdict::Mismatch(TOO_DEEP.into()),
    }
    if strings == Strings::Lenient {
        match lenient::convert(document, value, work) {
            Ok(Some(converted)) => return Verdict::Fits(Some(converted)),
            Ok(None) | Err(Exceeded::Depth) => {}
            Err(Exceeded::Work) if work < MAX_WORK => return Verdict::Undecided,
            Err(Exceeded::Work) => {}
        }
    }
    let mismatches = evaluate(document, value, work.min(MAX_MESSAGE_WORK), Report::First);
    let first = mismatches
        .ok()
        .and_then(|all| all.first().map(error_message));
    Verdict::Mismatch(first.unwrap_or_else(|| "the arguments do not fit the tool's schema".into()))
}

fn error_message(mismatch: &Mismatch) -> String {
    let location = match mismatch.pointer.as_str() {
        "" => "the arguments".to_owned(),
        pointer => format!("`{pointer}`"),
    };
    format!(
        "{location}: {}",
        ellipsize(&mismatch.problem, MAX_MESSAGE_BYTES)
    )
}
