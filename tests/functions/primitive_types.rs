//! Types that contain no other types: their schemas, accepted values and rejected values.

use serde_json::json;

use super::round_trip::{check, integer, ty};

/// The greatest integer that every JSON parser reads exactly: 2^53 - 1.
const EXACT: i64 = 9_007_199_254_740_991;

#[tokio::test]
async fn integers_are_exact() {
    let small = |wit, min: i64, max: i64| {
        ty(
            wit,
            integer(min, max),
            [json!(min), json!(max), json!(7)],
            [
                (json!(min - 1), "is not an integer from"),
                (json!(max + 1), "is not an integer from"),
                (json!(1.5), "1.5 is not an integer"),
                (json!(1e300), "is not an integer"),
                (json!("7"), "\"7\" is not an integer"),
                (json!(true), "true is not an integer"),
                (json!(null), "null is not an integer"),
                (json!([7]), "an array is not an integer"),
            ],
        )
        .and([
            (json!(1.0), json!(1)),
            (json!(2e1), json!(20)),
            (json!(-0.0), json!(0)),
        ])
    };
    let wide = |min: i64, digits: &str| json!({ "anyOf": [integer(min, EXACT), { "type": "string", "pattern": digits }] });
    check(vec![
        small("s8", -128, 127),
        small("u8", 0, 255),
        small("s16", -32_768, 32_767),
        small("u16", 0, 65_535),
        small("s32", i32::MIN.into(), i32::MAX.into()),
        small("u32", 0, u32::MAX.into()),
        ty(
            "u64",
            wide(0, "^[0-9]{1,20}$"),
            [
                json!(0),
                json!(EXACT),
                json!("9007199254740992"),
                json!("9007199254740993"),
                json!("18446744073709551615"),
            ],
            [
                (
                    json!(-1),
                    "is not an integer from 0 to 18446744073709551615",
                ),
                (json!("-1"), "is not an integer"),
                (json!("18446744073709551616"), "is not an integer"),
                (json!("99999999999999999999999"), "is not an integer"),
                // Rejected because the client may have rounded it.
                (json!(9_007_199_254_740_992_i64), "give it as a string"),
                (json!(u64::MAX), "give it as a string"),
                (json!(1e19), "give it as a string"),
                (json!(1e300), "is not an integer"),
                (json!(0.5), "is not an integer"),
                (json!(""), "is not an integer"),
                (json!("1.0"), "is not an integer"),
                (json!("0x10"), "is not an integer"),
                (json!("+5"), "is not an integer"),
                (json!("-0"), "is not an integer"),
                (json!("000000000000000000001"), "is not an integer"),
                (json!(" 5"), "is not an integer"),
                (json!("١"), "is not an integer"),
            ],
        )
        .and([
            (json!("5"), json!(5)),
            (json!("00005"), json!(5)),
            (json!(5.0), json!(5)),
            (json!("9007199254740991"), json!(EXACT)),
        ]),
        ty(
            "s64",
            wide(-EXACT, "^-?[0-9]{1,19}$"),
            [
                json!(-EXACT),
                json!(EXACT),
                json!("-9007199254740992"),
                json!("9223372036854775807"),
                json!("-9223372036854775808"),
            ],
            [
                (
                    json!("9223372036854775808"),
                    "is not an integer from -9223372036854775808",
                ),
                (json!("-9223372036854775809"), "is not an integer"),
                (json!(i64::MIN), "give it as a string"),
                (json!(-EXACT - 1), "give it as a string"),
                (json!("--5"), "is not an integer"),
                (json!("00000000000000000001"), "is not an integer"),
                (json!("-"), "is not an integer"),
            ],
        )
        .and([(json!("-5"), json!(-5)), (json!("-0"), json!(0))]),
    ])
    .await;
}

#[tokio::test]
async fn floats_are_exact_and_may_be_infinite_or_nan() {
    let schema =
        json!({ "anyOf": [{ "type": "number" }, { "enum": ["NaN", "Infinity", "-Infinity"] }] });
    let named = ["NaN", "Infinity", "-Infinity"].map(|name| json!(name));
    let wrong = [
        (
            json!("nan"),
            "is not a number, \"NaN\", \"Infinity\" or \"-Infinity\"",
        ),
        (json!("1.5"), "is not a number"),
        (json!(null), "is not a number"),
        (json!(false), "is not a number"),
    ];
    check(vec![
        ty("f64", schema.clone(), named.clone(), wrong.clone()).and([
            (json!(0.1), json!(0.1)),
            (json!(-0.0), json!(-0.0)),
            (json!(1), json!(1.0)),
            (json!(f64::MAX), json!(f64::MAX)),
            (json!(5e-324), json!(5e-324)),
            (json!(u64::MAX), json!(18_446_744_073_709_552_000.0)),
        ]),
        ty(
            "f32",
            schema,
            named,
            wrong.into_iter().chain([
                (json!(1e39), "1e+39 is too large for a 32-bit float"),
                (json!(-3.5e38), "is too large for a 32-bit float"),
            ]),
        )
        .and([
            // Returned as the shortest decimal of the 32-bit float, not as the 64-bit float next to it.
            (json!(0.1), json!(0.1)),
            (json!(16_777_217), json!(16_777_216.0)),
            (json!(3.402_823_5e38), json!(3.402_823_5e38)),
            (json!(1e-45), json!(1e-45)),
            (json!(1e-50), json!(0.0)),
            (json!(-0.0), json!(-0.0)),
        ]),
    ])
    .await;
}

#[tokio::test]
async fn bools_chars_strings_and_bytes_are_unchanged() {
    check(vec![
        ty(
            "bool",
            json!({ "type": "boolean" }),
            [json!(true), json!(false)],
            [
                (json!(1), "1 is not a boolean"),
                (json!("true"), "is not a boolean"),
            ],
        ),
        ty(
            "char",
            json!({ "type": "string", "minLength": 1, "maxLength": 1 }),
            [json!("a"), json!("é"), json!("\u{1F980}"), json!("\u{0}")],
            [
                (json!(""), "is not a string of one character"),
                (json!("ab"), "is not a string of one character"),
                (json!(97), "is not a string of one character"),
            ],
        ),
        ty(
            "string",
            json!({ "type": "string" }),
            [
                json!(""),
                json!("hé\u{1F980}\n\u{0}\""),
                json!("x".repeat(100_000)),
            ],
            [
                (json!(1), "1 is not a string"),
                (json!(["a"]), "an array is not a string"),
            ],
        ),
        ty(
            "list<u8>",
            json!({ "type": "string", "contentEncoding": "base64" }),
            [
                json!(""),
                json!("aGk="),
                json!("AP8A/+8="),
                json!("AAAA".repeat(10_000)),
            ],
            [
                (json!("a"), "it is not valid base64"),
                (json!("aGk=="), "it is not valid base64"),
                (json!("aG k"), "it is not valid base64"),
                (json!("aGk-"), "it is not valid base64"),
                (json!("aGl="), "it is not valid base64"),
                (json!([104, 105]), "an array is not a base64 string"),
            ],
        )
        .and([(json!("aGk"), json!("aGk="))]),
    ])
    .await;
}
