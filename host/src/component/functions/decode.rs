//! Conversion of JSON arguments to the values that a function takes, by type.
//!
//! Conversion is exact: a value that its type cannot hold is rejected with its location.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value};
use wasmtime::component::Val;

use super::json_path::{JsonPath, Quoted, name_list};
use super::numbers::{decode_f32, decode_f64, decode_integer};
use super::types::{Case, Field, Label, NamedItems, TypeKind, WitType};
use crate::component::schema::{self, Strings};

/// Maximum number of values in the arguments of one call; a byte counts as a value. The host holds some 40 bytes per
/// value, in a record some 80, until the guest has received it.
const MAX_VALUES: usize = 2_000_000;
/// Bytes of a field's name that count as one value. The host copies the name for each record.
const NAME_BYTES_PER_VALUE: usize = 64;

/// Standard base64. Padding is optional, because models forget it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Converts the arguments of a call to the function's parameters, in their order.
///
/// # Errors
/// One sentence with the location.
pub(super) fn decode(
    parameters: &[Field],
    arguments: &Value,
    strings: Strings,
) -> Result<Vec<Val>, String> {
    let mut decoder = Decoder {
        strings,
        values_left: MAX_VALUES,
    };
    let members = arguments
        .as_object()
        .ok_or("the arguments are not an object")?;
    let fields = decoder.fields(parameters, members, JsonPath::Root)?;
    Ok(fields.into_iter().map(|(_, value)| value).collect())
}

/// Decodes the arguments of one call within the limit.
struct Decoder {
    strings: Strings,
    values_left: usize,
}

impl Decoder {
    fn spend(&mut self, values: usize, path: JsonPath<'_>) -> Result<(), String> {
        match self.values_left.checked_sub(values) {
            Some(left) => {
                self.values_left = left;
                Ok(())
            }
            None => Err(path.error(format_args!(
                "the arguments have more than {MAX_VALUES} values and bytes"
            ))),
        }
    }

    /// Decodes a value. A string that does not fit is decoded as the JSON in it, except where strings are digits.
    fn value(&mut self, ty: &WitType, value: &Value, path: JsonPath<'_>) -> Result<Val, String> {
        let decoded = self.exact_value(ty, value, path);
        if decoded.is_err()
            && self.strings == Strings::Lenient
            && !ty.has_string_digits()
            && let Some(parsed) = schema::parsed(value)
        {
            return self.exact_value(ty, &parsed, path).or(decoded);
        }
        decoded
    }

