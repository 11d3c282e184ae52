//! Settings that change while the server runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use super::Server;
use crate::operations::wait_for;
use crate::sandbox::variables;
use crate::support::client::{Answer, Client, Revision};
use crate::support::guest::{Guest, Tool};
use crate::support::issuer::{AUDIENCE, Failure, Issuer};
use crate::support::session::Session;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn components_and_their_settings_change() {
    let server = Server::start(|_, _| {}).await;
    assert_eq!(server.tools().await, ["hello"]);
    for (components, tools) in [
        (
            "[[component]]\nref = \"other.wasm\"\n[[component]]\nref = \"hello.wasm\"",
            &["hello", "other"][..],
        ),
        (
            "[[component]]\nref = \"hello.wasm\"\nprefix = \"a_\"\n[component.tool.hello]\nrename = \"hi\"",
            &["a_hi"],
        ),
        (
            "[[component]]\nref = \"hello.wasm\"\nname = \"one\"\n\
             [[component]]\nref = \"hello.wasm\"\nname = \"two\"\nprefix = \"b_\"",
            &["b_hello", "hello"],
        ),
        ("[[component]]\nref = \"hello.wasm\"", &["hello"]),
    ] {
        let mut text = server.text();
        text.components = components.into();
        server.take_in(&text).await;
        assert_eq!(server.tools().await, tools, "{components}");
    }
    // A changed file is taken in too.
    let guest = Guest::saying("hello", "hello again");
    server.toolcrib.write("hello", &guest.component());
    server.take_in(&server.text()).await;
    let answer = server.client().call("hello", json!({})).await;
    assert_eq!(answer.text(), "hello again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_of_the_server_change() {
    let server = Server::start(|_, _| {}).await;
    let client = server.client();
    let mut text = server.text();
    text.server += "\nname = \"renamed\"\ninstructions = \"be kind\"\nmax-body = \"1KiB\"\n\
                    allowed-hosts = [\"tools.internal\"]\ndrain = \"1s\"\nlenient-arguments = false\npage = true";
    text.rest = "[telemetry]\nlevel = \"debug\"".into();
    let with_host = async |host: &str| {
        let message = client.message("tools/list", json!({}));
        let request = client.post(&message).header("host", host);
        request.send().await.unwrap().status()
    };
    let page = async || {
        let request = client.http.get(client.url.replace("/mcp", "/"));
        let response = request.header("accept", "text/html").send().await;
        response.unwrap().status()
    };
    assert_eq!(with_host("tools.internal").await, 403);
    server.take_in(&text).await;
    let discovered = client.request("server/discover", json!({})).await;
    let result = discovered.result().to_string();
    assert!(result.contains("\"renamed\""), "{result}");
    assert!(result.contains("be kind"), "{result}");
    assert_eq!(with_host("tools.internal").await, 200);
    assert_eq!(page().await, 200);
    let large = json!({ "padding": "x".repeat(2 << 10) });
    assert_eq!(client.call("hello", large).await.status, 413);
    // At this level each request without a token is logged.
    let mut stranger = client.clone();
    stranger.token = None;
    assert_eq!(stranger.list().await.status, 401);
    wait_for(|| !server.logged("request refused").is_empty()).await;
    text.server = text.server.replace("page = true", "page = false");
    server.take_in(&text).await;
    assert_eq!(page().await, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn issuers_audiences_and_scopes_change() {
    let server = Server::start(|_, _| {}).await;
    let second = Issuer::start().await;
    let client = server.client();
    let other = client.with_token(&second.token(|_| {}));
    let status = async |client: &Client| client.call("hello", json!({})).await.status.as_u16();
    assert_eq!((status(&client).await, status(&other).await), (200, 401));

    let mut text = server.text();
    let issuer = format!(
        "\n[[auth.issuers]]\nissuer = \"{}\"\njwks-uri = \"{}\"\naudience = \"{AUDIENCE}\"",
        second.url(),
        second.jwks_uri()
    );
    text.auth += &issuer;
    server.take_in(&text).await;
    assert_eq!((status(&client).await, status(&other).await), (200, 200));

    // The keys of the first issuer are still known when it cannot be reached.
    server.issuer.fail(Some(Failure::Status(500)));
    text.components += "\nscopes = [\"use\"]";
    text.auth = text.auth.replacen('\n', "\nleeway = \"30s\"\n", 1);
    server.take_in(&text).await;
    assert_eq!((status(&client).await, status(&other).await), (403, 403));
    let scoped = client.with_token(&server.issuer.token(|claims| claims["scope"] = json!("use")));
    assert_eq!(status(&scoped).await, 200);

    let mut text = server.text();
    text.auth = text.auth.replace(AUDIENCE, "https://elsewhere.example/mcp");
    server.take_in(&text).await;
    assert_eq!((status(&client).await, status(&other).await), (401, 401));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_and_grants_change() {
    let mut spinning = Guest::saying("hello", "hello");
    spinning.tool(Tool::new("spin"), "(call $spin)");
    let component = |limits: &str, allow: &str| {
        format!(
            "[[component]]\nref = \"spinning.wasm\"\n{limits}\n\
             [[component]]\nref = \"variables.wasm\"\n{allow}"
        )
    };
    let server = Server::start(|text, toolcrib| {
        toolcrib.write("spinning", &spinning.component());
        toolcrib.write("variables", &variables::guest().component());
        text.components = component("limits.time = \"100ms\"", "allow.env = { A = \"1\" }");
    })
    .await;
    let client = server.client();
    let answers = async || {
        let (spin, env) = (
            client.call("spin", json!({})).await,
            client.call("env", json!({})).await,
        );
        (spin.failure().to_owned(), env.text().to_owned())
    };
    let (spin, env) = answers().await;
    assert!(spin.contains("time limit of 100ms"), "{spin}");
    assert_eq!(env, "A=1;");
    let mut text = server.text();
    text.components = component("limits.time = \"50ms\"", "allow.env = { B = \"2\" }");
    server.take_in(&text).await;
    let (spin, env) = answers().await;
    assert!(spin.contains("time limit of 50ms"), "{spin}");
    assert_eq!(env, "B=2;");
    // Without the section nothing is granted.
    text.components = component("", "");
    server.take_in(&text).await;
    assert_eq!(client.call("env", json!({})).await.text(), "");
    // A rate holds on over a change that does not concern it.
    let rate = |prefix: &str| {
        format!(
            "[[component]]\nref = \"hello.wasm\"\nprefix = \"{prefix}\"\nlimits.calls-per-minute = 1"
        )
    };
    text.components = rate("a_");
    server.take_in(&text).await;
    assert_eq!(client.call("a_hello", json!({})).await.text(), "hello");
    text.components = rate("b_") + "\nlimits.time = \"5s\"";
    server.take_in(&text).await;
    assert_eq!(client.call("b_hello", json!({})).await.status, 429);
}

/// Calls that run while the configuration changes, in requests and in a session, all succeed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_is_lost() {
    const RELOADS: usize = 8;
    let server = Server::start(|text, _| text.server += "\nsessions = true").await;
    let is_over = Arc::new(AtomicBool::new(false));
    let calls = |_: usize| {
        let (client, is_over) = (server.client(), is_over.clone());
        tokio::spawn(async move {
            let mut calls = 0;
            while !is_over.load(Ordering::Relaxed) {
                assert_eq!(client.call("hello", json!({})).await.text(), "hello");
                calls += 1;
            }
            calls
        })
    };
    let workers: Vec<_> = (0..4).map(calls).collect();
    let mut old_client = server.client();
    old_client.revision = Revision::November2025;
    let session = Session::open(old_client, json!({})).await;
    for n in 0..RELOADS {
        let mut text = server.text();
        text.server += &format!("\nsessions = true\ninstructions = \"{n}\"");
        text.auth += &format!("\nleeway = \"{}s\"", 30 + n);
        text.components += &format!("\nlimits.time = \"{}s\"", 10 + n);
        server.take_in(&text).await;
        let message = json!({
            "jsonrpc": "2.0", "id": n, "method": "tools/call",
            "params": { "name": "hello", "arguments": {} },
        });
        let answer = Answer::to(session.post(&message)).await;
        assert_eq!(answer.text(), "hello");
    }
    is_over.store(true, Ordering::Relaxed);
    let started = Instant::now();
    for worker in workers {
        assert!(worker.await.unwrap() > 0);
    }
    assert!(started.elapsed() < Duration::from_secs(30));
}
