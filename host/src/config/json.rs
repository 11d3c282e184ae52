//! TOML values as JSON, exactly or not at all.

use serde_json::{Number, Value};
use toml::de::DeValue;

/// The same value in JSON.
///
/// # Errors
/// What it is that JSON does not have.
pub(super) fn value(value: &DeValue<'_>) -> Result<Value, &'static str> {
    // The parser bounds the nesting, so this recursion is bounded too.
    Ok(match value {
        DeValue::String(text) => text.to_string().into(),
        DeValue::Boolean(truth) => (*truth).into(),
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
            let items = items.iter().map(|item| self::value(item.get_ref()));
            Value::Array(items.collect::<Result<_, _>>()?)
        }
        DeValue::Table(table) => {
            let members = table.iter().map(|(name, member)| {
                Ok((name.get_ref().to_string(), self::value(member.get_ref())?))
            });
            Value::Object(members.collect::<Result<_, &'static str>>()?)
        }
    })
}
