//! Components whose resources or templates overlap: one of them could answer for the other. `uri-prefix` separates them.

use serde_json::{Value, json};

use super::{complete, read, template_ref, text};
use crate::support::client::{Client, Revision};
use crate::support::command::Toolcrib;
use crate::support::guest::{
    Block, Guest, Link, Prompt, PromptResult, Reply, Resource, ResourceContents, ResourceTemplate,
    Tool,
};
use crate::support::server::Host;

/// Returns a guest whose resources and templates contain `says`. URIs with an expression are templates.
fn guest(uris: &[&str], says: &str) -> Guest {
    let mut guest = Guest::new();
    let says = guest.string(says);
    for uri in uris {
        let body = format!("(call $resource (local.get $uri) (local.get $uri_len) {says})");
        if uri.contains('{') {
            guest.resource_template(ResourceTemplate::new(uri), body);
        } else {
            guest.resource(Resource::new(uri), body);
        }
    }
    guest
}

#[test]
fn components_with_overlapping_uris_are_refused() {
    let toolcrib = Toolcrib::new();
    for (one, other, overlap) in [
        (&["a://x"][..], &["a://y"][..], false),
        (&["a://x"], &["a://{any}"], true),
        (&["a://x/y"], &["a://{any}"], false),
        (&["a://x/y"], &["a://{+any}"], true),
        (&["a://x/{y}"], &["a://x/{+any}"], true),
        (&["a://x/{y}"], &["a://{z}/y"], true),
        (&["a://x/{y}/end"], &["a://x/{z}/last"], false),
        (&["a://x/{y}.txt"], &["a://x/{z}.md"], false),
        (&["a://x/{y}.txt"], &["a://x/a.{z}"], true),
        (&["a://x", "b://{y}"], &["c://x", "b://z"], true),
        (&["a://x/{y}"], &["b://x/{y}"], false),
        // The URIs of one component may overlap.
        (&["a://x", "a://{+y}", "a://{z}"], &["b://x"], false),
    ] {
        for (one, other) in [(one, other), (other, one)] {
            toolcrib.write("one", &guest(one, "one").component());
            toolcrib.write("other", &guest(other, "other").component());
            let ended = toolcrib.run(&["check", "--no-auth", "one.wasm", "other.wasm"]);
            let case = format!("{one:?} {other:?}: {ended:?}");
            assert_eq!(ended.status, i32::from(overlap), "{case}");
            if overlap {
                assert_eq!(ended.stderr.lines().count(), 1, "{case}");
                let ending = "overlaps with ";
                assert!(ended.stderr.contains(ending), "{case}");
                assert!(
                    ended.stderr.contains(
                        "of `one`, so that one could answer for the other; give one of them a \
                     `uri-prefix` in its [[component]], such as uri-prefix = \"other+\""
                    ),
                    "{case}"
                );
            }
        }
    }
}

/// The comparison of all templates of two components ends early, and with it the start.
#[test]
fn templates_that_are_hard_to_compare_are_refused() {
    let toolcrib = Toolcrib::new();
    let templates = |end: &str| -> Vec<String> {
        (0..100)
            .map(|number| format!("a:{{+x}}{}{number}{end}", "c".repeat(1_900)))
            .collect()
    };
    for (name, end) in [("one", "d"), ("other", "e")] {
        let templates = templates(end);
        let uris: Vec<_> = templates.iter().map(String::as_str).collect();
        toolcrib.write(name, &guest(&uris, name).component());
    }
    let ended = toolcrib.run(&["check", "--no-auth", "one.wasm"]);
    assert_eq!(ended.status, 0, "{ended:?}");
    let ended = toolcrib.run(&["check", "--no-auth", "one.wasm", "other.wasm"]);
    assert_eq!(ended.status, 1, "{ended:?}");
    assert!(
        ended
            .stderr
            .starts_with("error: `other` has too many or too long resource templates"),
        "{ended:?}"
    );
    toolcrib.file(
        "c.toml",
        "components = [\"one.wasm\"]\n[[component]]\nref = \"other.wasm\"\nuri-prefix = \"b\"\n",
    );
    let ended = toolcrib.run(&["check", "--no-auth", "--config", "c.toml"]);
    assert_eq!(ended.status, 0, "{ended:?}");
}

