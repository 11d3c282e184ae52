//! Asynchronous functions as tools: called, awaited, with streams and futures in their results.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::guests::{self, AsyncGuest, EXIT};
use super::{serve, tool};

#[tokio::test]
async fn asynchronous_functions_are_called_and_awaited() {
    let host = serve(&guests::kinds(), "").await;
    let client = host.client();
    for (name, arguments, text, result) in [
        ("add", json!({ "a": 2, "b": 3 }), "5", json!(5)),
        ("double", json!({ "x": 4 }), "8", json!(8)),
        ("waits", json!({}), "hello", json!("hello")),
        ("text", json!({}), "hello", json!({ "text": "hello" })),
        ("empty", json!({}), "", json!({ "text": "" })),
        ("bytes", json!({}), "/wAB", json!({ "base64": "/wAB" })),
        ("later", json!({}), "hello", json!("hello")),
        (
            "both",
            json!({}),
            r#"[{"text":"hello"},7]"#,
            json!([{ "text": "hello" }, 7]),
        ),
    ] {
        let answer = client.call(name, arguments).await;
        assert_eq!(answer.text(), text, "{name}");
        let structured = &answer.result()["structuredContent"];
        assert_eq!(structured, &json!({ "result": result }), "{name}");
    }
    let failed = client.call("fails", json!({})).await;
    assert_eq!(failed.failure(), "hello");
    let refused = client.call("add", json!({ "a": 2 })).await;
    assert!(refused.failure().contains("`b` is missing"), "{refused:?}");
}

#[tokio::test]
async fn definitions_show_what_streams_and_futures_become() {
    let host = serve(&guests::kinds(), "").await;
    for (name, signature, result) in [
        (
            "add",
            "add: async func(a: u32, b: u32) -> u32",
            json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX }),
        ),
        ("double", "double: func(x: u32) -> u32", Value::Null),
        (
            "later",
            "later: async func() -> future<string>",
            json!({ "type": "string" }),
        ),
        (
            "both",
            "both: async func() -> tuple<stream<u8>, future<u32>>",
            Value::Null,
        ),
    ] {
        let tool = tool(&host, name).await;
        let description = tool["description"].as_str().unwrap();
        assert!(description.contains(signature), "{description}");
        if !result.is_null() {
            assert_eq!(tool["outputSchema"]["properties"]["result"], result);
        }
    }
    let text = tool(&host, "text").await;
    let cases = text["outputSchema"]["properties"]["result"]["anyOf"].clone();
    let keys = cases.as_array().unwrap().iter();
    let keys: Vec<_> = keys.map(|case| case["required"][0].clone()).collect();
    assert_eq!(keys, ["text", "base64"], "{text:#}");
}

#[tokio::test]
async fn the_output_limit_is_that_of_all_streams() {
    let host = serve(
        &guests::kinds(),
        "[component.limits]\noutput = \"900B\"\nconcurrency = 1\n",
    )
    .await;
    let client = host.client();
    let answer = client.call("large", json!({})).await;
    assert_eq!(
        answer.failure(),
        "the tool returned more than its limit of 900 bytes"
    );
    assert_eq!(client.call("text", json!({})).await.text(), "hello");
}

/// A guest that sleeps is stopped when its client is gone, long before its time limit.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_request_stops_a_waiting_guest() {
    let mut guest = AsyncGuest::new();
    guest.sleeping().add(
        "import toolcrib:mcp/call@0.1.1;",
        r#"(import "toolcrib:mcp/call@0.1.1" "progress" (func $progress (param f64 i32 f64 i32 i32 i32)))"#,
        "",
    );
    guest
        .function(
            "sleeps",
            "()",
            "",
            "(result i32)
             (call $progress (f64.const 1) (i32.const 0) (f64.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
             (call $wait (call $sleep (i64.const 600000000000)))",
            EXIT,
        )
        .function("ends", "()", "", &format!("(result i32) (call $return_ends) {EXIT}"), "unreachable");
    let settings = "[component.limits]\nconcurrency = 1\ntime = \"600s\"\n";
    let host = serve(&guest.component(1, ""), settings).await;
    let client = host.client();
    let params = json!({ "name": "sleeps", "arguments": {}, "_meta": { "progressToken": 1 } });
    let request = client.post(&client.message("tools/call", params));
    let mut response = request.send().await.unwrap();
    let mut received = Vec::new();
    while !String::from_utf8_lossy(&received).contains("notifications/progress") {
        received.extend(response.chunk().await.unwrap().unwrap());
    }
    assert_eq!(client.call("ends", json!({})).await.status, 503);
    drop(response);
    let dropped = Instant::now();
    while client.call("ends", json!({})).await.status != 200 {
        assert!(dropped.elapsed() < Duration::from_secs(20));
    }
}
