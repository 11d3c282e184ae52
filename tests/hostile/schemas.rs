//! Schemas whose validation would take years: the host stops the validation and says so.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::client::{Client, Revision};
use crate::support::command::Toolcrib;
use crate::support::guest::{Guest, Tool};
use crate::support::process::{Process, peak_mb};
use crate::support::server::Host;

const TOO_LONG: &str = "it takes too long to check them against the tool's schema";

/// A schema with 60 definitions, each of which refers to the next one twice.
fn doubling_schema(keyword: &str, last: Value) -> Value {
    const DEFINITIONS: usize = 60;
    let mut definitions = serde_json::Map::new();
    for n in 0..DEFINITIONS {
        let next = json!({ "$ref": format!("#/$defs/d{}", n + 1) });
        definitions.insert(format!("d{n}"), json!({ keyword: [next, next] }));
    }
    definitions.insert(format!("d{DEFINITIONS}"), last);
    json!({ "type": "object", "$ref": "#/$defs/d0", "$defs": definitions })
}

/// A schema that checks each nested value twice per level, which is cheap only if the validator caches results.
fn schema_doubling_with_depth() -> Value {
    let member = json!({ "allOf": [{ "$ref": "#/$defs/a" }, { "$ref": "#/$defs/a" }] });
    json!({
        "type": "object", "$ref": "#/$defs/a",
        "$defs": { "a": { "properties": { "a": member } } }
    })
}

fn nested_value(levels: usize) -> Value {
    (0..levels).fold(json!({}), |inner, _| json!({ "a": inner }))
}

fn number_list(length: usize) -> Value {
    json!({ "list": vec![7; length] })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exponential_input_schemas_do_not_delay_other_calls() {
    let constants: Vec<_> = (0..5_000).map(|n| json!({ "const": -n })).collect();
    let with_seven = [constants.clone(), vec![json!({ "const": 7 })]].concat();
    let list_of = |items| json!({ "type": "object", "properties": { "list": { "items": items } } });
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
            doubling_schema("anyOf", json!({ "required": ["x"] })),
            json!({}),
            Err(TOO_LONG),
        ),
        (
            "all",
            doubling_schema("allOf", json!({ "minProperties": 0 })),
            json!({}),
            Err(TOO_LONG),
        ),
        (
            "one",
            doubling_schema("oneOf", json!({ "minProperties": 0 })),
            json!({}),
            Err(TOO_LONG),
        ),
        (
            "deep",
            schema_doubling_with_depth(),
            nested_value(100),
            Ok(()),
        ),
        (
            "many",
            list_of(json!({ "anyOf": with_seven })),
            number_list(100_000),
            Err(TOO_LONG),
        ),
        (
            "not-many",
            list_of(json!({ "anyOf": constants })),
            number_list(10),
            Err("`/list/0`"),
        ),
        (
            "long",
            list_of(json!({ "type": "integer", "minimum": 0 })),
            number_list(500_000),
            Ok(()),
        ),
        (
            "wrong",
            list_of(json!({ "type": "string" })),
            number_list(500_000),
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
    let fits = guest.string("fits");
    for (name, schema, ..) in &cases {
        guest.tool(
            Tool::new(name).taking(schema),
            format!("(call $text {fits})"),
        );
    }
    let host = Host::of(&guest).await;
    let slowest = slowest_light_call(&host, async {
        for (name, _, arguments, expected) in &cases {
            let answer = host.client().call(name, arguments.clone()).await;
            match expected {
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
async fn exponential_output_schemas_do_not_delay_other_calls() {
    let mut guest = Guest::saying("hello", "hello");
    let empty = guest.string("{}");
    let schema = doubling_schema("anyOf", json!({ "required": ["x"] }));
    guest.tool(
        Tool::new("doubles").with_output_schema(schema),
        format!("(call $structured {empty})"),
    );
    let host = Host::of(&guest).await;
    let slowest = slowest_light_call(&host, async {
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

/// Calls a light tool repeatedly until `work` is done, and returns the highest latency.
async fn slowest_light_call(host: &Host, work: impl Future<Output = ()>) -> Duration {
    let is_done = AtomicBool::new(false);
    let work = async {
        work.await;
        is_done.store(true, SeqCst);
    };
    let light_calls = async {
        let client = host.client();
        let mut slowest = Duration::ZERO;
        while !is_done.load(SeqCst) {
            let started = Instant::now();
            assert_eq!(client.call("hello", json!({})).await.text(), "hello");
            slowest = slowest.max(started.elapsed());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        slowest
    };
    futures::join!(work, light_calls).1
}

/// The location of a mismatch repeats the names of all members around it.
#[tokio::test]
async fn memory_for_the_locations_of_mismatches_is_limited() {
    const MAX_GROWTH_MB: f64 = 300.0;
    let lists = json!({ "items": { "type": "integer" } });
    let schema = json!({ "type": "object", "additionalProperties": lists });
    let mut guest = Guest::new();
    let fits = guest.string("fits");
    let call = format!("(call $text {fits})");
    guest.tool(Tool::new("sum").taking(schema.to_string()), call);
    let toolcrib = Toolcrib::new();
    let path = toolcrib.write("guest", &guest.component());
    let command = toolcrib.command(&["serve", &path, "--no-auth", "--listen", "127.0.0.1:0"]);
    let process = Process::start(command);
    let url = format!("http://{}/mcp", process.address);
    let client = Client::new(&url, Revision::July2026);
    // Strings that hold numbers are converted, each at its location.
    let numbers = json!({ "short": vec!["1"; 1_000] });
    assert_eq!(client.call("sum", numbers).await.text(), "fits");
    let before = peak_mb(process.id());
    let answer = client
        .call("sum", json!({ "n".repeat(3_000_000): vec!["x"; 1_000] }))
        .await;
    assert!(!answer.failure().is_empty());
    let growth = peak_mb(process.id()) - before;
    assert!(growth < MAX_GROWTH_MB, "{growth} MiB");
}
