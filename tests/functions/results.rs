//! Results of functions, as clients of every revision receive them.

use serde_json::{Value, json};

use super::{component_with_memory, tool};
use crate::support::client::Revision;
use crate::support::server::Host;

const WORLD: &str = "
    record problem { code: u32, why: string }
    enum color { red, green }
    export nothing: func();
    export add: func(a: u32, b: u32) -> u32;
    export greet: func(name: string) -> string;
    export both: func() -> tuple<u8, u8>;
    export maybe: func(there: bool) -> option<u8>;
    export pick: func() -> color;
    export blob: func() -> list<u8>;
    export inspect: func() -> problem;
    export parse: func(fails: bool) -> result<string, string>;
    export check: func(fails: bool) -> result<_, problem>;
    export attempt: func(fails: bool) -> result<u8>;
    export bare: func(fails: bool) -> result;
";

/// Memory layout: 0 the returned value, 64 the text `no`.
const FUNCTIONS: &str = r#"
    (data (i32.const 64) "no")
    (func (export "nothing"))
    (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
    (func (export "greet") (param i32 i32) (result i32)
      (i32.store (i32.const 0) (local.get 0))
      (i32.store (i32.const 4) (local.get 1))
      (i32.const 0))
    (func (export "both") (result i32)
      (i32.store16 (i32.const 0) (i32.const 0x0201))
      (i32.const 0))
    (func (export "maybe") (param i32) (result i32)
      (i32.store8 (i32.const 0) (local.get 0))
      (i32.store8 (i32.const 1) (i32.const 9))
      (i32.const 0))
    (func (export "pick") (result i32) (i32.const 1))
    (func (export "blob") (result i32)
      (i32.store (i32.const 0) (i32.const 64))
      (i32.store (i32.const 4) (i32.const 2))
      (i32.const 0))
    (func (export "inspect") (result i32)
      (i32.store (i32.const 0) (i32.const 7))
      (i32.store (i32.const 4) (i32.const 64))
      (i32.store (i32.const 8) (i32.const 2))
      (i32.const 0))
    (func $text_or_error (export "parse") (param i32) (result i32)
      (i32.store (i32.const 0) (local.get 0))
      (i32.store (i32.const 4) (i32.const 64))
      (i32.store (i32.const 8) (i32.const 2))
      (i32.const 0))
    (func (export "check") (param i32) (result i32)
      (i32.store (i32.const 0) (local.get 0))
      (i32.store (i32.const 4) (i32.const 7))
      (i32.store (i32.const 8) (i32.const 64))
      (i32.store (i32.const 12) (i32.const 2))
      (i32.const 0))
    (func (export "attempt") (param i32) (result i32)
      (i32.store8 (i32.const 0) (local.get 0))
      (i32.store8 (i32.const 1) (i32.const 9))
      (i32.const 0))
    (func (export "bare") (param i32) (result i32) (local.get 0))
"#;

/// A record is the structured content itself; other values are its member `result`. The text is the string or the JSON.
#[tokio::test]
async fn values_are_structured_content_and_text() {
    let host = Host::serving_component(&component_with_memory(WORLD, FUNCTIONS)).await;
    let cases = [
        (
            "add",
            json!({ "a": 40, "b": 2 }),
            "42",
            json!({ "result": 42 }),
        ),
        (
            "greet",
            json!({ "name": "h\u{e9}" }),
            "h\u{e9}",
            json!({ "result": "h\u{e9}" }),
        ),
        ("both", json!({}), "[1,2]", json!({ "result": [1, 2] })),
        (
            "maybe",
            json!({ "there": true }),
            "9",
            json!({ "result": 9 }),
        ),
        (
            "maybe",
            json!({ "there": false }),
            "null",
            json!({ "result": null }),
        ),
        ("pick", json!({}), "green", json!({ "result": "green" })),
        ("blob", json!({}), "bm8=", json!({ "result": "bm8=" })),
        (
            "inspect",
            json!({}),
            r#"{"code":7,"why":"no"}"#,
            json!({ "code": 7, "why": "no" }),
        ),
        (
            "parse",
            json!({ "fails": false }),
            "no",
            json!({ "result": "no" }),
        ),
        (
            "attempt",
            json!({ "fails": false }),
            "9",
            json!({ "result": 9 }),
        ),
    ];
    for revision in Revision::SINCE_JUNE_2025 {
        let client = host.client_of(revision);
        for (name, arguments, text, structured) in &cases {
            let answer = client.call(name, arguments.clone()).await;
            assert_eq!(answer.text(), *text, "{name} {revision:?}");
            let found = &answer.result()["structuredContent"];
            assert_eq!(found, structured, "{name} {revision:?}");
        }
    }
    let list = host.client().list().await;
    let list = list.result();
    assert_eq!(
        tool(list, "inspect")["outputSchema"]["required"],
        json!(["code", "why"])
    );
    assert_eq!(
        tool(list, "add")["outputSchema"],
        json!({
            "type": "object",
            "properties": {
                "result": { "type": "integer", "minimum": 0, "maximum": u32::MAX },
            },
            "required": ["result"],
            "additionalProperties": false,
        })
    );
}

#[tokio::test]
async fn functions_without_a_value_return_no_content() {
    let host = Host::serving_component(&component_with_memory(WORLD, FUNCTIONS)).await;
    let list = host.client().list().await;
    let none = json!({ "type": "object", "properties": {}, "additionalProperties": false });
    assert_eq!(tool(list.result(), "nothing")["inputSchema"], none);
    for (name, arguments) in [
        ("nothing", json!({})),
        ("check", json!({ "fails": false })),
        ("bare", json!({ "fails": false })),
    ] {
        assert_eq!(
            tool(list.result(), name)["outputSchema"],
            Value::Null,
            "{name}"
        );
        for revision in Revision::ALL {
            let answer = host.client_of(revision).call(name, arguments.clone()).await;
            assert_eq!(answer.result()["content"], json!([]), "{name}");
            assert_eq!(answer.result()["structuredContent"], Value::Null, "{name}");
            assert_eq!(answer.result()["isError"], false, "{name}");
        }
    }
}

#[tokio::test]
async fn the_error_of_a_result_is_a_tool_error() {
    let host = Host::serving_component(&component_with_memory(WORLD, FUNCTIONS)).await;
    for revision in Revision::ALL {
        for (name, message) in [
            ("parse", "no"),
            ("check", r#"{"code":7,"why":"no"}"#),
            ("attempt", "`attempt` failed without saying why"),
            ("bare", "`bare` failed without saying why"),
        ] {
            let answer = host
                .client_of(revision)
                .call(name, json!({ "fails": true }))
                .await;
            assert_eq!(answer.failure(), message, "{name}");
            assert_eq!(answer.result()["structuredContent"], Value::Null, "{name}");
        }
    }
}

#[tokio::test]
async fn each_call_has_a_new_instance_and_runs_post_return() {
    let component = component_with_memory(
        "export count: func() -> u32; export text: func() -> string;",
        r#"(global $calls (mut i32) (i32.const 0))
           (func (export "count") (result i32)
             (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
             (global.get $calls))
           (func (export "text") (result i32) (i32.const 16))
           (func (export "cabi_post_text") (param i32)
             (if (i32.eq (local.get 0) (i32.const 16)) (then unreachable)))"#,
    );
    let host = Host::serving_component(&component).await;
    for _ in 0..5 {
        assert_eq!(host.client().call("count", json!({})).await.text(), "1");
    }
    let answer = host.client().call("text", json!({})).await;
    assert_eq!(answer.failure_with_id(), "the tool crashed");
}
