//! Connections: responses that are not read, bodies that do not end, and connections that say nothing.

use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::client::Answer;
use crate::support::guest::{Guest, Tool};
use crate::support::http2::{DATA, Http2, RST_STREAM};
use crate::support::issuer::{AUDIENCE, Issuer};
use crate::support::server::Host;

/// Bytes that one caller or connection may have under way, in requests and in responses.
const MAX_BYTES: usize = 64 << 20;
/// Size of the text that `large` returns.
const LARGE: usize = 2 << 20;

/// `hello` returns a word, `large` a large text, and `late` a word before a large text, as events.
fn guest() -> Guest {
    let mut guest = Guest::saying("hello", "hello");
    guest.pages(64);
    let text = guest.string("x".repeat(LARGE));
    guest
        .tool(Tool::new("large"), format!("(call $text {text})"))
        .tool(
            Tool::new("late"),
            format!(
                "(call $progress (f64.const 1) (i32.const 0) (f64.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
                 (call $text {text})"
            ),
        );
    guest
}

/// Calls a tool and returns the stream.
async fn call(connection: &mut Http2, tool: &str) -> u32 {
    let params = json!({ "name": tool, "arguments": {}, "_meta": { "progressToken": 1 } });
    let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    let headers = [
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
        ("mcp-protocol-version", "2025-11-25"),
    ];
    let body = message.to_string();
    connection
        .request("POST", "/mcp", &headers, body.as_bytes())
        .await
}

/// Responses wait in the host while their client does not read them. Those of one connection are limited in all: then
/// its calls are refused, those of others are not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn responses_that_are_not_read_are_limited() {
    let host = Host::of(&guest()).await;
    for tool in ["large", "late"] {
        let mut connection = Http2::connect(host.address(), 0).await;
        let mut unread = Vec::new();
        let refused = loop {
            let stream = call(&mut connection, tool).await;
            if !connection.is_ok(stream).await {
                break stream;
            }
            unread.push(stream);
            assert!(
                unread.len() <= MAX_BYTES / LARGE + 8,
                "{tool}: {}",
                unread.len()
            );
        };
        assert!(
            unread.len() >= MAX_BYTES / LARGE - 1,
            "{tool}: {}",
            unread.len()
        );
        connection.open_window(refused, 10_000).await;
        let body = connection.frame_of(refused, DATA).await.payload;
        let body = String::from_utf8(body).unwrap();
        assert!(
            body.contains("the limit of 64 MiB; read the responses"),
            "{body}"
        );

        assert_eq!(
            host.client().call("large", json!({})).await.text().len(),
            LARGE
        );
        for stream in unread {
            connection.reset(stream).await;
        }
        // The host takes note of the resets one by one.
        let started = Instant::now();
        loop {
            let stream = call(&mut connection, tool).await;
            if connection.is_ok(stream).await {
                break;
            }
            assert!(started.elapsed() < Duration::from_secs(30), "{tool}");
        }
    }
}

/// A response that is sent in many pieces arrives whole, also if the client opens its window bit by bit.
#[tokio::test]
async fn large_responses_arrive_whole_over_http2() {
    let host = Host::of(&guest()).await;
    for (window, step) in [(4 << 20, 0), (0, 100_000)] {
        let mut connection = Http2::connect(host.address(), window).await;
        connection.open_window(0, 4 << 20).await;
        let stream = call(&mut connection, "large").await;
        assert!(connection.is_ok(stream).await);
        let mut body = Vec::new();
        let mut opened = window as usize;
        loop {
            if body.len() == opened {
                connection.open_window(stream, step).await;
                opened += step as usize;
            }
            let frame = connection.frame_of(stream, DATA).await;
            body.extend(frame.payload);
            if frame.is_last {
                break;
            }
        }
        let answer: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let text = answer["result"]["content"][0]["text"].as_str().unwrap();
        assert_eq!(text, "x".repeat(LARGE));
    }
}

/// Sends the head of a request and this many bytes of its body, and returns the connection.
async fn send_body(host: &Host, token: &str, length: usize, bytes: usize) -> TcpStream {
    let mut connection = TcpStream::connect(host.address()).await.unwrap();
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    );
    connection.write_all(head.as_bytes()).await.unwrap();
    connection.write_all(&vec![b'x'; bytes]).await.unwrap();
    connection
}

/// Reads a response of HTTP/1 to its end.
async fn response(mut connection: TcpStream) -> String {
    let mut response = String::new();
    connection.read_to_string(&mut response).await.unwrap();
    response
}

