//! Rejection of invalid, oversized and deeply nested arguments of functions.

use serde_json::{Value, json};

use super::echo_component;
use crate::support::guest::Guest;
use crate::support::server::Host;

/// The guest sends a progress notification, which shows whether it ran.
#[tokio::test]
async fn invalid_arguments_are_rejected_before_the_guest_runs() {
    let mut guest = Guest::new();
    guest
        .export("export f: func(a: u8, b: string, pad: tuple<u64, u64>);")
        .item(
            r#"(func (export "f") (param i32 i32 i32 i64 i64)
              (call $progress (f64.const 1) (i32.const 0) (f64.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))"#,
        );
    let host = Host::of(&guest).await;
    let call = async |arguments: Value| {
        let meta = json!({ "progressToken": "t" });
        let params = json!({ "name": "f", "arguments": arguments, "_meta": meta });
        host.client().request("tools/call", params).await
    };
    let good = json!({ "a": 1, "b": "x", "pad": [0, "18446744073709551615"] });
    let answer = call(good.clone()).await;
    assert_eq!(answer.notifications("notifications/progress").len(), 1);
    let good_except = |key: &str, value: Value| {
        let mut arguments = good.clone();
        arguments[key] = value;
        arguments
    };
    for (arguments, message) in [
        (json!({}), "the arguments: `a` is missing"),
        (
            good_except("a", json!(256)),
            "`/a`: 256 is not an integer from 0 to 255",
        ),
        (
            good_except("b", json!(["x"])),
            "`/b`: an array is not a string",
        ),
        (
            good_except("pad", json!([0, "1e3"])),
            "`/pad/1`: \"1e3\" is not an integer from 0 to 18446744073709551615",
        ),
        (
            good_except("c/d", json!(1)),
            "the arguments: \"c/d\" is not known; there are `a`, `b`, `pad`",
        ),
        (
            good_except(&"long".repeat(1_000), json!(1)),
            &format!(
                "the arguments: \"{}\"… is not known; there are `a`, `b`, `pad`",
                "long".repeat(20)
            ),
        ),
    ] {
        let answer = call(arguments).await;
        assert_eq!(answer.failure(), message);
        assert_eq!(answer.messages.len(), 1, "the guest ran: {answer:?}");
    }
}

/// Values and bytes count towards one limit. Fewer are accepted.
#[tokio::test]
async fn arguments_with_too_many_values_are_rejected() {
    let fields: String = (0..500).map(|n| format!("n{n}: option<u8>,")).collect();
    let component = echo_component(
        &format!("record wide {{ {fields} }}"),
        &["list<u16>", "list<u8>", "list<list<bool>>", "list<wide>"],
    );
    let host = Host::serving_component(&component).await;
    let too_many = "more than 2000000 values and bytes";
    let answer = host
        .client()
        .call("f0", json!({ "x": vec![7; 2_000_001] }))
        .await;
    assert!(
        answer.failure().contains(too_many),
        "{:.200}",
        answer.failure()
    );
    let answer = host
        .client()
        .call(
            "f2",
            json!({ "x": vec![Value::Array(Vec::new()); 1_300_000] }),
        )
        .await;
    // Within the limit, but larger than the guest's 64 pages.
    assert_eq!(answer.failure_with_id(), "the tool crashed");
    // Absent fields count too: the guest receives a value for each.
    let answer = host
        .client()
        .call("f3", json!({ "x": vec![json!({}); 4_000] }))
        .await;
    assert!(
        answer.failure().contains(too_many),
        "{:.200}",
        answer.failure()
    );
    let bytes = "A".repeat(3 << 20);
    let answer = host.client().call("f1", json!({ "x": bytes })).await;
    assert!(
        answer.failure().contains(too_many),
        "{:.200}",
        answer.failure()
    );
    let answer = host
        .client()
        .call("f0", json!({ "x": vec![7; 200_000] }))
        .await;
    let echoed = answer.result()["structuredContent"]["x"]
        .as_array()
        .unwrap();
    assert_eq!(echoed.len(), 200_000);
}

/// The error points to the first value that does not match the type.
#[tokio::test]
async fn arguments_nested_deeper_than_their_type_are_rejected() {
    let host =
        Host::serving_component(&echo_component("", &["list<list<u8>>", "option<u8>"])).await;
    let deep = |levels: usize| {
        (0..levels).fold(json!(1), |inner, level| {
            if level % 2 == 0 {
                json!([inner])
            } else {
                json!({ "a": inner })
            }
        })
    };
    for levels in [3, 60] {
        let answer = host.client().call("f0", json!({ "x": deep(levels) })).await;
        assert!(answer.failure().starts_with("`/x"), "{answer:?}");
        let answer = host.client().call("f1", json!({ "x": deep(levels) })).await;
        assert!(answer.failure().starts_with("`/x`"), "{answer:?}");
    }
}

/// As for tools with a schema; integers of 64 bits have strings of their own.
#[tokio::test]
async fn strings_with_json_of_the_wanted_type_are_converted() {
    let mut guest = Guest::new();
    guest
        .export(
            "record pair { k: u32 }
             export small: func(x: u32) -> u32;
             export flag: func(x: bool) -> bool;
             export sum: func(x: list<u32>, y: pair);
             export wide: func(x: u64) -> u64;",
        )
        .item(
            r#"(func (export "small") (param i32) (result i32) (local.get 0))
               (func (export "flag") (param i32) (result i32) (local.get 0))
               (func (export "sum") (param i32 i32 i32))
               (func (export "wide") (param i64) (result i64) (local.get 0))"#,
        );
    let lenient = Host::of(&guest).await;
    let exact = Host::start(&[("guest", &guest)], |config| {
        config.server.lenient_arguments = false;
    })
    .await;
    let sum = json!({ "x": "[\"1\",2]", "y": "{\"k\":3}" });
    for (tool, given) in [
        ("small", json!({ "x": "5" })),
        ("flag", json!({ "x": "true" })),
        ("sum", sum),
    ] {
        let answer = lenient.client().call(tool, given.clone()).await;
        assert_eq!(answer.result()["isError"], json!(false), "{answer:?}");
        let answer = exact.client().call(tool, given).await;
        assert!(answer.failure().starts_with("`/x`: "), "{answer:?}");
    }
    for (tool, given) in [
        ("small", json!({ "x": "five" })),
        ("small", json!({ "x": "-5" })),
        ("wide", json!({ "x": "1e3" })),
        ("wide", json!({ "x": "[5]" })),
    ] {
        let message = lenient.client().call(tool, given.clone()).await;
        assert!(message.failure().contains("is not an integer"), "{given}");
    }
}
