//! Arguments with a configured default, and arguments that are hidden from callers.

use serde_json::{Value, json};

use super::{find_tool, forecast_schema, start_host};
use crate::support::client::{Answer, Client, Revision};
use crate::support::guest::{Guest, Tool};
use crate::support::server::Host;

/// The arguments of each call, and what the tool receives, or parts of the error that the caller receives.
type Calls<'a> = &'a [(Value, Result<Value, &'a [&'a str]>)];

/// Serves `forecast` with these settings. Asserts that its listed schema is the original with `change` applied, and
/// that these calls have these outcomes.
async fn check(settings: &str, change: impl FnOnce(&mut Value), calls: Calls<'_>) {
    let host = start_host(&format!("[component.tool.forecast]\n{settings}")).await;
    let mut expected_schema = forecast_schema();
    change(&mut expected_schema);
    for revision in Revision::ALL {
        let client = host.client_of(revision);
        let listed = find_tool(&client, "forecast").await["inputSchema"].clone();
        assert_eq!(listed, expected_schema, "{settings}");
        for (arguments, expected) in calls {
            let answer = call(&client, &expected_schema, arguments).await;
            match expected {
                Ok(expected) => {
                    let received: Value = serde_json::from_str(answer.text()).unwrap();
                    assert_eq!(received, *expected, "{settings}: {arguments}");
                }
                Err(parts) => {
                    let error = answer.failure();
                    for part in *parts {
                        assert!(error.contains(part), "{error:?} lacks {part:?}");
                    }
                    assert!(!error.contains("s3cret"), "{error}");
                }
            }
        }
    }
}

/// Calls `forecast` like a client that knows the listed schema, with the argument `key` mirrored in a header.
async fn call(client: &Client, expected_schema: &Value, arguments: &Value) -> Answer {
    let params = json!({ "name": "forecast", "arguments": arguments });
    let message = client.message("tools/call", params);
    let mut request = client.post(&message);
    let is_mirrored = expected_schema["properties"]["key"]["x-mcp-header"].is_string();
    if let Some(key) = arguments["key"].as_str().filter(|_| is_mirrored) {
        request = request.header("mcp-param-key", key);
    }
    Answer::to(request).await
}

#[tokio::test]
async fn defaults_replace_missing_arguments_only() {
    check(
        "defaults = { city = \"Oslo\", days = 3 }",
        |schema| {
            schema["properties"]["city"]["default"] = json!("Oslo");
            schema["properties"]["days"]["default"] = json!(3);
            schema["required"] = json!(["key"]);
        },
        &[
            (
                json!({ "key": "k" }),
                Ok(json!({ "key": "k", "city": "Oslo", "days": 3 })),
            ),
            (
                json!({ "key": "k", "days": 7 }),
                Ok(json!({ "key": "k", "days": 7, "city": "Oslo" })),
            ),
            (
                json!({ "key": "k", "city": "Rome", "days": 1, "more": [] }),
                Ok(json!({ "key": "k", "city": "Rome", "days": 1, "more": [] })),
            ),
            (json!({}), Err(&["the arguments", "key"])),
            // Given arguments are never replaced, even if they are invalid.
            (json!({ "key": "k", "city": "" }), Err(&["`/city`"])),
            (
                json!({ "key": "k", "city": null }),
                Err(&["`/city`", "null"]),
            ),
            (json!({ "key": "k", "days": 8 }), Err(&["`/days`", "8"])),
        ],
    )
    .await;
    // A property with the schema `true`, one with a `$ref`, and defaults for all required properties.
    check(
        "[component.tool.forecast.defaults]\n\"a/b\" = [1]\nunit = \"F\"\nkey = \"k\"\ncity = \"Oslo\"",
        |schema| {
            schema["properties"]["a/b"] = json!({ "default": [1] });
            schema["properties"]["unit"]["default"] = json!("F");
            schema["properties"]["key"]["default"] = json!("k");
            schema["properties"]["city"]["default"] = json!("Oslo");
            schema.as_object_mut().unwrap().remove("required");
        },
        &[
            (
                json!({}),
                Ok(json!({ "a/b": [1], "unit": "F", "key": "k", "city": "Oslo" })),
            ),
            (
                json!({ "key": "own", "a/b": null }),
                Ok(json!({ "a/b": null, "unit": "F", "key": "own", "city": "Oslo" })),
            ),
        ],
    )
    .await;
}

