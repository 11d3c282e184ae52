//! JSON-RPC messages: malformed requests, unknown methods, malformed calls, notifications and mirrored headers.

use serde_json::{Value, json};

use crate::support::client::{Answer, Revision};
use crate::support::guest::Guest;
use crate::support::server::Host;

const PARSE_ERROR: i64 = -32700;
const INVALID_REQUEST: i64 = -32600;
const METHOD_NOT_FOUND: i64 = -32601;
const INVALID_PARAMS: i64 = -32602;

async fn host() -> Host {
    Host::of(&Guest::saying("hello", "hello")).await
}

#[tokio::test]
async fn malformed_messages_are_answered_400_with_a_json_rpc_error() {
    let host = host().await;
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let deep = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"hello","arguments":{{"a":{}}}}}}}"#,
        nested(10_000)
    );
    let cases: Vec<(Vec<u8>, i64, Value)> = [
        ("", PARSE_ERROR, Value::Null),
        ("{", PARSE_ERROR, Value::Null),
        ("hello", PARSE_ERROR, Value::Null),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"ping"} x"#,
            PARSE_ERROR,
            Value::Null,
        ),
        (r#"{'jsonrpc':"2.0"}"#, PARSE_ERROR, Value::Null),
        (&deep, INVALID_REQUEST, json!(1)),
        ("[]", INVALID_REQUEST, Value::Null),
        (
            r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#,
            INVALID_REQUEST,
            Value::Null,
        ),
        ("null", INVALID_REQUEST, Value::Null),
        ("7", INVALID_REQUEST, Value::Null),
        (r#""ping""#, INVALID_REQUEST, Value::Null),
        ("{}", INVALID_REQUEST, Value::Null),
        (
            r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
            INVALID_REQUEST,
            Value::Null,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#,
            INVALID_REQUEST,
            Value::Null,
        ),
        (
            r#"{"jsonrpc":"2.0","id":true,"method":"ping"}"#,
            INVALID_REQUEST,
            Value::Null,
        ),
        (
            r#"{"jsonrpc":"2.0","id":[1],"method":"ping"}"#,
            INVALID_REQUEST,
            Value::Null,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#,
            INVALID_REQUEST,
            Value::Null,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/list"}"#,
            INVALID_REQUEST,
            Value::Null,
        ),
        (
            r#"{"jsonrpc":"1.0","id":5,"method":"ping"}"#,
            INVALID_REQUEST,
            json!(5),
        ),
        (r#"{"id":"a","method":"ping"}"#, INVALID_REQUEST, json!("a")),
        (
            r#"{"jsonrpc":2.0,"id":"a","method":"ping"}"#,
            INVALID_REQUEST,
            Value::Null,
        ),
        (r#"{"jsonrpc":"2.0","id":6}"#, INVALID_REQUEST, json!(6)),
        (
            r#"{"jsonrpc":"2.0","id":6,"method":7}"#,
            INVALID_REQUEST,
            Value::Null,
        ),
        // The server sent no requests, so it expects no responses.
        (
            r#"{"jsonrpc":"2.0","id":6,"result":{}}"#,
            INVALID_REQUEST,
            Value::Null,
        ),
        (
            r#"{"jsonrpc":"2.0","id":6,"error":{"code":1,"message":""}}"#,
            INVALID_REQUEST,
            Value::Null,
        ),
    ]
    .into_iter()
    .map(|(body, code, id)| (body.as_bytes().to_vec(), code, id))
    .chain([(
        b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xff\"}".to_vec(),
        PARSE_ERROR,
        Value::Null,
    )])
    .collect();
    for revision in Revision::ALL {
        let client = host.client_of(revision);
        for (body, code, id) in &cases {
            let text = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
            let answer = Answer::to(client.post(&json!({})).body(body.clone())).await;
            assert_eq!(answer.status, 400, "{text}: {answer:?}");
            assert_eq!(answer.last()["jsonrpc"], "2.0", "{text}");
            assert_eq!(answer.code(), *code, "{text}: {answer:?}");
            // An unknown id is omitted, never null.
            if id.is_null() {
                let message = answer.last().as_object().unwrap();
                assert!(
                    message.get("id").is_none_or(|id| !id.is_null()),
                    "{text}: {answer:?}"
                );
            } else {
                assert_eq!(answer.last()["id"], *id, "{text}");
            }
        }
    }
}

#[tokio::test]
async fn responses_repeat_the_request_id() {
    let host = host().await;
    for revision in Revision::ALL {
        let client = host.client_of(revision);
        for id in [
            json!(0),
            json!(-7),
            json!(9_007_199_254_740_991_i64),
            json!(""),
            json!("a b\u{2713}"),
        ] {
            for (method, params) in [
                ("tools/list", json!({})),
                ("tools/call", json!({ "name": "hello", "arguments": {} })),
                ("tools/call", json!({ "name": "nothing", "arguments": {} })),
                ("no/such", json!({})),
            ] {
                let mut message = client.message(method, params);
                message["id"] = id.clone();
                let answer = Answer::to(client.post(&message)).await;
                assert_eq!(answer.last()["id"], id, "{method} {revision:?}: {answer:?}");
            }
        }
    }
}

/// These are faults of the client program. An error result, in contrast, is meant for the model.
#[tokio::test]
async fn unknown_tools_and_malformed_calls_are_protocol_errors() {
    let host = host().await;
    for revision in Revision::ALL {
        let client = host.client_of(revision);
        for params in [
            json!({ "name": "nothing", "arguments": {} }),
            json!({ "name": "Hello", "arguments": {} }),
            json!({ "name": "", "arguments": {} }),
            json!({ "arguments": {} }),
            json!({ "name": 7, "arguments": {} }),
            json!({ "name": null, "arguments": {} }),
            json!({ "name": "hello", "arguments": [] }),
            json!({ "name": "hello", "arguments": "{}" }),
            json!({ "name": "hello", "arguments": 5 }),
        ] {
            let message = client.message("tools/call", params.clone());
            let mut request = client.post(&message);
            if revision.is_modern() && !params["name"].is_string() {
                request = request.header("mcp-name", "hello");
            }
            let answer = Answer::to(request).await;
            let is_header_fault = revision.is_modern() && !params["name"].is_string();
            if is_header_fault {
                // The header that mirrors the name is checked first.
                assert!(
                    [-32020, INVALID_PARAMS].contains(&answer.code()),
                    "{params}: {answer:?}"
                );
            } else {
                assert_eq!(
                    answer.code(),
                    INVALID_PARAMS,
                    "{revision:?} {params}: {answer:?}"
                );
                assert_eq!(answer.status, 200, "{revision:?} {params}");
            }
        }
        if revision.is_modern() {
            continue;
        }
        for params in [
            r#""params":[]"#,
            r#""params":null"#,
            r#""params":7"#,
            r#""x":0"#,
            r#""params":{"name":"hello","name":"x"}"#,
            r#""params":{"name":"hello","_meta":7}"#,
        ] {
            let body = format!(r#"{{"jsonrpc":"2.0","id":3,"method":"tools/call",{params}}}"#);
            let answer = Answer::to(client.post(&json!({})).body(body)).await;
            assert_eq!(
                (answer.code(), &answer.last()["id"]),
                (INVALID_PARAMS, &json!(3)),
                "{params}: {answer:?}"
            );
        }
    }
    let answer = host.client().call("nothing", json!({})).await;
    assert_eq!(
        answer.message(),
        "unknown tool `nothing`; tools/list names those there are"
    );
}

#[tokio::test]
async fn each_revision_has_exactly_its_own_methods() {
    let host = host().await;
    let mut failures = Vec::new();
    for (method, params, is_modern, is_legacy) in [
        ("server/discover", json!({}), true, false),
        ("tools/list", json!({}), true, true),
        ("ping", json!({}), false, true),
        ("logging/setLevel", json!({ "level": "info" }), false, true),
        ("resources/list", json!({}), false, false),
        ("prompts/list", json!({}), false, false),
        ("prompts/get", json!({ "name": "hello" }), false, false),
        ("completion/complete", json!({}), false, false),
        ("tasks/list", json!({}), false, false),
        ("toolcrib/admin", json!({}), false, false),
        ("", json!({}), false, false),
    ] {
        for revision in Revision::ALL {
            let client = host.client_of(revision);
            let answer = client.request(method, params.clone()).await;
            let is_known = if revision.is_modern() {
                is_modern
            } else {
                is_legacy
            };
            // Older revisions do not define `server/discover`, so the request is reported as malformed.
            let is_probe = method == "server/discover" && !is_known;
            let expected: &[_] = match (is_known, revision.is_modern()) {
                (true, _) => &[(200, None)],
                (false, true) => &[(404, Some(METHOD_NOT_FOUND))],
                (false, false) if is_probe => &[(400, Some(INVALID_PARAMS))],
                (false, false) => &[(200, Some(METHOD_NOT_FOUND))],
            };
            let found = (
                answer.status.as_u16(),
                answer.last()["error"]["code"].as_i64(),
            );
            if !expected.contains(&found) {
                failures.push((method, revision, found));
            }
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

#[tokio::test]
async fn notifications_are_answered_202_without_a_body() {
    let host = host().await;
    for revision in Revision::ALL {
        let client = host.client_of(revision);
        for (method, params) in [
            ("notifications/initialized", json!({})),
            (
                "notifications/cancelled",
                json!({ "requestId": 1, "reason": "enough" }),
            ),
            ("notifications/unheard-of", json!({})),
        ] {
            let mut message = client.message(method, params);
            message.as_object_mut().unwrap().remove("id");
            let answer = Answer::to(client.post(&message)).await;
            assert_eq!(
                (answer.status.as_u16(), answer.body.as_str()),
                (202, ""),
                "{method} {revision:?}"
            );
        }
    }
}

#[tokio::test]
async fn the_headers_mcp_method_and_mcp_name_must_match_the_body() {
    let host = host().await;
    let client = host.client();
    let message = client.message("tools/call", json!({ "name": "hello", "arguments": {} }));
    let send = async |method: Option<&str>, name: Option<&str>| {
        let mut request = client
            .bare(reqwest::Method::POST)
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", "2026-07-28");
        if let Some(method) = method {
            request = request.header("mcp-method", method);
        }
        if let Some(name) = name {
            request = request.header("mcp-name", name);
        }
        Answer::to(request.body(message.to_string())).await
    };
    let call = Some("tools/call");
    for (method, name) in [(call, Some("hello")), (call, Some("=?base64?aGVsbG8=?="))] {
        assert_eq!(
            send(method, name).await.text(),
            "hello",
            "{method:?} {name:?}"
        );
    }
    for (method, name) in [
        (None, Some("hello")),
        (call, None),
        (Some("tools/list"), Some("hello")),
        (Some("Tools/Call"), Some("hello")),
        (call, Some("Hello")),
        (call, Some("other")),
        (call, Some("=?base64?b3RoZXI=?=")),
        (call, Some("=?base64?!!?=")),
    ] {
        let answer = send(method, name).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (400, -32020),
            "{method:?} {name:?}: {answer:?}"
        );
        assert_eq!(answer.last()["id"], 1);
    }
}
