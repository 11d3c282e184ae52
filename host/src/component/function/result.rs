//! From the values that a function returns to JSON, by type.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Number, Value};
use wasmtime::component::Val;

use super::schema::{INFINITY, MAX_EXACT, MINUS_INFINITY, NAN};
use super::shape::{Kind, Shape};

/// A value that a guest returned, or `None` where it would take more than
/// `max_bytes` of JSON.
pub(super) fn json(shape: &Shape, value: &Val, max_bytes: usize) -> Option<Value> {
    Writer { left: max_bytes }.value(shape, value)
}

/// Writes the result of one call.
struct Writer {
    left: usize,
}

impl Writer {
    fn value(&mut self, shape: &Shape, value: &Val) -> Option<Value> {
        self.left = self.left.checked_sub(1)?;
        Some(match (&shape.kind, value) {
            (_, Val::Bool(value)) => (*value).into(),
            (_, Val::S8(value)) => (*value).into(),
            (_, Val::U8(value)) => (*value).into(),
            (_, Val::S16(value)) => (*value).into(),
            (_, Val::U16(value)) => (*value).into(),
            (_, Val::S32(value)) => (*value).into(),
            (_, Val::U32(value)) => (*value).into(),
            (_, Val::S64(value)) if is_exact((*value).into()) => (*value).into(),
            (_, Val::S64(value)) => value.to_string().into(),
            (_, Val::U64(value)) if is_exact((*value).into()) => (*value).into(),
            (_, Val::U64(value)) => value.to_string().into(),
            (_, Val::Float32(value)) => float(shortest(*value)),
            (_, Val::Float64(value)) => float(*value),
            (_, Val::Char(value)) => value.to_string().into(),
            (_, Val::String(value)) => self.text(value)?,
            (Kind::Bytes, Val::List(values)) => {
                let bytes: Vec<u8> = values
                    .iter()
                    .filter_map(|value| match value {
                        Val::U8(byte) => Some(*byte),
                        _ => None,
                    })
                    .collect();
                self.text(&BASE64.encode(bytes))?
            }
            (Kind::List(element), Val::List(values)) => {
                let items = values.iter().map(|value| self.value(element, value));
                Value::Array(items.collect::<Option<_>>()?)
            }
            (Kind::Tuple(parts), Val::Tuple(values)) => {
                let items = parts.iter().zip(values);
                let items = items.map(|(part, value)| self.value(part, value));
                Value::Array(items.collect::<Option<_>>()?)
            }
            (Kind::Record(fields), Val::Record(values)) => {
                let members = fields.iter().zip(values).map(|(field, (_, value))| {
                    Some((self.key(&field.name)?, self.value(&field.shape, value)?))
                });
                Value::Object(members.collect::<Option<_>>()?)
            }
            (Kind::Variant(cases), Val::Variant(name, payload)) => {
                let shape = cases.named(name).and_then(|case| case.payload.as_ref());
                match (shape, payload) {
                    (Some(shape), Some(payload)) => {
                        self.member(name, Some(shape), Some(payload))?
                    }
                    _ => self.text(name)?,
                }
            }
            (_, Val::Enum(name)) => self.text(name)?,
            (_, Val::Flags(names)) => {
                let names = names.iter().map(|name| self.text(name));
                Value::Array(names.collect::<Option<_>>()?)
            }
            (_, Val::Option(None)) => Value::Null,
            (Kind::Option(inner), Val::Option(Some(value))) if inner.is_nullable() => {
                self.member("some", Some(inner), Some(value))?
            }
            (Kind::Option(inner), Val::Option(Some(value))) => self.value(inner, value)?,
            (Kind::Result(ok, _), Val::Result(Ok(value))) => {
                self.member("ok", ok.as_deref(), value.as_deref())?
            }
            (Kind::Result(_, error), Val::Result(Err(value))) => {
                self.member("error", error.as_deref(), value.as_deref())?
            }
            // The shape was read from the type that the engine has checked the
            // value against.
            _ => Value::Null,
        })
    }

    /// An object with one member.
    fn member(&mut self, key: &str, shape: Option<&Shape>, value: Option<&Val>) -> Option<Value> {
        let key = self.key(key)?;
        let value = match (shape, value) {
            (Some(shape), Some(value)) => self.value(shape, value)?,
            _ => Value::Null,
        };
        Some(Value::Object(Map::from_iter([(key, value)])))
    }

    fn key(&mut self, key: &str) -> Option<String> {
        self.quoted(key, "\"\":".len())
    }

    fn text(&mut self, text: &str) -> Option<Value> {
        self.quoted(text, "\"\"".len()).map(Value::String)
    }

    fn quoted(&mut self, text: &str, around: usize) -> Option<String> {
        self.left = self.left.checked_sub(text.len().saturating_add(around))?;
        Some(text.to_owned())
    }
}

/// The double whose shortest decimal form is the shortest of the float.
fn shortest(value: f32) -> f64 {
    if value.is_finite() {
        value.to_string().parse().unwrap_or(value.into())
    } else {
        value.into()
    }
}

fn float(value: f64) -> Value {
    match Number::from_f64(value) {
        Some(number) => Value::Number(number),
        None if value.is_nan() => NAN.into(),
        None if value > 0.0 => INFINITY.into(),
        None => MINUS_INFINITY.into(),
    }
}

fn is_exact(value: i128) -> bool {
    (-MAX_EXACT..=MAX_EXACT).contains(&value)
}
