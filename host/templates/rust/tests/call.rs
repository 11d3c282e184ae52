//! Calls the built component through `toolcrib call`.

use std::process::Command;

use serde_json::{Value, json};

/// Returns the result of a call, and whether it succeeded.
fn call(arguments: Value) -> (Value, bool) {
    let toolcrib = std::env::var("TOOLCRIB").unwrap_or_else(|_| "toolcrib".into());
    let output = Command::new(&toolcrib)
        .args(["call", "my-tool.wasm", "count_words", &arguments.to_string(), "--json"])
        .output()
        .unwrap_or_else(|error| panic!("{toolcrib}: {error}"));
    let result = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    (result, output.status.success())
}

#[test]
fn words_are_counted() {
    let (result, succeeded) = call(json!({ "text": "To be, or not\nto be", "top": 2 }));
    assert!(succeeded, "{result:#}");
    let expected = json!({
        "words": 6,
        "lines": 2,
        "most_frequent": [{ "word": "be", "count": 2 }, { "word": "to", "count": 2 }],
    });
    assert_eq!(result["structuredContent"], expected);
}

#[test]
fn a_text_without_words_is_refused() {
    let (result, succeeded) = call(json!({ "text": "…" }));
    assert!(!succeeded);
    assert_eq!(result["content"][0]["text"], "the text has no words");
}
