//! A first pass over a message that builds none of its values: it finds the name of the target and estimates the memory
//! that the values would take.

use std::borrow::Cow;
use std::fmt;

use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::envelope::{Fields, Malformed, Scalar, read_fields};

/// The members of `params` that carry arguments.
const ARGUMENT_MEMBERS: [&str; 6] = [
    "argument",
    "arguments",
    "context",
    "inputResponses",
    "notifications",
    "requestState",
];
/// Memory of a member of an object beside its value: the key, its hash and its place in the index.
const MEMBER_BYTES: usize = size_of::<String>() + 4 * size_of::<usize>();

/// The facts about a message that are known before it is built.
#[derive(Debug)]
pub(super) struct Scan {
    /// The id of a request, for the answer.
    pub(super) id: Option<Value>,
    /// The method; `None` for a response.
    pub(super) method: Option<String>,
    pub(super) params: ScannedParams,
    /// Memory of the values outside of `params`.
    pub(super) outer_bytes: usize,
}

impl Scan {
    /// Returns the memory that the message would take.
    pub(super) fn bytes(&self) -> usize {
        self.params.argument_bytes + self.params.other_bytes + self.outer_bytes
    }
}

/// The parameters of a request.
#[derive(Debug, Default)]
pub(super) struct ScannedParams {
    /// The name of a tool or prompt.
    pub(super) name: Option<String>,
    /// Memory of the members that carry arguments.
    pub(super) argument_bytes: usize,
    /// Memory of the other members.
    pub(super) other_bytes: usize,
}

/// The memory that a value would take beside its own `Value`.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ScannedValue(pub(super) usize);

/// The length of a key.
struct KeyBytes(usize);

/// Scans the body of a POST without building its values.
///
/// # Errors
/// The error to answer with, as parsing would return it.
pub(super) fn scan(body: &[u8]) -> Result<Scan, Malformed> {
    let fields: Fields<'_, ScannedParams, ScannedValue> = read_fields(body)?;
    let id = fields.checked_id()?;
    let bytes_of = |value: &Option<ScannedValue>| value.map_or(0, |ScannedValue(bytes)| bytes);
    let id_bytes = id.as_ref().and_then(Value::as_str).map_or(0, str::len);
    Ok(Scan {
        outer_bytes: id_bytes + bytes_of(&fields.result) + bytes_of(&fields.error),
        id,
        method: fields.method.map(Cow::into_owned),
        params: fields.params.unwrap_or_default(),
    })
}

/// Returns the memory of a list whose capacity has grown by doubling.
fn list_bytes(items: usize, item_bytes: usize) -> usize {
    match items {
        0 => 0,
        items => items.next_power_of_two().max(4) * item_bytes,
    }
}

fn object_bytes(members: usize) -> usize {
    list_bytes(members, MEMBER_BYTES + size_of::<Value>())
}

impl<'de> Deserialize<'de> for ScannedParams {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ParamsVisitor)
    }
}

struct ParamsVisitor;

impl<'de> Visitor<'de> for ParamsVisitor {
    type Value = ScannedParams;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object or an array")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ScannedParams, A::Error> {
        let mut params = ScannedParams::default();
        let mut members = 0;
        while let Some(key) = map.next_key::<String>()? {
            members += 1;
            params.other_bytes += key.len();
            if key == "name" {
                if let Scalar(Value::String(name)) = map.next_value()? {
                    params.other_bytes += name.len();
                    params.name = Some(name);
                }
                continue;
            }
            let ScannedValue(bytes) = map.next_value()?;
            match ARGUMENT_MEMBERS.contains(&&*key) {
                true => params.argument_bytes += bytes,
                false => params.other_bytes += bytes,
            }
        }
        params.other_bytes += object_bytes(members);
        Ok(params)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<ScannedParams, A::Error> {
        let ScannedValue(other_bytes) = ValueVisitor.visit_seq(seq)?;
        Ok(ScannedParams {
            other_bytes,
            ..ScannedParams::default()
        })
    }

    // Parameters of another type are rejected later.

    fn visit_unit<E>(self) -> Result<ScannedParams, E> {
        Ok(ScannedParams::default())
    }

    fn visit_bool<E>(self, _: bool) -> Result<ScannedParams, E> {
        Ok(ScannedParams::default())
    }

    fn visit_i64<E>(self, _: i64) -> Result<ScannedParams, E> {
        Ok(ScannedParams::default())
    }

