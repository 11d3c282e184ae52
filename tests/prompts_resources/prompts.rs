//! `prompts/get`: arguments, content, failures, prefixes and duplicates.

use serde_json::{Value, json};

use super::{INTERNAL_ERROR, INVALID_PARAMS, get, message_with_id, one_of_each, text};
use crate::support::client::{Answer, Revision};
use crate::support::guest::{Audience, Block, Guest, Link, Prompt, PromptResult, Resource};
use crate::support::server::{Host, load_problems_with};

#[tokio::test]
async fn arguments_are_validated_against_the_definition() {
    let host = Host::of(&one_of_each()).await;
    let cases: [(Value, Result<&str, &str>); 13] = [
        (json!({ "who": "Ada" }), Ok("who=Ada;")),
        (json!({ "who": "" }), Ok("who=;")),
        (
            json!({ "who": "Ada", "how": "世界\n" }),
            Ok("how=世界\n;who=Ada;"),
        ),
        (json!({}), Err("the argument `who` is missing")),
        (Value::Null, Err("the argument `who` is missing")),
        (json!({ "how": "x" }), Err("the argument `who` is missing")),
        (
            json!({ "who": "Ada", "where": "x" }),
            Err("`where` is not an argument of this prompt"),
        ),
        (
            json!({ "who": "Ada", "Who": "x" }),
            Err("`Who` is not an argument of this prompt"),
        ),
        (
            json!({ "who": 7 }),
            Err("`/arguments/who` must be a string"),
        ),
        (
            json!({ "who": null }),
            Err("`/arguments/who` must be a string"),
        ),
        (
            json!({ "who": "Ada", "how": ["x"] }),
            Err("`/arguments/how` must be a string"),
        ),
        (
            json!({ "who": "Ada", "a/b": 7 }),
            Err("`/arguments/a~1b` must be a string"),
        ),
        (json!(["who"]), Err("malformed")),
    ];
    for revision in Revision::ALL {
        let client = host.client_of(revision);
        for (arguments, expected) in &cases {
            let answer = get(&client, "greet", arguments.clone()).await;
            match expected {
                Ok(expected) => {
                    // The order of arguments is not defined.
                    let sorted = |text: &str| {
                        let mut parts: Vec<_> = text.split(';').map(str::to_owned).collect();
                        parts.sort();
                        parts
                    };
                    assert_eq!(sorted(text(&answer)), sorted(expected), "{arguments}");
                    assert_eq!(answer.result()["messages"][0]["role"], "user");
                }
                Err(message) => {
                    assert_eq!(answer.code(), INVALID_PARAMS, "{arguments}: {answer:?}");
                    assert!(answer.message().contains(message), "{answer:?}");
                }
            }
        }
        let answer = get(&client, "no-such", json!({})).await;
        assert_eq!(answer.code(), INVALID_PARAMS);
        assert_eq!(
            answer.message(),
            "unknown prompt `no-such`; prompts/list names those there are"
        );
        assert_eq!(answer.status, 200);
    }
}

