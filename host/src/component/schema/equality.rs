//! Numbers and equality as JSON Schema defines them: `1`, `1.0` and `1e0` are the same number.
//!
//! The recursion over values is bounded: the JSON parser rejects nesting deeper than 128 levels.

use std::cmp::Ordering;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};

use serde_json::{Number, Value};

/// Digits of a decimal number that [`is_multiple_of`] can align with another one.
const MAX_DECIMAL_SHIFT: u32 = 36;

/// Returns whether two values are equal.
pub(super) fn is_equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => compare(a, b) == Some(Ordering::Equal),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_equal(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            let has_equal =
                |(key, a): (&String, &Value)| b.get(key).is_some_and(|b| is_equal(a, b));
            a.len() == b.len() && a.iter().all(has_equal)
        }
        _ => a == b,
    }
}

/// Compares two numbers exactly.
pub(super) fn compare(a: &Number, b: &Number) -> Option<Ordering> {
    match (a.as_i128(), b.as_i128()) {
        (Some(a), Some(b)) => Some(a.cmp(&b)),
        (Some(a), None) => compare_with_float(a, b.as_f64()?),
        (None, Some(b)) => compare_with_float(b, a.as_f64()?).map(Ordering::reverse),
        (None, None) => a.as_f64()?.partial_cmp(&b.as_f64()?),
    }
}

/// Compares an integer with a float. JSON integers have at most 64 bits, so the cast, which saturates, is exact where
/// it matters.
fn compare_with_float(integer: i128, float: f64) -> Option<Ordering> {
    let whole = integer.cmp(&(float.trunc() as i128));
    Some(whole.then(0.0.partial_cmp(&float.fract())?))
}

/// Returns whether the quotient of two numbers is an integer.
///
/// Floats are compared by their shortest decimal form: `0.3` is a multiple of `0.1`.
pub(super) fn is_multiple_of(value: &Number, divisor: &Number) -> bool {
    if let (Some(value), Some(divisor)) = (value.as_i128(), divisor.as_i128()) {
        return divisor != 0 && value % divisor == 0;
    }
    let (Some(value_float), Some(divisor_float)) = (value.as_f64(), divisor.as_f64()) else {
        return false;
    };
    decimal_remainder(value, divisor).unwrap_or_else(|| value_float % divisor_float == 0.0)
}

fn decimal_remainder(value: &Number, divisor: &Number) -> Option<bool> {
    let (value, value_exponent) = decimal(&value.to_string())?;
    let (divisor, divisor_exponent) = decimal(&divisor.to_string())?;
    let exponent = value_exponent.min(divisor_exponent);
    let aligned = |mantissa: i128, own: i32| {
        let shift = u32::try_from(own.checked_sub(exponent)?).ok()?;
        let is_small = shift <= MAX_DECIMAL_SHIFT;
        is_small.then(|| mantissa.checked_mul(10_i128.pow(shift)))?
    };
    aligned(value, value_exponent)?
        .checked_rem(aligned(divisor, divisor_exponent)?)
        .map(|remainder| remainder == 0)
}

