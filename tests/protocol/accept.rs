//! `Accept`: a result has a media type that the client accepts, JSON where it accepts anything.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::support::client::{Answer, Client, Revision};
use crate::support::guest::{Guest, Tool};
use crate::support::server::Host;

/// `hello` returns a text, `long` reports progress before, and `asks` asks the user for a name.
fn guest() -> Guest {
    let mut guest = Guest::saying("hello", "hello");
    let done = guest.string("done");
    let question = guest.questions(&[[
        "name",
        "elicitation/create",
        r#"{"message":"Your name?","requestedSchema":{"type":"object","properties":{"name":{"type":"string"}}}}"#,
    ]]);
    guest
        .tool(
            Tool::new("long"),
            format!(
                "(call $progress (f64.const 1) (i32.const 0) (f64.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
                 (call $text {done})"
            ),
        )
        .tool(Tool::new("asks"), question);
    guest
}

/// Returns a request with these `Accept` headers and no others.
fn accepting(client: &Client, message: &Value, accept: &[&str]) -> RequestBuilder {
    let (http, request) = client.post(message).build_split();
    let mut request = request.unwrap();
    request.headers_mut().remove("accept");
    for accept in accept {
        let value = accept.parse().unwrap();
        request.headers_mut().append("accept", value);
    }
    RequestBuilder::from_parts(http, request)
}

/// Returns a call that wants progress notifications.
fn call(client: &Client, tool: &str) -> Value {
    let params = json!({ "name": tool, "arguments": {}, "_meta": { "progressToken": 1 } });
    client.message("tools/call", params)
}

const JSON: &str = "application/json";
const EVENTS: &str = "text/event-stream";

/// The media types of a result alone and of one after a notification.
type MediaTypes = (&'static str, &'static str);

/// `Accept` headers, and the media types of a result alone and of one after a notification; `None` for 406.
const CASES: [(&[&str], Option<MediaTypes>); 16] = [
    (
        &["application/json, text/event-stream"],
        Some((JSON, EVENTS)),
    ),
    (
        &["application/json", "text/event-stream"],
        Some((JSON, EVENTS)),
    ),
    (&["*/*, text/event-stream"], Some((JSON, EVENTS))),
    (&["application/json"], Some((JSON, JSON))),
    (&["application/*"], Some((JSON, JSON))),
    (&["*/*"], Some((JSON, JSON))),
    (&["text/html, */*;q=0.1"], Some((JSON, JSON))),
    (&[""], Some((JSON, JSON))),
    (&[], Some((JSON, JSON))),
    (
        &["application/json, text/event-stream;q=0"],
        Some((JSON, JSON)),
    ),
    (&["text/event-stream"], Some((EVENTS, EVENTS))),
    (&["text/*"], Some((EVENTS, EVENTS))),
    (&["*/*, application/json;q=0.0"], Some((EVENTS, EVENTS))),
    (&["text/html"], None),
    (&["application/json;q=0, text/html"], None),
    (&["*/*;q=0"], None),
];

#[tokio::test]
async fn results_have_a_media_type_that_the_client_accepts() {
    let host = Host::of(&guest()).await;
    for revision in [
        Revision::November2024,
        Revision::November2025,
        Revision::July2026,
    ] {
        let client = host.client_of(revision);
        for (accept, expected) in CASES {
            for (tool, text) in [("hello", "hello"), ("long", "done")] {
                let answer = Answer::to(accepting(&client, &call(&client, tool), accept)).await;
                let Some((alone, after_notification)) = expected else {
                    assert_eq!(answer.status, 406, "{accept:?}");
                    assert!(answer.message().contains("Accept"), "{answer:?}");
                    continue;
                };
                let media_type = if tool == "hello" {
                    alone
                } else {
                    after_notification
                };
                assert_eq!(
                    answer.header("content-type"),
                    media_type,
                    "{accept:?} {tool}"
                );
                assert_eq!(answer.text(), text, "{accept:?}");
                let is_notified = tool == "long" && media_type == EVENTS;
                assert_eq!(
                    answer.messages.len(),
                    1 + usize::from(is_notified),
                    "{accept:?}"
                );
            }
        }
    }
}

