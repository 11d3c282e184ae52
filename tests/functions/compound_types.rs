//! Types that contain other types, and types with cases: their schemas, accepted values and rejected values.

use serde_json::{Value, json};

use super::round_trip::{check, integer, ty};
use super::{echo_component, tool};
use crate::support::server::Host;

#[tokio::test]
async fn lists_and_tuples_are_arrays() {
    let byte = integer(0, 255);
    check(vec![
        ty(
            "list<u32>",
            json!({ "type": "array", "items": integer(0, u32::MAX.into()) }),
            [json!([]), json!([1, 2, 3]), json!(vec![7; 1_000])],
            [
                (json!([1, "2"]), "`/x/1`: \"2\" is not an integer"),
                (json!({ "0": 1 }), "an object is not an array"),
                (json!("AAAA"), "is not an array"),
            ],
        ),
        ty(
            "list<list<u8>>",
            json!({ "type": "array", "items": { "type": "string", "contentEncoding": "base64" } }),
            [json!(["aGk=", ""])],
            [(json!(["aGk=", "?"]), "`/x/1`: it is not valid base64")],
        ),
        ty(
            "tuple<u8, string>",
            json!({
                "type": "array",
                "prefixItems": [byte, { "type": "string" }],
                "items": false,
                "minItems": 2,
                "maxItems": 2,
            }),
            [json!([1, "a"])],
            [
                (json!([1]), "an array of 1 is not an array of 2"),
                (json!([1, "a", 2]), "an array of 3 is not an array of 2"),
                (json!(["a", 1]), "`/x/0`: \"a\" is not an integer"),
                (json!({}), "an object is not an array"),
            ],
        ),
        ty(
            "list<tuple<u8, u8>>",
            json!({
                "type": "array",
                "items": {
                    "type": "array",
                    "prefixItems": [byte, byte],
                    "items": false,
                    "minItems": 2,
                    "maxItems": 2,
                },
            }),
            [json!([[1, 2], [3, 4]])],
            [(json!([[1, 2], [3, 400]]), "`/x/1/1`: 400 is not")],
        ),
    ])
    .await;
}

fn point() -> Value {
    let int = integer(i32::MIN.into(), i32::MAX.into());
    json!({
        "type": "object",
        "properties": { "x": int, "y": { "anyOf": [int, { "type": "null" }] } },
        "required": ["x"],
        "additionalProperties": false,
    })
}

#[tokio::test]
async fn records_are_objects() {
    check(vec![
        ty(
            "point",
            point(),
            [json!({ "x": 1, "y": 2 }), json!({ "x": 1, "y": null })],
            [
                (json!({}), "`/x`: `x` is missing"),
                (json!({ "y": 1 }), "`x` is missing"),
                (json!({ "x": null }), "`/x/x`: null is not an integer"),
                (
                    json!({ "x": 1, "z": 2 }),
                    "`/x`: \"z\" is not known; there are `x`, `y`",
                ),
                (
                    json!({ "x": 1, "y": "2" }),
                    "`/x/y`: \"2\" is not an integer",
                ),
                (json!([1, 2]), "an array is not an object"),
            ],
        )
        .and([(json!({ "x": 1 }), json!({ "x": 1, "y": null }))]),
        ty(
            "place",
            json!({
                "type": "object",
                "properties": {
                    "name": { "type": "string" },
                    "at": point(),
                    "tags": { "type": "array", "items": { "type": "string" } },
                },
                "required": ["name", "at", "tags"],
                "additionalProperties": false,
            }),
            [json!({ "name": "a", "at": { "x": -1, "y": 3 }, "tags": ["b", "c"] })],
            [
                (
                    json!({ "name": "a", "at": { "x": 1, "a/b~c": 1 }, "tags": [] }),
                    "`/x/at`: \"a/b~c\" is not known",
                ),
                (
                    json!({ "name": "a", "at": { "x": 1 }, "tags": ["b", 1] }),
                    "`/x/tags/1`: 1 is not a string",
                ),
            ],
        )
        // The order of the members is irrelevant.
        .and([(
            json!({ "tags": [], "at": { "y": 1, "x": 2 }, "name": "" }),
            json!({ "name": "", "at": { "x": 2, "y": 1 }, "tags": [] }),
        )]),
    ])
    .await;
}

