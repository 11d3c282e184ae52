//! Conversion of the values that a function returns to JSON, by type.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value};
use wasmtime::component::Val;

use super::numbers::{encode_f32, encode_f64, encode_integer};
use super::types::{TypeKind, WitType};

/// Converts a returned value to JSON. Returns `None` if that takes more than `max_bytes`.
pub(super) fn encode(ty: &WitType, value: &Val, max_bytes: usize) -> Option<Value> {
    let mut encoder = Encoder {
        bytes_left: max_bytes,
    };
    encoder.value(ty, value)
}

/// Encodes one result within the limit.
struct Encoder {
    bytes_left: usize,
}

impl Encoder {
    fn value(&mut self, ty: &WitType, value: &Val) -> Option<Value> {
        self.spend(1)?;
        Some(match (&ty.kind, value) {
            (_, Val::Bool(value)) => (*value).into(),
            (_, Val::S8(value)) => (*value).into(),
            (_, Val::U8(value)) => (*value).into(),
            (_, Val::S16(value)) => (*value).into(),
            (_, Val::U16(value)) => (*value).into(),
            (_, Val::S32(value)) => (*value).into(),
            (_, Val::U32(value)) => (*value).into(),
            (_, Val::S64(value)) => encode_integer((*value).into()),
            (_, Val::U64(value)) => encode_integer((*value).into()),
            (_, Val::Float32(value)) => encode_f32(*value),
            (_, Val::Float64(value)) => encode_f64(*value),
            (_, Val::Char(value)) => value.to_string().into(),
            (_, Val::String(value)) => self.text(value)?,
            (TypeKind::Bytes, Val::List(values)) => {
                let bytes: Vec<u8> = values
                    .iter()
                    .filter_map(|value| match value {
                        Val::U8(byte) => Some(*byte),
                        _ => None,
                    })
                    .collect();
                self.text(&BASE64.encode(bytes))?
            }
            (TypeKind::List(element), Val::List(values)) => {
                let items = values.iter().map(|value| self.value(element, value));
                Value::Array(items.collect::<Option<_>>()?)
            }
            (TypeKind::Tuple(parts), Val::Tuple(values)) => {
                let items = parts.iter().zip(values);
                let items = items.map(|(part, value)| self.value(part, value));
                Value::Array(items.collect::<Option<_>>()?)
            }
            (TypeKind::Record(fields), Val::Record(values)) => {
                let members = fields.iter().zip(values).map(|(field, (_, value))| {
                    Some((self.key(&field.name)?, self.value(&field.ty, value)?))
                });
                Value::Object(members.collect::<Option<_>>()?)
            }
            (TypeKind::Variant(cases), Val::Variant(name, payload)) => {
                let payload_type = cases.get(name).and_then(|case| case.payload.as_ref());
                match (payload_type, payload) {
                    (Some(ty), Some(payload)) => self.member(name, Some(ty), Some(payload))?,
                    _ => self.text(name)?,
                }
            }
            (_, Val::Enum(name)) => self.text(name)?,
            (_, Val::Flags(names)) => {
                let names = names.iter().map(|name| self.text(name));
                Value::Array(names.collect::<Option<_>>()?)
            }
            (_, Val::Option(None)) => Value::Null,
            (TypeKind::Option(inner), Val::Option(Some(value))) if inner.is_nullable() => {
                self.member("some", Some(inner), Some(value))?
            }
            (TypeKind::Option(inner), Val::Option(Some(value))) => self.value(inner, value)?,
            (TypeKind::Result(ok, _), Val::Result(Ok(value))) => {
                self.member("ok", ok.as_deref(), value.as_deref())?
            }
            (TypeKind::Result(_, error), Val::Result(Err(value))) => {
                self.member("error", error.as_deref(), value.as_deref())?
            }
            // Unreachable: the engine has checked the value against the type that `ty` was read from.
            _ => Value::Null,
        })
    }

    /// Encodes an object with one member.
    fn member(&mut self, key: &str, ty: Option<&WitType>, value: Option<&Val>) -> Option<Value> {
        let key = self.key(key)?;
        let value = match (ty, value) {
            (Some(ty), Some(value)) => self.value(ty, value)?,
            _ => Value::Null,
        };
        Some(Value::Object(Map::from_iter([(key, value)])))
    }

    fn key(&mut self, key: &str) -> Option<String> {
        self.spend(key.len().saturating_add("\"\":".len()))?;
        Some(key.to_owned())
    }

    fn text(&mut self, text: &str) -> Option<Value> {
        self.spend(text.len().saturating_add("\"\"".len()))?;
        Some(text.into())
    }

    fn spend(&mut self, bytes: usize) -> Option<()> {
        self.bytes_left = self.bytes_left.checked_sub(bytes)?;
        Some(())
    }
}
