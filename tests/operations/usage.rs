//! `toolcrib usage`: sums of audit files.

use serde_json::{Value, json};

use crate::support::command::Toolcrib;

/// Returns an audit record of a call.
fn record(day: u32, caller: &str, tool: &str, outcome: &str, duration_ms: f64) -> String {
    json!({
        "number": 1, "time": format!("2026-11-{day:02}T10:00:00.000Z"), "event": "request",
        "target": { "kind": "tool", "name": tool, "component": "c" },
        "caller": { "issuer": "i", "subject": caller, "client": null },
        "outcome": outcome, "duration_ms": duration_ms, "cpu_ms": 2.0, "request_bytes": 10,
        "response_bytes": 20, "previous": "",
    })
    .to_string()
}

#[test]
fn calls_are_summed_up() {
    let toolcrib = Toolcrib::new();
    let first = [
        record(27, "alice", "a", "ok", 10.0),
        record(27, "alice", "a", "crashed", 10.0),
        record(28, "bob", "a", "ok", 100.0),
        json!({ "number": 4, "event": "stopped", "previous": "" }).to_string(),
    ];
    let second = [record(28, "alice", "\u{1b}[31mb", "pending", 10.0)];
    toolcrib
        .file("1.jsonl", first.join("\n") + "\n{\"torn")
        .file("2.jsonl", second.join("\n") + "\n");
    let usage = |by: &[&str]| {
        let output = toolcrib.run(&[&["usage", "1.jsonl", "2.jsonl"], by].concat());
        assert_eq!(output.status, 0, "{output:?}");
        output.stdout
    };
    for (by, expected) in [
        (
            &["--by", "caller"][..],
            json!([
                ["alice", null, null, 3, 1, 6.0, 90],
                ["bob", null, null, 1, 0, 2.0, 30]
            ]),
        ),
        (
            &["--by", "tool"],
            json!([
                [null, "a", null, 3, 1, 6.0, 90],
                [null, "\u{1b}[31mb", null, 1, 0, 2.0, 30]
            ]),
        ),
        (
            &["--by", "day"],
            json!([
                [null, null, "2026-11-27", 2, 1, 4.0, 60],
                [null, null, "2026-11-28", 2, 0, 4.0, 60]
            ]),
        ),
        (
            &[],
            json!([
                ["alice", "a", null, 2, 1, 4.0, 60],
                ["alice", "\u{1b}[31mb", null, 1, 0, 2.0, 30],
                ["bob", "a", null, 1, 0, 2.0, 30],
            ]),
        ),
    ] {
        let rows: Value = serde_json::from_str(&usage(&[by, &["--json"]].concat())).unwrap();
        let rows = rows.as_array().unwrap().iter().map(|row| {
            json!([
                row["caller"],
                row["tool"],
                row["day"],
                row["calls"],
                row["failures"],
                row["cpu_ms"],
                row["bytes"],
            ])
        });
        assert_eq!(Value::Array(rows.collect()), expected, "{by:?}");
    }
    let table = usage(&["--by", "tool"]);
    let mut lines = table.lines();
    assert!(lines.next().unwrap().starts_with("TOOL "), "{table}");
    let of_a = lines.next().unwrap();
    let columns: Vec<_> = of_a.split_whitespace().collect();
    assert_eq!(columns[..5], ["a", "3", "1", "6.0", "90"], "{table}");
    let p95: f64 = columns[6].parse().unwrap();
    assert!((100.0..=105.0).contains(&p95), "{table}");
    // Names of tools and callers cannot control the terminal.
    assert!(!table.contains('\u{1b}'), "{table:?}");
}

#[test]
fn other_files_are_rejected() {
    let toolcrib = Toolcrib::new();
    toolcrib
        .file("text", "one\ntwo\n")
        .file("deep", "[".repeat(100_000));
    for (arguments, status, message) in [
        (&["usage", "missing"][..], 1, "`missing` cannot be read"),
        (
            &["usage", "text"],
            1,
            "`text`, line 1, is not an audit record",
        ),
        (&["usage"], 2, "FILE"),
        (&["usage", "text", "--by", "moon"], 2, "caller, tool, day"),
        (&["audit", "verify"], 2, "FILE"),
        (
            &["audit", "verify", "text"],
            1,
            "`text`, line 1, is not an audit record",
        ),
    ] {
        let output = toolcrib.run(arguments);
        assert_eq!(output.status, status, "{output:?}");
        assert!(output.stderr.contains(message), "{output:?}");
    }
    let torn = toolcrib.run(&["usage", "deep"]);
    assert_eq!(torn.status, 0, "{torn:?}");
}
