//! Types that hold no others: their schema, what they take, that it comes back as it was, and what they refuse before the guest runs.

use serde_json::{Value, json};

use super::{echoing, tool};
use crate::support::server::Host;

/// What the types are made of.
const DEFINITIONS: &str = "
    record point { x: s32, y: option<s32> }
    record place { name: string, at: point, tags: list<string> }
    enum color { red, dark-green }
    flags access { read, write, run-it }
    variant shape { nothing, never, circle(f64), at(point), maybe(option<u8>) }
    variant only { one(u8) }
";

/// A type, its schema, what it takes and gives back, and what it refuses and with which words.
pub(super) struct Type {
    wit: &'static str,
    schema: Value,
    takes: Vec<(Value, Value)>,
    refuses: Vec<(Value, &'static str)>,
}

pub(super) fn ty(
    wit: &'static str,
    schema: Value,
    same: impl IntoIterator<Item = Value>,
    refuses: impl IntoIterator<Item = (Value, &'static str)>,
) -> Type {
    Type {
        wit,
        schema,
        takes: same.into_iter().map(|v| (v.clone(), v)).collect(),
        refuses: refuses.into_iter().collect(),
    }
}

impl Type {
    /// Takes some values that come back in another form.
    pub(super) fn and(mut self, other: impl IntoIterator<Item = (Value, Value)>) -> Self {
        self.takes.extend(other);
        self
    }
}

/// Holds each type against a guest that returns what it is given.
pub(super) async fn check(types: Vec<Type>) {
    let wits: Vec<_> = types.iter().map(|ty| ty.wit).collect();
    let host = Host::of_component(&echoing(DEFINITIONS, &wits)).await;
    let client = host.client();
    let list = client.list().await;
    for (index, ty) in types.iter().enumerate() {
        let name = format!("f{index}");
        let wit = ty.wit;
        let input = &tool(list.result(), &name)["inputSchema"];
        assert_eq!(input["properties"]["x"], ty.schema, "{wit}");
        assert_eq!(input["additionalProperties"], false);
        let output = &tool(list.result(), &name)["outputSchema"];
        assert_eq!(output["properties"]["x"], ty.schema, "{wit}");
        for (given, wanted) in &ty.takes {
            let answer = client.call(&name, json!({ "x": given })).await;
            let result = answer.result();
            assert_ne!(result["isError"], true, "{wit}, {given}: {result}");
            let found = &result["structuredContent"]["x"];
            // As text, for 1.0 and 1 are different results.
            assert_eq!(found.to_string(), wanted.to_string(), "{wit}, {given}");
        }
        for (given, words) in &ty.refuses {
            let answer = client.call(&name, json!({ "x": given })).await;
            let sentence = answer.failure();
            assert!(
                sentence.starts_with("`/x") && sentence.contains(words),
                "{wit}, {given}: {sentence}"
            );
            assert!(
                sentence.len() < 500 && !sentence.contains('\n'),
                "{sentence}"
            );
        }
    }
}

pub(super) fn integer(minimum: i64, maximum: i64) -> Value {
    json!({ "type": "integer", "minimum": minimum, "maximum": maximum })
}

/// The least and the greatest that every reader of JSON takes exactly.
const EXACT: i64 = 9_007_199_254_740_991;

#[tokio::test]
async fn integers() {
    let small = |wit, least: i64, greatest: i64| {
        ty(
            wit,
            integer(least, greatest),
            [json!(least), json!(greatest), json!(7)],
            [
                (json!(least - 1), "is not an integer from"),
                (json!(greatest + 1), "is not an integer from"),
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
    let wide = |least: i64, digits: &str| json!({ "anyOf": [integer(least, EXACT), { "type": "string", "pattern": digits }] });
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
                // Whoever sent it may have rounded it.
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
async fn floats() {
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
            // The shortest decimal that is the float, not the double beside it.
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
async fn text_and_bytes() {
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
