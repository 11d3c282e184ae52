//! Clients that disconnect, close one side of a connection, or are refused before they have sent a body.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::spinning_guest;
use crate::support::guest::{Guest, Tool};
use crate::support::http2::{HEADERS, Http2};
use crate::support::server::Host;

/// Time for which the host reads the body of a request that it has refused.
const MAX_DISCARD_TIME: Duration = Duration::from_secs(2);
/// Time for the responses to a client that has closed its side of the connection.
const MAX_HALF_CLOSED_TIME: Duration = Duration::from_millis(250);

/// Returns a call over HTTP/1.
fn call(tool: &str) -> String {
    let params = json!({ "name": tool, "arguments": {}, "_meta": { "progressToken": 1 } });
    let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    let body = message.to_string();
    format!(
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2025-11-25\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

async fn read_until(connection: &mut TcpStream, text: &str) {
    let mut received = String::new();
    while !received.contains(text) {
        let mut bytes = [0; 4096];
        let count = connection.read(&mut bytes).await.unwrap();
        assert_ne!(count, 0, "{received}");
        received.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
    }
}

/// Some clients send a line break after the body. Bytes that wait behind a call hide the end of the connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_disconnects_behind_further_bytes_stops_its_call() {
    let host = Host::start(&[("guest", &spinning_guest())], |config| {
        config.limits.concurrency = 1;
        config.limits.time = Duration::from_secs(600);
        config.limits.cpu = Duration::from_secs(600);
    })
    .await;
    let client = host.client();
    for further in [
        "",
        "\r\n",
        "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ] {
        let mut connection = TcpStream::connect(host.address()).await.unwrap();
        let request = format!("{}{further}", call("spin"));
        connection.write_all(request.as_bytes()).await.unwrap();
        read_until(&mut connection, "notifications/progress").await;
        drop(connection);
        let started = Instant::now();
        while client.call("hello", json!({})).await.status != 200 {
            let waited = started.elapsed();
            assert!(waited < Duration::from_secs(20), "{further:?}: {waited:?}");
        }
    }
}

/// A client that has sent all its requests may close its side of the connection, and still read.
#[tokio::test]
async fn requests_in_front_of_the_end_of_a_connection_are_answered() {
    let host = Host::of(&Guest::saying("hello", "hello")).await;
    // Later calls take less time.
    host.client().call("hello", json!({})).await;
    for requests in [1, 3] {
        let mut connection = TcpStream::connect(host.address()).await.unwrap();
        let text = call("hello").repeat(requests);
        connection.write_all(text.as_bytes()).await.unwrap();
        connection.shutdown().await.unwrap();
        let mut responses = String::new();
        connection.read_to_string(&mut responses).await.unwrap();
        let answered = responses.matches("\"text\":\"hello\"").count();
        assert_eq!(answered, requests, "{responses}");
    }
}

/// A response under way is sent whole, however long the client takes to read it.
#[tokio::test]
async fn a_large_response_is_sent_to_a_client_that_has_closed_its_side() {
    // More than the buffers of a connection hold.
    const TEXT_BYTES: usize = 24 << 20;
    let mut guest = Guest::new();
    guest.pages(TEXT_BYTES / (64 << 10) + 2).tool(
        Tool::new("large"),
        format!(
            "(memory.fill (i32.const 65536) (i32.const 120) (i32.const {TEXT_BYTES}))
             (call $text (i32.const 65536) (i32.const {TEXT_BYTES}))"
        ),
    );
    let host = Host::start(&[("guest", &guest)], |config| {
        config.limits.output_bytes = 2 * TEXT_BYTES;
    })
    .await;
    let mut connection = TcpStream::connect(host.address()).await.unwrap();
    connection
        .write_all(call("large").as_bytes())
        .await
        .unwrap();
    let mut start = [0; 12];
    connection.read_exact(&mut start).await.unwrap();
    assert_eq!(&start, b"HTTP/1.1 200");
    connection.shutdown().await.unwrap();
    tokio::time::sleep(4 * MAX_HALF_CLOSED_TIME).await;
    let mut rest = Vec::new();
    connection.read_to_end(&mut rest).await.unwrap();
    assert!(rest.len() > TEXT_BYTES, "{} bytes", rest.len());
}

/// The answer to a refused request waits for a body that is under way, and for no other.
#[tokio::test]
async fn refusals_do_not_wait_for_a_body_that_is_not_sent() {
    const REFUSED_ORIGIN: &str = "https://evil.example";
    let host = Host::of(&Guest::saying("hello", "hello")).await;
    for (headers, waits) in [("", true), ("Expect: 100-continue\r\n", false)] {
        let started = Instant::now();
        let mut connection = TcpStream::connect(host.address()).await.unwrap();
        let head = format!(
            "POST /mcp HTTP/1.1\r\nHost: localhost\r\nOrigin: {REFUSED_ORIGIN}\r\n{headers}Content-Length: 1000\r\n\r\n"
        );
        connection.write_all(head.as_bytes()).await.unwrap();
        let mut response = String::new();
        connection.read_to_string(&mut response).await.unwrap();
        // No `100 Continue`, which asks for the body.
        assert!(response.starts_with("HTTP/1.1 403 "), "{response}");
        assert_eq!(started.elapsed() >= MAX_DISCARD_TIME, waits, "{headers}");
    }
    let started = Instant::now();
    let mut connection = Http2::connect(host.address(), 65_535).await;
    let headers = [("origin", REFUSED_ORIGIN)];
    let stream = connection.start_request("POST", "/mcp", &headers).await;
    connection.frame_of(stream, HEADERS).await;
    assert!(started.elapsed() < MAX_DISCARD_TIME);
    // The connection goes on.
    let stream = connection.request("GET", "/healthz", &[], &[]).await;
    assert!(connection.is_ok(stream).await);
}

/// The twin of the refused request: the client sends the body after it was told to.
#[tokio::test]
async fn a_body_that_is_read_is_asked_for() {
    let host = Host::of(&Guest::saying("hello", "hello")).await;
    let mut connection = TcpStream::connect(host.address()).await.unwrap();
    let request = call("hello").replace(
        "Host:",
        "Expect: 100-continue\r\nConnection: close\r\nHost:",
    );
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    connection
        .write_all(format!("{head}\r\n\r\n").as_bytes())
        .await
        .unwrap();
    read_until(&mut connection, "100 Continue\r\n\r\n").await;
    connection.write_all(body.as_bytes()).await.unwrap();
    read_until(&mut connection, "\"text\":\"hello\"").await;
}