/// The bodies that arrive for one caller are limited in all, whatever the number of connections.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_under_way_are_limited_per_caller() {
    const BODY: usize = 40 << 20;
    let issuer = Issuer::start().await;
    let text = format!(
        "components = [\"guest.wasm\"]\n[server]\npublic-url = \"https://tools.example\"\nmax-body = \"40MiB\"\n\
         [auth]\nissuer = \"{}\"\naudience = \"{AUDIENCE}\"\njwks-uri = \"{}\"\n",
        issuer.url(),
        issuer.jwks_uri(),
    );
    let host = Host::configured(&[("guest", &guest())], &text).await;
    let alice = issuer.token(|_| {});
    let bob = issuer.token(|claims| claims["sub"] = json!("bob"));
    let mut unfinished = send_body(&host, &alice, BODY, BODY - 1).await;
    let refused = response(send_body(&host, &alice, BODY, BODY).await).await;
    assert!(refused.starts_with("HTTP/1.1 429 "), "{refused}");
    assert!(refused.contains("\r\nretry-after: 1\r\n"), "{refused}");
    assert!(refused.contains("the limit of 64 MiB"), "{refused}");
    // Rejected only because it is not JSON.
    let of_other = response(send_body(&host, &bob, BODY, BODY).await).await;
    assert!(of_other.starts_with("HTTP/1.1 400 "), "{of_other}");
    unfinished.write_all(b"x").await.unwrap();
    let finished = response(unfinished).await;
    assert!(finished.starts_with("HTTP/1.1 400 "), "{finished}");
    let next = response(send_body(&host, &alice, BODY, BODY).await).await;
    assert!(next.starts_with("HTTP/1.1 400 "), "{next}");
}

const HEALTH: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
const SLOW_BODY: &[u8] =
    b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{";

/// Each wait for a client has its time: 15 s for a head, 5 s for a body of which nothing comes, 30 s for a response
/// that is not read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waits_for_a_client_have_time_limits() {
    let host = Host::of(&guest()).await;
    let mut idle = TcpStream::connect(host.address()).await.unwrap();
    ask_for_health(&mut idle).await;
    let heads =
        [&b""[..], b"PRI * HTT", b"GET /healthz HT"].map(|bytes| ended(&host, false, bytes));
    let heads = async {
        for received in futures::future::join_all(heads).await {
            assert_eq!(received.0, "", "{received:?}");
            assert_within(received.1, 15);
        }
    };
    let later_head = async {
        let (received, time) = ended(&host, true, b"GET /healthz HT").await;
        assert_eq!(received, "");
        assert_within(time, 15);
    };
    let body = async {
        let (received, time) = ended(&host, false, SLOW_BODY).await;
        assert!(received.starts_with("HTTP/1.1 408 "), "{received}");
        // The connection waits for the rest of the body for 2 s more.
        assert!(
            time >= Duration::from_secs(5) && time < Duration::from_secs(25),
            "{time:?}"
        );
    };
    let unread = async {
        let mut connection = Http2::connect(host.address(), 0).await;
        let started = Instant::now();
        for tool in ["large", "hello", "late"] {
            call(&mut connection, tool).await;
        }
        let mut resets = 0;
        while resets < 3 {
            let frame = connection.next().await.expect("the connection goes on");
            resets += usize::from(frame.kind == RST_STREAM);
        }
        assert_within(started.elapsed(), 30);
        // Other streams of the connection are served.
        let next = call(&mut connection, "hello").await;
        connection.open_window(next, 10_000).await;
        let body = connection.frame_of(next, DATA).await.payload;
        assert!(String::from_utf8(body).unwrap().contains("hello"));
    };
    futures::join!(heads, later_head, body, unread);
    // A connection may be idle for longer.
    ask_for_health(&mut idle).await;
}

/// Sends bytes on a new connection and returns the response and the time to the end of the connection.
async fn ended(host: &Host, after_request: bool, bytes: &[u8]) -> (String, Duration) {
    let mut connection = TcpStream::connect(host.address()).await.unwrap();
    if after_request {
        ask_for_health(&mut connection).await;
    }
    let started = Instant::now();
    connection.write_all(bytes).await.unwrap();
    let mut received = Vec::new();
    // A reset ends the connection as well.
    let _ = connection.read_to_end(&mut received).await;
    (String::from_utf8(received).unwrap(), started.elapsed())
}

async fn ask_for_health(connection: &mut TcpStream) {
    connection.write_all(HEALTH).await.unwrap();
    let mut response = String::new();
    while !response.ends_with("ok\n") {
        let mut buffer = [0; 1_000];
        let bytes = connection.read(&mut buffer).await.unwrap();
        assert_ne!(bytes, 0, "the connection has ended: {response}");
        response.push_str(std::str::from_utf8(&buffer[..bytes]).unwrap());
    }
}

/// Checks that a wait took at least this long, and not twice as long on a busy machine.
fn assert_within(time: Duration, seconds: u64) {
    let limit = Duration::from_secs(seconds);
    assert!(
        time > limit - Duration::from_secs(1) && time < 2 * limit,
        "{time:?}, {seconds} s"
    );
}

/// A body that arrives slowly but steadily is read to its end.
#[tokio::test]
async fn a_body_may_pause() {
    let host = Host::of(&guest()).await;
    let client = host.client();
    let request =
        client.post(&client.message("tools/call", json!({ "name": "hello", "arguments": {} })));
    let body = request.try_clone().unwrap().build().unwrap();
    let body = body.body().unwrap().as_bytes().unwrap().to_vec();
    let (first, rest) = body.split_at(body.len() / 2);
    let (first, rest) = (first.to_vec(), rest.to_vec());
    let parts = futures::stream::unfold(vec![rest, first], async |mut parts| {
        let part = parts.pop()?;
        if parts.is_empty() {
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
        Some((Ok::<_, std::io::Error>(part), parts))
    });
    let answer = Answer::to(request.body(reqwest::Body::wrap_stream(parts))).await;
    assert_eq!((answer.status, answer.text()), (StatusCode::OK, "hello"));
}