#[tokio::test]
async fn enums_flags_variants_options_and_results_have_json_forms() {
    let single = |key: &str, schema: Value| {
        json!({
            "type": "object",
            "properties": { key: schema },
            "required": [key],
            "additionalProperties": false,
        })
    };
    let byte = integer(0, 255);
    let float =
        json!({ "anyOf": [{ "type": "number" }, { "enum": ["NaN", "Infinity", "-Infinity"] }] });
    check(vec![
        ty(
            "color",
            json!({ "type": "string", "enum": ["red", "dark-green"] }),
            [json!("red"), json!("dark-green")],
            [
                (json!("blue"), "\"blue\" is not one of `red`, `dark-green`"),
                (json!("Red"), "is not one of"),
                (json!(0), "0 is not one of"),
                (json!(null), "null is not one of"),
            ],
        ),
        ty(
            "access",
            json!({
                "type": "array",
                "items": { "type": "string", "enum": ["read", "write", "run-it"] },
                "uniqueItems": true,
            }),
            [
                json!([]),
                json!(["read"]),
                json!(["read", "write", "run-it"]),
            ],
            [
                (json!(["read", "fly"]), "`/x/1`: \"fly\" is not one of"),
                (json!(["read", "read"]), "`/x/1`: \"read\" is given twice"),
                (json!("read"), "is not an array"),
                (json!({ "read": true }), "is not an array"),
            ],
        )
        .and([(json!(["run-it", "read"]), json!(["read", "run-it"]))]),
        ty(
            "shape",
            json!({ "anyOf": [
                { "type": "string", "enum": ["nothing", "never"] },
                single("circle", float),
                single("at", point()),
                single("maybe", json!({ "anyOf": [byte, { "type": "null" }] })),
            ] }),
            [
                json!("nothing"),
                json!("never"),
                json!({ "circle": 1.5 }),
                json!({ "at": { "x": 1, "y": null } }),
                json!({ "maybe": 3 }),
                json!({ "maybe": null }),
            ],
            [
                (
                    json!("square"),
                    "\"square\" is not one of the cases `nothing`",
                ),
                (json!({ "square": 1 }), "is not one of the cases"),
                (
                    json!("circle"),
                    "the case `circle` has a value: give {\"circle\": …}",
                ),
                (
                    json!({ "nothing": 0 }),
                    "the case `nothing` has no value: give \"nothing\"",
                ),
                (
                    json!({ "circle": "big" }),
                    "`/x/circle`: \"big\" is not a number",
                ),
                (
                    json!({ "circle": 1, "at": { "x": 1 } }),
                    "an object with a single member",
                ),
                (json!({}), "an object with a single member"),
                (
                    json!(7),
                    "is not the name of a case or an object with one member",
                ),
            ],
        ),
        ty(
            "only",
            single("one", byte.clone()),
            [json!({ "one": 1 })],
            [
                (json!("one"), "the case `one` has a value"),
                (json!({ "one": 256 }), "`/x/one`: 256"),
            ],
        ),
        ty(
            "option<u8>",
            json!({ "anyOf": [byte, { "type": "null" }] }),
            [json!(1), json!(null)],
            [
                (json!("1"), "is not an integer"),
                (json!({ "some": 1 }), "is not an integer"),
            ],
        ),
        ty(
            "option<option<u8>>",
            json!({ "anyOf": [
                single("some", json!({ "anyOf": [byte, { "type": "null" }] })),
                { "type": "null" },
            ] }),
            [json!(null), json!({ "some": null }), json!({ "some": 1 })],
            [
                (
                    json!(1),
                    "`null` or an object with the single member `some`",
                ),
                (json!({ "none": 1 }), "the single member `some`"),
                (json!({ "some": 300 }), "`/x/some`: 300"),
            ],
        ),
        ty(
            "result<u8, string>",
            json!({ "anyOf": [
                single("ok", byte.clone()),
                single("error", json!({ "type": "string" })),
            ] }),
            [json!({ "ok": 1 }), json!({ "error": "no" })],
            [
                (json!(1), "the single member `ok` or `error`"),
                (json!({ "err": "no" }), "the single member `ok` or `error`"),
                (
                    json!({ "ok": 1, "error": "no" }),
                    "the single member `ok` or `error`",
                ),
                (json!({ "ok": "1" }), "`/x/ok`: \"1\""),
            ],
        ),
        ty(
            "result",
            json!({ "anyOf": [
                single("ok", json!({ "type": "null" })),
                single("error", json!({ "type": "null" })),
            ] }),
            [json!({ "ok": null }), json!({ "error": null })],
            [(json!({ "ok": 1 }), "`/x/ok`: 1 is not `null`")],
        ),
        ty(
            "result<_, u8>",
            json!({ "anyOf": [single("ok", json!({ "type": "null" })), single("error", byte)] }),
            [json!({ "ok": null }), json!({ "error": 4 })],
            [(json!({ "error": null }), "`/x/error`: null")],
        ),
    ])
    .await;
}

#[tokio::test]
async fn only_option_parameters_may_be_absent() {
    let types = ["u8", "option<u8>", "option<option<u8>>"];
    let host = Host::serving_component(&echo_component("", &types)).await;
    let list = host.client().list().await;
    for (name, required) in [
        ("f0", json!(["x"])),
        ("f1", json!(null)),
        ("f2", json!(null)),
    ] {
        assert_eq!(
            tool(list.result(), name)["inputSchema"]["required"],
            required
        );
        let answer = host.client().call(name, json!({})).await;
        if required.is_null() {
            let expected = json!({ "x": null, "pad": null });
            assert_eq!(answer.result()["structuredContent"], expected);
        } else {
            assert_eq!(answer.failure(), "the arguments: `x` is missing");
        }
        let answer = host.client().call(name, json!({ "x": 1, "y": 2 })).await;
        let message = answer.failure();
        assert!(
            message.contains("`/x`") || message.contains("\"y\" is not known"),
            "{message}"
        );
    }
}
