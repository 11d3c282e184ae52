//! JSON from untrusted sources, parsed with a bound of depth, and JSON responses. Objects with keys that `serde_json`
//! reserves for itself are rejected.

use std::fmt;

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde::Serialize;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// The maximum depth of untrusted JSON. Documents in use are less than 20 deep; a recursive walk over 64 levels fits
/// into the stack of any thread.
pub(crate) const MAX_JSON_DEPTH: usize = 64;

/// The prefix of the keys with which `serde_json` marks its own types. With the feature `raw_value`, it replaces an
/// object that has such a key by the JSON in the key's string and counts the depth of that from zero.
const RESERVED_KEY_PREFIX: &str = "$serde_json::private::";

/// The handling of a key that occurs more than once in an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DuplicateKeys {
    /// The document is rejected.
    Reject,
    /// The last value counts.
    KeepLast,
}

/// Parses one JSON document in UTF-8.
pub(crate) fn parse(
    json: &[u8],
    duplicate_keys: DuplicateKeys,
) -> Result<Value, serde_json::Error> {
    parse_within(json, duplicate_keys, MAX_JSON_DEPTH)
}

/// Parses one JSON document in UTF-8 with another bound of depth than [`MAX_JSON_DEPTH`].
pub(crate) fn parse_within(
    json: &[u8],
    duplicate_keys: DuplicateKeys,
    max_depth: usize,
) -> Result<Value, serde_json::Error> {
    let text = std::str::from_utf8(json).map_err(de::Error::custom)?;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = BoundedValue {
        depth_left: max_depth,
        max_depth,
        duplicate_keys,
    }
    .deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// Returns a response with a JSON body. The same as `axum::Json`, whose feature would enable `raw_value` in `serde_json`.
pub(crate) fn response(status: StatusCode, body: &impl Serialize) -> Response {
    // All bodies are made of strings, numbers, lists and objects with string keys, which serialize.
    let body = serde_json::to_vec(body).unwrap_or_default();
    (status, [(CONTENT_TYPE, "application/json")], body).into_response()
}

/// Builds a [`Value`] whose arrays and objects are nested `depth_left` deep at most.
#[derive(Clone, Copy)]
struct BoundedValue {
    depth_left: usize,
    max_depth: usize,
    duplicate_keys: DuplicateKeys,
}

impl BoundedValue {
    /// Returns the seed for the members of an array or object.
    fn nested<E: de::Error>(self) -> Result<BoundedValue, E> {
        match self.depth_left.checked_sub(1) {
            Some(depth_left) => Ok(BoundedValue { depth_left, ..self }),
            None => Err(E::custom(format_args!(
                "the JSON is more than {} levels deep",
                self.max_depth
            ))),
        }
    }
}

impl<'de> DeserializeSeed<'de> for BoundedValue {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for BoundedValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let item = self.nested()?;
        let mut array = Vec::new();
        while let Some(value) = items.next_element_seed(item)? {
            array.push(value);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let member = self.nested()?;
        let mut object = Map::new();
        while let Some(key) = members.next_key::<String>()? {
            if key.starts_with(RESERVED_KEY_PREFIX) {
                return Err(de::Error::custom("the JSON has a reserved key"));
            }
            if self.duplicate_keys == DuplicateKeys::Reject && object.contains_key(&key) {
                return Err(de::Error::custom("the JSON has a key twice in one object"));
            }
            object.insert(key, members.next_value_seed(member)?);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_parsed_as_by_serde_json_or_rejected() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let objects = |depth: usize| format!("{}1{}", r#"{"a":"#.repeat(depth), "}".repeat(depth));
        for (text, is_accepted) in [
            (r#"{"a":[1,-2,3.5,true,null,"é"],"b":{}}"#.to_owned(), true),
            ("18446744073709551615".to_owned(), true),
            (r#"{"a":1} "#.to_owned(), true),
            (r#"{"a":1} x"#.to_owned(), false),
            (r#"{"a":{"b":1,"b":2}}"#.to_owned(), false),
            (r#"{"$serde_json":1}"#.to_owned(), true),
            (
                r#"{"$serde_json::private::RawValue":"\"x\""}"#.to_owned(),
                false,
            ),
            (
                r#"[{"\u0024serde_json::private::RawValue":"\"x\""}]"#.to_owned(),
                false,
            ),
            (
                r#"{"b":1,"$serde_json::private::RawValue":"\"x\""}"#.to_owned(),
                false,
            ),
            (r#"{"$serde_json::private::Number":"1"}"#.to_owned(), false),
            (nested(MAX_JSON_DEPTH), true),
            (nested(MAX_JSON_DEPTH + 1), false),
            (objects(MAX_JSON_DEPTH), true),
            (objects(MAX_JSON_DEPTH + 1), false),
            (nested(1_000_000), false),
            ("[".repeat(1_000_000), false),
        ] {
            let parsed = parse(text.as_bytes(), DuplicateKeys::Reject);
            let start = &text[..text.len().min(60)];
            assert_eq!(parsed.is_ok(), is_accepted, "{start}: {parsed:?}");
            if let Ok(value) = parsed {
                let expected: Value = serde_json::from_str(&text).expect("valid JSON");
                assert_eq!(value, expected, "{start}");
            }
        }
        assert!(parse(b"{\"a\":\"\xff\"}", DuplicateKeys::KeepLast).is_err());
        let last = parse(br#"{"a":1,"a":2}"#, DuplicateKeys::KeepLast);
        assert_eq!(last.expect("valid JSON")["a"], 2);
    }
}
