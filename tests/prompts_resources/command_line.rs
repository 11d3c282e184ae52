//! Prompts and resources on the command line, over stdio and in the configuration.

use std::io::{BufRead, BufReader};

use serde_json::{Value, json};

use super::one_of_each;
use crate::support::client::Revision;
use crate::support::command::Toolcrib;
use crate::support::guest::{Argument, Document, Family, Guest, Prompt, Tool};
use crate::support::pipes::Pipes;
use crate::support::server::Host;

fn handbook() -> Guest {
    let mut guest = Guest::saying("find", "found");
    guest
        .prompt(
            Prompt {
                title: Some("Onboard".into()),
                description: Some("Welcomes\nsomebody.".into()),
                arguments: vec![
                    Argument {
                        name: "who".into(),
                        description: Some("The new one.".into()),
                        required: true,
                        ..Argument::default()
                    },
                    Argument {
                        name: "team".into(),
                        ..Argument::default()
                    },
                ],
                ..Prompt::new("onboard")
            },
            "unreachable",
        )
        .document(
            Document {
                title: Some("Index".into()),
                media_type: Some("text/markdown".into()),
                size: Some(7),
                ..Document::new("handbook://index")
            },
            "unreachable",
        )
        .family(
            Family {
                description: Some("One chapter.".into()),
                media_type: Some("text/plain".into()),
                ..Family::new("handbook://chapters/{name}")
            },
            "unreachable",
        );
    guest
}

#[test]
fn inspect_and_check_print_prompts_and_resources() {
    let toolcrib = Toolcrib::new();
    toolcrib.write("handbook", &handbook().component());
    toolcrib.file(
        "c.toml",
        "[[component]]\nref = \"handbook.wasm\"\nprefix = \"hb_\"\n",
    );
    let expected = |prefix: &str| {
        [
            (
                "prompts",
                json!([{
                    "name": format!("{prefix}onboard"), "title": "Onboard",
                    "description": "Welcomes\nsomebody.",
                    "arguments": [
                        { "name": "who", "description": "The new one.", "required": true },
                        { "name": "team", "required": false },
                    ],
                }]),
            ),
            (
                "resources",
                json!([{
                    "uri": "handbook://index", "name": "document", "title": "Index",
                    "mimeType": "text/markdown", "size": 7,
                }]),
            ),
            (
                "resourceTemplates",
                json!([{
                    "uriTemplate": "handbook://chapters/{name}", "name": "family",
                    "description": "One chapter.", "mimeType": "text/plain",
                }]),
            ),
        ]
    };
    let assert_lists = |component: &Value, prefix: &str| {
        assert_eq!(component["tools"][0]["name"], format!("{prefix}find"));
        for (key, expected) in expected(prefix) {
            assert_eq!(component[key], expected);
        }
    };
    let ended = toolcrib.run(&["inspect", "--json", "handbook.wasm"]);
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
    assert_lists(
        &serde_json::from_str::<Value>(&ended.stdout).unwrap()[0],
        "",
    );
    let ended = toolcrib.run(&["check", "--json", "--no-auth", "--config", "c.toml"]);
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
    let found: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_lists(&found["components"][0], "hb_");

    let ended = toolcrib.run(&["inspect", "handbook.wasm"]);
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
    let printed = ended.stdout.split_once("\n  prompt ").unwrap().1;
    assert_eq!(
        printed,
        "onboard\n    Onboard\n    Welcomes\n    somebody.\n    argument  who\n    argument  team (optional)\n\
         \n  resource handbook://index\n    Index\n    type      text/markdown\n\
         \n  template handbook://chapters/{name}\n    One chapter.\n    type      text/plain\n"
    );
    // A reference that selects a tool excludes everything else.
    let ended = toolcrib.run(&["inspect", "--json", "handbook.wasm#find"]);
    let found: Value = serde_json::from_str(&ended.stdout).unwrap();
    for (key, count) in [
        ("tools", 1),
        ("prompts", 0),
        ("resources", 0),
        ("resourceTemplates", 0),
    ] {
        assert_eq!(found[0][key].as_array().unwrap().len(), count, "{key}");
    }
}

