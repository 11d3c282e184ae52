//! The members that all JSON-RPC messages have, and the errors for bodies that are not messages.

use std::borrow::Cow;
use std::fmt;

use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::responses::{INVALID_REQUEST, PARSE_ERROR};

pub(super) const NOT_MCP: &str = "the body is not a JSON-RPC message of MCP";
const NOT_A_MESSAGE: &str = "the body is not a single JSON-RPC message";
const BATCH: &str = "JSON-RPC batches are not served; send each message in a request of its own";

/// The JSON-RPC error for a body that is not an MCP message.
#[derive(Debug)]
pub(super) struct Malformed {
    pub(super) code: i32,
    pub(super) message: String,
    pub(super) id: Option<Value>,
}

/// Reads the fields of a body that is one JSON object.
pub(super) fn read_fields<'a, P, V>(body: &'a [u8]) -> Result<Fields<'a, P, V>, Malformed>
where
    P: Deserialize<'a>,
    V: Deserialize<'a>,
{
    // serde would also read a struct from an array.
    if body.trim_ascii_start().starts_with(b"[") {
        return Err(match serde_json::from_slice::<IgnoredAny>(body) {
            Ok(_) => invalid_request(BATCH),
            Err(error) => diagnose(body, &error),
        });
    }
    serde_json::from_slice(body).map_err(|error| match error.is_data() {
        true => invalid_request(NOT_A_MESSAGE),
        false => diagnose(body, &error),
    })
}

/// The fields of any JSON-RPC message. Unlike a map, a struct rejects a duplicate key.
#[derive(Deserialize)]
pub(super) struct Fields<'a, P, V> {
    #[serde(borrow)]
    jsonrpc: Option<Cow<'a, str>>,
    /// `Some(Value::Null)` for an explicit null, which is not a request id.
    #[serde(default, deserialize_with = "id")]
    pub(super) id: Option<Value>,
    #[serde(borrow)]
    pub(super) method: Option<Cow<'a, str>>,
    pub(super) params: Option<P>,
    pub(super) result: Option<V>,
    pub(super) error: Option<V>,
}

impl<P, V> Fields<'_, P, V> {
    /// Checks the id and the version, and returns the id for the answer.
    pub(super) fn checked_id(&self) -> Result<Option<Value>, Malformed> {
        let id = self.id.as_ref().filter(|id| !id.is_null()).cloned();
        let is_valid = |id: &Value| id.is_string() || id.is_i64() || id.is_u64();
        let (id, message) = match id {
            Some(id) if !is_valid(&id) => (None, "the id of a request is a string or an integer"),
            id if self.jsonrpc.as_deref() != Some("2.0") => (id, "`jsonrpc` must be \"2.0\""),
            id => return Ok(id),
        };
        Err(Malformed {
            code: INVALID_REQUEST,
            message: message.into(),
            id,
        })
    }
}

fn invalid_request(message: &str) -> Malformed {
    Malformed {
        code: INVALID_REQUEST,
        message: message.into(),
        id: None,
    }
}

/// Tells invalid JSON from JSON whose values cannot be represented: nested too deeply, a number out of range, or an
/// unpaired surrogate. The latter still has an id.
fn diagnose(body: &[u8], error: &serde_json::Error) -> Malformed {
    let syntax_error = |error: &serde_json::Error| Malformed {
        code: PARSE_ERROR,
        message: format!("the body is not valid JSON: {error}"),
        id: None,
    };
    if std::str::from_utf8(body).is_err() {
        return syntax_error(error);
    }
    match serde_json::from_slice::<Fields<'_, IgnoredAny, IgnoredAny>>(body) {
        Err(error) => syntax_error(&error),
        Ok(fields) => match fields.checked_id() {
            Err(malformed) => malformed,
            Ok(id) => Malformed {
                code: INVALID_REQUEST,
                message: NOT_MCP.into(),
                id,
            },
        },
    }
}

fn id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Scalar::deserialize(deserializer).map(|Scalar(id)| Some(id))
}

/// A string, a number, a boolean or null. Lists and objects become an empty list, without being built.
#[derive(Debug)]
pub(super) struct Scalar(pub(super) Value);

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any JSON value")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Scalar, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar(Value::Array(Vec::new())))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Scalar, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar(Value::Array(Vec::new())))
    }

    fn visit_unit<E>(self) -> Result<Scalar, E> {
        Ok(Scalar(Value::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Scalar, E> {
        Ok(Scalar(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Scalar, E> {
        Ok(Scalar(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Scalar, E> {
        Ok(Scalar(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Scalar, E> {
        Ok(Scalar(value.into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Scalar, E> {
        Ok(Scalar(value.into()))
    }
}
