//! Arguments that callers may leave out, and those that they neither see nor give.

use serde_json::{Value, json};

use super::{schema, served, tool};
use crate::support::client::{Answer, Client, Revision};
use crate::support::guest::{Guest, Tool};
use crate::support::server::Host;

/// What a call says, and what the tool gets or the caller is told.
type Calls<'a> = &'a [(Value, Result<Value, &'a [&'a str]>)];

/// Serves `forecast` with these settings; it is announced as `change` makes its own schema, and answers these calls.
async fn check(settings: &str, change: impl FnOnce(&mut Value), calls: Calls<'_>) {
    let host = served(&format!("[component.tool.forecast]\n{settings}")).await;
    let mut announced = schema();
    change(&mut announced);
    for revision in Revision::ALL {
        let client = host.client_of(revision);
        let found = tool(&client, "forecast").await["inputSchema"].clone();
        assert_eq!(found, announced, "{settings}");
        for (arguments, wanted) in calls {
            let answer = call(&client, &announced, arguments).await;
            match wanted {
                Ok(wanted) => {
                    let found: Value = serde_json::from_str(answer.text()).unwrap();
                    assert_eq!(found, *wanted, "{settings}: {arguments}");
                }
                Err(words) => {
                    let sentence = answer.failure();
                    for word in *words {
                        assert!(sentence.contains(word), "{sentence:?} lacks {word:?}");
                    }
                    assert!(!sentence.contains("s3cret"), "{sentence}");
                }
            }
        }
    }
}

/// A call of `forecast` as a client makes it that knows the announced schema: its key is mirrored in a header.
async fn call(client: &Client, announced: &Value, arguments: &Value) -> Answer {
    let params = json!({ "name": "forecast", "arguments": arguments });
    let message = client.message("tools/call", params);
    let mut request = client.post(&message);
    let is_mirrored = announced["properties"]["key"]["x-mcp-header"].is_string();
    if let Some(key) = arguments["key"].as_str().filter(|_| is_mirrored) {
        request = request.header("mcp-param-key", key);
    }
    Answer::to(request).await
}

/// A default fills in for what the caller leaves out, and for nothing else.
#[tokio::test]
async fn defaults() {
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
            // What is given counts, also where it is wrong.
            (json!({ "key": "k", "city": "" }), Err(&["`/city`"])),
            (
                json!({ "key": "k", "city": null }),
                Err(&["`/city`", "null"]),
            ),
            (json!({ "key": "k", "days": 8 }), Err(&["`/days`", "8"])),
        ],
    )
    .await;
    // A property whose schema is `true`, one that is a reference, and nothing required any more.
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

/// A hidden argument is not the caller's: it is fixed, or never given.
#[tokio::test]
async fn hidden() {
    let refused: &[&str] = &["`/key`", "no such argument"];
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
            // Although the schema allows more arguments than it names.
            (
                json!({ "city": "Oslo", "more": 1 }),
                Ok(json!({ "city": "Oslo", "more": 1, "key": "s3cret" })),
            ),
            (json!({ "city": "Oslo", "key": "mine" }), Err(refused)),
            (json!({ "key": null }), Err(refused)),
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
    // Nothing is left to give.
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

/// Schemas that speak of arguments more than once: those that are changed must stand alone.
#[tokio::test]
async fn schemas_with_more() {
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
    for (arguments, wanted) in [
        (json!({ "a": 1 }), Ok(json!({ "a": 1, "c": 3 }))),
        (json!({}), Err("the arguments")),
        (
            json!({ "a": 1, "c": 3 }),
            Err("`/c`: the tool takes no such argument"),
        ),
        (json!({ "a": 1, "d": 3 }), Err("'d' was unexpected")),
    ] {
        let answer = client.call("sum", arguments.clone()).await;
        match wanted {
            Ok(wanted) => {
                let found: Value = serde_json::from_str(answer.text()).unwrap();
                assert_eq!(found, wanted, "{arguments}");
            }
            Err(words) => assert!(answer.failure().contains(words), "{answer:?}"),
        }
    }
}

/// A default in TOML is the same value in JSON.
#[tokio::test]
async fn values() {
    for (toml, wanted) in [
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
        let host = served(&settings).await;
        let client = host.client();
        let answer = client.call("forecast", json!({})).await;
        let found: Value = serde_json::from_str(answer.text()).unwrap();
        assert_eq!(found["a/b"], wanted, "{toml}");
        let announced = tool(&client, "forecast").await;
        assert_eq!(
            announced["inputSchema"]["properties"]["a/b"]["default"],
            wanted
        );
        // An integer is none that only looks like one, and the other way round.
        let found = &found["a/b"];
        assert_eq!(found.is_f64(), wanted.is_f64(), "{toml}");
    }
}
