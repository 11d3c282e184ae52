//! Converts TOML values to JSON without loss.

use serde_json::{Number, Value};
use toml::de::DeValue;

/// Converts a TOML value to JSON.
///
/// # Errors
/// A description of the value that has no exact equivalent in JSON.
pub(super) fn to_json(value: &DeValue<'_>) -> Result<Value, &'static str> {
    // The TOML parser limits the nesting, and with it this recursion.
    Ok(match value {
        DeValue::String(text) => text.to_string().into(),
        DeValue::Boolean(boolean) => (*boolean).into(),
        DeValue::Integer(integer) => {
            let (digits, radix) = (integer.as_str(), integer.radix());
            let number = match i64::from_str_radix(digits, radix) {
                Ok(number) => Some(Number::from(number)),
                Err(_) => u64::from_str_radix(digits, radix).ok().map(Number::from),
            };
            Value::Number(number.ok_or("an integer of more than 64 bits")?)
        }
        DeValue::Float(float) => {
            let number = float.as_str().parse().ok().and_then(Number::from_f64);
            Value::Number(number.ok_or("a number that is not finite, which JSON does not have")?)
        }
        DeValue::Datetime(_) => {
            return Err("a date or time, which JSON does not have; write it as a string");
        }
        DeValue::Array(items) => {
            let items = items.iter().map(|item| to_json(item.get_ref()));
            Value::Array(items.collect::<Result<_, _>>()?)
        }
        DeValue::Table(table) => {
            let members = table
                .iter()
                .map(|(name, member)| Ok((name.get_ref().to_string(), to_json(member.get_ref())?)));
            Value::Object(members.collect::<Result<_, &'static str>>()?)
        }
    })
}