/// A hidden argument has its configured default, or none.
#[tokio::test]
async fn hidden_arguments_cannot_be_set_by_callers() {
    let rejected: &[&str] = &["`/key`", "no such argument"];
    check(
        "hide = [\"key\"]\ndefaults = { key = \"s3cret\" }",
        |schema| {
            schema["properties"].as_object_mut().unwrap().remove("key");
            schema["required"] = json!(["city"]);
            schema["examples"] = json!([{ "city": "Oslo" }]);
            schema["default"] = json!({ "city": "Oslo" });
        },
        &[
            (
                json!({ "city": "Oslo" }),
                Ok(json!({ "city": "Oslo", "key": "s3cret" })),
            ),
            // The schema allows additional properties, but not the hidden one.
            (
                json!({ "city": "Oslo", "more": 1 }),
                Ok(json!({ "city": "Oslo", "more": 1, "key": "s3cret" })),
            ),
            (json!({ "city": "Oslo", "key": "mine" }), Err(rejected)),
            (json!({ "key": null }), Err(rejected)),
            (json!({}), Err(&["the arguments", "city"])),
            (json!({ "city": 5 }), Err(&["`/city`", "string"])),
        ],
    )
    .await;
    check(
        "hide = [\"days\", \"a/b\", \"days\"]",
        |schema| {
            for name in ["days", "a/b"] {
                schema["properties"].as_object_mut().unwrap().remove(name);
            }
        },
        &[
            (
                json!({ "city": "Oslo", "key": "k" }),
                Ok(json!({ "city": "Oslo", "key": "k" })),
            ),
            (
                json!({ "city": "Oslo", "key": "k", "days": 1 }),
                Err(&["`/days`", "no such argument"]),
            ),
            (
                json!({ "city": "Oslo", "key": "k", "a/b": 1 }),
                Err(&["`/a~1b`", "no such argument"]),
            ),
        ],
    )
    .await;
    // All arguments are hidden.
    let all = "hide = [\"city\", \"days\", \"unit\", \"key\", \"a/b\"]\n\
               defaults = { city = \"Oslo\", key = \"s3cret\" }";
    check(
        all,
        |schema| {
            schema["properties"] = json!({});
            schema["examples"] = json!([{}]);
            schema["default"] = json!({});
            schema.as_object_mut().unwrap().remove("required");
        },
        &[(json!({}), Ok(json!({ "city": "Oslo", "key": "s3cret" })))],
    )
    .await;
}

/// An argument can be hidden even if the schema refers to other arguments elsewhere.
#[tokio::test]
async fn schemas_with_further_keywords_are_supported() {
    let schema = json!({
        "type": "object",
        "properties": {
            "a": { "type": "integer" },
            "b": { "type": "integer" },
            "c": { "$ref": "#/properties/b" },
        },
        "anyOf": [{ "required": ["a"] }, { "required": ["b"] }],
        "additionalProperties": false,
    });
    let guest = Guest::with(
        Tool::new("sum").taking(&schema),
        "(call $text (local.get $arguments) (local.get $arguments_len))",
    );
    let text = "[[component]]\nref = \"guest.wasm\"\n[component.tool.sum]\nhide = [\"c\"]\ndefaults = { c = 3 }";
    let host = Host::configured(&[("guest", &guest)], text).await;
    let client = host.client();
    for (arguments, expected) in [
        (json!({ "a": 1 }), Ok(json!({ "a": 1, "c": 3 }))),
        (json!({}), Err("the arguments")),
        (
            json!({ "a": 1, "c": 3 }),
            Err("`/c`: the tool takes no such argument"),
        ),
        (json!({ "a": 1, "d": 3 }), Err("'d' was unexpected")),
    ] {
        let answer = client.call("sum", arguments.clone()).await;
        match expected {
            Ok(expected) => {
                let received: Value = serde_json::from_str(answer.text()).unwrap();
                assert_eq!(received, expected, "{arguments}");
            }
            Err(part) => assert!(answer.failure().contains(part), "{answer:?}"),
        }
    }
}

#[tokio::test]
async fn toml_defaults_become_equal_json_values() {
    for (toml, expected) in [
        ("\"\"", json!("")),
        ("\"Tromsø \\u0000 \\\"\"", json!("Tromsø \u{0} \"")),
        ("'''\na\n  b'''", json!("a\n  b")),
        ("true", json!(true)),
        ("-0", json!(0)),
        ("+7", json!(7)),
        ("1_000", json!(1000)),
        ("0xff", json!(255)),
        ("0b101", json!(5)),
        ("9223372036854775807", json!(i64::MAX)),
        ("-9223372036854775808", json!(i64::MIN)),
        ("18446744073709551615", json!(u64::MAX)),
        ("0.1", json!(0.1)),
        ("3.0", json!(3.0)),
        ("-1e-7", json!(-1e-7)),
        ("1_0.2_5", json!(10.25)),
        ("[]", json!([])),
        ("[1, 'a', [2.5, {}]]", json!([1, "a", [2.5, {}]])),
        (
            "{ b = 1, a.c = [true] }",
            json!({ "b": 1, "a": { "c": [true] } }),
        ),
    ] {
        let settings = format!(
            "[component.tool.forecast.defaults]\ncity = \"x\"\nkey = \"k\"\n\"a/b\" = {toml}"
        );
        let host = start_host(&settings).await;
        let client = host.client();
        let answer = client.call("forecast", json!({})).await;
        let received: Value = serde_json::from_str(answer.text()).unwrap();
        let received = &received["a/b"];
        assert_eq!(*received, expected, "{toml}");
        let listed = find_tool(&client, "forecast").await;
        assert_eq!(
            listed["inputSchema"]["properties"]["a/b"]["default"],
            expected
        );
        // Integers stay integers, and floats stay floats.
        assert_eq!(received.is_f64(), expected.is_f64(), "{toml}");
    }
}
