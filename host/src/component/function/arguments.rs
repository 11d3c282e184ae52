//! From JSON to the values that a function takes, by type.
//!
//! Nothing is rounded, cut or guessed: what a type cannot hold is refused with
//! its place as a JSON Pointer (RFC 6901).

use std::fmt;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Number, Value};
use wasmtime::component::Val;

use super::schema::{INFINITY, MAX_EXACT, MINUS_INFINITY, NAN};
use super::shape::{Case, Field, Integer, Kind, Label, Listed, Shape};

/// The most values in the arguments of one call; a byte is one too. Each takes
/// some 40 bytes of the host until the guest has it, some 80 in a record.
const MAX_VALUES: usize = 2_000_000;
/// So much of a field's name, which every value of it has in the host, counts as a
/// value.
const NAME_BYTES_PER_VALUE: usize = 64;
/// The longest piece of an argument that a sentence quotes, in bytes.
const MAX_QUOTE_BYTES: usize = 80;
/// The most names that a sentence lists.
const MAX_NAMES: usize = 20;

/// Standard base64, with or without its padding: models forget it.
const BASE64_IN: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The arguments of a call, in the order of the parameters.
///
/// # Errors
/// One sentence with the place.
pub(super) fn read(parameters: &[Field], given: &Value) -> Result<Vec<Val>, String> {
    let mut reader = Reader { left: MAX_VALUES };
    let given = given.as_object();
    let given = given.ok_or("the arguments are not an object")?;
    let values = reader.fields(parameters, given, Place::Root)?;
    Ok(values.into_iter().map(|(_, value)| value).collect())
}

/// Where in the arguments a value stands.
#[derive(Clone, Copy)]
enum Place<'a> {
    Root,
    Member(&'a Place<'a>, &'a str),
    Item(&'a Place<'a>, usize),
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => f.write_str("the arguments"),
            _ => write!(f, "`{}`", self.pointer()),
        }
    }
}

impl Place<'_> {
    fn pointer(&self) -> String {
        match self {
            Self::Root => String::new(),
            Self::Member(parent, name) => {
                // Names in WIT have no letter that a pointer escapes.
                format!("{}/{name}", parent.pointer())
            }
            Self::Item(parent, index) => format!("{}/{index}", parent.pointer()),
        }
    }

    /// The sentence that refuses what stands there.
    fn refuses(&self, why: impl fmt::Display) -> String {
        format!("{self}: {why}")
    }

    fn wants(&self, value: &Value, wanted: impl fmt::Display) -> String {
        self.refuses(format_args!("{} is not {wanted}", Quoted(value)))
    }
}

/// A value as a sentence shows it.
struct Quoted<'a>(&'a Value);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::Array(_) => f.write_str("an array"),
            Value::Object(_) => f.write_str("an object"),
            Value::String(text) if text.len() > MAX_QUOTE_BYTES => {
                let start = &text[..text.floor_char_boundary(MAX_QUOTE_BYTES)];
                write!(f, "{}…", Value::from(start))
            }
            other => write!(f, "{other}"),
        }
    }
}

/// Names, the first of them where there are many.
fn listed<'a>(names: impl ExactSizeIterator<Item = &'a String>) -> String {
    let more = names.len().saturating_sub(MAX_NAMES);
    let mut listed: Vec<_> = names
        .take(MAX_NAMES)
        .map(|name| format!("`{name}`"))
        .collect();
    if more > 0 {
        listed.push(format!("{more} more"));
    }
    listed.join(", ")
}

/// Reads the arguments of one call.
struct Reader {
    left: usize,
}

