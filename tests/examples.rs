//! Every tool of every example does its work, called as a user calls it, and
//! refuses what it cannot do in one sentence.

use std::process::Command;

use base64::Engine as _;
use serde_json::{Value, json};

use crate::EXAMPLES;
use crate::process::TOOLCRIB;

/// `toolcrib call --json`: the result, and the exit status.
fn call(component: &str, tool: &str, arguments: &Value) -> (Value, i32) {
    let output = Command::new(TOOLCRIB)
        .args(["call", &format!("{EXAMPLES}/{component}.wasm"), tool])
        .args([&arguments.to_string(), "--json"])
        .output()
        .unwrap();
    let result = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        let said = String::from_utf8_lossy(&output.stderr);
        panic!("{component} {tool}: {error}: {said}");
    });
    (result, output.status.code().unwrap())
}

#[test]
fn every_tool_does_its_work() {
    let markdown = "# Title\n\n<script>alert(1)</script>\n";
    let cases = [
        (
            "echo",
            "echo",
            json!({ "text": "hé" }),
            "/structuredContent/text",
            json!("hé"),
        ),
        (
            "echo",
            "whoami",
            json!({}),
            "/structuredContent/caller",
            Value::Null,
        ),
        (
            "jq",
            "jq",
            json!({ "filter": "map(.n) | add", "input": [{ "n": 1 }, { "n": 41 }] }),
            "/structuredContent/results/0",
            json!(42),
        ),
        (
            "jq",
            "jq_each",
            json!({ "filter": "1 / .", "inputs": [2, 0] }),
            "/structuredContent/failed",
            json!(1),
        ),
        (
            "table",
            "table_stats",
            json!({ "csv": "city,degrees\nOslo,2\nRome,16\nBern,6\n" }),
            "/structuredContent/groups/0/columns/degrees/median",
            json!(6.0),
        ),
        (
            "table",
            "table_stats",
            json!({ "rows": [{ "k": "a", "n": 1 }, { "k": "b", "n": 2 }], "group_by": ["k"] }),
            "/structuredContent/groups/1/key/k",
            json!("b"),
        ),
        (
            "text",
            "markdown_to_html",
            json!({ "markdown": markdown }),
            "/structuredContent/html",
            json!("<h1>Title</h1>\n<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>\n"),
        ),
        (
            "text",
            "text_diff",
            json!({ "before": "a\nb\n", "after": "a\nc\n" }),
            "/structuredContent/added",
            json!(1),
        ),
    ];
    for (component, tool, arguments, pointer, wanted) in cases {
        let (result, status) = call(component, tool, &arguments);
        assert_eq!(status, 0, "{tool}: {result:#}");
        let found = result
            .pointer(pointer)
            .unwrap_or_else(|| panic!("{tool}: {result:#}"));
        let same = match (found.as_f64(), wanted.as_f64()) {
            (Some(found), Some(wanted)) => found == wanted,
            _ => *found == wanted,
        };
        assert!(same, "{tool}: {pointer} is {found}, not {wanted}");
    }
}

#[test]
fn a_qr_code_says_what_it_was_given() {
    let text = "https://example.com/?q=hé";
    let (result, _) = call("qr", "qr_code", &json!({ "text": text }));
    let image = &result["content"][0];
    assert_eq!(image["mimeType"], "image/png", "{result:#}");
    let png = base64::engine::general_purpose::STANDARD
        .decode(image["data"].as_str().unwrap())
        .unwrap();
    let picture = image::load_from_memory(&png).unwrap().to_luma8();
    let mut picture = rqrr::PreparedImage::prepare(picture);
    let (_, content) = picture.detect_grids()[0].decode().unwrap();
    assert_eq!(content, text);
}

#[test]
fn bad_arguments_are_refused_in_one_sentence() {
    let cases = [
        ("echo", "echo", json!({ "text": 1 }), "`/text`"),
        ("jq", "jq", json!({ "filter": ".[", "input": 1 }), "filter"),
        (
            "qr",
            "qr_code",
            json!({ "text": "x".repeat(8_000) }),
            "text",
        ),
        (
            "table",
            "table_stats",
            json!({ "csv": "a\n1\n", "rows": [{ "a": 1 }] }),
            "csv",
        ),
        ("text", "text_diff", json!({ "before": "a" }), "after"),
    ];
    for (component, tool, arguments, names) in cases {
        let (result, status) = call(component, tool, &arguments);
        assert_eq!(
            (status, &result["isError"]),
            (1, &json!(true)),
            "{tool}: {result:#}"
        );
        let sentence = result["content"][0]["text"].as_str().unwrap();
        assert!(sentence.contains(names), "{tool}: {sentence}");
        assert_eq!(sentence.lines().count(), 1, "{tool}: {sentence}");
    }
}
