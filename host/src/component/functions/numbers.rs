//! Conversion of numbers without loss: 64-bit integers and non-finite floats, which JSON numbers cannot hold, are
//! strings.

use serde_json::{Number, Value};
use wasmtime::component::Val;

use super::json_path::JsonPath;
use super::types::Integer;

/// The greatest integer that every JSON reader represents exactly: 2^53 − 1.
pub(super) const MAX_EXACT_INTEGER: i128 = (1 << 53) - 1;

pub(super) const NAN: &str = "NaN";
pub(super) const INFINITY: &str = "Infinity";
pub(super) const NEGATIVE_INFINITY: &str = "-Infinity";

/// Converts JSON to an integer.
///
/// # Errors
/// One sentence with the location.
pub(super) fn decode_integer(
    integer: Integer,
    value: &Value,
    path: JsonPath<'_>,
) -> Result<Val, String> {
    let (min, max) = integer.range();
    let decoded = match value {
        Value::Number(number) => parse_number(number),
        Value::String(digits) => parse_digits(integer, digits),
        _ => None,
    };
    let Some(decoded) = decoded.filter(|decoded| (min..=max).contains(decoded)) else {
        return Err(path.type_error(value, format_args!("an integer from {min} to {max}")));
    };
    if value.is_number() && !is_exact(decoded) {
        return Err(path.error(format_args!(
            "{value} is beyond ±{MAX_EXACT_INTEGER}, where JSON numbers get rounded; give it as a \
             string"
        )));
    }
    // The casts are lossless: the range has been checked.
    Ok(match integer {
        Integer::S8 => Val::S8(decoded as i8),
        Integer::U8 => Val::U8(decoded as u8),
        Integer::S16 => Val::S16(decoded as i16),
        Integer::U16 => Val::U16(decoded as u16),
        Integer::S32 => Val::S32(decoded as i32),
        Integer::U32 => Val::U32(decoded as u32),
        Integer::S64 => Val::S64(decoded as i64),
        Integer::U64 => Val::U64(decoded as u64),
    })
}

/// Converts JSON to a 64-bit float.
///
/// # Errors
/// One sentence with the location.
pub(super) fn decode_f64(value: &Value, path: JsonPath<'_>) -> Result<f64, String> {
    let decoded = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(name) => match name.as_str() {
            NAN => Some(f64::NAN),
            INFINITY => Some(f64::INFINITY),
            NEGATIVE_INFINITY => Some(f64::NEG_INFINITY),
            _ => None,
        },
        _ => None,
    };
    let expected = "a number, \"NaN\", \"Infinity\" or \"-Infinity\"";
    decoded.ok_or_else(|| path.type_error(value, expected))
}

/// Converts JSON to a 32-bit float.
///
/// # Errors
/// One sentence with the location.
pub(super) fn decode_f32(value: &Value, path: JsonPath<'_>) -> Result<f32, String> {
    let wide = decode_f64(value, path)?;
    let narrow = wide as f32;
    if narrow.is_infinite() && wide.is_finite() {
        return Err(path.error(format_args!("{value} is too large for a 32-bit float")));
    }
    Ok(narrow)
}

/// Converts an integer to JSON.
pub(super) fn encode_integer(value: i128) -> Value {
    match i64::try_from(value) {
        Ok(number) if is_exact(value) => number.into(),
        _ => value.to_string().into(),
    }
}

/// Converts a 64-bit float to JSON.
pub(super) fn encode_f64(value: f64) -> Value {
    match Number::from_f64(value) {
        Some(number) => Value::Number(number),
        None if value.is_nan() => NAN.into(),
        None if value > 0.0 => INFINITY.into(),
        None => NEGATIVE_INFINITY.into(),
    }
}

/// Converts a 32-bit float to JSON, with no more digits than it needs.
pub(super) fn encode_f32(value: f32) -> Value {
    // The double with the same shortest decimal form.
    let wide = match value.is_finite() {
        true => value.to_string().parse().unwrap_or(value.into()),
        false => value.into(),
    };
    encode_f64(wide)
}

fn is_exact(value: i128) -> bool {
    (-MAX_EXACT_INTEGER..=MAX_EXACT_INTEGER).contains(&value)
}

/// Returns the value of an integral number; `1.0` is one.
fn parse_number(number: &Number) -> Option<i128> {
    if let Some(number) = number.as_i128() {
        return Some(number);
    }
    let number = number.as_f64()?;
    // The cast saturates, outside the range of all integer types.
    (number.fract() == 0.0).then_some(number as i128)
}

/// Parses a string of the form that the generated schema allows.
fn parse_digits(integer: Integer, text: &str) -> Option<i128> {
    let max_digits = integer.max_string_digits()?;
    let digits = match text.strip_prefix('-') {
        Some(digits) if integer.is_signed() => digits,
        _ => text,
    };
    let is_decimal =
        (1..=max_digits).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    is_decimal.then(|| text.parse().ok())?
}
