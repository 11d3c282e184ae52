//! The lifecycle of sessions, which only the older revisions have and only if configured. `tests/sessions.rs` tests
//! their owners.

use reqwest::Method;
use serde_json::json;

use crate::support::client::{Answer, Client, Revision};
use crate::support::guest::Guest;
use crate::support::server::Host;

fn hello() -> Guest {
    Guest::saying("hello", "hello")
}

/// Opens a session and returns its id.
async fn open(client: &Client) -> String {
    let answer = client.initialize().await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.result()["protocolVersion"], client.revision.name());
    let id = answer.header("mcp-session-id").to_owned();
    assert!(id.len() >= 32, "{id}");
    let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    let answer = Answer::to(client.post(&initialized).header("mcp-session-id", &id)).await;
    assert_eq!(answer.status, 202);
    id
}

async fn call(client: &Client, session: Option<&str>) -> Answer {
    let params = json!({ "name": "hello", "arguments": {} });
    let mut request = client.post(&client.message("tools/call", params));
    if let Some(session) = session {
        request = request.header("mcp-session-id", session);
    }
    Answer::to(request).await
}

fn session_request(client: &Client, method: Method, session: &str) -> reqwest::RequestBuilder {
    client
        .bare(method)
        .header("accept", "text/event-stream")
        .header("mcp-protocol-version", client.revision.name())
        .header("mcp-session-id", session)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_works_until_it_is_deleted() {
    let host = Host::start(&[("guest", &hello())], |config| {
        config.server.sessions = true
    })
    .await;
    for revision in [Revision::June2025, Revision::November2025] {
        let client = host.client_of(revision);
        let (first, second) = (open(&client).await, open(&client).await);
        assert_ne!(first, second);
        assert_eq!(call(&client, Some(&first)).await.text(), "hello");
        // A session has an event stream.
        let stream = session_request(&client, Method::GET, &first)
            .send()
            .await
            .unwrap();
        assert_eq!(stream.status(), 200);
        assert_eq!(stream.headers()["content-type"], "text/event-stream");
        drop(stream);
        // A session can be deleted once. The other session is not affected.
        for status in [204, 404] {
            let answer = Answer::to(session_request(&client, Method::DELETE, &first)).await;
            assert_eq!(answer.status, status, "{answer:?}");
        }
        assert_eq!(call(&client, Some(&first)).await.status, 404);
        assert_eq!(call(&client, Some(&second)).await.text(), "hello");
        for bogus in ["x", "", "00000000-0000-0000-0000-000000000000"] {
            let answer = call(&client, Some(bogus)).await;
            assert_eq!(answer.status, 404, "{bogus:?}: {answer:?}");
            assert!(answer.message().contains("no such session"), "{answer:?}");
            let answer = Answer::to(session_request(&client, Method::DELETE, bogus)).await;
            assert_eq!(answer.status, 404, "{bogus:?}");
        }
        // A request without a session id is an error.
        let answer = call(&client, None).await;
        assert_eq!(answer.status, 400, "{answer:?}");
        assert!(answer.last()["error"]["message"].is_string());
    }
    // The newest revision has no sessions.
    let answer = call(&host.client(), Some("x")).await;
    assert_eq!(
        (answer.text(), answer.header("mcp-session-id")),
        ("hello", "")
    );
}