#[test]
fn check_and_serve_print_how_many_items_are_served() {
    let toolcrib = Toolcrib::new();
    toolcrib.write("tool", &Guest::saying("t", "t").component());
    toolcrib.write("handbook", &handbook().component());
    toolcrib.write("each", &one_of_each().component());
    let mut prompt = Guest::new();
    prompt.prompt(Prompt::new("p"), "unreachable");
    toolcrib.write("prompt", &prompt.component());
    for (references, summary) in [
        (&["tool.wasm"][..], "1 tool from 1 component"),
        (&["prompt.wasm"], "1 prompt from 1 component"),
        (
            &["tool.wasm", "prompt.wasm"],
            "1 tool and 1 prompt from 2 components",
        ),
        (
            &["each.wasm"],
            "1 prompt, 1 resource and 1 template from 1 component",
        ),
        (
            &["each.wasm", "handbook.wasm"],
            "1 tool, 2 prompts, 2 resources and 2 templates from 2 components",
        ),
    ] {
        let ended = toolcrib.run(&[&["check", "--no-auth"], references].concat());
        assert_eq!(ended.stdout, format!("ok: {summary}\n"), "{ended:?}");
        let serve = ["serve", "--no-auth", "--listen", "127.0.0.1:0"];
        let mut child = toolcrib
            .command(&[&serve, references].concat())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut lines = lines.map_while(Result::ok);
        let line = lines.find(|line| line.starts_with("listening on "));
        child.kill().unwrap();
        child.wait().unwrap();
        let line = line.unwrap();
        assert!(line.ends_with(&format!("/mcp ({summary})")), "{line}");
    }
}

#[test]
fn prompts_and_resources_are_served_over_stdio() {
    let toolcrib = Toolcrib::new();
    toolcrib.write("each", &one_of_each().component());
    let mut client = Pipes::open(&toolcrib, "each.wasm");
    let params = json!({
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": { "name": "test", "version": "1" },
    });
    let answer = client.ask(1, "initialize", params);
    let capabilities = &answer["result"]["capabilities"];
    for kind in ["prompts", "resources", "completions"] {
        assert!(capabilities[kind].is_object(), "{capabilities}");
    }
    client.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
    let params = json!({ "name": "greet", "arguments": { "who": "Ada" } });
    let answer = client.ask(2, "prompts/get", params);
    assert_eq!(
        answer["result"]["messages"][0]["content"]["text"],
        "who=Ada;"
    );
    for (id, uri, text) in [
        (3, "test://one", "hello"),
        (4, "test://of/a", "test://of/a"),
    ] {
        let answer = client.ask(id, "resources/read", json!({ "uri": uri }));
        assert_eq!(answer["result"]["contents"][0]["text"], text);
    }
    let answer = client.ask(5, "resources/read", json!({ "uri": "test://two" }));
    assert_eq!(answer["error"]["code"], -32002);
    let params = json!({
        "ref": { "type": "ref/prompt", "name": "greet" },
        "argument": { "name": "who", "value": "" },
    });
    let answer = client.ask(6, "completion/complete", params);
    assert_eq!(answer["result"]["completion"]["total"], 7);
    drop(client.input.take());
    assert_eq!(client.child.wait().unwrap().code(), Some(0));
}

/// `tools`, `exclude` and `enabled` apply to tools only.
#[tokio::test]
async fn hiding_tools_does_not_hide_prompts_and_resources() {
    for settings in [
        "exclude = [\"find\"]",
        "tools = []",
        "[component.tool.find]\nenabled = false",
    ] {
        let text = format!("[[component]]\nref = \"guest.wasm\"\n{settings}\n");
        let host = Host::configured(&[("guest", &handbook())], &text).await;
        for revision in Revision::ALL {
            let client = host.client_of(revision);
            let tools = client.list().await;
            assert_eq!(tools.result()["tools"], json!([]), "{settings}");
            let prompts = client.request("prompts/list", json!({})).await;
            assert_eq!(prompts.result()["prompts"][0]["name"], "onboard");
        }
    }
    let toolcrib = Toolcrib::new();
    toolcrib.write(
        "tool",
        &Guest::with(Tool::new("t"), "unreachable").component(),
    );
    toolcrib.write("each", &one_of_each().component());
    let component =
        |name: &str, settings: &str| format!("[[component]]\nref = \"{name}.wasm\"\n{settings}\n");
    for (text, message) in [
        (
            component("tool", "exclude = [\"t\"]"),
            "leave nothing of it to be served",
        ),
        (
            component("each", "exclude = [\"greet\"]"),
            "`each` has no tool `greet`, which `exclude` names; it has none",
        ),
        (
            component("each", &format!("prefix = \"{}\"", "x".repeat(60))),
            "choose another prefix\n",
        ),
    ] {
        toolcrib.file("c.toml", &text);
        let ended = toolcrib.run(&["check", "--no-auth", "--config", "c.toml"]);
        assert_ne!(ended.status, 0, "{ended:?}");
        assert!(ended.stderr.contains(message), "{ended:?}");
    }
}
