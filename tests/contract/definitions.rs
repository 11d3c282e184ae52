//! Tool definitions.

use serde_json::json;

use crate::support::client::Revision;
use crate::support::guest::{Guest, Icon, Tool};
use crate::support::server::{Host, load_problems};

#[tokio::test]
async fn definitions_are_listed_unchanged() {
    let input = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": { "b": { "$ref": "#/$defs/b" }, "a": { "type": "integer", "x-more": [1, 2] } },
        "required": ["b"],
        "$defs": { "b": { "$anchor": "b", "enum": ["x", "y"] } },
        "additionalProperties": false,
    });
    let output = json!({ "type": "object", "properties": { "n": { "type": "number" } } });
    let full = Tool {
        title: Some("Full".into()),
        annotations: Some([Some(true), Some(false), None, Some(true)]),
        icons: vec![
            Icon {
                src: "https://example.com/i.png".into(),
                media_type: Some("image/png".into()),
                sizes: vec!["48x48".into(), "any".into()],
            },
            Icon {
                src: "data:image/svg+xml,<svg/>".into(),
                media_type: None,
                sizes: Vec::new(),
            },
        ],
        meta: Some(r#"{"com.example/rank":7}"#.into()),
        ..Tool::new("full")
    }
    .with_description("Does everything.\nOn two lines.")
    .taking(&input)
    .with_output_schema(&output);
    let mut guest = Guest::new();
    guest
        .tool(full, "unreachable")
        .tool(Tool::new("bare"), "unreachable");
    let host = Host::of(&guest).await;
    for revision in Revision::SINCE_JUNE_2025 {
        let answer = host.client_of(revision).list().await;
        let tools = &answer.result()["tools"];
        let bare = json!({
            "name": "bare", "description": "A tool of the tests.", "inputSchema": { "type": "object" },
        });
        let full = json!({
            "name": "full",
            "title": "Full",
            "description": "Does everything.\nOn two lines.",
            "inputSchema": input,
            "outputSchema": output,
            "annotations": { "readOnlyHint": true, "destructiveHint": false, "openWorldHint": true },
            "icons": [
                { "src": "https://example.com/i.png", "mimeType": "image/png", "sizes": ["48x48", "any"] },
                { "src": "data:image/svg+xml,<svg/>" },
            ],
            "_meta": { "com.example/rank": 7 },
        });
        assert_eq!(*tools, json!([bare, full]), "{revision:?}");
        // Schemas keep the order of their keys, for human readers.
        let keys: Vec<_> = tools[1]["inputSchema"]["properties"]
            .as_object()
            .unwrap()
            .keys()
            .collect();
        assert_eq!(keys, ["b", "a"]);
    }
}

/// `definitions` runs with the limits of a call: it has no caller, its progress and log are discarded, and it must
/// finish in time.
#[tokio::test]
async fn definitions_run_like_a_call() {
    let mut guest = Guest::saying("hello", "hello");
    let line = guest.string("defining");
    guest.before_definitions(&format!(
        "(call $caller (i32.const 256))
         (if (i32.load8_u (i32.const 256)) (then unreachable))
         (if (call $cancelled) (then unreachable))
         (if (i64.gt_u (call $time_left) (i64.const 10000)) (then unreachable))
         (call $progress (f64.const 1) (i32.const 0) (f64.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
         (call $log (i32.const 0) {line})"
    ));
    assert_eq!(load_problems(&guest).await, [""; 0]);
    guest.before_definitions("unreachable");
    let lines = load_problems(&guest).await;
    assert!(
        lines.len() == 1 && lines[0].contains("its `definitions` failed"),
        "{lines:?}"
    );
}
