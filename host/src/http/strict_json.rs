//! JSON whose duplicate keys are noticed, and whose arguments can be left out.

use std::fmt;

use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// A JSON value that records whether a key occurs twice in it or in its `_meta`. With `SKIP`, its member `arguments` is
/// not built.
pub(super) struct StrictJson<const SKIP: bool> {
    pub(super) value: Value,
    pub(super) has_duplicate_key: bool,
}

impl<const SKIP: bool> From<Value> for StrictJson<SKIP> {
    fn from(value: Value) -> Self {
        Self {
            value,
            has_duplicate_key: false,
        }
    }
}

impl<'de, const SKIP: bool> Deserialize<'de> for StrictJson<SKIP> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictJsonVisitor)
    }
}

struct StrictJsonVisitor<const SKIP: bool>;

impl<'de, const SKIP: bool> Visitor<'de> for StrictJsonVisitor<SKIP> {
    type Value = StrictJson<SKIP>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<StrictJson<SKIP>, A::Error> {
        let mut members = Map::new();
        let mut has_duplicate_key = false;
        while let Some(key) = map.next_key::<String>()? {
            let value = if SKIP && key == "arguments" {
                map.next_value::<IgnoredAny>()?;
                Value::Null
            } else if key == "_meta" {
                let meta: StrictJson<false> = map.next_value()?;
                has_duplicate_key |= meta.has_duplicate_key;
                meta.value
            } else {
                map.next_value()?
            };
            has_duplicate_key |= members.insert(key, value).is_some();
        }
        Ok(StrictJson {
            value: Value::Object(members),
            has_duplicate_key,
        })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<StrictJson<SKIP>, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element::<Value>()? {
            items.push(item);
        }
        Ok(Value::Array(items).into())
    }

    fn visit_unit<E>(self) -> Result<StrictJson<SKIP>, E> {
        Ok(Value::Null.into())
    }

    fn visit_bool<E>(self, value: bool) -> Result<StrictJson<SKIP>, E> {
        Ok(Value::from(value).into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<StrictJson<SKIP>, E> {
        Ok(Value::from(value).into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<StrictJson<SKIP>, E> {
        Ok(Value::from(value).into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<StrictJson<SKIP>, E> {
        Ok(Value::from(value).into())
    }

    fn visit_str<E>(self, value: &str) -> Result<StrictJson<SKIP>, E> {
        Ok(Value::from(value).into())
    }
}
