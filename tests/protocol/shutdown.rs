//! The end in two stages: running calls may finish, and what is left is stopped.

use std::time::{Duration, Instant};

use reqwest::Response;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::support::client::{Answer, Client};
use crate::support::guest::{Guest, Tool};
use crate::support::server::Host;

/// Never ends by itself, and says that it has begun.
fn spinning() -> Guest {
    Guest::with(
        Tool::new("spin"),
        "(call $progress (f64.const 1) (i32.const 0) (f64.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
         (call $spin)",
    )
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
    let data = text.lines().filter_map(|line| line.strip_prefix("data:"));
    serde_json::from_str(data.last().unwrap_or_else(|| panic!("no end in {text:?}"))).unwrap()
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
    // The plain call gives no sign, so both its places are watched instead: it has begun when a third finds the same.
    let third = begin(&client).await;
    host.stop();
    let begun = Instant::now();
    for last in [end(streaming).await, end(third).await] {
        assert_eq!(
            last["result"]["content"][0]["text"], "the call was cancelled",
            "{last}"
        );
    }
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