#[tokio::test]
async fn a_component_added_later_does_not_answer_for_another() {
    let host = Host::watching(
        &[(
            "handbook",
            &guest(&["a://index", "a://chapters/{name}"], "own"),
        )],
        |_| {},
    )
    .await;
    let evil = guest(&["a://chapters/{+any}", "a://evil"], "stolen");
    let evil = evil.component();
    // Renamed into place, so that the file is complete when it is seen.
    let written = crate::support::server::write(host.dir(), "evil", &evil);
    let client = host.client();
    let problem = async || {
        let answer = client.http.get(host.url("/readyz")).send().await.unwrap();
        answer.text().await.unwrap().contains("overlaps")
    };
    let started = std::time::Instant::now();
    while !problem().await {
        assert!(
            started.elapsed() < std::time::Duration::from_secs(30),
            "{written:?}"
        );
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(text(&read(&client, "a://chapters/one").await), "own");
    assert!(read(&client, "a://evil").await.last()["error"].is_object());
}

async fn list(client: &Client, method: &str, list: &str, key: &str) -> Vec<Value> {
    let answer = client.request(method, json!({})).await;
    let items = answer.result()[list].as_array().unwrap().iter();
    items.map(|item| item[key].clone()).collect()
}

/// Clients see and use the prefix everywhere, and the component nowhere.
#[tokio::test]
async fn a_uri_prefix_is_added_for_clients_only() {
    let mut second = Guest::new();
    let parts = second.resource_contents(&[
        ResourceContents::Text("a://one", None, "second"),
        ResourceContents::Text("a://of/x", None, "of"),
        ResourceContents::Text("https://example.com/", None, "elsewhere"),
    ]);
    let link = |uri| {
        Block::Link(Link {
            uri,
            name: "link",
            ..Link::default()
        })
    };
    let blocks = [
        link("a://one"),
        link("a://of/x"),
        link("a://not/announced"),
        Block::EmbeddedText("a://one", None, "text"),
    ];
    let content = blocks.into_iter().map(|block| (block, None)).collect();
    let reply = second.reply(&Reply {
        content,
        ..Reply::default()
    });
    let filled = second.prompt_result(&PromptResult {
        messages: vec![(0, Block::EmbeddedText("a://one", None, "text"), None)],
        ..PromptResult::default()
    });
    second
        .resource(Resource::new("a://one"), parts)
        .resource_template(
            ResourceTemplate::new("a://of/{name}"),
            "(call $resource (local.get $uri) (local.get $uri_len) (local.get $uri) (local.get $uri_len))",
        )
        .tool(Tool::new("links"), reply)
        .prompt(Prompt::new("prompt"), filled)
        .completions(
            "(call $say (local.get $subject) (local.get $subject_len))
             (call $invalid (i32.const 1024) (global.get $said))",
        );
    let first = guest(&["a://one", "a://{+any}"], "first");
    let settings = "components = [\"first.wasm\"]\n[[component]]\nref = \"second.wasm\"\nuri-prefix = \"b+\"\n";
    let host = Host::configured(&[("first", &first), ("second", &second)], settings).await;
    for revision in Revision::SINCE_JUNE_2025 {
        let client = host.client_of(revision);
        assert_eq!(
            list(&client, "resources/list", "resources", "uri").await,
            ["a://one", "b+a://one"]
        );
        assert_eq!(
            list(
                &client,
                "resources/templates/list",
                "resourceTemplates",
                "uriTemplate"
            )
            .await,
            ["a://{+any}", "b+a://of/{name}"]
        );
        for uri in ["a://one", "a://of/x"] {
            assert_eq!(text(&read(&client, uri).await), "first", "{uri}");
        }
        let answer = read(&client, "b+a://one").await;
        assert_eq!(
            answer.result()["contents"],
            json!([
                { "uri": "b+a://one", "text": "second" },
                { "uri": "b+a://of/x", "text": "of" },
                { "uri": "https://example.com/", "text": "elsewhere" },
            ])
        );
        let answer = read(&client, "b+a://of/x").await;
        assert_eq!(
            answer.result()["contents"],
            json!([{ "uri": "b+a://of/x", "text": "a://of/x" }])
        );
        for unknown in ["b+a://other", "b+b+a://one", "b+"] {
            assert!(
                read(&client, unknown).await.last()["error"].is_object(),
                "{unknown}"
            );
        }
        let answer = client.call("links", json!({})).await;
        let content = answer.result()["content"].as_array().unwrap();
        let uris: Vec<_> = content
            .iter()
            .map(|block| {
                block["uri"]
                    .as_str()
                    .or(block["resource"]["uri"].as_str())
                    .unwrap()
            })
            .collect();
        assert_eq!(
            uris,
            ["b+a://one", "b+a://of/x", "a://not/announced", "b+a://one"]
        );
        let answer = super::get(&client, "prompt", json!({})).await;
        assert_eq!(
            answer.result()["messages"][0]["content"]["resource"]["uri"],
            "b+a://one"
        );
        let answer = complete(&client, template_ref("b+a://of/{name}"), "name", "").await;
        assert_eq!(answer.message(), "a://of/{name}");
    }
}

#[test]
fn a_uri_prefix_must_begin_a_uri() {
    let toolcrib = Toolcrib::new();
    toolcrib.write("guest", &guest(&["a://x"], "x").component());
    for (prefix, is_valid) in [
        ("b", true),
        ("b+", true),
        ("b-1.c:", true),
        ("b:c/d:", true),
        (&"b".repeat(64), true),
        (&"b".repeat(65), false),
        ("", false),
        ("+", false),
        ("1", false),
        (":", false),
        ("b c", false),
        ("b{c}", false),
        ("b:{c}", false),
        ("b?", false),
        ("b/:", false),
        ("é", false),
    ] {
        toolcrib.file(
            "c.toml",
            format!("[[component]]\nref = \"guest.wasm\"\nuri-prefix = {prefix:?}\n"),
        );
        let ended = toolcrib.run(&["inspect", "--config", "c.toml", "guest.wasm"]);
        if is_valid {
            assert_eq!(ended.status, 0, "{ended:?}");
            assert!(
                ended
                    .stdout
                    .contains(&format!("  resource {prefix}a://x\n")),
                "{ended:?}"
            );
        } else {
            assert_eq!(ended.status, 2, "{prefix:?}: {ended:?}");
            assert!(
                ended
                    .stderr
                    .contains("uri-prefix` must be the beginning of a URI"),
                "{ended:?}"
            );
        }
    }
}
