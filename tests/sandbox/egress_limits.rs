//! `allow.http`: limits on size, number and time of outgoing requests.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::net::{TcpSocket, TcpStream};

use super::egress::{configuration, send_all};
use crate::support::guest::http::{self, Fetch, can_fetch, fetch, fetching};
use crate::support::guest::{Guest, Tool};
use crate::support::server::Host;
use crate::support::upstream::Upstream;

#[tokio::test]
async fn oversized_bodies_headers_and_uris_are_rejected() {
    let upstream = Upstream::start().await;
    let origin = upstream.origin();
    let requests = [
        Fetch::get(&format!("{origin}/post")).method(2).chunks(100),
        Fetch::get(&format!("{origin}/short")),
        Fetch::get(&format!("{origin}/large")),
        Fetch::get(&format!("{origin}/head")),
        Fetch::get(&format!("{origin}/many")),
        Fetch::get(&format!("{origin}/{}", "x".repeat(9_000))),
        Fetch::get(&format!("{origin}/x")).header("x-large", &"x".repeat(40_000)),
        Fetch::get(&format!("{origin}/post"))
            .method(2)
            .chunks(17_000),
    ];
    let outcomes = send_all(&[&origin], "", &requests).await;
    assert_eq!(outcomes[0], "200 asked /post");
    assert_eq!(outcomes[1], "200 shortE99");
    assert!(
        outcomes[2].starts_with("200 000") && outcomes[2].ends_with("E99"),
        "{:?}",
        outcomes[2].len()
    );
    assert_eq!(outcomes[3], http::LARGE_ANSWER_HEAD);
    assert!(outcomes[4].starts_with('E'), "{}", outcomes[4]);
    assert_eq!(outcomes[5], http::LONG_URI);
    assert_eq!(outcomes[6], http::LARGE_HEAD);
    assert!(outcomes[7].starts_with('E'), "{}", outcomes[7]);
    assert!(
        upstream.asked()[0].contains("\r\nbody: 41"),
        "{}",
        upstream.asked()[0]
    );
}

/// Denied requests count too.
#[tokio::test]
async fn requests_per_call_are_limited() {
    let upstream = Upstream::start().await;
    let mut guest = Guest::new();
    can_fetch(&mut guest);
    let denied = fetch(&mut guest, &Fetch::get("http://127.0.0.1:1/"));
    let granted = fetch(&mut guest, &Fetch::get(&format!("{}/x", upstream.origin())));
    guest.tool(
        Tool::new("many"),
        format!(
            "(local $n i32)
             (loop $again
               {denied}
               (global.set $said (i32.const 0))
               (local.set $n (i32.add (local.get $n) (i32.const 1)))
               (br_if $again (i32.lt_u (local.get $n) (i32.const 199))))
             {granted} {granted} {denied}
             (call $said)"
        ),
    );
    let text = configuration(&[&upstream.origin()], "");
    let host = Host::configured(&[("guest", &guest)], &text).await;
    let expected = format!("200 asked /x{0}{0}", http::TOO_MANY);
    // The next call has its own limit.
    for _ in 0..2 {
        assert_eq!(host.client().call("many", json!({})).await.text(), expected);
    }
}

#[tokio::test]
async fn concurrent_requests_of_a_call_are_limited() {
    let upstream = Upstream::start().await;
    let mut guest = Guest::new();
    can_fetch(&mut guest);
    let authority = guest.string(upstream.address.to_string());
    let path = guest.string("/silent");
    guest.tool(
        Tool::new("many"),
        format!(
            "(local $n i32) (local $request i32)
             (loop $again
               (local.set $request (call $request (call $fields)))
               (drop (call $set_scheme (local.get $request) (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 0)))
               (drop (call $set_authority (local.get $request) (i32.const 1) {authority}))
               (drop (call $set_path (local.get $request) (i32.const 1) {path}))
               (call $handle (local.get $request) (i32.const 0) (i32.const 0) (i32.const 256))
               (local.set $n (i32.add (local.get $n) (i32.const 1)))
               (br_if $again (i32.lt_u (local.get $n) (i32.const 33))))
             (call $block (call $subscribe (i32.load (i32.const 264))))
             (call $get (i32.load (i32.const 264)) (i32.const 320))
             (call $say_error (i32.load8_u (i32.const 344)))
             (call $said)"
        ),
    );
    let text = configuration(&[&upstream.origin()], "");
    let host = Host::configured(&[("guest", &guest)], &text).await;
    assert_eq!(
        host.client().call("many", json!({})).await.text(),
        http::TOO_MANY
    );
}

