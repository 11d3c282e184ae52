//! `http`: what a request may take of time, size and number.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::net::{TcpSocket, TcpStream};

use super::egress::{configuration, heard};
use crate::support::guest::http::{self, Fetch, can_fetch, fetch, fetching};
use crate::support::guest::{Guest, Tool};
use crate::support::server::Host;
use crate::support::upstream::Upstream;

/// Bodies go through in both directions, bounded.
#[tokio::test]
async fn sizes() {
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
    let heard = heard(&[&origin], "", &requests).await;
    assert_eq!(heard[0], "200 asked /post");
    assert_eq!(heard[1], "200 shortE99");
    assert!(
        heard[2].starts_with("200 000") && heard[2].ends_with("E99"),
        "{:?}",
        heard[2].len()
    );
    assert_eq!(heard[3], http::LARGE_ANSWER_HEAD);
    assert!(heard[4].starts_with('E'), "{}", heard[4]);
    assert_eq!(heard[5], http::LONG_URI);
    assert_eq!(heard[6], http::LARGE_HEAD);
    assert!(heard[7].starts_with('E'), "{}", heard[7]);
    assert!(
        upstream.asked()[0].contains("\r\nbody: 41"),
        "{}",
        upstream.asked()[0]
    );
}

/// A call makes so many requests, refused ones counted.
#[tokio::test]
async fn requests_per_call() {
    let upstream = Upstream::start().await;
    let mut guest = Guest::new();
    can_fetch(&mut guest);
    let refused = fetch(&mut guest, &Fetch::get("http://127.0.0.1:1/"));
    let granted = fetch(&mut guest, &Fetch::get(&format!("{}/x", upstream.origin())));
    guest.tool(
        Tool::new("many"),
        format!(
            "(local $n i32)
             (loop $again
               {refused}
               (global.set $said (i32.const 0))
               (local.set $n (i32.add (local.get $n) (i32.const 1)))
               (br_if $again (i32.lt_u (local.get $n) (i32.const 199))))
             {granted} {granted} {refused}
             (call $said)"
        ),
    );
    let text = configuration(&[&upstream.origin()], "");
    let host = Host::configured(&[("guest", &guest)], &text).await;
    let expected = format!("200 asked /x{0}{0}", http::TOO_MANY);
    // Of each call: the next one has its own.
    for _ in 0..2 {
        assert_eq!(host.client().call("many", json!({})).await.text(), expected);
    }
}

/// So many of them are open at once.
#[tokio::test]
async fn requests_at_once() {
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

/// Handles are no way to use up the host's memory, or its files.
#[tokio::test]
async fn handles() {
    let mut guest = Guest::new();
    can_fetch(&mut guest);
    for (name, handles) in [("few", 1_000), ("many", 1_100)] {
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
    assert_eq!(host.client().call("few", json!({})).await.text(), "1000");
    let answer = host.client().call("many", json!({})).await;
    assert_eq!(
        answer.failure(),
        "the tool has more handles than its limit of 1024"
    );
}

/// A silent server costs a guest its own time; what the guest asks for can only make it less.
#[tokio::test]
async fn times() {
    let upstream = Upstream::start().await;
    let origin = upstream.origin();
    // A listener whose queue is full: a connection to it neither stands nor fails.
    let full = TcpSocket::new_v4().unwrap();
    full.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let full = full.listen(1).unwrap();
    let address = full.local_addr().unwrap();
    let mut waiting = Vec::new();
    while let Ok(Ok(stream)) =
        tokio::time::timeout(Duration::from_millis(300), TcpStream::connect(address)).await
    {
        waiting.push(stream);
    }
    let millis = Some(300);
    let requests = [
        Fetch::get(&format!("{origin}/silent")).times([None, millis, None]),
        Fetch::get(&format!("{origin}/stalls")).times([None, None, millis]),
        Fetch::get(&format!("http://{address}/")).times([millis, None, None]),
        Fetch::get(&format!("{origin}/x")).times([Some(60_000), Some(60_000), Some(60_000)]),
        Fetch::get(&format!("{origin}/silent")).times([None, Some(3_600_000), None]),
    ];
    let guest = fetching(&requests);
    let more = "[component.limits]\ntime = \"5s\"\n";
    let text = configuration(&[&origin, &format!("http://{address}")], more);
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
    // The two ends are at the same time; either way it is over.
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
