//! Version negotiation: `initialize` before 2026-07-28, `server/discover` and per-request metadata since.

use serde_json::{Value, json};

use crate::support::client::{Answer, Client, Revision};
use crate::support::guest::Guest;
use crate::support::server::Host;

const VERSIONS: [&str; 5] = [
    "2024-11-05",
    "2025-03-26",
    "2025-06-18",
    "2025-11-25",
    "2026-07-28",
];

async fn host() -> Host {
    Host::start(&[("guest", &Guest::saying("hello", "hello"))], |config| {
        config.server.name = "crib".into();
        config.server.instructions = Some("Say hello.".into());
    })
    .await
}

#[tokio::test]
async fn initialize_negotiates_the_newest_revision_with_a_handshake() {
    let host = host().await;
    for (requested, negotiated) in [
        ("2024-11-05", "2024-11-05"),
        ("2025-03-26", "2025-03-26"),
        ("2025-06-18", "2025-06-18"),
        ("2025-11-25", "2025-11-25"),
        // Unsupported, or without a handshake.
        ("2024-10-07", "2025-11-25"),
        ("2025-05-01", "2025-11-25"),
        ("2026-07-28", "2025-11-25"),
        ("1.0", "2025-11-25"),
        ("", "2025-11-25"),
    ] {
        let client = host.client_of(Revision::November2025);
        let params = json!({
            "protocolVersion": requested,
            "capabilities": {},
            "clientInfo": { "name": "test", "version": "1" },
        });
        let answer = client.request("initialize", params).await;
        assert_eq!(answer.status, 200, "{requested}");
        assert!(!answer.is_stream());
        let result = answer.result();
        assert_eq!(result["protocolVersion"], negotiated, "{requested}");
        assert_eq!(result["serverInfo"]["name"], "crib");
        assert_eq!(result["instructions"], "Say hello.");
        assert!(result["capabilities"]["tools"].is_object());
        // The capabilities announce nothing that this server does not serve.
        let capabilities: Vec<_> = result["capabilities"].as_object().unwrap().keys().collect();
        assert!(
            capabilities
                .iter()
                .all(|c| ["tools", "logging"].contains(&c.as_str())),
            "{capabilities:?}"
        );
        assert_eq!(answer.header("mcp-session-id"), "");
    }
}

#[tokio::test]
async fn older_revisions_work_without_a_session() {
    let host = host().await;
    for revision in Revision::ALL.into_iter().filter(|r| !r.is_modern()) {
        let client = host.client_of(revision);
        assert_eq!(
            client.initialize().await.result()["protocolVersion"],
            revision.name()
        );
        let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        let answer = Answer::to(client.post(&initialized)).await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (202, ""));
        assert_eq!(*client.request("ping", json!({})).await.result(), json!({}));
        let answer = client
            .request("logging/setLevel", json!({ "level": "warning" }))
            .await;
        assert_eq!(*answer.result(), json!({}));
        assert_eq!(client.list().await.result()["tools"][0]["name"], "hello");
        let answer = client.call("hello", json!({})).await;
        assert_eq!(answer.text(), "hello");
        // These members exist only in the newest revision.
        for member in ["resultType", "_meta", "ttlMs", "cacheScope"] {
            assert_eq!(
                answer.result()[member],
                Value::Null,
                "{revision:?} {member}"
            );
            assert_eq!(
                client.list().await.result()[member],
                Value::Null,
                "{revision:?} {member}"
            );
        }
        // Without a session there is no stream to open and nothing to delete.
        for method in [reqwest::Method::GET, reqwest::Method::DELETE] {
            let request = client.bare(method).header("accept", "text/event-stream");
            let answer = Answer::to(request).await;
            assert_eq!(answer.status, 405);
            assert_eq!(answer.header("allow"), "POST, OPTIONS");
            assert!(answer.last()["error"]["message"].is_string());
        }
    }
}

#[tokio::test]
async fn discover_returns_versions_capabilities_and_instructions() {
    let host = host().await;
    let answer = host.client().request("server/discover", json!({})).await;
    let result = answer.result();
    assert_eq!(result["supportedVersions"], json!(VERSIONS));
    assert!(result["capabilities"]["tools"].is_object());
    assert_eq!(result["instructions"], "Say hello.");
    assert_eq!(result["ttlMs"], 60_000);
    assert_eq!(result["cacheScope"], "public");
    assert_eq!(result["resultType"], "complete");
    assert_eq!(server_info(&answer)["name"], "crib");
}

