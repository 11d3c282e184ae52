//! Structured output, `_meta`, errors and questions.

use serde_json::{Value, json};

use crate::support::client::Revision;
use crate::support::guest::{Block, Guest, Reply, Tool};
use crate::support::server::Host;

/// Structured output is checked after the guest has run, and also stands as text where the guest gave no other.
#[tokio::test]
async fn structured_output() {
    let schema = json!({
        "type": "object",
        "properties": { "degrees": { "type": "number" } },
        "required": ["degrees"],
    });
    let misfit = "the tool returned a result that does not fit its definition";
    let structured = |text| Reply {
        structured: Some(text),
        ..Reply::default()
    };
    // Nested deeper than a JSON reader should follow.
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
            Err(misfit),
        ),
        ("lacks-a-member", true, structured("{}"), Err(misfit)),
        (
            "is-missing",
            true,
            Reply {
                content: vec![(Block::Text("mild"), None)],
                ..Reply::default()
            },
            Err(misfit),
        ),
        ("is-no-json", true, structured("{degrees:1}"), Err(misfit)),
        (
            "is-no-json-and-free",
            false,
            structured("rubbish"),
            Err(misfit),
        ),
        ("is-cut", false, structured(r#"{"a":"#), Err(misfit)),
        ("is-two", false, structured("{} {}"), Err(misfit)),
        ("is-empty", false, structured(""), Err(misfit)),
        ("nests-too-deep", false, structured(&deep), Err(misfit)),
        (
            "meta-is-no-object",
            false,
            Reply {
                meta: Some("[]"),
                ..Reply::default()
            },
            Err(misfit),
        ),
        (
            "meta-is-no-json",
            false,
            Reply {
                meta: Some("{"),
                ..Reply::default()
            },
            Err(misfit),
        ),
    ];
    let mut guest = Guest::new();
    let mut wanted = Vec::new();
    for (name, has_schema, reply, outcome) in cases {
        let body = guest.reply(&reply);
        let tool = Tool::new(name);
        guest.tool(
            if has_schema {
                tool.giving(&schema)
            } else {
                tool
            },
            body,
        );
        wanted.push((name, outcome));
    }
    let host = Host::of(&guest).await;
    for revision in Revision::ALL {
        let client = host.client_of(revision);
        for (name, outcome) in &wanted {
            let answer = client.call(name, json!({})).await;
            match outcome {
                Err(sentence) => assert_eq!(answer.failure_with_id(), *sentence, "{name}"),
                Ok(wanted) => {
                    let result = answer.result();
                    assert_eq!(result["isError"], false, "{name}");
                    for (key, value) in wanted.as_object().unwrap() {
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

/// Structured output that is no object is for clients of the newest revision; the text is for all.
#[tokio::test]
async fn structured_output_of_any_type() {
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
            let wanted = if revision.is_modern() {
                value
            } else {
                Value::Null
            };
            assert_eq!(
                answer.result()["structuredContent"],
                wanted,
                "{name} {revision:?}"
            );
        }
        let answer = host.client_of(revision).call("nothing", json!({})).await;
        assert_eq!(answer.text(), "null");
    }
}

/// What a tool says about its failure reaches the model, as a result.
#[tokio::test]
async fn errors() {
    let mut guest = Guest::new();
    let sentence = guest.string("there is no such city: \u{201C}Atlantis\u{201D}");
    guest
        .tool(Tool::new("refuses"), format!("(call $invalid {sentence})"))
        .tool(Tool::new("fails"), format!("(call $failed {sentence})"))
        .tool(
            Tool::new("hints"),
            "(call $failed (i32.const 0) (i32.const 0))",
        );
    let host = Host::of(&guest).await;
    for revision in Revision::ALL {
        for (tool, wanted) in [
            ("refuses", "there is no such city: \u{201C}Atlantis\u{201D}"),
            ("fails", "there is no such city: \u{201C}Atlantis\u{201D}"),
            // Saying nothing is a failure all the same.
            ("hints", ""),
        ] {
            let answer = host.client_of(revision).call(tool, json!({})).await;
            assert_eq!(answer.status, 200);
            assert_eq!(answer.failure(), wanted);
        }
    }
}
