//! Validation of arguments against the input schema.

use serde_json::{Value, json};

use crate::support::guest::{Guest, Tool};
use crate::support::server::Host;

/// Invalid arguments are rejected before the guest runs. Valid arguments reach it unchanged.
#[tokio::test]
async fn arguments_are_validated_before_the_guest_runs() {
    let schema = json!({
        "type": "object",
        "properties": {
            "city": { "type": "string", "minLength": 1, "pattern": "^[A-Z]" },
            "days": { "type": "array", "items": { "type": "integer", "maximum": 7 } },
            "a/b": { "type": "boolean" },
            "unit": { "$ref": "#/$defs/unit" },
        },
        "required": ["city"],
        "additionalProperties": false,
        "$defs": { "unit": { "enum": ["C", "F"] } },
    });
    let mut guest = Guest::new();
    // A progress notification shows that the guest ran.
    guest.tool(
        Tool::new("echo").taking(&schema),
        "(call $progress (f64.const 1) (i32.const 0) (f64.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
         (call $text (local.get $arguments) (local.get $arguments_len))",
    );
    let host = Host::of(&guest).await;
    let client = host.client();
    let call = async |arguments: &Value| {
        let meta = json!({ "progressToken": "t" });
        let params = json!({ "name": "echo", "arguments": arguments, "_meta": meta });
        client.request("tools/call", params).await
    };

    for arguments in [
        json!({ "city": "Oslo" }),
        json!({ "city": "Tromsø", "days": [1, -7], "unit": "F", "a/b": true }),
        json!({ "city": "Z", "days": [] }),
    ] {
        let answer = call(&arguments).await;
        let echoed: Value = serde_json::from_str(answer.text()).unwrap();
        assert_eq!(echoed, arguments);
        assert_eq!(answer.notifications("notifications/progress").len(), 1);
    }

    // Each message contains the JSON pointer and the violated rule.
    for (arguments, expected) in [
        (json!({}), vec!["the arguments", "city"]),
        (json!({ "city": 5 }), vec!["`/city`", "string"]),
        (json!({ "city": "" }), vec!["`/city`"]),
        (json!({ "city": "oslo" }), vec!["`/city`", "^[A-Z]"]),
        (json!({ "city": null }), vec!["`/city`", "null"]),
        // An object, although `serde_json` reads it as the JSON in the string if its feature `raw_value` is enabled.
        (
            json!({ "city": { "$serde_json::private::RawValue": "\"Oslo\"" } }),
            vec!["`/city`", "string"],
        ),
        (
            json!({ "city": "Oslo", "days": [1, 8] }),
            vec!["`/days/1`", "8"],
        ),
        (
            json!({ "city": "Oslo", "days": 3 }),
            vec!["`/days`", "array"],
        ),
        (
            json!({ "city": "Oslo", "a/b": 1 }),
            vec!["`/a~1b`", "boolean"],
        ),
        (json!({ "city": "Oslo", "unit": "K" }), vec!["`/unit`"]),
        (json!({ "city": "Oslo", "zip": 1 }), vec!["zip"]),
    ] {
        let answer = call(&arguments).await;
        let message = answer.failure();
        for words in expected {
            assert!(message.contains(words), "{message:?} lacks {words:?}");
        }
        assert_eq!(answer.messages.len(), 1, "the guest ran: {answer:?}");
    }

    // The message truncates long values.
    let long = "x".repeat(100_000);
    let answer = call(&json!({ "city": long })).await;
    assert!(
        answer.failure().len() < 2_000,
        "{} bytes",
        answer.failure().len()
    );

    // Absent `arguments` are validated as an empty object.
    let answer = client
        .request("tools/call", json!({ "name": "echo" }))
        .await;
    assert!(answer.failure().contains("city"));
}

/// Models write numbers, lists and objects as strings. Where the schema wants another type, the JSON in the string counts.
#[tokio::test]
async fn strings_with_json_of_the_wanted_type_are_converted() {
    let integers = json!({ "type": "array", "items": { "type": "integer" } });
    let schema = json!({
        "type": "object",
        "properties": {
            "number": { "type": "number" },
            "flag": { "type": "boolean" },
            "list": { "anyOf": [integers, { "type": "null" }] },
            "object": { "type": "object", "required": ["k"] },
            "choice": { "enum": [1, 2] },
            "text": { "type": "string" },
            "digits": { "anyOf": [{ "type": "integer" }, { "type": "string", "pattern": "^[0-9]{1,20}$" }] },
        },
    });
    let mut guest = Guest::new();
    guest.tool(
        Tool::new("echo").taking(&schema),
        "(call $text (local.get $arguments) (local.get $arguments_len))",
    );
    let host = Host::of(&guest).await;
    for (given, expected) in [
        (json!({ "number": "2.5" }), json!({ "number": 2.5 })),
        (json!({ "flag": "true" }), json!({ "flag": true })),
        (json!({ "list": "[1,\"2\"]" }), json!({ "list": [1, 2] })),
        (json!({ "list": ["1", 2] }), json!({ "list": [1, 2] })),
        (
            json!({ "object": "{\"k\":\"1\"}" }),
            json!({ "object": { "k": "1" } }),
        ),
        (json!({ "choice": "2" }), json!({ "choice": 2 })),
        (
            json!({ "text": "5", "number": "1" }),
            json!({ "text": "5", "number": 1 }),
        ),
        (
            json!({ "digits": "18446744073709551615" }),
            json!({ "digits": "18446744073709551615" }),
        ),
    ] {
        let answer = host.client().call("echo", given.clone()).await;
        let echoed: Value = serde_json::from_str(answer.text()).unwrap();
        assert_eq!(echoed, expected, "{given}");
    }
    let exact = Host::start(&[("guest", &guest)], |config| {
        config.server.lenient_arguments = false;
    })
    .await;
    let refused = [
        (
            json!({ "number": "two" }),
            "`/number`: \"two\" is not of type \"number\"",
        ),
        (
            json!({ "flag": "yes" }),
            "`/flag`: \"yes\" is not of type \"boolean\"",
        ),
        (
            json!({ "object": "[]" }),
            "`/object`: \"[]\" is not of type \"object\"",
        ),
        (json!({ "text": 5 }), "`/text`: 5 is not of type \"string\""),
        (
            json!({ "number": "\"1\"" }),
            "`/number`: \"\\\"1\\\"\" is not of type \"number\"",
        ),
    ];
    for (given, message) in refused {
        for host in [&host, &exact] {
            let answer = host.client().call("echo", given.clone()).await;
            assert_eq!(answer.failure(), message, "{given}");
        }
    }
    let answer = exact.client().call("echo", json!({ "number": "5" })).await;
    assert_eq!(
        answer.failure(),
        "`/number`: \"5\" is not of type \"number\""
    );
}
