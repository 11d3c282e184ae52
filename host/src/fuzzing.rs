//! Entry points of the fuzz targets (`fuzz/`) into code that has no public interface. Nothing else uses them.

use std::sync::Arc;

use serde_json::Value;
use url::Url;

pub use crate::component::GeneratedFunction;
use crate::component::{Schema, Strings, digest};
use crate::engine::GuestRuntime;
use crate::sandbox::HttpRule;
use crate::trust::{Content, Evidence, Signature, SignedManifest, Signers};

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

/// Verifies a signature of a component in one of the forms `minisig`, `bundle` and `simple-signing`: the signature in
/// base64 on the first line and the payload after it, for a manifest of `registry.example/team/tool` with one layer.
///
/// # Errors
/// The sentence with which the component is refused.
pub fn verify_signature(
    signers: &Signers,
    form: &str,
    text: &str,
    component: &[u8],
) -> Result<String, String> {
    let mut evidence = Evidence::default();
    let text = text.to_owned();
    let content = match form {
        "minisig" => Content::Minisign(text),
        "bundle" => Content::Bundle(text),
        _ => {
            let digest = digest(component);
            evidence.manifest = Some(SignedManifest {
                json: format!(r#"{{"schemaVersion":2,"layers":[{{"digest":"{digest}"}}]}}"#),
                repository: "registry.example/team/tool".into(),
            });
            let (signature, payload) = text.split_once('\n').unwrap_or((&text, ""));
            Content::SimpleSigning {
                payload: payload.trim().to_owned(),
                signature: signature.to_owned(),
            }
        }
    };
    let place = "a signature".to_owned();
    evidence.signatures.push(Signature { place, content });
    let verified = signers.verify(component, &evidence);
    verified.map_err(|error| error.to_string())
}
