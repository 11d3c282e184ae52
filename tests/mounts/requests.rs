//! Requests and responses of mounted components.

use reqwest::StatusCode;
use serde_json::json;

use super::{HELLO, handler, serve};
use crate::support::guest::Guest;
use crate::support::server::{Host, write};

#[tokio::test]
async fn requests_at_and_below_the_path_are_answered() {
    let host = serve(HELLO, "").await;
    let http = reqwest::Client::new();
    for (path, status) in [
        ("/hook", 201),
        ("/hook/", 201),
        ("/hook/a/b?c=d", 201),
        ("/hooks", 404),
        ("/", 404),
        ("/healthz", 200),
    ] {
        let answer = http.get(host.url(path)).send().await.unwrap();
        assert_eq!(answer.status(), status, "{path}");
        if status == 201 {
            assert_eq!(answer.text().await.unwrap(), "hello", "{path}");
        }
    }
    for method in ["HEAD", "POST", "PUT", "DELETE", "PATCH"] {
        let request = http.request(method.parse().unwrap(), host.url("/hook"));
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 201, "{method}");
    }
    let answer = http
        .get(host.url("/hook"))
        .header("Host", "evil.example")
        .send();
    assert_eq!(answer.await.unwrap().status(), StatusCode::FORBIDDEN);
}

/// The guest gets the path and the body as they were sent.
#[tokio::test]
async fn paths_and_bodies_reach_the_guest() {
    let echo = "
        (local.set $stream (call $start (local.get $outparam) (i32.const 200)))
        (call $path (local.get $request) (i32.const 40))
        (drop (call $write (local.get $stream) (i32.load (i32.const 44)) (i32.load (i32.const 48))))
        (call $drain (local.get $request) (local.get $stream))
        (call $end (local.get $stream))";
    let host = serve(echo, "").await;
    let body = "x".repeat(20_000);
    let http = reqwest::Client::new();
    let answer = http
        .post(host.url("/hook/a?b=c%20d"))
        .body(body.clone())
        .send();
    let text = answer.await.unwrap().text().await.unwrap();
    assert_eq!(text, format!("/hook/a?b=c%20d{body}"));
}

/// Tools and mounts are served side by side, and a reload replaces both.
#[tokio::test]
async fn mounts_and_tools_are_served_together() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "hook", &handler(HELLO));
    write(
        dir.path(),
        "tool",
        &Guest::saying("tool", "text").component(),
    );
    let text = "components = [\"tool.wasm\"]\n[[mount]]\npath = \"/a/hook\"\nref = \"hook.wasm\"";
    let host = Host::configured_and_watching(dir, text).await;
    let answer = host.client().call("tool", json!({})).await;
    assert_eq!(answer.text(), "text");
    let get = async || {
        reqwest::get(host.url("/a/hook"))
            .await
            .unwrap()
            .status()
            .as_u16()
    };
    assert_eq!(get().await, 201);
    let teapot = HELLO.replace("201", "418");
    write(host.dir(), "hook", &handler(&teapot));
    crate::reload::wait_until("the new handler", async || get().await == 418).await;
}
