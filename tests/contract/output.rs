//! Structured output, `_meta` and errors.

use serde_json::{Value, json};

use crate::support::client::Revision;
use crate::support::guest::{Block, Guest, Reply, Tool};
use crate::support::server::Host;

/// Structured output is also returned as text if the guest returns no content.
#[tokio::test]
async fn structured_output_is_validated_against_the_output_schema() {
    let schema = json!({
        "type": "object",
        "properties": { "degrees": { "type": "number" } },
        "required": ["degrees"],
    });
    let rejected = "the tool returned a result that does not fit its definition";
    let structured = |text| Reply {
        structured: Some(text),
        ..Reply::default()
    };
    // Exceeds the nesting limit of JSON.
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    let cases: Vec<(&str, bool, Reply<'_>, Result<Value, &str>)> = vec![
        (
            "good",
            true,
            structured(r#"{"degrees":7.5}"#),
            Ok(json!({
                "content": [{ "type": "text", "text": r#"{"degrees":7.5}"# }],
                "structuredContent": { "degrees": 7.5 },
            })),
        ),
        (
            "good-with-text",
            true,
            Reply {
                content: vec![(Block::Text("mild"), None)],
                ..structured(r#"{"degrees":7.5}"#)
            },
            Ok(json!({
                "content": [{ "type": "text", "text": "mild" }],
                "structuredContent": { "degrees": 7.5 },
            })),
        ),
        (
            "without-schema",
            false,
            structured(r#"{"any":[1]}"#),
            Ok(json!({
                "content": [{ "type": "text", "text": r#"{"any":[1]}"# }],
                "structuredContent": { "any": [1] },
            })),
        ),
        (
            "with-meta",
            false,
            Reply {
                content: vec![(Block::Text("x"), None)],
                meta: Some(r#"{"com.example/a":[true]}"#),
                ..Reply::default()
            },
            Ok(json!({
                "content": [{ "type": "text", "text": "x" }],
                "_meta": { "com.example/a": [true] },
            })),
        ),
        (
            "breaks-schema",
            true,
            structured(r#"{"degrees":"warm"}"#),
            Err(rejected),
        ),
        ("lacks-a-member", true, structured("{}"), Err(rejected)),
        (
            "is-missing",
            true,
            Reply {
                content: vec![(Block::Text("mild"), None)],
                ..Reply::default()
            },
            Err(rejected),
        ),
        ("is-no-json", true, structured("{degrees:1}"), Err(rejected)),
        (
            "is-no-json-and-free",
            false,
            structured("rubbish"),
            Err(rejected),
        ),
        ("is-cut", false, structured(r#"{"a":"#), Err(rejected)),
        ("is-two", false, structured("{} {}"), Err(rejected)),
        ("is-empty", false, structured(""), Err(rejected)),
        ("nests-too-deep", false, structured(&deep), Err(rejected)),
        (
            "meta-is-no-object",
            false,
            Reply {
                meta: Some("[]"),
                ..Reply::default()
            },
            Err(rejected),
        ),
        (
            "meta-is-no-json",
            false,
            Reply {
                meta: Some("{"),
                ..Reply::default()
            },
            Err(rejected),
        ),
    ];
    let mut guest = Guest::new();
    let mut expected = Vec::new();
    for (name, has_schema, reply, outcome) in cases {
        let body = guest.reply(&reply);
        let tool = Tool::new(name);
        guest.tool(
            if has_schema {
                tool.with_output_schema(&schema)
            } else {
                tool
            },
            body,
        );
        expected.push((name, outcome));
    }
    let host = Host::of(&guest).await;
    for revision in Revision::SINCE_JUNE_2025 {
        let client = host.client_of(revision);
        for (name, outcome) in &expected {
            let answer = client.call(name, json!({})).await;
            match outcome {
                Err(message) => assert_eq!(answer.failure_with_id(), *message, "{name}"),
                Ok(expected) => {
                    let result = answer.result();
                    assert_eq!(result["isError"], false, "{name}");
                    for (key, value) in expected.as_object().unwrap() {
                        let mut found = result[key].clone();
                        if let (true, Some(meta)) = (key == "_meta", found.as_object_mut()) {
                            meta.remove("io.modelcontextprotocol/serverInfo");
                        }
                        assert_eq!(found, *value, "{name} {revision:?}");
                    }
                }
            }
        }
    }
}

/// Older revisions return it as text only.
#[tokio::test]
async fn structured_output_other_than_objects_needs_the_newest_revision() {
    let mut guest = Guest::new();
    for (name, text) in [("list", "[1,2]"), ("number", "4.5"), ("nothing", "null")] {
        let body = guest.reply(&Reply {
            structured: Some(text),
            ..Reply::default()
        });
        guest.tool(Tool::new(name), body);
    }
    let host = Host::of(&guest).await;
    for revision in Revision::ALL {
        for (name, text, value) in [
            ("list", "[1,2]", json!([1, 2])),
            ("number", "4.5", json!(4.5)),
        ] {
            let answer = host.client_of(revision).call(name, json!({})).await;
            assert_eq!(answer.text(), text, "{name} {revision:?}");
            let expected = if revision.is_modern() {
                value
            } else {
                Value::Null
            };
            assert_eq!(
                answer.result()["structuredContent"],
                expected,
                "{name} {revision:?}"
            );
        }
        let answer = host.client_of(revision).call("nothing", json!({})).await;
        assert_eq!(answer.text(), "null");
    }
}

#[tokio::test]
async fn tool_errors_are_results_with_the_message_of_the_tool() {
    let mut guest = Guest::new();
    let message = guest.string("there is no such city: \u{201C}Atlantis\u{201D}");
    guest
        .tool(Tool::new("refuses"), format!("(call $invalid {message})"))
        .tool(Tool::new("fails"), format!("(call $failed {message})"))
        .tool(
            Tool::new("hints"),
            "(call $failed (i32.const 0) (i32.const 0))",
        );
    let host = Host::of(&guest).await;
    for revision in Revision::ALL {
        for (tool, expected) in [
            ("refuses", "there is no such city: \u{201C}Atlantis\u{201D}"),
            ("fails", "there is no such city: \u{201C}Atlantis\u{201D}"),
            // An empty message is still an error.
            ("hints", ""),
        ] {
            let answer = host.client_of(revision).call(tool, json!({})).await;
            assert_eq!(answer.status, 200);
            assert_eq!(answer.failure(), expected);
        }
    }
}