#[tokio::test]
async fn content_of_every_kind_and_role_is_returned() {
    let bytes: &[u8] = &[0, 1, 254, 255];
    let link = Link {
        uri: "test://l",
        name: "l",
        size: Some(5_000_000_000),
        ..Link::default()
    };
    let audience = Audience {
        roles: &[0],
        priority: Some(1.0),
        last_modified: None,
    };
    let filled = PromptResult {
        description: Some("What it is."),
        messages: vec![
            (0, Block::Text("zażółć"), Some(audience)),
            (1, Block::Text(""), None),
            (0, Block::Image(bytes, "image/png"), None),
            (1, Block::Audio(bytes, "audio/wav"), None),
            (0, Block::Link(link), None),
            (
                0,
                Block::EmbeddedText("test://t", Some("text/plain"), "t"),
                None,
            ),
            (1, Block::EmbeddedBinary("test://b", None, bytes), None),
        ],
        meta: Some(r#"{"com.example/rank":7}"#),
    };
    let mut guest = Guest::new();
    let all = guest.prompt_result(&filled);
    guest.prompt(Prompt::new("all"), all);
    let none = guest.prompt_result(&PromptResult::default());
    guest.prompt(Prompt::new("none"), none);
    let host = Host::of(&guest).await;
    let expected = json!([
        { "role": "user", "content": {
            "type": "text", "text": "zażółć", "annotations": { "audience": ["user"], "priority": 1.0 },
        } },
        { "role": "assistant", "content": { "type": "text", "text": "" } },
        { "role": "user", "content": { "type": "image", "data": "AAH+/w==", "mimeType": "image/png" } },
        { "role": "assistant", "content": { "type": "audio", "data": "AAH+/w==", "mimeType": "audio/wav" } },
        { "role": "user", "content": {
            "type": "resource_link", "uri": "test://l", "name": "l", "size": 5_000_000_000_u64,
        } },
        { "role": "user", "content": {
            "type": "resource", "resource": { "uri": "test://t", "mimeType": "text/plain", "text": "t" },
        } },
        { "role": "assistant", "content": {
            "type": "resource", "resource": { "uri": "test://b", "blob": "AAH+/w==" },
        } },
    ]);
    for revision in Revision::SINCE_JUNE_2025 {
        let client = host.client_of(revision);
        let answer = get(&client, "all", json!({})).await;
        let result = answer.result();
        assert_eq!(result["messages"], expected, "{revision:?}");
        assert_eq!(result["description"], "What it is.");
        assert_eq!(result["_meta"]["com.example/rank"], 7);
        let info = &result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"];
        if revision.is_modern() {
            assert_eq!(
                (info, &result["resultType"]),
                (&json!("toolcrib"), &json!("complete"))
            );
        } else {
            assert!(info.is_null(), "{result}");
        }
        let answer = get(&client, "none", json!({})).await;
        assert_eq!(answer.result()["messages"], json!([]));
        assert_eq!(answer.result()["description"], Value::Null);
    }
}

/// The response contains one sentence and no internal details.
#[tokio::test]
async fn failed_prompts_are_protocol_errors() {
    let mut guest = Guest::new();
    let message = guest.string("no such city");
    guest
        .prompt(Prompt::new("invalid"), format!("(call $invalid {message})"))
        .prompt(Prompt::new("failed"), format!("(call $failed {message})"))
        .prompt(Prompt::new("traps"), "unreachable")
        .prompt(
            Prompt::new("exits"),
            "(call $exit (i32.const 1)) unreachable",
        )
        .import(r#"(import "wasi:cli/exit@0.2.0" "exit" (func $exit (param i32)))"#);
    for (name, meta, priority) in [
        ("meta", Some("[]"), 0.5),
        ("priority", None, 1.5),
        ("no_number", None, f32::NAN),
    ] {
        let audience = Audience {
            priority: Some(priority),
            ..Audience::default()
        };
        let filled = guest.prompt_result(&PromptResult {
            description: None,
            messages: vec![(0, Block::Text("x"), Some(audience))],
            meta,
        });
        guest.prompt(Prompt::new(name), filled);
    }
    let host = Host::of(&guest).await;
    let assert_error = |answer: &Answer, code: i64| {
        assert_eq!(answer.code(), code, "{answer:?}");
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(!answer.body.contains("wasm"), "{answer:?}");
    };
    for revision in Revision::ALL {
        let client = host.client_of(revision);
        let answer = get(&client, "invalid", json!({})).await;
        assert_error(&answer, INVALID_PARAMS);
        assert_eq!(answer.message(), "no such city");
        let answer = get(&client, "failed", json!({})).await;
        assert_error(&answer, INTERNAL_ERROR);
        assert_eq!(answer.message(), "no such city");
        let answer = get(&client, "traps", json!({})).await;
        assert_error(&answer, INTERNAL_ERROR);
        assert_eq!(message_with_id(&answer), "the prompt crashed");
        let answer = get(&client, "exits", json!({})).await;
        assert_error(&answer, INTERNAL_ERROR);
        assert_eq!(
            answer.message(),
            "the prompt exited with status 1 instead of returning a result"
        );
        for name in ["meta", "priority", "no_number"] {
            let answer = get(&client, name, json!({})).await;
            assert_error(&answer, INTERNAL_ERROR);
            assert_eq!(
                message_with_id(&answer),
                "the prompt returned a result that does not fit its definition",
                "{name}"
            );
        }
    }
}

#[tokio::test]
async fn prompts_of_the_same_name_need_a_prefix() {
    let prompt_returning = |text: &str| {
        let mut guest = Guest::new();
        let text = guest.string(text);
        guest.prompt(Prompt::new("hello"), format!("(call $message {text})"));
        guest
    };
    let (one, two) = (prompt_returning("one"), prompt_returning("two"));
    let settings =
        "components = [\"one.wasm\"]\n[[component]]\nref = \"two.wasm\"\nprefix = \"two_\"\n";
    let host = Host::configured(&[("one", &one), ("two", &two)], settings).await;
    for revision in Revision::ALL {
        let client = host.client_of(revision);
        for (name, expected) in [("hello", "one"), ("two_hello", "two")] {
            assert_eq!(text(&get(&client, name, json!({})).await), expected);
        }
    }

    // Without a prefix, loading fails.
    let lines = load_problems_with(&one, |config| {
        let path = config.references[0].to_string();
        let second = path.replace("guest.wasm", "second.wasm");
        std::fs::copy(&path, &second).unwrap();
        let second = toolcrib::reference::Reference::parse(&second, std::path::Path::new(""));
        config.references.push(second.unwrap());
    })
    .await;
    assert_eq!(
        lines,
        [
            "the prompt `hello` is in both `guest` and `second`; give one of them a `prefix` in its \
             [[component]], such as prefix = \"second_\""
        ]
    );
}

#[tokio::test]
async fn a_tool_and_a_prompt_may_have_the_same_name() {
    let mut guest = Guest::saying("same", "the tool");
    let prompt = guest.string("the prompt");
    guest
        .prompt(Prompt::new("same"), format!("(call $message {prompt})"))
        .resource(Resource::new("same:x"), "unreachable");
    let host = Host::of(&guest).await;
    for revision in Revision::ALL {
        let client = host.client_of(revision);
        assert_eq!(client.call("same", json!({})).await.text(), "the tool");
        let answer = get(&client, "same", json!({})).await;
        assert_eq!(text(&answer), "the prompt");
    }
}
