//! 2025-03-26 and 2024-11-05: clients get what these revisions define, and nothing else.

use serde_json::{Value, json};

use crate::support::client::{Answer, Client, Revision};
use crate::support::command::Toolcrib;
use crate::support::guest::{
    Argument, Audience, Block, Guest, Icon, Link, Prompt, PromptResult, Reply, Resource,
    ResourceTemplate, Tool,
};
use crate::support::server::Host;
use crate::support::session::Session;
use crate::support::stdio_client::StdioClient;

const OLDEST: Revision = Revision::November2024;

/// A guest that uses everything that only later revisions have.
fn guest() -> Guest {
    let mut guest = Guest::new();
    let icons = || {
        vec![Icon {
            src: "https://example.com/i.png".into(),
            media_type: None,
            sizes: Vec::new(),
        }]
    };
    let audience = || Audience {
        roles: &[0],
        priority: None,
        last_modified: Some("2026-07-28T10:00:00Z"),
    };
    let (title, meta) = (
        || Some("All".into()),
        || Some(r#"{"com.example/rank":7}"#.into()),
    );
    let tool = Tool {
        title: title(),
        annotations: Some([Some(true), None, None, None]),
        icons: icons(),
        meta: meta(),
        ..Tool::new("all")
    };
    let link = || {
        Block::Link(Link {
            uri: "test://l",
            name: "l",
            title: Some("L"),
            ..Link::default()
        })
    };
    let body = guest.reply(&Reply {
        content: vec![
            (Block::Text("text"), Some(audience())),
            (Block::Audio(b"a", "audio/wav"), None),
            (link(), Some(audience())),
        ],
        structured: Some(r#"{"n":1}"#),
        meta: Some(r#"{"com.example/rank":7}"#),
    });
    let output = json!({ "type": "object", "properties": { "n": { "type": "number" } } });
    guest.tool(tool.with_output_schema(&output), body);
    for (name, text) in [("structured", None), ("repeated", Some("{ \"n\": 1 }"))] {
        let content = text.map(|text| (Block::Text(text), None));
        let body = guest.reply(&Reply {
            content: content.into_iter().collect(),
            structured: Some(r#"{"n":1}"#),
            ..Reply::default()
        });
        guest.tool(Tool::new(name), body);
    }
    let message = guest.string("half way");
    let done = guest.string("done");
    guest.tool(
        Tool::new("long"),
        format!(
            "(call $progress (f64.const 1) (i32.const 0) (f64.const 0) (i32.const 1) {message})
             (call $text {done})"
        ),
    );
    let filled = guest.prompt_result(&PromptResult {
        messages: vec![
            (0, Block::Audio(b"a", "audio/wav"), None),
            (0, link(), None),
        ],
        ..PromptResult::default()
    });
    let argument = Argument {
        name: "who".into(),
        title: Some("Who".into()),
        ..Argument::default()
    };
    let prompt = Prompt {
        title: title(),
        icons: icons(),
        meta: meta(),
        arguments: vec![argument],
        ..Prompt::new("all")
    };
    let resource = Resource {
        title: title(),
        icons: icons(),
        meta: meta(),
        audience: Some(audience()),
        ..Resource::new("test://all")
    };
    let template = ResourceTemplate {
        title: title(),
        icons: icons(),
        meta: meta(),
        audience: Some(audience()),
        ..ResourceTemplate::new("test://of/{name}")
    };
    let completion = guest.completion(&["hello"], None, false);
    guest
        .prompt(prompt, filled)
        .resource(resource, "unreachable")
        .resource_template(template, "unreachable")
        .completions(completion);
    guest
}

/// Returns the only item of a list.
async fn listed(client: &Client, method: &str, list: &str) -> Value {
    client.request(method, json!({})).await.result()[list][0].clone()
}

#[tokio::test]
async fn definitions_have_the_members_of_the_revision() {
    let host = Host::of(&guest()).await;
    for revision in [OLDEST, Revision::March2025] {
        let client = host.client_of(revision);
        let mut tool = json!({
            "name": "all", "description": "A tool of the tests.", "inputSchema": { "type": "object" },
        });
        if revision == Revision::March2025 {
            tool["annotations"] = json!({ "title": "All", "readOnlyHint": true });
        }
        assert_eq!(listed(&client, "tools/list", "tools").await, tool);
        assert_eq!(
            listed(&client, "prompts/list", "prompts").await,
            json!({ "name": "all", "arguments": [{ "name": "who", "required": false }] })
        );
        let annotations = json!({ "audience": ["user"] });
        assert_eq!(
            listed(&client, "resources/list", "resources").await,
            json!({ "uri": "test://all", "name": "document", "annotations": annotations })
        );
        assert_eq!(
            listed(&client, "resources/templates/list", "resourceTemplates").await,
            json!({ "uriTemplate": "test://of/{name}", "name": "family", "annotations": annotations })
        );
        let answer = client.initialize().await;
        let capabilities = &answer.result()["capabilities"];
        let has_completions = revision >= Revision::March2025;
        assert_eq!(capabilities["completions"].is_object(), has_completions);
        // The method exists in both.
        let params = json!({
            "ref": { "type": "ref/prompt", "name": "all" },
            "argument": { "name": "who", "value": "" },
        });
        let answer = client.request("completion/complete", params).await;
        assert_eq!(answer.result()["completion"]["values"], json!(["hello"]));
    }
    // The next revision has all of them.
    let client = host.client_of(Revision::June2025);
    let tool = listed(&client, "tools/list", "tools").await;
    assert!(
        tool["title"] == "All" && tool["outputSchema"].is_object(),
        "{tool}"
    );
}

#[tokio::test]
async fn results_have_the_content_of_the_revision() {
    let host = Host::of(&guest()).await;
    let audio = json!({ "type": "audio", "data": "YQ==", "mimeType": "audio/wav" });
    let no_audio = json!({
        "type": "text",
        "text": "audio of the type audio/wav, which the protocol revision of this client does not have",
    });
    for (revision, audio) in [(OLDEST, no_audio), (Revision::March2025, audio)] {
        let client = host.client_of(revision);
        let answer = client.call("all", json!({})).await;
        assert_eq!(
            *answer.result(),
            json!({
                "content": [
                    { "type": "text", "text": "text", "annotations": { "audience": ["user"] } },
                    audio,
                    { "type": "text", "text": "l: test://l", "annotations": { "audience": ["user"] } },
                    { "type": "text", "text": "{\"n\":1}" },
                ],
                "isError": false,
                "_meta": { "com.example/rank": 7 },
            }),
            "{revision:?}"
        );
        // A structured result that the tool returns as text itself is not repeated.
        let answer = client.call("structured", json!({})).await;
        assert_eq!(answer.text(), r#"{"n":1}"#);
        let answer = client.call("repeated", json!({})).await;
        assert_eq!(answer.text(), r#"{ "n": 1 }"#);
        assert_eq!(answer.result()["structuredContent"], Value::Null);

        let answer = client
            .request("prompts/get", json!({ "name": "all" }))
            .await;
        assert_eq!(
            answer.result()["messages"],
            json!([
                { "role": "user", "content": audio },
                { "role": "user", "content": { "type": "text", "text": "l: test://l" } },
            ]),
            "{revision:?}"
        );
    }
}

#[tokio::test]
async fn progress_has_a_message_since_2025_03_26() {
    let host = Host::of(&guest()).await;
    for revision in Revision::ALL {
        let answer = host
            .client_of(revision)
            .call_with_progress("long", json!(7))
            .await;
        assert_eq!(answer.text(), "done");
        let mut expected = json!({ "progressToken": 7, "progress": 1.0, "message": "half way" });
        if revision == OLDEST {
            expected.as_object_mut().unwrap().remove("message");
        }
        assert_eq!(
            answer.notifications("notifications/progress"),
            [&expected],
            "{revision:?}"
        );
    }
}

/// Without the header, a client is one of 2025-03-26, which had no header; a session has its own revision.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_revision_is_that_of_the_header_else_of_the_session() {
    let without_header = async |client: &Client, session: Option<&str>| {
        let message = client.message("tools/list", json!({}));
        let (http, request) = client.post(&message).build_split();
        let mut request = request.unwrap();
        request.headers_mut().remove("mcp-protocol-version");
        let mut request = reqwest::RequestBuilder::from_parts(http, request);
        if let Some(session) = session {
            request = request.header("mcp-session-id", session);
        }
        let answer = Answer::to(request).await;
        let tool = answer.result()["tools"][0].clone();
        (tool["annotations"].is_object(), tool["title"].is_string())
    };
    let host = Host::of(&guest()).await;
    let found = without_header(&host.client_of(OLDEST), None).await;
    assert_eq!(found, (true, false));

    let host = Host::start(&[("guest", &guest())], |config| {
        config.server.sessions = true
    })
    .await;
    for (revision, expected) in [
        (OLDEST, (false, false)),
        (Revision::March2025, (true, false)),
        (Revision::June2025, (true, true)),
        (Revision::November2025, (true, true)),
    ] {
        let session = Session::open(host.client_of(revision), json!({})).await;
        let found = without_header(&session.client, Some(&session.id)).await;
        assert_eq!(found, expected, "{revision:?}");
    }
}

/// Streams of older clients begin with a message: they report an event without one as malformed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_newer_sessions_begin_with_an_event_without_a_message() {
    let host = Host::start(&[("guest", &guest())], |config| {
        config.server.sessions = true
    })
    .await;
    for (revision, is_primed) in [
        (OLDEST, false),
        (Revision::March2025, false),
        (Revision::June2025, false),
        (Revision::November2025, true),
    ] {
        let answer = host.client_of(revision).initialize().await;
        assert!(answer.is_stream(), "{answer:?}");
        assert_eq!(
            answer.body.starts_with("data: \n"),
            is_primed,
            "{revision:?} {answer:?}"
        );
    }
}

/// 2025-03-26 had batches, and the next revision removed them.
#[tokio::test]
async fn batches_are_refused_with_one_error() {
    let host = Host::of(&guest()).await;
    for revision in Revision::ALL {
        let client = host.client_of(revision);
        let ping = client.message("ping", json!({}));
        let answer = Answer::to(client.post(&ping).body(json!([ping, ping]).to_string())).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (400, -32600),
            "{answer:?}"
        );
        assert_eq!(
            answer.message(),
            "JSON-RPC batches are not served; send each message in a request of its own"
        );
    }
}

#[test]
fn stdio_serves_the_oldest_revision() {
    let toolcrib = Toolcrib::new();
    toolcrib.write("guest", &guest().component());
    let mut client = StdioClient::open(&toolcrib, "guest.wasm");
    let params = json!({
        "protocolVersion": OLDEST.name(), "capabilities": {},
        "clientInfo": { "name": "test", "version": "1" },
    });
    let answer = client.ask(1, "initialize", params);
    assert_eq!(answer["result"]["protocolVersion"], OLDEST.name());
    client.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
    let answer = client.ask(2, "tools/list", json!({}));
    let tool = &answer["result"]["tools"][0];
    assert_eq!(tool["annotations"], Value::Null, "{tool}");
    let answer = client.ask(3, "tools/call", json!({ "name": "structured" }));
    assert_eq!(
        answer["result"],
        json!({ "content": [{ "type": "text", "text": "{\"n\":1}" }], "isError": false })
    );
    drop(client.input.take());
    assert!(client.child.wait().unwrap().success());
}
