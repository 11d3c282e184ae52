//! Hostile handlers and large requests: each is stopped at a limit, and the others go on.

use std::sync::mpsc::channel;
use std::time::Duration;

use serde_json::Value;

use super::{handler, serve};
use crate::support::command::Toolcrib;
use crate::support::process::Process;

/// Answers until it is stopped.
const FOREVER: &str = "
    (local.set $stream (call $start (local.get $outparam) (i32.const 200)))
    (loop $more
      (br_if $more (i32.eqz (call $write (local.get $stream) (i32.const 1024) (i32.const 4096)))))";

#[tokio::test]
async fn handlers_that_give_no_response_are_answered_for() {
    for (body, settings, status, words) in [
        ("(unreachable)", "", 500, "the handler crashed"),
        ("", "", 500, "the handler gave no response"),
        (
            "(loop $spin (br $spin))",
            "limits = { cpu = \"200ms\" }",
            504,
            "processor time",
        ),
        (
            "(loop $more (br_if $more (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) (unreachable)",
            "limits = { memory = \"4MiB\" }",
            500,
            "memory",
        ),
    ] {
        let host = serve(body, settings).await;
        let answer = reqwest::get(host.url("/hook")).await.unwrap();
        assert_eq!(answer.status(), status, "{body}");
        let text = answer.text().await.unwrap();
        assert!(text.contains(words), "{body}: {text}");
        assert_eq!(
            reqwest::get(host.url("/healthz")).await.unwrap().status(),
            200
        );
    }
}

/// A response is cut off at the output limit, and its guest stopped.
#[tokio::test]
async fn responses_that_never_end_are_cut_off() {
    let settings = "limits = { output = \"64KiB\", concurrency = 1 }";
    let host = serve(FOREVER, settings).await;
    for _ in 0..2 {
        let mut answer = reqwest::get(host.url("/hook")).await.unwrap();
        assert_eq!(answer.status(), 200);
        let mut bytes = 0;
        let error = loop {
            match answer.chunk().await {
                Ok(Some(chunk)) => bytes += chunk.len(),
                Ok(None) => break None,
                Err(error) => break Some(error),
            }
        };
        assert!(error.is_some(), "the body must not end as if it were whole");
        assert!((32 << 10..=64 << 10).contains(&bytes), "{bytes}");
    }
}

/// A handler whose client has gone is stopped: its place is free again, although it would run for a minute.
#[tokio::test]
async fn handlers_are_stopped_when_the_client_disconnects() {
    let waits = "
        (local.set $stream (call $start (local.get $outparam) (i32.const 200)))
        (drop (call $write (local.get $stream) (i32.const 64) (i32.const 5)))
        (loop $spin (br $spin))";
    let settings = "limits = { cpu = \"60s\", time = \"60s\", concurrency = 1 }";
    let host = serve(waits, settings).await;
    for _ in 0..3 {
        let mut answer = reqwest::get(host.url("/hook")).await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.chunk().await.unwrap().unwrap(), "hello".as_bytes());
        drop(answer);
        let is_free = async || {
            let answer = reqwest::get(host.url("/hook")).await.unwrap();
            answer.status() == 200
        };
        crate::reload::wait_until("a free place", is_free).await;
    }
}

#[tokio::test]
async fn large_requests_are_refused() {
    let host = serve(super::HELLO, "[server]\nmax-body = \"10KiB\"").await;
    let http = reqwest::Client::new();
    for (bytes, status) in [(10 << 10, 201), ((10 << 10) + 1, 413)] {
        let answer = http.post(host.url("/hook")).body(vec![0; bytes]).send();
        assert_eq!(answer.await.unwrap().status(), status, "{bytes}");
    }
}

/// The status of a response that is cut off has been sent before, so the log tells what became of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_response_that_is_cut_off_is_recorded_as_stopped() {
    let toolcrib = Toolcrib::new();
    toolcrib.write("hook", &handler(FOREVER));
    toolcrib.file(
        "c.toml",
        "[[mount]]\npath = \"/hook\"\nref = \"hook.wasm\"\nlimits.output = \"64KiB\"\n[telemetry]\nlog = \"json\"\n",
    );
    let mut command = toolcrib.command(&["serve", "--no-auth", "--config", "c.toml"]);
    command.args(["--listen", "127.0.0.1:0"]);
    let (sender, lines) = channel();
    let process = Process::start_with_log(command, move |line| {
        let _ = sender.send(line.to_owned());
    });
    let url = format!("http://{}/hook", process.address);
    let answer = reqwest::get(url).await.unwrap();
    assert!(answer.bytes().await.is_err());
    loop {
        let line = lines.recv_timeout(Duration::from_secs(30)).unwrap();
        let line: Value = serde_json::from_str(&line).unwrap_or_default();
        if line["message"] == "request" {
            assert_eq!(line["outcome"], "stopped", "{line}");
            break;
        }
    }
}
