//! Limits on the cost of a message: its size if it carries no arguments, the memory of its values, and the place in which it
//! is parsed.

use std::time::{Duration, Instant};

use futures::future::{Either, select};
use serde_json::{Value, json};
use tempfile::TempDir;
use toolcrib::config::Access;

use crate::support::client::{Answer, Client, Revision};
use crate::support::guest::{Argument, Guest, Prompt, Tool};
use crate::support::issuer::{AUDIENCE, Issuer};
use crate::support::process::{Process, peak_mb};
use crate::support::server::{self, Host};

const INVALID_REQUEST: i64 = -32600;
const INVALID_PARAMS: i64 = -32602;

/// Size limit of a message without arguments.
const MAX_PLAIN_BYTES: usize = 64 << 10;

/// `echo` returns its arguments.
fn guest() -> Guest {
    let mut guest = Guest::with(
        Tool::new("echo"),
        "(call $text (local.get $arguments) (local.get $arguments_len))",
    );
    let argument = Argument {
        name: "who".into(),
        ..Argument::default()
    };
    let message = guest.string("hello");
    guest.prompt(
        Prompt {
            arguments: vec![argument],
            ..Prompt::new("greet")
        },
        format!("(call $message {message})"),
    );
    guest
}

/// Sends a message with this member in its parameters, filled so that the body has `bytes` bytes.
async fn send_filled(client: &Client, message: &Value, member: &str, bytes: usize) -> Answer {
    let filled = |filler: &str| {
        let mut message = message.clone();
        message["params"][member] = json!({ "x": filler });
        message.to_string()
    };
    let body = filled(&"x".repeat(bytes - filled("").len()));
    assert_eq!(body.len(), bytes);
    Answer::to(client.post(message).body(body)).await
}

#[tokio::test]
async fn messages_without_arguments_have_a_small_limit() {
    let host = Host::of(&guest()).await;
    for revision in [
        Revision::March2025,
        Revision::November2025,
        Revision::July2026,
    ] {
        let client = host.client_of(revision);
        let notification =
            json!({ "jsonrpc": "2.0", "method": "notifications/initialized", "params": {} });
        let call_without_id =
            json!({ "jsonrpc": "2.0", "method": "tools/call", "params": { "name": "echo" } });
        for message in [
            client.message("ping", json!({})),
            client.message("tools/list", json!({})),
            client.message("logging/setLevel", json!({ "level": "info" })),
            client.message("no/such", json!({})),
            client.message("initialize", json!({ "capabilities": {} })),
            notification,
            call_without_id,
        ] {
            let method = message["method"].as_str().unwrap();
            // `_meta` is read by nobody, and `arguments` is not a member of these.
            for member in ["filler", "arguments"] {
                let answer = send_filled(&client, &message, member, MAX_PLAIN_BYTES).await;
                let is_too_large = answer.body.contains("65536");
                assert!(!is_too_large, "{method} {answer:?}");
                for bytes in [MAX_PLAIN_BYTES + 1, 3 << 20] {
                    let answer = send_filled(&client, &message, member, bytes).await;
                    assert_eq!(
                        (answer.status.as_u16(), answer.code()),
                        (400, INVALID_REQUEST),
                        "{method}: {answer:?}"
                    );
                    assert_eq!(
                        answer.message(),
                        format!(
                            "the message has {bytes} bytes, but `{method}` carries no arguments and has at \
                             most 65536 bytes"
                        )
                    );
                    assert_eq!(answer.last()["id"], message["id"], "{method}");
                }
            }
        }
    }
}