#[tokio::test]
async fn every_result_of_the_newest_revision_names_the_server() {
    let host = host().await;
    let client = host.client();
    for answer in [
        client.request("server/discover", json!({})).await,
        client.list().await,
        client.call("hello", json!({})).await,
    ] {
        assert_eq!(server_info(&answer)["name"], "crib");
        assert!(server_info(&answer)["version"].is_string());
        assert_eq!(answer.result()["resultType"], "complete");
        assert_eq!(answer.header("mcp-session-id"), "");
    }
}

fn server_info(answer: &Answer) -> &Value {
    &answer.result()["_meta"]["io.modelcontextprotocol/serverInfo"]
}

#[tokio::test]
async fn session_headers_are_ignored_without_sessions() {
    let host = host().await;
    for revision in Revision::ALL {
        let client = host.client_of(revision);
        let message = client.message("tools/call", json!({ "name": "hello", "arguments": {} }));
        let request = client
            .post(&message)
            .header("mcp-session-id", "abc")
            .header("last-event-id", "7");
        let answer = Answer::to(request).await;
        assert_eq!(answer.text(), "hello", "{revision:?}");
        assert_eq!(answer.header("mcp-session-id"), "");
    }
}

#[tokio::test]
async fn the_versions_in_header_and_meta_must_agree_and_be_supported() {
    let host = host().await;
    let client = Client {
        revision: Revision::November2025,
        ..host.client()
    };
    let check = async |header: Option<&str>, meta: Option<&str>| -> (u16, Value) {
        let mut params = json!({ "name": "hello", "arguments": {} });
        if let Some(meta) = meta {
            params["_meta"] = json!({
                "io.modelcontextprotocol/protocolVersion": meta,
                "io.modelcontextprotocol/clientCapabilities": {},
            });
        }
        let message =
            json!({ "jsonrpc": "2.0", "id": "v", "method": "tools/call", "params": params });
        let mut request = client
            .bare(reqwest::Method::POST)
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .header("mcp-method", "tools/call")
            .header("mcp-name", "hello");
        if let Some(header) = header {
            request = request.header("mcp-protocol-version", header);
        }
        let answer = Answer::to(request.body(message.to_string())).await;
        assert_eq!(answer.last()["id"], "v", "{header:?} {meta:?}");
        (answer.status.as_u16(), answer.last().clone())
    };

    let newest = Some("2026-07-28");
    for (header, meta) in [
        (Some("2024-11-05"), None),
        (Some("2025-03-26"), None),
        (Some("2025-06-18"), None),
        (Some("2025-11-25"), None),
        // A client of a revision without this header.
        (None, None),
        (newest, newest),
    ] {
        let (status, message) = check(header, meta).await;
        assert_eq!(status, 200, "{header:?} {meta:?}: {message}");
        assert_eq!(message["result"]["content"][0]["text"], "hello");
    }

    const UNSUPPORTED: i64 = -32022;
    const MISMATCH: i64 = -32020;
    const INVALID_PARAMS: i64 = -32602;
    for (header, meta, code) in [
        (Some("2024-10-07"), None, UNSUPPORTED),
        (Some("2025-05-01"), None, UNSUPPORTED),
        (Some("2027-01-01"), None, UNSUPPORTED),
        (Some("newest"), None, UNSUPPORTED),
        (Some("2027-01-01"), Some("2027-01-01"), UNSUPPORTED),
        (Some("2024-10-07"), Some("2024-10-07"), UNSUPPORTED),
        (Some("2025-11-25"), newest, MISMATCH),
        (newest, Some("2025-11-25"), MISMATCH),
        (None, newest, MISMATCH),
        (newest, None, INVALID_PARAMS),
    ] {
        let (status, message) = check(header, meta).await;
        let error = &message["error"];
        assert_eq!(
            (status, error["code"].as_i64()),
            (400, Some(code)),
            "{header:?} {meta:?}: {message}"
        );
        if code == UNSUPPORTED {
            assert_eq!(
                error["data"]["supported"],
                json!(VERSIONS),
                "{header:?} {meta:?}"
            );
            assert_eq!(
                error["data"]["requested"],
                header.unwrap(),
                "{header:?} {meta:?}"
            );
        }
    }
}

/// The newest revision requires `clientCapabilities` in `_meta`; `clientInfo` is optional.
#[tokio::test]
async fn client_capabilities_are_required() {
    let host = host().await;
    let client = host.client();
    let mut message = client.message("tools/list", json!({}));
    message["params"]["_meta"]
        .as_object_mut()
        .unwrap()
        .remove("io.modelcontextprotocol/clientCapabilities");
    let answer = Answer::to(client.post(&message)).await;
    assert_eq!(
        (answer.status.as_u16(), answer.code()),
        (400, -32602),
        "{answer:?}"
    );

    let meta = json!({ "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" } });
    let answer = client.request("tools/list", json!({ "_meta": meta })).await;
    assert_eq!(answer.status, 200);
}