    fn visit_u64<E>(self, _: u64) -> Result<ScannedParams, E> {
        Ok(ScannedParams::default())
    }

    fn visit_f64<E>(self, _: f64) -> Result<ScannedParams, E> {
        Ok(ScannedParams::default())
    }

    fn visit_str<E>(self, text: &str) -> Result<ScannedParams, E> {
        Ok(ScannedParams {
            other_bytes: text.len(),
            ..ScannedParams::default()
        })
    }
}

impl<'de> Deserialize<'de> for ScannedValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = ScannedValue;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any JSON value")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<ScannedValue, A::Error> {
        let (mut items, mut bytes) = (0, 0);
        while let Some(ScannedValue(item)) = seq.next_element()? {
            items += 1;
            bytes += item;
        }
        Ok(ScannedValue(bytes + list_bytes(items, size_of::<Value>())))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ScannedValue, A::Error> {
        let (mut members, mut bytes) = (0, 0);
        while let Some((KeyBytes(key), ScannedValue(value))) = map.next_entry()? {
            members += 1;
            bytes += key + value;
        }
        Ok(ScannedValue(bytes + object_bytes(members)))
    }

    fn visit_unit<E>(self) -> Result<ScannedValue, E> {
        Ok(ScannedValue(0))
    }

    fn visit_bool<E>(self, _: bool) -> Result<ScannedValue, E> {
        Ok(ScannedValue(0))
    }

    fn visit_i64<E>(self, _: i64) -> Result<ScannedValue, E> {
        Ok(ScannedValue(0))
    }

    fn visit_u64<E>(self, _: u64) -> Result<ScannedValue, E> {
        Ok(ScannedValue(0))
    }

    fn visit_f64<E>(self, _: f64) -> Result<ScannedValue, E> {
        Ok(ScannedValue(0))
    }

    fn visit_str<E>(self, text: &str) -> Result<ScannedValue, E> {
        Ok(ScannedValue(text.len()))
    }
}

impl<'de> Deserialize<'de> for KeyBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let ScannedValue(bytes) = deserializer.deserialize_str(ValueVisitor)?;
        Ok(Self(bytes))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;

    #[test]
    fn estimates_cover_lists_objects_and_texts() {
        let value_bytes = size_of::<Value>();
        for (text, least) in [
            ("0".to_owned(), 0),
            ("[]".to_owned(), 0),
            ("[0]".to_owned(), 4 * value_bytes),
            (format!("[{}0]", "0,".repeat(999)), 1_000 * value_bytes),
            (format!("[{}0]", "[0],".repeat(999)), 4_000 * value_bytes),
            (
                format!("[{}0]", "{\"\":0},".repeat(999)),
                4_000 * value_bytes,
            ),
            (format!("\"{}\"", "x".repeat(1_000)), 1_000),
            (format!("{{\"{}\":0}}", "x".repeat(1_000)), 1_000),
        ] {
            let ScannedValue(bytes) = serde_json::from_str(&text).unwrap();
            let most = 2 * least + 20 * text.len() + 1_000;
            assert!((least..=most).contains(&bytes), "{text:.60}: {bytes}");
        }
    }

    #[test]
    fn arguments_are_told_from_other_members() {
        let filler = "x".repeat(1_000);
        for member in ARGUMENT_MEMBERS {
            let text = format!(r#"{{"name":"a","{member}":["{filler}"]}}"#);
            let params: ScannedParams = serde_json::from_str(&text).unwrap();
            assert_eq!(params.name.as_deref(), Some("a"));
            assert!(
                params.argument_bytes >= 1_000 && params.other_bytes < 1_000,
                "{params:?}"
            );
        }
        for text in [
            format!(r#"{{"name":"{filler}"}}"#),
            format!(r#"{{"_meta":{{"x":"{filler}"}}}}"#),
            format!(r#"{{"{filler}":0}}"#),
            format!(r#"["{filler}"]"#),
            format!(r#""{filler}""#),
        ] {
            let params: ScannedParams = serde_json::from_str(&text).unwrap();
            assert!(
                params.argument_bytes == 0 && params.other_bytes >= 1_000,
                "{params:?}"
            );
        }
        let nested = format!("{}{}", "[".repeat(200), "]".repeat(200));
        assert!(serde_json::from_str::<ScannedParams>(&nested).is_err());
    }
}