/// Errors of HTTP are JSON, and notifications have no answer that a client could refuse.
#[tokio::test]
async fn errors_and_notifications_are_answered_as_for_any_client() {
    let host = Host::of(&guest()).await;
    let modern = host.client();
    let unknown = modern.message("no/such", json!({}));
    let answer = Answer::to(accepting(&modern, &unknown, &[EVENTS])).await;
    assert_eq!(
        (answer.status.as_u16(), answer.code()),
        (404, -32601),
        "{answer:?}"
    );
    assert_eq!(answer.header("content-type"), JSON);
    let older = host.client_of(Revision::March2025);
    let unknown = older.message("no/such", json!({}));
    let answer = Answer::to(accepting(&older, &unknown, &[EVENTS])).await;
    assert_eq!(
        (answer.status.as_u16(), answer.code()),
        (200, -32601),
        "{answer:?}"
    );
    assert_eq!(answer.header("content-type"), EVENTS);
    let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    for accept in ["text/html", EVENTS] {
        let answer = Answer::to(accepting(&older, &initialized, &[accept])).await;
        assert_eq!(answer.status, 202, "{answer:?}");
    }
}

#[tokio::test]
async fn a_subscription_needs_an_event_stream() {
    let host = Host::watching(&[("guest", &guest())], |_| {}).await;
    let client = host.client();
    let params = json!({ "notifications": { "toolsListChanged": true } });
    let listen = client.message("subscriptions/listen", params);
    for (accept, is_served) in [
        (JSON, false),
        ("text/html", false),
        ("*/*", true),
        (EVENTS, true),
    ] {
        let response = accepting(&client, &listen, &[accept]).send().await.unwrap();
        let status = response.status();
        assert_eq!(status, if is_served { 200 } else { 406 }, "{accept}");
        if is_served {
            assert_eq!(response.headers()["content-type"], EVENTS, "{accept}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_follow_the_same_rules() {
    let host = Host::start(&[("guest", &guest())], |config| {
        config.server.sessions = true
    })
    .await;
    let client = host.client_of(Revision::November2025);
    let initialize = client.message(
        "initialize",
        json!({
            "protocolVersion": client.revision.name(), "capabilities": { "elicitation": {} },
            "clientInfo": { "name": "test", "version": "1" },
        }),
    );
    for (accept, expected) in CASES {
        let answer = Answer::to(accepting(&client, &initialize, accept)).await;
        let Some((_, media_type)) = expected else {
            assert_eq!(answer.status, 406, "{accept:?}");
            continue;
        };
        assert_eq!(answer.header("content-type"), media_type, "{accept:?}");
        assert_eq!(answer.result()["protocolVersion"], client.revision.name());
        let id = answer.header("mcp-session-id").to_owned();
        for (tool, text) in [("hello", "hello"), ("long", "done")] {
            let request = accepting(&client, &call(&client, tool), accept);
            let answer = Answer::to(request.header("mcp-session-id", &id)).await;
            assert_eq!(
                answer.header("content-type"),
                media_type,
                "{accept:?} {tool}"
            );
            assert_eq!(answer.text(), text, "{accept:?}");
        }
        if media_type == JSON {
            // The question would be sent on the event stream that the client does not accept.
            let request = accepting(&client, &call(&client, "asks"), accept);
            let answer = Answer::to(request.header("mcp-session-id", &id)).await;
            let sentence = "the client did not answer the tool's question";
            assert_eq!(answer.failure(), sentence, "{accept:?}");
        }
        let request = client.bare(Method::DELETE).header("mcp-session-id", &id);
        assert_eq!(request.send().await.unwrap().status(), 204);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_stream_of_a_session_is_an_event_stream() {
    let host = Host::start(&[("guest", &guest())], |config| {
        config.server.sessions = true
    })
    .await;
    let client = host.client_of(Revision::November2025);
    let id = client
        .initialize()
        .await
        .header("mcp-session-id")
        .to_owned();
    for (accept, status) in [
        (Some(EVENTS), 200),
        (Some("text/*"), 200),
        (Some("*/*"), 200),
        (None, 200),
        (Some(JSON), 406),
        (Some("*/*, text/event-stream;q=0"), 406),
    ] {
        let mut request = client.bare(Method::GET).header("mcp-session-id", &id);
        if let Some(accept) = accept {
            request = request.header("accept", accept);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), status, "{accept:?}");
        let media_type = if status == 200 { EVENTS } else { JSON };
        assert_eq!(response.headers()["content-type"], media_type, "{accept:?}");
    }
}