    fn exact_value(
        &mut self,
        ty: &WitType,
        value: &Value,
        path: JsonPath<'_>,
    ) -> Result<Val, String> {
        self.spend(1, path)?;
        Ok(match &ty.kind {
            TypeKind::Bool => match value {
                Value::Bool(value) => Val::Bool(*value),
                _ => return Err(path.type_error(value, "a boolean")),
            },
            TypeKind::Integer(integer) => decode_integer(*integer, value, path)?,
            TypeKind::F32 => Val::Float32(decode_f32(value, path)?),
            TypeKind::F64 => Val::Float64(decode_f64(value, path)?),
            TypeKind::Char => {
                let mut chars = text(value, path, "a string of one character")?.chars();
                match (chars.next(), chars.next()) {
                    (Some(char), None) => Val::Char(char),
                    _ => return Err(path.type_error(value, "a string of one character")),
                }
            }
            TypeKind::String => Val::String(text(value, path, "a string")?.to_owned()),
            TypeKind::Bytes => {
                let text = text(value, path, "a base64 string")?;
                let bytes = BASE64
                    .decode(text)
                    .map_err(|e| path.error(format_args!("it is not valid base64: {e}")))?;
                self.spend(bytes.len(), path)?;
                Val::List(bytes.into_iter().map(Val::U8).collect())
            }
            TypeKind::List(element) => {
                let items = array(value, path)?;
                let items = items.iter().enumerate();
                let items =
                    items.map(|(i, item)| self.value(element, item, JsonPath::Item(&path, i)));
                Val::List(items.collect::<Result<_, _>>()?)
            }
            TypeKind::Tuple(parts) => {
                let items = array(value, path)?;
                if items.len() != parts.len() {
                    return Err(path.error(format_args!(
                        "an array of {} is not an array of {}",
                        items.len(),
                        parts.len()
                    )));
                }
                let items = parts.iter().zip(items).enumerate();
                let items =
                    items.map(|(i, (part, item))| self.value(part, item, JsonPath::Item(&path, i)));
                Val::Tuple(items.collect::<Result<_, _>>()?)
            }
            TypeKind::Record(fields) => {
                let members = value.as_object();
                let members = members.ok_or_else(|| path.type_error(value, "an object"))?;
                Val::Record(self.fields(fields, members, path)?)
            }
            // The arguments of the constructor, which is called when there is an instance.
            TypeKind::Resource(constructor) => {
                let members = value.as_object();
                let members = members.ok_or_else(|| path.type_error(value, "an object"))?;
                self.constructor_arguments(&constructor.parameters, members, path)?
            }
            TypeKind::Variant(cases) => self.variant(cases, value, path)?,
            TypeKind::Enum(cases) => Val::Enum(cases[label(cases, value, path)?].name.clone()),
            TypeKind::Flags(flags) => self.flags(flags, value, path)?,
            TypeKind::Option(_) if value.is_null() => Val::Option(None),
            TypeKind::Option(inner) => {
                let value = if inner.is_nullable() {
                    let expected = "`null` or an object with the single member `some`";
                    let (key, some) = member(value, path, expected)?;
                    if key != "some" {
                        return Err(path.type_error(value, expected));
                    }
                    self.value(inner, some, JsonPath::Member(&path, key))?
                } else {
                    self.value(inner, value, path)?
                };
                Val::Option(Some(Box::new(value)))
            }
            TypeKind::Result(ok, error) => {
                let expected = "an object with the single member `ok` or `error`";
                let (key, payload) = member(value, path, expected)?;
                let payload_path = JsonPath::Member(&path, key);
                Val::Result(match key {
                    "ok" => Ok(self.payload(ok.as_deref(), payload, payload_path)?),
                    "error" => Err(self.payload(error.as_deref(), payload, payload_path)?),
                    _ => return Err(path.type_error(value, expected)),
                })
            }
        })
    }

    /// Decodes the fields of a record, or the parameters. A field that may be `null` may be absent.
    fn fields(
        &mut self,
        fields: &[Field],
        members: &Map<String, Value>,
        path: JsonPath<'_>,
    ) -> Result<Vec<(String, Val)>, String> {
        let mut known = 0;
        let mut values = Vec::with_capacity(fields.len());
        for field in fields {
            let field_path = JsonPath::Member(&path, &field.name);
            self.spend(field.name.len() / NAME_BYTES_PER_VALUE, field_path)?;
            let value = match members.get(&field.name) {
                Some(value) => {
                    known += 1;
                    self.value(&field.ty, value, field_path)?
                }
                None if field.ty.may_be_absent() => {
                    self.spend(1, field_path)?;
                    match &field.ty.kind {
                        TypeKind::Resource(constructor) => {
                            let (parameters, none) = (&constructor.parameters, Map::new());
                            self.constructor_arguments(parameters, &none, field_path)?
                        }
                        _ => Val::Option(None),
                    }
                }
                None => return Err(path.error(format_args!("`{}` is missing", field.name))),
            };
            values.push((field.name.clone(), value));
        }
        if known < members.len() {
            let unknown = members
                .keys()
                .find(|key| fields.iter().all(|field| field.name != **key));
            let unknown = Quoted(&unknown.map_or("", |key| key).into()).to_string();
            return Err(path.error(if fields.is_empty() {
                format!("{unknown} is not known; there is nothing to give")
            } else {
                let names = name_list(fields.iter().map(|field| &field.name));
                format!("{unknown} is not known; there are {names}")
            }));
        }
        Ok(values)
    }