/// Each handle uses memory of the host, some a file descriptor.
#[tokio::test]
async fn handles_of_a_call_are_limited() {
    let mut guest = Guest::new();
    can_fetch(&mut guest);
    for (name, handles) in [("allowed", 1_000), ("too-many", 1_100)] {
        guest.tool(
            Tool::new(name),
            format!(
                "(local $n i32)
                 (loop $again
                   (drop (call $fields))
                   (local.set $n (i32.add (local.get $n) (i32.const 1)))
                   (br_if $again (i32.lt_u (local.get $n) (i32.const {handles}))))
                 (call $say_number (i64.const {handles}))
                 (call $said)"
            ),
        );
    }
    let host = Host::of(&guest).await;
    assert_eq!(
        host.client().call("allowed", json!({})).await.text(),
        "1000"
    );
    let answer = host.client().call("too-many", json!({})).await;
    assert_eq!(
        answer.failure(),
        "the tool has more handles than its limit of 1024"
    );
}

/// The timeouts of a request can only be shorter than the time limit of the call.
#[tokio::test]
async fn request_timeouts_are_enforced() {
    let upstream = Upstream::start().await;
    let origin = upstream.origin();
    // A listener with a full backlog: a connection to it neither succeeds nor fails.
    let full = TcpSocket::new_v4().unwrap();
    full.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let full = full.listen(1).unwrap();
    let address = full.local_addr().unwrap();
    let mut pending = Vec::new();
    while let Ok(Ok(stream)) =
        tokio::time::timeout(Duration::from_millis(300), TcpStream::connect(address)).await
    {
        pending.push(stream);
    }
    let timeout = Some(300);
    let requests = [
        Fetch::get(&format!("{origin}/silent")).times([None, timeout, None]),
        Fetch::get(&format!("{origin}/stalls")).times([None, None, timeout]),
        Fetch::get(&format!("http://{address}/")).times([timeout, None, None]),
        Fetch::get(&format!("{origin}/x")).times([Some(60_000), Some(60_000), Some(60_000)]),
        Fetch::get(&format!("{origin}/silent")).times([None, Some(3_600_000), None]),
    ];
    let guest = fetching(&requests);
    let limits = "[component.limits]\ntime = \"5s\"\n";
    let text = configuration(&[&origin, &format!("http://{address}")], limits);
    let host = Host::configured(&[("guest", &guest)], &text).await;
    for (tool, expected) in [
        ("t0", http::READ_TIMEOUT),
        ("t1", "200 beginE99"),
        ("t2", http::CONNECTION_TIMEOUT),
        ("t3", "200 asked /x"),
    ] {
        let started = Instant::now();
        assert_eq!(
            host.client().call(tool, json!({})).await.text(),
            expected,
            "{tool}"
        );
        assert!(
            started.elapsed() < Duration::from_secs(4),
            "{tool}: {:?}",
            started.elapsed()
        );
    }
    // The request's timeout is cut to the call's time limit, so either of the two may end it.
    let started = Instant::now();
    let answer = host.client().call("t4", json!({})).await;
    if answer.result()["isError"] == true {
        assert_eq!(
            answer.failure(),
            "the call was stopped after its time limit of 5s"
        );
    } else {
        assert_eq!(answer.text(), http::READ_TIMEOUT);
    }
    assert!(started.elapsed() < Duration::from_secs(20));
}
