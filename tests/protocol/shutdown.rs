//! The end in two stages: running calls may finish, and what is left is stopped.

use std::time::{Duration, Instant};

use reqwest::Response;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::support::client::{Answer, Client};
use crate::support::guest::{Guest, Tool};
use crate::support::server::Host;

/// `spin` says that it has begun and never ends by itself; `hello` answers at once.
fn spinning() -> Guest {
    let mut guest = Guest::saying("hello", "hello");
    guest.tool(
        Tool::new("spin"),
        "(call $progress (f64.const 1) (i32.const 0) (f64.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
         (call $spin)",
    );
    guest
}

async fn begin(client: &Client) -> Response {
    let params = json!({ "name": "spin", "arguments": {}, "_meta": { "progressToken": 1 } });
    let message = client.message("tools/call", params);
    let mut response = client.post(&message).send().await.unwrap();
    let first = response.chunk().await.unwrap().unwrap();
    assert!(String::from_utf8_lossy(&first).contains("progress"));
    response
}

/// The last message of what is left of a stream.
async fn end(response: Response) -> Value {
    let text = response.text().await.unwrap();
    let mut data = text.lines().filter_map(|line| line.strip_prefix("data:"));
    serde_json::from_str(
        data.next_back()
            .unwrap_or_else(|| panic!("no end in {text:?}")),
    )
    .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn running_calls_end_first() {
    let mut host = Host::start(&[("guest", &spinning())], |config| {
        config.limits.time = Duration::from_secs(2);
    })
    .await;
    let client = host.client();
    // A connection from before the end.
    let health = reqwest::Client::builder().no_proxy().build().unwrap();
    assert_eq!(
        health
            .get(host.url("/readyz"))
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
    let running = begin(&client).await;
    host.stop();
    // Nobody new is let in, while the old call goes on.
    let begun = Instant::now();
    while TcpStream::connect(host.address()).await.is_ok() {
        assert!(begun.elapsed() < Duration::from_secs(1), "it still accepts");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let last = end(running).await;
    let sentence = last["result"]["content"][0]["text"].as_str().unwrap();
    assert!(sentence.contains("time limit of 2s"), "{last}");
    host.stopped().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_left_is_stopped() {
    let mut host = Host::start(&[("guest", &spinning())], |config| {
        config.limits.time = Duration::from_secs(600);
        config.limits.cpu = Duration::from_secs(600);
        config.limits.concurrency = 2;
        config.server.drain = Duration::from_millis(300);
    })
    .await;
    let client = host.client();
    let streaming = begin(&client).await;
    let plain = tokio::spawn({
        let client = client.clone();
        let message = client.message("tools/call", json!({ "name": "spin", "arguments": {} }));
        async move { Answer::to(client.post(&message)).await }
    });
    // The plain call gives no sign of its own: it has begun when there is no place left.
    while client.call("hello", json!({})).await.status == 200 {}
    host.stop();
    let begun = Instant::now();
    let last = end(streaming).await;
    let text = &last["result"]["content"][0]["text"];
    assert_eq!(text, "the call was cancelled", "{last}");
    let answer = plain.await.unwrap();
    assert_eq!(answer.failure(), "the call was cancelled");
    host.stopped().await;
    assert!(
        begun.elapsed() < Duration::from_secs(3),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test]
async fn an_idle_server_stops_at_once() {
    let mut host = Host::of(&Guest::saying("hello", "hello")).await;
    // A kept connection is no reason to wait.
    assert_eq!(host.client().call("hello", json!({})).await.text(), "hello");
    let idle = TcpStream::connect(host.address()).await.unwrap();
    let begun = Instant::now();
    host.stop();
    host.stopped().await;
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "{:?}",
        begun.elapsed()
    );
    drop(idle);
}