#[tokio::test]
async fn arguments_may_be_large_and_other_members_may_not() {
    let host = Host::of(&guest()).await;
    for revision in [Revision::November2025, Revision::July2026] {
        let client = host.client_of(revision);
        let call = client.message("tools/call", json!({ "name": "echo" }));
        for bytes in [7_000, 60_000, 70_000, 3 << 20] {
            let answer = send_filled(&client, &call, "arguments", bytes).await;
            let echoed: Value = serde_json::from_str(answer.text()).unwrap();
            let filler = echoed["x"].as_str().unwrap();
            assert!(filler.len() > bytes - 1_000, "{}", filler.len());
        }
        for member in ["filler", "progressToken"] {
            let answer = send_filled(&client, &call, member, 1 << 20).await;
            assert_eq!(
                (answer.status.as_u16(), answer.code(), &answer.last()["id"]),
                (400, INVALID_REQUEST, &json!(1)),
                "{answer:?}"
            );
            assert!(answer.message().contains("262144 bytes"), "{answer:?}");
        }
        let who = "x".repeat(1 << 20);
        let params = json!({ "name": "greet", "arguments": { "who": who } });
        let answer = client.request("prompts/get", params).await;
        assert_eq!(answer.result()["messages"][0]["content"]["text"], "hello");
        // Small values take much more memory than their text.
        let dense = json!({ "x": vec![json!({ "": 0 }); 5_000] });
        for (method, params) in [
            ("ping", json!({ "_meta": dense })),
            ("tools/call", json!({ "name": "echo", "_meta": dense })),
        ] {
            let answer = client.request(method, params).await;
            assert_eq!(
                (answer.status.as_u16(), answer.code()),
                (400, INVALID_REQUEST),
                "{answer:?}"
            );
            assert!(
                answer.message().contains("262144 bytes of memory"),
                "{answer:?}"
            );
        }
        let params = json!({ "name": "echo", "arguments": dense });
        assert!(client.request("tools/call", params).await.text().len() > 30_000);
        let response = json!({ "jsonrpc": "2.0", "id": 1, "result": { "x": vec![0; 100_000] } });
        let answer = Answer::to(client.post(&response)).await;
        assert!(
            answer.message().contains("4194304 bytes of memory"),
            "{answer:?}"
        );
        // The arguments of an unknown target are not read, whatever they are.
        let unknown = client.message("tools/call", json!({ "name": "nothing" }));
        for bytes in [7_000, 60_000, 3 << 20] {
            let answer = send_filled(&client, &unknown, "arguments", bytes).await;
            assert_eq!(answer.code(), INVALID_PARAMS, "{answer:?}");
            assert!(
                answer.message().contains("unknown tool `nothing`"),
                "{answer:?}"
            );
        }
        // Malformed messages have the same errors at each size.
        for filler in [10, 20_000, 100_000] {
            let filler = "x".repeat(filler);
            let body = |params: &str| {
                format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#)
            };
            let arguments = format!(r#""arguments":{{"a":"{filler}"}}"#);
            for (body, code) in [
                (
                    body(&format!(r#"{{"name":"echo","name":"echo",{arguments}}}"#)),
                    INVALID_PARAMS,
                ),
                (
                    body(&format!(r#"{{"name":"echo",{arguments},{arguments}}}"#)),
                    INVALID_PARAMS,
                ),
                (body(&format!(r#"["echo","{filler}"]"#)), INVALID_PARAMS),
                (body(&format!(r#"{{"name":"echo",{arguments}}}x"#)), -32700),
                (
                    format!("[{}]", body(&format!("{{{arguments}}}"))),
                    INVALID_REQUEST,
                ),
            ] {
                let answer = Answer::to(client.post(&call).body(body)).await;
                assert_eq!(
                    (answer.status.as_u16(), answer.code()),
                    (400, code),
                    "{answer:?}"
                );
            }
        }
    }
}

/// Bodies of 4 MiB whose values would take 150 MiB and more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_that_nobody_reads_take_no_memory() {
    const BODIES: usize = 8;
    /// Growth of the peak: the bodies, twice each while they are collected, and the buffers of their connections.
    const MAX_GROWTH_MB: f64 = 160.0;
    const MAX_HEALTH_CHECK: Duration = Duration::from_secs(2);
    let dir = tempfile::tempdir().unwrap();
    let process = serve(&dir);
    let client = Client::new(
        &format!("http://{}/mcp", process.address),
        Revision::November2025,
    );
    assert_eq!(client.call("echo", json!({})).await.text(), "{}");
    let before = peak_mb(process.id());
    for text in ["0,", "[],", "{\"\":0},"] {
        let values = format!("[{}0]", text.repeat((4 << 20) / text.len() - 100));
        let bodies = [
            format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{{"_meta":{{"x":{values}}}}}}}"#
            ),
            format!(r#"{{"jsonrpc":"2.0","method":"notifications/x","params":{{"x":{values}}}}}"#),
            format!(r#"{{"jsonrpc":"2.0","id":{values},"method":"ping"}}"#),
            format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"echo","_meta":{{"x":{values}}}}}}}"#
            ),
            format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"none","arguments":{{"x":{values}}}}}}}"#
            ),
            format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"arguments":{{"x":{values}}}}}"#
            ),
            format!(r#"["2.0",1,"ping",{values},null,null]"#),
            format!(r#"{{"x":{values}}}"#),
        ];
        let requests = bodies.into_iter().cycle().take(BODIES).map(|body| {
            let request = client.post(&Value::Null).body(body);
            async move { request.send().await.unwrap().status() }
        });
        let sending = tokio::spawn(futures::future::join_all(requests));
        while !sending.is_finished() {
            let started = Instant::now();
            let health = client
                .http
                .get(format!("http://{}/healthz", process.address));
            assert_eq!(health.send().await.unwrap().status(), 200);
            assert!(
                started.elapsed() < MAX_HEALTH_CHECK,
                "{:?}",
                started.elapsed()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        for status in sending.await.unwrap() {
            assert!(status == 400 || status == 200, "{status}");
        }
    }
    let growth = peak_mb(process.id()) - before;
    assert!(growth < MAX_GROWTH_MB, "{growth} MiB");
}

/// Serves the guest from another process, whose memory can be measured.
fn serve(dir: &TempDir) -> Process {
    let path = server::write(dir.path(), "guest", &guest().component());
    Process::serve(["--no-auth", path.to_str().unwrap()])
}

/// The values of running calls have a limit for each caller. A message that exceeds it alone is refused for good.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_memory_of_large_messages_is_limited_per_caller() {
    let issuer = Issuer::start().await;
    let mut guard = toolcrib::auth::GuardConfig::new(AUDIENCE, issuer.url(), AUDIENCE);
    guard.issuers[0].keys = toolcrib::auth::KeySource::JwksUri(issuer.jwks_uri().parse().unwrap());
    let mut guest = guest();
    guest.tool(Tool::new("spin"), "(call $spin)");
    let host = Host::start(&[("guest", &guest)], |config| {
        config.access = Access::Guarded(Box::new(guard));
    })
    .await;
    let token = |subject: &str| issuer.token(|claims| claims["sub"] = subject.into());
    let client = |subject: &str| {
        host.client_of(Revision::November2025)
            .with_token(&token(subject))
    };
    let body = |tool: &str, item: &str, bytes: usize| {
        let values = item.repeat(bytes / item.len());
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{tool}","arguments":{{"x":[{values}0]}}}}}}"#
        )
    };
    let send = async |client: &Client, body: String| {
        Answer::to(client.post(&Value::Null).body(body)).await
    };
    let alice = client("alice");
    // Small objects take a hundred times the memory of their text.
    let answer = send(&alice, body("echo", "{\"\":0},", 4_000_000)).await;
    assert_eq!(
        (answer.status.as_u16(), answer.code()),
        (413, INVALID_REQUEST),
        "{answer:?}"
    );
    assert!(
        answer.message().contains("201326592 is the limit"),
        "{answer:?}"
    );

    // A call takes more than half of a caller's memory while it runs, so one of two is refused.
    let half = || alice.post(&Value::Null).body(body("spin", "0,", 3_900_000));
    let (one, other) = (Box::pin(half().send()), Box::pin(half().send()));
    let (refused, running) = match select(one, other).await {
        Either::Left(ended) | Either::Right(ended) => ended,
    };
    let refused = refused.unwrap();
    assert_eq!(refused.status(), 429, "{refused:?}");
    assert_eq!(refused.headers()["retry-after"], "1");
    let refused: Value = refused.json().await.unwrap();
    assert!(
        refused["error"]["message"]
            .as_str()
            .unwrap()
            .contains("memory"),
        "{refused}"
    );
    // Small messages of the caller and large ones of others are served.
    assert_eq!(alice.call("echo", json!({})).await.text(), "{}");
    let answer = send(&client("bob"), body("echo", "0,", 3_900_000)).await;
    assert!(answer.text().len() > 3_000_000);
    drop(running);
    let start = Instant::now();
    // The memory is free again when the call has ended.
    loop {
        let answer = send(&alice, body("echo", "0,", 3_900_000)).await;
        if answer.status == 200 {
            break;
        }
        assert_eq!(answer.status, 429, "{answer:?}");
        assert!(start.elapsed() < Duration::from_secs(90), "{answer:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
