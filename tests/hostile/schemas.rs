//! Schemas that make checking a value the work of years: the host looks so long, and says so.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::guest::{Guest, Tool};
use crate::support::server::Host;

const TOO_LONG: &str = "it takes too long to check them against the tool's schema";

/// Each definition leads to the next one twice.
fn doubling(how: &str, last: Value) -> Value {
    const DEFINITIONS: usize = 60;
    let mut definitions = serde_json::Map::new();
    for n in 0..DEFINITIONS {
        let next = json!({ "$ref": format!("#/$defs/d{}", n + 1) });
        definitions.insert(format!("d{n}"), json!({ how: [next, next] }));
    }
    definitions.insert(format!("d{DEFINITIONS}"), last);
    json!({ "type": "object", "$ref": "#/$defs/d0", "$defs": definitions })
}

/// Every member of a value is asked for twice, and so is every one of it; the validator remembers the first answer.
fn doubling_with_depth() -> Value {
    let member = json!({ "allOf": [{ "$ref": "#/$defs/a" }, { "$ref": "#/$defs/a" }] });
    json!({
        "type": "object", "$ref": "#/$defs/a",
        "$defs": { "a": { "properties": { "a": member } } }
    })
}

fn nested(levels: usize) -> Value {
    (0..levels).fold(json!({}), |inner, _| json!({ "a": inner }))
}

fn numbers(many: usize) -> Value {
    json!({ "list": vec![7; many] })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_arguments() {
    let many: Vec<_> = (0..5_000).map(|n| json!({ "const": -n })).collect();
    let list = |items| json!({ "type": "object", "properties": { "list": { "items": items } } });
    let tree = json!({
        "type": "object", "$ref": "#/$defs/tree",
        "$defs": { "tree": {
            "properties": { "children": { "items": { "$ref": "#/$defs/tree" } }, "const": { "$ref": "#/$defs/name" } },
            "additionalProperties": false
        }, "name": { "type": "string" } }
    });
    let wide = json!({ "children": vec![json!({ "const": "leaf" }); 50_000] });
    let cases = [
        (
            "any",
            doubling("anyOf", json!({ "required": ["x"] })),
            json!({}),
            Err(TOO_LONG),
        ),
        (
            "all",
            doubling("allOf", json!({ "minProperties": 0 })),
            json!({}),
            Err(TOO_LONG),
        ),
        (
            "one",
            doubling("oneOf", json!({ "minProperties": 0 })),
            json!({}),
            Err(TOO_LONG),
        ),
        ("deep", doubling_with_depth(), nested(100), Ok(())),
        (
            "many",
            list(json!({ "anyOf": many })),
            numbers(100_000),
            Err(TOO_LONG),
        ),
        (
            "not-many",
            list(json!({ "anyOf": many })),
            numbers(10),
            Err("`/list/0`"),
        ),
        (
            "long",
            list(json!({ "type": "integer", "minimum": 0 })),
            numbers(500_000),
            Ok(()),
        ),
        (
            "wrong",
            list(json!({ "type": "string" })),
            numbers(500_000),
            Err("`/list/0`: 7 is not of type"),
        ),
        (
            "itself",
            json!({ "type": "object", "allOf": [{ "$ref": "#" }] }),
            json!({}),
            Ok(()),
        ),
        ("tree", tree.clone(), wide, Ok(())),
        (
            "bad-tree",
            tree,
            json!({ "children": [{ "children": [{ "const": 1 }] }] }),
            Err("`/children/0/children/0/const`: 1 is not of type"),
        ),
    ];
    let mut guest = Guest::saying("hello", "hello");
    let said = guest.string("fits");
    for (name, schema, ..) in &cases {
        guest.tool(
            Tool::new(name).taking(schema),
            format!("(call $text {said})"),
        );
    }
    let host = Host::of(&guest).await;
    let slowest = beside(&host, async {
        for (name, _, arguments, wanted) in &cases {
            let answer = host.client().call(name, arguments.clone()).await;
            match wanted {
                Ok(()) => assert_eq!(answer.text(), "fits", "{name}"),
                Err(start) => assert!(
                    answer.failure().starts_with(start),
                    "{name}: {}",
                    answer.failure()
                ),
            }
        }
    })
    .await;
    assert!(slowest < Duration::from_secs(3), "{slowest:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_results() {
    let mut guest = Guest::saying("hello", "hello");
    let empty = guest.string("{}");
    let schema = doubling("anyOf", json!({ "required": ["x"] }));
    guest.tool(
        Tool::new("doubles").giving(schema),
        format!("(call $structured {empty})"),
    );
    let host = Host::of(&guest).await;
    let slowest = beside(&host, async {
        let calls = (0..4).map(async |_| {
            let answer = host.client().call("doubles", json!({})).await;
            assert_eq!(
                answer.failure_with_id(),
                "the tool returned a result that does not fit its definition"
            );
        });
        futures::future::join_all(calls).await;
    })
    .await;
    assert!(slowest < Duration::from_secs(3), "{slowest:?}");
}

/// How long the slowest of the light calls took that were made meanwhile.
async fn beside(host: &Host, work: impl Future<Output = ()>) -> Duration {
    let over = AtomicBool::new(false);
    let work = async {
        work.await;
        over.store(true, SeqCst);
    };
    let light = async {
        let client = host.client();
        let mut slowest = Duration::ZERO;
        while !over.load(SeqCst) {
            let begun = Instant::now();
            assert_eq!(client.call("hello", json!({})).await.text(), "hello");
            slowest = slowest.max(begun.elapsed());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        slowest
    };
    futures::join!(work, light).1
}
