//! Regular expressions in schemas: their memory is limited when a component is loaded, their time when they match.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::guest::{Guest, Tool};
use crate::support::server::{Host, load_problems};

/// A pattern with about so many states, all of which a text of `a` keeps busy.
fn busy_pattern(states: usize) -> String {
    format!("(?:a|b)*a(?:a|b){{{}}}c", states / 3)
}

fn schema(pattern: &Value) -> Value {
    json!({ "type": "object", "properties": { "a": pattern } })
}

#[tokio::test]
async fn memory_of_patterns_is_limited_at_load() {
    let many = |count: usize| {
        let all = (0..count).map(|n| json!({ "pattern": format!("(\\p{{L}}{{10}}{n})?") }));
        json!({ "allOf": all.collect::<Vec<_>>() })
    };
    let names = (0..1_000).map(|n| (format!("(\\p{{L}}{{10}}{n})?"), json!(true)));
    let named: serde_json::Map<_, _> = names.collect();
    for (pattern, problem) in [
        (json!({ "pattern": busy_pattern(300) }), None),
        (
            json!({ "pattern": busy_pattern(300_000) }),
            Some("is too large"),
        ),
        (many(10), None),
        (many(1_000), Some("is too large")),
        (json!({ "patternProperties": named }), Some("is too large")),
        (
            json!({ "pattern": "\\cA".repeat(1_000) }),
            Some("escapes `\\c`"),
        ),
        (
            json!({ "pattern": "x".repeat(20_000) }),
            Some("16384 bytes"),
        ),
        (
            json!({ "pattern": "(".repeat(5_000) }),
            Some("not a regular expression"),
        ),
        (
            json!({ "pattern": format!("{}x{}", "(".repeat(5_000), ")".repeat(5_000)) }),
            Some("not a regular expression"),
        ),
    ] {
        let guest = Guest::with(Tool::new("t").taking(schema(&pattern)), "unreachable");
        let started = Instant::now();
        let problems = load_problems(&guest).await;
        let name = &pattern.to_string()[..pattern.to_string().len().min(80)];
        match problem {
            Some(problem) => assert!(problems[0].contains(problem), "{name}: {problems:?}"),
            None => assert_eq!(problems, [""; 0], "{name}"),
        }
        assert!(started.elapsed() < Duration::from_secs(10), "{name}");
    }
    // The limit applies to all tools of a component together.
    let mut guest = Guest::new();
    for tool in 0..16 {
        guest.tool(
            Tool::new(&format!("t{tool}")).taking(schema(&many(200))),
            "unreachable",
        );
    }
    assert!(load_problems(&guest).await[0].contains("is too large"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn time_of_patterns_is_limited_when_they_match() {
    let mut guest = Guest::new();
    let fits = guest.string("fits");
    let names = json!({ "patternProperties": { busy_pattern(9_000): false } });
    let base64 = "^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$";
    for (name, pattern) in [
        ("busy", json!({ "pattern": busy_pattern(9_000) })),
        ("names", names),
        ("base64", json!({ "pattern": base64 })),
    ] {
        guest.tool(
            Tool::new(name).taking(schema(&pattern)),
            format!("(call $text {fits})"),
        );
    }
    let host = Host::of(&guest).await;
    let too_long = "it takes too long to check them against the tool's schema";
    for (tool, value, expected) in [
        ("busy", json!("aac"), None),
        ("busy", json!("a".repeat(1_000_000)), Some(too_long)),
        ("names", json!({ "a".repeat(1_000_000): 1 }), Some(too_long)),
        ("names", json!({ "a": 1 }), None),
        ("base64", json!("abcd".repeat(500_000)), None),
    ] {
        let started = Instant::now();
        let answer = host.client().call(tool, json!({ "a": value })).await;
        match (tool, expected) {
            (_, Some(expected)) => assert_eq!(answer.failure(), expected, "{tool}"),
            ("busy", None) => assert!(answer.failure().contains("does not match"), "{answer:?}"),
            (_, None) => assert_eq!(answer.text(), "fits"),
        }
        assert!(started.elapsed() < Duration::from_secs(10), "{tool}");
    }
}