    fn constructor_arguments(
        &mut self,
        parameters: &[Field],
        members: &Map<String, Value>,
        path: JsonPath<'_>,
    ) -> Result<Val, String> {
        let fields = self.fields(parameters, members, path)?;
        Ok(Val::Tuple(
            fields.into_iter().map(|(_, value)| value).collect(),
        ))
    }

    fn variant(
        &mut self,
        cases: &NamedItems<Case>,
        value: &Value,
        path: JsonPath<'_>,
    ) -> Result<Val, String> {
        let (name, payload) = match value {
            Value::String(name) => (name.as_str(), None),
            Value::Object(_) => {
                let (name, payload) = member(value, path, "an object with a single member")?;
                (name, Some(payload))
            }
            _ => {
                return Err(
                    path.type_error(value, "the name of a case or an object with one member")
                );
            }
        };
        let Some(case) = cases.get(name) else {
            let names = name_list(cases.iter().map(|case| &case.name));
            return Err(path.type_error(&name.into(), format_args!("one of the cases {names}")));
        };
        let payload = match (&case.payload, payload) {
            (Some(ty), Some(payload)) => {
                let payload = self.value(ty, payload, JsonPath::Member(&path, name))?;
                Some(Box::new(payload))
            }
            (None, None | Some(Value::Null)) => None,
            (Some(_), None) => {
                return Err(path.error(format_args!(
                    "the case `{name}` has a value: give {{\"{name}\": …}}"
                )));
            }
            (None, Some(_)) => {
                return Err(path.error(format_args!(
                    "the case `{name}` has no value: give \"{name}\""
                )));
            }
        };
        Ok(Val::Variant(case.name.clone(), payload))
    }

    fn flags(
        &mut self,
        flags: &NamedItems<Label>,
        value: &Value,
        path: JsonPath<'_>,
    ) -> Result<Val, String> {
        let items = array(value, path)?;
        self.spend(items.len(), path)?;
        let mut is_set = vec![false; flags.len()];
        for (index, item) in items.iter().enumerate() {
            let item_path = JsonPath::Item(&path, index);
            let flag = label(flags, item, item_path)?;
            if std::mem::replace(&mut is_set[flag], true) {
                return Err(item_path.error(format_args!("{} is given twice", Quoted(item))));
            }
        }
        let set = flags.iter().zip(is_set).filter(|(_, is_set)| *is_set);
        Ok(Val::Flags(set.map(|(flag, _)| flag.name.clone()).collect()))
    }

    fn payload(
        &mut self,
        ty: Option<&WitType>,
        value: &Value,
        path: JsonPath<'_>,
    ) -> Result<Option<Box<Val>>, String> {
        match ty {
            Some(ty) => Ok(Some(Box::new(self.value(ty, value, path)?))),
            None if value.is_null() => Ok(None),
            None => Err(path.type_error(value, "`null`")),
        }
    }
}

fn text<'v>(value: &'v Value, path: JsonPath<'_>, expected: &str) -> Result<&'v str, String> {
    value
        .as_str()
        .ok_or_else(|| path.type_error(value, expected))
}

fn array<'v>(value: &'v Value, path: JsonPath<'_>) -> Result<&'v Vec<Value>, String> {
    value
        .as_array()
        .ok_or_else(|| path.type_error(value, "an array"))
}

/// Returns the only member of an object.
fn member<'v>(
    value: &'v Value,
    path: JsonPath<'_>,
    expected: &str,
) -> Result<(&'v str, &'v Value), String> {
    let mut members = value.as_object().into_iter().flatten();
    match (members.next(), members.next()) {
        (Some((key, value)), None) => Ok((key, value)),
        _ => Err(path.type_error(value, expected)),
    }
}

/// Returns the position of an enum case or a flag.
fn label(labels: &NamedItems<Label>, value: &Value, path: JsonPath<'_>) -> Result<usize, String> {
    let known = value.as_str().and_then(|name| labels.position(name));
    known.ok_or_else(|| {
        let names = name_list(labels.iter().map(|label| &label.name));
        path.type_error(value, format_args!("one of {names}"))
    })
}