impl Reader {
    /// Takes the room for values off what is left.
    fn spend(&mut self, values: usize, at: Place<'_>) -> Result<(), String> {
        match self.left.checked_sub(values) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(at.refuses(format_args!(
                "the arguments have more than {MAX_VALUES} values and bytes"
            ))),
        }
    }

    fn value(&mut self, shape: &Shape, value: &Value, at: Place<'_>) -> Result<Val, String> {
        self.spend(1, at)?;
        Ok(match &shape.kind {
            Kind::Bool => match value {
                Value::Bool(value) => Val::Bool(*value),
                _ => return Err(at.wants(value, "a boolean")),
            },
            Kind::Integer(integer) => read_integer(*integer, value, at)?,
            Kind::F32 => read_f32(value, at)?,
            Kind::F64 => Val::Float64(read_f64(value, at)?),
            Kind::Char => {
                let mut chars = text(value, at, "a string of one character")?.chars();
                match (chars.next(), chars.next()) {
                    (Some(char), None) => Val::Char(char),
                    _ => return Err(at.wants(value, "a string of one character")),
                }
            }
            Kind::String => Val::String(text(value, at, "a string")?.to_owned()),
            Kind::Bytes => {
                let text = text(value, at, "a base64 string")?;
                let bytes = BASE64_IN
                    .decode(text)
                    .map_err(|e| at.refuses(format_args!("it is not valid base64: {e}")))?;
                self.spend(bytes.len(), at)?;
                Val::List(bytes.into_iter().map(Val::U8).collect())
            }
            Kind::List(element) => {
                let items = array(value, at)?;
                let items = items.iter().enumerate();
                let items = items.map(|(i, item)| self.value(element, item, Place::Item(&at, i)));
                Val::List(items.collect::<Result<_, _>>()?)
            }
            Kind::Tuple(parts) => {
                let items = array(value, at)?;
                if items.len() != parts.len() {
                    return Err(at.refuses(format_args!(
                        "an array of {} is not an array of {}",
                        items.len(),
                        parts.len()
                    )));
                }
                let items = parts.iter().zip(items).enumerate();
                let items =
                    items.map(|(i, (part, item))| self.value(part, item, Place::Item(&at, i)));
                Val::Tuple(items.collect::<Result<_, _>>()?)
            }
            Kind::Record(fields) => {
                let given = value.as_object();
                let given = given.ok_or_else(|| at.wants(value, "an object"))?;
                Val::Record(self.fields(fields, given, at)?)
            }
            Kind::Variant(cases) => self.variant(cases, value, at)?,
            Kind::Enum(cases) => Val::Enum(cases[label(cases, value, at)?].name.clone()),
            Kind::Flags(flags) => self.flags(flags, value, at)?,
            Kind::Option(_) if value.is_null() => Val::Option(None),
            Kind::Option(inner) => {
                let value = if inner.is_nullable() {
                    let wanted = "`null` or an object with the single member `some`";
                    let (key, some) = member(value, at, wanted)?;
                    if key != "some" {
                        return Err(at.wants(value, wanted));
                    }
                    self.value(inner, some, Place::Member(&at, key))?
                } else {
                    self.value(inner, value, at)?
                };
                Val::Option(Some(Box::new(value)))
            }
            Kind::Result(ok, error) => {
                let wanted = "an object with the single member `ok` or `error`";
                let (key, payload) = member(value, at, wanted)?;
                let place = Place::Member(&at, key);
                Val::Result(match key {
                    "ok" => Ok(self.payload(ok.as_deref(), payload, place)?),
                    "error" => Err(self.payload(error.as_deref(), payload, place)?),
                    _ => return Err(at.wants(value, wanted)),
                })
            }
        })
    }

    /// The members of a record. One that may be `null` may be absent.
    fn fields(
        &mut self,
        fields: &[Field],
        given: &Map<String, Value>,
        at: Place<'_>,
    ) -> Result<Vec<(String, Val)>, String> {
        let mut known = 0;
        let mut values = Vec::with_capacity(fields.len());
        for field in fields {
            let place = Place::Member(&at, &field.name);
            self.spend(field.name.len() / NAME_BYTES_PER_VALUE, place)?;
            let value = match given.get(&field.name) {
                Some(value) => {
                    known += 1;
                    self.value(&field.shape, value, place)?
                }
                None if field.shape.is_nullable() => {
                    self.spend(1, place)?;
                    Val::Option(None)
                }
                None => return Err(at.refuses(format_args!("`{}` is missing", field.name))),
            };
            values.push((field.name.clone(), value));
        }
        if known < given.len() {
            let unknown = given
                .keys()
                .find(|key| fields.iter().all(|field| field.name != **key));
            let unknown = Quoted(&unknown.map_or("", |key| key).into()).to_string();
            return Err(at.refuses(if fields.is_empty() {
                format!("{unknown} is not known; there is nothing to give")
            } else {
                let names = listed(fields.iter().map(|field| &field.name));
                format!("{unknown} is not known; there are {names}")
            }));
        }
        Ok(values)
    }

    fn variant(
        &mut self,
        cases: &Listed<Case>,
        value: &Value,
        at: Place<'_>,
    ) -> Result<Val, String> {
        let (name, payload) = match value {
            Value::String(name) => (name.as_str(), None),
            Value::Object(_) => {
                let (name, payload) = member(value, at, "an object with a single member")?;
                (name, Some(payload))
            }
            _ => return Err(at.wants(value, "the name of a case or an object with one member")),
        };
        let Some(case) = cases.named(name) else {
            let names = listed(cases.iter().map(|case| &case.name));
            return Err(at.wants(&name.into(), format_args!("one of the cases {names}")));
        };
        let payload = match (&case.payload, payload) {
            (Some(shape), Some(payload)) => {
                let payload = self.value(shape, payload, Place::Member(&at, name))?;
                Some(Box::new(payload))
            }
            (None, None) => None,
            (Some(_), None) => {
                return Err(at.refuses(format_args!(
                    "the case `{name}` has a value: give {{\"{name}\": …}}"
                )));
            }
            (None, Some(_)) => {
                return Err(at.refuses(format_args!(
                    "the case `{name}` has no value: give \"{name}\""
                )));
            }
        };
        Ok(Val::Variant(case.name.clone(), payload))
    }

    fn flags(
        &mut self,
        flags: &Listed<Label>,
        value: &Value,
        at: Place<'_>,
    ) -> Result<Val, String> {
        let items = array(value, at)?;
        self.spend(items.len(), at)?;
        let mut set = vec![false; flags.len()];
        for (index, item) in items.iter().enumerate() {
            let place = Place::Item(&at, index);
            let flag = label(flags, item, place)?;
            if std::mem::replace(&mut set[flag], true) {
                return Err(place.refuses(format_args!("{} stands there twice", Quoted(item))));
            }
        }
        let set = flags.iter().zip(set).filter(|(_, set)| *set);
        Ok(Val::Flags(set.map(|(flag, _)| flag.name.clone()).collect()))
    }

    fn payload(
        &mut self,
        shape: Option<&Shape>,
        value: &Value,
        at: Place<'_>,
    ) -> Result<Option<Box<Val>>, String> {
        match shape {
            Some(shape) => Ok(Some(Box::new(self.value(shape, value, at)?))),
            None if value.is_null() => Ok(None),
            None => Err(at.wants(value, "`null`")),
        }
    }
}

