//! Graceful shutdown in two stages: running calls may finish first; calls that take too long are cancelled.

use std::time::{Duration, Instant};

use reqwest::Response;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{spinning_guest, start_spinning};
use crate::support::client::Answer;
use crate::support::guest::Guest;
use crate::support::server::Host;

/// Reads a stream to its end and returns the last message.
async fn last_message(response: Response) -> Value {
    let text = response.text().await.unwrap();
    let mut data = text.lines().filter_map(|line| line.strip_prefix("data:"));
    serde_json::from_str(
        data.next_back()
            .unwrap_or_else(|| panic!("no message in {text:?}")),
    )
    .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn running_calls_may_finish_during_shutdown() {
    let mut host = Host::start(&[("guest", &spinning_guest())], |config| {
        config.limits.time = Duration::from_secs(2);
    })
    .await;
    let client = host.client();
    // A connection that is open before the shutdown starts.
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
    let running = start_spinning(&client).await;
    host.stop();
    // New connections are refused while the call runs.
    let started = Instant::now();
    while TcpStream::connect(host.address()).await.is_ok() {
        assert!(
            started.elapsed() < Duration::from_secs(1),
            "the host still accepts connections"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let last = last_message(running).await;
    let sentence = last["result"]["content"][0]["text"].as_str().unwrap();
    assert!(sentence.contains("time limit of 2s"), "{last}");
    host.stopped().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_outlast_the_drain_time_are_cancelled() {
    let mut host = Host::start(&[("guest", &spinning_guest())], |config| {
        config.limits.time = Duration::from_secs(600);
        config.limits.cpu = Duration::from_secs(600);
        config.limits.concurrency = 2;
        config.server.drain = Duration::from_millis(300);
    })
    .await;
    let client = host.client();
    let streaming = start_spinning(&client).await;
    let plain = tokio::spawn({
        let client = client.clone();
        let message = client.message("tools/call", json!({ "name": "spin", "arguments": {} }));
        async move { Answer::to(client.post(&message)).await }
    });
    // The plain call reports nothing. It runs once both permits are taken.
    while client.call("hello", json!({})).await.status == 200 {}
    host.stop();
    let started = Instant::now();
    let last = last_message(streaming).await;
    let text = &last["result"]["content"][0]["text"];
    assert_eq!(text, "the call was cancelled", "{last}");
    let answer = plain.await.unwrap();
    assert_eq!(answer.failure(), "the call was cancelled");
    host.stopped().await;
    assert!(
        started.elapsed() < Duration::from_secs(3),
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test]
async fn an_idle_server_stops_at_once_despite_open_connections() {
    let mut host = Host::of(&Guest::saying("hello", "hello")).await;
    // Idle keep-alive connections do not delay the shutdown.
    assert_eq!(host.client().call("hello", json!({})).await.text(), "hello");
    let idle = TcpStream::connect(host.address()).await.unwrap();
    let started = Instant::now();
    host.stop();
    host.stopped().await;
    assert!(
        started.elapsed() < Duration::from_secs(2),
        "{:?}",
        started.elapsed()
    );
    drop(idle);
}

/// A client may have sent a request on a connection that it opened just before the shutdown.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_opened_just_before_the_shutdown_is_served() {
    const CONNECTIONS: usize = 20;
    // Within the time that the host gives such a connection.
    const IN_TIME: Duration = Duration::from_millis(700);
    for attempt in 1..=5 {
        let mut host = Host::of(&Guest::saying("hello", "hello")).await;
        let mut connections = Vec::new();
        for _ in 0..CONNECTIONS {
            connections.push(TcpStream::connect(host.address()).await.unwrap());
        }
        let stopped = Instant::now();
        host.stop();
        while TcpStream::connect(host.address()).await.is_ok() {}
        let request = format!("GET /healthz HTTP/1.1\r\nhost: {}\r\n\r\n", host.address());
        let mut failed = 0;
        for connection in &mut connections {
            // Fails if the host has closed the connection.
            let _ = connection.write_all(request.as_bytes()).await;
        }
        let is_in_time = stopped.elapsed() < IN_TIME;
        for connection in &mut connections {
            let mut response = String::new();
            // The host closes the connection after its response.
            let _ = connection.read_to_string(&mut response).await;
            failed += usize::from(!response.starts_with("HTTP/1.1 200 OK\r\n"));
        }
        host.stopped().await;
        if is_in_time {
            assert_eq!(failed, 0, "of {CONNECTIONS}");
            return;
        }
        assert!(attempt < 5, "the machine is too slow");
    }
}