/// Splits the text of a number into a mantissa and a power of ten.
fn decimal(text: &str) -> Option<(i128, i32)> {
    let (number, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let fraction = fraction.trim_end_matches('0');
    let mantissa = format!("{whole}{fraction}").parse().ok()?;
    let exponent: i32 = exponent.parse().ok()?;
    Some((mantissa, exponent - i32::try_from(fraction.len()).ok()?))
}

/// Returns whether no two items are equal. Takes time proportional to the size of the items.
pub(super) fn are_unique(items: &[Value]) -> bool {
    // Random keys: an author of values cannot make hashes collide.
    let state = RandomState::new();
    let mut hashed: Vec<_> = items
        .iter()
        .map(|item| (hash(item, &state), item))
        .collect();
    hashed.sort_unstable_by_key(|(hash, _)| *hash);
    hashed
        .windows(2)
        .all(|pair| pair[0].0 != pair[1].0 || !is_equal(pair[0].1, pair[1].1))
}

/// Returns the integer that a number is equal to, if it is one of at most 100 bits. JSON integers have at most 64.
fn whole(number: &Number) -> Option<i128> {
    const MAX_WHOLE: f64 = (1_u128 << 100) as f64;
    number.as_i128().or_else(|| {
        let float = number.as_f64()?;
        let is_whole = float.fract() == 0.0 && float.abs() <= MAX_WHOLE;
        // The cast is exact.
        is_whole.then_some(float as i128)
    })
}

/// Returns a hash that equal values share. Values that are not equal have different hashes, apart from collisions that
/// nobody can provoke.
fn hash(value: &Value, state: &RandomState) -> u64 {
    let mut hasher = state.build_hasher();
    match value {
        Value::Null => 0_u8.hash(&mut hasher),
        Value::Bool(value) => (1_u8, value).hash(&mut hasher),
        Value::Number(number) => match whole(number) {
            Some(integer) => (2_u8, integer).hash(&mut hasher),
            None => {
                let float = number.as_f64().unwrap_or_default();
                (6_u8, float.to_bits()).hash(&mut hasher);
            }
        },
        Value::String(text) => (3_u8, text).hash(&mut hasher),
        Value::Array(items) => {
            (4_u8, items.len()).hash(&mut hasher);
            items
                .iter()
                .for_each(|item| hash(item, state).hash(&mut hasher));
        }
        Value::Object(members) => {
            // The order of members is irrelevant, so their hashes are added.
            let members = members
                .iter()
                .map(|(key, value)| state.hash_one((key, hash(value, state))));
            (5_u8, members.fold(0_u64, u64::wrapping_add)).hash(&mut hasher);
        }
    }
    hasher.finish()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use serde_json::{Value, json};

    use super::{are_unique, compare, is_equal, is_multiple_of};

    fn parse(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn numbers_are_compared_by_value() {
        for (a, b, is_same) in [
            ("1", "1.0", true),
            ("0", "-0.0", true),
            ("9007199254740993", "9007199254740992.0", false),
            ("18446744073709551615", "18446744073709551615", true),
            ("18446744073709551615", "1.8446744073709551615e19", false),
            ("-1", "-1.5", false),
            (r#"{"a":1,"b":[1]}"#, r#"{"b":[1.0],"a":1}"#, true),
            ("true", "1", false),
            ("\"1\"", "1", false),
        ] {
            assert_eq!(is_equal(&parse(a), &parse(b)), is_same, "{a} {b}");
            let pair = Value::Array(vec![parse(a), parse(b)]);
            assert_eq!(are_unique(pair.as_array().unwrap()), !is_same, "{pair}");
        }
        // All three integers are the same float.
        for (third, is_same) in [("9007199254740992", true), ("9007199254740994", false)] {
            let text = format!("[9007199254740992,9007199254740993,{third}]");
            assert_eq!(are_unique(parse(&text).as_array().unwrap()), !is_same);
        }
        let order = |a: Value, b: Value| compare(a.as_number().unwrap(), b.as_number().unwrap());
        assert!(order(json!(-2), json!(-1.5)).unwrap().is_lt());
        assert!(order(json!(-1.5), json!(-1)).unwrap().is_lt());
        assert!(order(json!(1e300), json!(u64::MAX)).unwrap().is_gt());
    }

    #[test]
    fn multiples_are_decimal() {
        for (value, divisor, expected) in [
            ("0.3", "0.1", true),
            ("0.35", "0.1", false),
            ("4.5", "1.5", true),
            ("1e308", "0.5", true),
            ("7", "2", false),
            ("7", "3.5", true),
            ("0", "0.001", true),
            ("0.0075", "0.0001", true),
            ("12391239123", "1e-8", true),
        ] {
            let (a, b) = (parse(value), parse(divisor));
            let is_multiple = is_multiple_of(a.as_number().unwrap(), b.as_number().unwrap());
            assert_eq!(is_multiple, expected, "{value} {divisor}");
        }
    }
}