fn text<'v>(value: &'v Value, at: Place<'_>, wanted: &str) -> Result<&'v str, String> {
    value.as_str().ok_or_else(|| at.wants(value, wanted))
}

fn array<'v>(value: &'v Value, at: Place<'_>) -> Result<&'v Vec<Value>, String> {
    value.as_array().ok_or_else(|| at.wants(value, "an array"))
}

/// The only member of an object.
fn member<'v>(
    value: &'v Value,
    at: Place<'_>,
    wanted: &str,
) -> Result<(&'v str, &'v Value), String> {
    let mut members = value.as_object().into_iter().flatten();
    match (members.next(), members.next()) {
        (Some((key, value)), None) => Ok((key, value)),
        _ => Err(at.wants(value, wanted)),
    }
}

/// The place of a name of an enum or of flags.
fn label(labels: &Listed<Label>, value: &Value, at: Place<'_>) -> Result<usize, String> {
    let known = value.as_str().and_then(|name| labels.place(name));
    known.ok_or_else(|| {
        let names = listed(labels.iter().map(|label| &label.name));
        at.wants(value, format_args!("one of {names}"))
    })
}

fn read_integer(integer: Integer, value: &Value, at: Place<'_>) -> Result<Val, String> {
    let (least, greatest) = integer.range();
    let found = match value {
        Value::Number(number) => whole(number),
        Value::String(digits) => decimal(integer, digits),
        _ => None,
    };
    let Some(found) = found.filter(|found| (least..=greatest).contains(found)) else {
        return Err(at.wants(value, format_args!("an integer from {least} to {greatest}")));
    };
    if value.is_number() && !(-MAX_EXACT..=MAX_EXACT).contains(&found) {
        return Err(at.refuses(format_args!(
            "{value} is beyond ±{MAX_EXACT}, where JSON numbers get rounded; give it as a string"
        )));
    }
    // The range of each has been checked.
    Ok(match integer {
        Integer::S8 => Val::S8(found as i8),
        Integer::U8 => Val::U8(found as u8),
        Integer::S16 => Val::S16(found as i16),
        Integer::U16 => Val::U16(found as u16),
        Integer::S32 => Val::S32(found as i32),
        Integer::U32 => Val::U32(found as u32),
        Integer::S64 => Val::S64(found as i64),
        Integer::U64 => Val::U64(found as u64),
    })
}

/// The integer that a number is; `1.0` is one.
fn whole(number: &Number) -> Option<i128> {
    if let Some(number) = number.as_i128() {
        return Some(number);
    }
    let number = number.as_f64()?;
    // Saturates, which is out of every range.
    (number.fract() == 0.0).then_some(number as i128)
}

/// The integer that a text is, by the pattern in the schema.
fn decimal(integer: Integer, text: &str) -> Option<i128> {
    let max_digits = integer.max_digits()?;
    let digits = match text.strip_prefix('-') {
        Some(digits) if integer.is_signed() => digits,
        _ => text,
    };
    let is_decimal =
        (1..=max_digits).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    is_decimal.then(|| text.parse().ok())?
}

fn read_f64(value: &Value, at: Place<'_>) -> Result<f64, String> {
    let found = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(name) => match name.as_str() {
            NAN => Some(f64::NAN),
            INFINITY => Some(f64::INFINITY),
            MINUS_INFINITY => Some(f64::NEG_INFINITY),
            _ => None,
        },
        _ => None,
    };
    let wanted = "a number, \"NaN\", \"Infinity\" or \"-Infinity\"";
    found.ok_or_else(|| at.wants(value, wanted))
}

fn read_f32(value: &Value, at: Place<'_>) -> Result<Val, String> {
    let wide = read_f64(value, at)?;
    let narrow = wide as f32;
    if narrow.is_infinite() && wide.is_finite() {
        return Err(at.refuses(format_args!("{value} is too large for a 32-bit float")));
    }
    Ok(Val::Float32(narrow))
}
