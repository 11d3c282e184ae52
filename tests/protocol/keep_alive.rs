//! Connections without a request, the end of connections at shutdown, and calls that say nothing for long.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{spinning_guest, start_spinning};
use crate::support::client::Revision;
use crate::support::guest::http::{Fetch, add_http_imports, fetch};
use crate::support::guest::{Guest, Tool};
use crate::support::http2::{HEADERS, Http2};
use crate::support::server::Host;
use crate::support::session::Session;
use crate::support::upstream::Upstream;

const KEEP_ALIVE: Duration = Duration::from_secs(1);
/// A connection is closed much earlier than by default, also on a slow machine.
const MAX_TIME: Duration = Duration::from_secs(40);

/// Reads a connection to its end.
async fn rest(connection: &mut TcpStream) -> String {
    let mut received = Vec::new();
    let _ = connection.read_to_end(&mut received).await;
    String::from_utf8_lossy(&received).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_connections_are_closed() {
    let host = Host::start(&[("guest", &spinning_guest())], |config| {
        config.server.keep_alive = KEEP_ALIVE;
        config.limits.time = 3 * KEEP_ALIVE;
    })
    .await;
    let started = Instant::now();
    let is_in_time = |time: Duration| time >= KEEP_ALIVE && time < MAX_TIME;
    let http1 = async {
        let mut connection = TcpStream::connect(host.address()).await.unwrap();
        let request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
        connection.write_all(request).await.unwrap();
        let response = rest(&mut connection).await;
        assert!(response.ends_with("ok\n"), "{response}");
        assert!(is_in_time(started.elapsed()), "{:?}", started.elapsed());
    };
    let http2 = async {
        let mut connection = Http2::connect(host.address(), 10_000).await;
        let stream = connection.request("GET", "/healthz", &[], &[]).await;
        connection.frame_of(stream, HEADERS).await;
        while connection.next().await.is_some() {}
        assert!(connection.is_told_to_leave);
        assert!(is_in_time(started.elapsed()), "{:?}", started.elapsed());
    };
    // A connection with a request is not idle.
    let busy = async {
        let response = start_spinning(&host.client()).await;
        let text = response.text().await.unwrap();
        assert!(text.contains("time limit of 3s"), "{text}");
    };
    futures::join!(http1, http2, busy);
}

/// The last response on a connection says so, and HTTP/2 clients get GOAWAY.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_is_announced() {
    let mut host = Host::start(&[("guest", &spinning_guest())], |config| {
        config.limits.time = Duration::from_secs(2);
        config.limits.concurrency = 2;
    })
    .await;
    let client = host.client_of(Revision::November2025);
    let message = client.message(
        "tools/call",
        json!({ "name": "spin-silently", "arguments": {} }),
    );
    let body = message.to_string();
    let mut http1 = TcpStream::connect(host.address()).await.unwrap();
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAccept: application/json\r\n\
         Mcp-Protocol-Version: 2025-11-25\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    http1.write_all(head.as_bytes()).await.unwrap();
    let mut http2 = Http2::connect(host.address(), 10_000).await;
    let headers = [
        ("content-type", "application/json"),
        ("accept", "application/json"),
        ("mcp-protocol-version", "2025-11-25"),
    ];
    let stream = http2
        .request("POST", "/mcp", &headers, body.as_bytes())
        .await;
    // Both run when there is no room for a third call.
    while client.call("hello", json!({})).await.status == 200 {}
    host.stop();
    let response = rest(&mut http1).await;
    let head = response.split("\r\n\r\n").next().unwrap().to_lowercase();
    assert!(head.starts_with("http/1.1 200"), "{response}");
    assert!(head.contains("\r\nconnection: close"), "{response}");
    assert!(response.contains("time limit of 2s"), "{response}");
    http2.frame_of(stream, HEADERS).await;
    while http2.next().await.is_some() {}
    assert!(http2.is_told_to_leave);
    host.stopped().await;
}

/// Proxies end connections that are silent for 30 or 60 s. A call that takes long is answered with an event stream and
/// comments, to clients that accept one: without a session and in a session.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_calls_become_event_streams() {
    let upstream = Upstream::start().await;
    let mut guest = Guest::saying("hello", "hello");
    add_http_imports(&mut guest);
    let url = format!("{}/silent", upstream.origin());
    let fetching = fetch(&mut guest, &Fetch::get(&url));
    guest.tool(Tool::new("waits"), format!("{fetching} (call $said)"));
    let text = format!(
        "[server]\nsessions = true\n[limits]\ntime = \"20s\"\n[[component]]\nref = \"guest.wasm\"\n\
         allow.http = [\"{}\"]\nallow.private-network = true\n",
        upstream.origin()
    );
    let host = Host::configured(&[("guest", &guest)], &text).await;
    let call = json!({ "name": "waits", "arguments": {} });
    let stateless = async {
        let client = host.client();
        let response = client.post(&client.message("tools/call", call.clone()));
        let response = response.send().await.unwrap();
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        response.text().await.unwrap()
    };
    let in_session = async {
        let session = Session::open(host.client_of(Revision::November2025), json!({})).await;
        let message = session.client.message("tools/call", call.clone());
        let response = session.post(&message).send().await.unwrap();
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        response.text().await.unwrap()
    };
    // A client that accepts JSON only waits for the result.
    let json_only = async {
        let client = host.client();
        let message = client.message("tools/call", call.clone());
        let request = client.post(&message).build().unwrap();
        let mut request = request.try_clone().unwrap();
        let accept = "application/json".parse().unwrap();
        request.headers_mut().insert("accept", accept);
        let response = client.http.execute(request).await.unwrap();
        assert_eq!(response.headers()["content-type"], "application/json");
        response.text().await.unwrap()
    };
    let (stateless, in_session, json_only) = futures::join!(stateless, in_session, json_only);
    // In a session the stream begins at once, and without one after 15 s.
    let comments = in_session.lines().filter(|line| line.starts_with(':'));
    assert_eq!(comments.count(), 1, "{in_session}");
    for text in [&stateless, &in_session] {
        assert!(text.contains("time limit of 20s"), "{text}");
    }
    assert!(json_only.contains("time limit of 20s"), "{json_only}");
}
