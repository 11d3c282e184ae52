//! Entry points of the fuzz targets (`fuzz/`) into code that has no public interface. Nothing else uses them.

use std::sync::Arc;

use serde_json::Value;
use url::Url;

pub use crate::component::GeneratedFunction;
use crate::component::{Schema, Strings};
use crate::engine::GuestRuntime;
use crate::sandbox::HttpRule;

/// Compiles a schema of a component's tool.
///
/// # Errors
/// The defect of the schema, as the predicate of a sentence.
pub fn compile_schema(text: &str) -> Result<Schema, String> {
    Schema::for_results(text)
}

/// Validates a value against a schema, without conversion of strings.
///
/// # Errors
/// One sentence with the location as a JSON Pointer (RFC 6901).
pub async fn validate(
    schema: &Schema,
    value: Value,
    guest_runtime: &GuestRuntime,
) -> Result<(), String> {
    let value = Arc::new(value);
    let validated = schema.validate(&value, Strings::Exact, guest_runtime);
    validated.await.map(drop)
}

/// Returns whether an entry of `allow.http` covers a request to this URL, or `None` if the URL is malformed.
pub fn is_covered(rule: &HttpRule, url: &str) -> Option<bool> {
    Some(rule.covers(&Url::parse(url).ok()?))
}

/// Converts the arguments of a call to the function's parameters and back.
///
/// # Errors
/// The error message of the call.
pub fn round_trip(function: &GeneratedFunction, arguments: &Value) -> Result<Value, String> {
    function.round_trip(arguments)
}
