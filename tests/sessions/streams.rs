//! The event streams of sessions: their first event, and resuming them.

use reqwest::Method;
use serde_json::json;

use crate::support::client::{Answer, Client, Revision};
use crate::support::guest::{Guest, Tool};
use crate::support::server::Host;
use crate::support::session::Session;

async fn start() -> Host {
    let mut guest = Guest::saying("greet", "hello");
    let text = guest.string("hello");
    let work = format!("(call $work (i32.const 1500)) (call $text {text})");
    guest.tool(Tool::new("works"), work);
    Host::start(&[("guest", &guest)], |config| config.server.sessions = true).await
}

/// Opens a session of a client that prepares for events.
async fn open(host: &Host, revision: Revision) -> Session {
    Session::open(host.client_of(revision), json!({})).await
}

fn get(client: &Client, session: &Session) -> reqwest::RequestBuilder {
    let request = client
        .bare(Method::GET)
        .header("accept", "text/event-stream");
    request.header("mcp-session-id", &session.id)
}

/// Returns the number of events without a message.
fn without_message(stream: &str) -> usize {
    stream
        .lines()
        .filter(|line| {
            line.strip_prefix("data:")
                .is_some_and(|data| data.trim().is_empty())
        })
        .count()
}

/// 2025-11-25 introduced a first event without a message. Older clients report it as malformed.
#[tokio::test]
async fn streams_begin_with_an_event_without_a_message_since_2025_11_25() {
    let host = start().await;
    for (revision, expected) in [
        (Revision::November2024, 0),
        (Revision::March2025, 0),
        (Revision::June2025, 0),
        (Revision::November2025, 1),
    ] {
        let session = open(&host, revision).await;
        let client = &session.client;
        let params = json!({ "name": "greet", "arguments": {} });
        let message = client.message("tools/call", params);
        let answer = Answer::to(session.post(&message)).await;
        assert!(answer.is_stream(), "{answer:?}");
        assert_eq!(answer.text(), "hello");
        assert_eq!(without_message(&answer.body), expected, "{answer:?}");

        let stream = get(client, &session).send().await.unwrap();
        assert_eq!(stream.status(), 200);
        let delete = client.bare(Method::DELETE);
        let deleted = delete.header("mcp-session-id", &session.id).send().await;
        assert_eq!(deleted.unwrap().status(), 204);
        // The stream ends with its session.
        let events = stream.text().await.unwrap();
        assert_eq!(
            without_message(&events),
            expected,
            "{revision:?} {events:?}"
        );
    }
}

/// A client whose connection broke gets the rest of the stream of a request that has no response yet.
#[tokio::test]
async fn streams_are_resumed_after_an_event() {
    let host = start().await;
    let session = open(&host, Revision::November2025).await;
    let params = json!({ "name": "works", "arguments": {} });
    let message = session.client.message("tools/call", params);
    let mut broken = session.post(&message).send().await.unwrap();
    let first = broken.chunk().await.unwrap().unwrap();
    let first = String::from_utf8(first.to_vec()).unwrap();
    let first = first.lines().find_map(|line| line.strip_prefix("id: "));
    drop(broken);
    for (last_event, has_response) in [("99/0", false), ("no-such", false), (first.unwrap(), true)]
    {
        let resumed = get(&session.client, &session).header("last-event-id", last_event);
        let resumed = resumed.send().await.unwrap();
        assert_eq!(resumed.status(), 200, "{last_event}");
        let events = resumed.text().await.unwrap();
        let found = events.contains("\"text\":\"hello\"");
        assert_eq!(found, has_response, "{last_event}: {events}");
    }
}
