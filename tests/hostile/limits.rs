//! Limits of a call without a configuration key, and limits of callers.

use std::time::Duration;

use serde_json::json;

use super::{BLOCK, TIMER, repeat};
use crate::support::client::{Answer, Client};
use crate::support::guest::{Guest, Tool};
use crate::support::issuer::{AUDIENCE, Issuer, SigningKey};
use crate::support::server::Host;

#[tokio::test]
async fn open_files_are_limited() {
    const MAX_OPEN_FILES: u32 = 64;
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("file"), "text").unwrap();
    let mut guest = Guest::new();
    let file = guest.string("file");
    guest
        .import(
            r#"(import "wasi:filesystem/preopens@0.2.0" "get-directories" (func $directories (param i32)))
               (import "wasi:filesystem/types@0.2.0" "[method]descriptor.open-at"
                 (func $open_at (param i32 i32 i32 i32 i32 i32 i32)))
               (import "wasi:filesystem/types@0.2.0" "[resource-drop]descriptor" (func $close (param i32)))"#,
        )
        .item(format!(
            "(func $open (param $close i32) (result i32)
               (call $open_at (i32.load (i32.load (i32.const 256))) (i32.const 0) {file} (i32.const 0) (i32.const 1) (i32.const 272))
               (if (i32.load8_u (i32.const 272))
                 (then (return (i32.add (i32.const 100) (i32.load8_u (i32.const 276))))))
               (if (local.get $close) (then (call $close (i32.load (i32.const 276)))))
               (i32.const 0))"
        ));
    for (name, count, close) in [
        ("max", MAX_OPEN_FILES, 0),
        ("too-many", MAX_OPEN_FILES + 1, 0),
        ("one-at-a-time", 3 * MAX_OPEN_FILES, 1),
    ] {
        let opens = repeat(
            count,
            &format!("(local.set $last (call $open (i32.const {close})))"),
        );
        guest.tool(
            Tool::new(name),
            format!(
                "(local $last i32) {} (call $say_number (i64.extend_i32_u (local.get $last))) (call $said)",
                opens.replacen("(local.set $n", "(call $directories (i32.const 256)) (local.set $n", 1)
            ),
        );
    }
    let text = format!(
        "[[component]]\nref = \"guest.wasm\"\n[component.allow]\ndirs = [{{ host = {:?}, guest = \"/data\" }}]\n",
        dir.path()
    );
    let host = Host::configured(&[("guest", &guest)], &text).await;
    // 22 is `error-code.insufficient-memory`; WASI has no code for too many open files.
    for (tool, expected) in [
        ("max", "0"),
        ("too-many", "122"),
        ("one-at-a-time", "0"),
        ("max", "0"),
    ] {
        assert_eq!(
            host.client().call(tool, json!({})).await.text(),
            expected,
            "{tool}"
        );
    }
}

/// Closed sockets count too.
#[tokio::test]
async fn sockets_created_by_a_call_are_limited() {
    const MAX_SOCKETS: u32 = 64;
    let mut guest = Guest::new();
    guest.import(
        r#"(import "wasi:sockets/tcp-create-socket@0.2.0" "create-tcp-socket" (func $socket (param i32 i32)))
           (import "wasi:sockets/tcp@0.2.0" "[resource-drop]tcp-socket" (func $close (param i32)))"#,
    );
    let create_all = repeat(
        MAX_SOCKETS,
        "(call $socket (i32.const 0) (i32.const 256))
         (if (i32.load8_u (i32.const 256)) (then unreachable))
         (call $close (i32.load (i32.const 260)))",
    );
    guest.tool(
        Tool::new("create"),
        format!(
            "{create_all}
             (call $socket (i32.const 0) (i32.const 256))
             (if (i32.eqz (i32.load8_u (i32.const 256))) (then unreachable))
             (call $say_number (i64.load8_u (i32.const 260))) (call $said)"
        ),
    );
    let text = "[[component]]\nref = \"guest.wasm\"\n[component.allow]\ntcp = [\"127.0.0.1:1\"]\nprivate-network = true\n";
    let host = Host::configured(&[("guest", &guest)], text).await;
    for _ in 0..2 {
        // 10 is `error-code.new-socket-limit`.
        assert_eq!(host.client().call("create", json!({})).await.text(), "10");
    }
}

/// The size of the arguments is that of their JSON.
#[tokio::test]
async fn oversized_arguments_are_rejected() {
    const MAX_BYTES: usize = 10_000;
    const CONFIGURATION: &str = "components = [\"guest.wasm\"]\nlimits.arguments = \"10kB\"\n";
    let mut guest = Guest::saying("hello", "hello");
    guest
        .export("export length: func(text: string) -> u32;")
        .item(r#"(func (export "length") (param i32 i32) (result i32) (local.get 1))"#);
    let host = Host::configured(&[("guest", &guest)], CONFIGURATION).await;
    let client = host.client();
    // The JSON around the text, `{"text":""}`, has 11 bytes.
    let (allowed, oversized) = ("x".repeat(MAX_BYTES - 11), "x".repeat(MAX_BYTES - 10));
    for tool in ["hello", "length"] {
        let answer = client.call(tool, json!({ "text": allowed })).await;
        assert_ne!(answer.result()["isError"], true, "{tool}");
        let answer = client.call(tool, json!({ "text": oversized })).await;
        assert_eq!(
            answer.failure(),
            "the arguments are larger than 10000 bytes",
            "{tool}"
        );
    }
}

/// A guest with the tool `nap`, which reports progress and sleeps for an hour, and `hello`, which returns at once.
fn napping_guest() -> Guest {
    let mut guest = Guest::saying("hello", "hello");
    guest.import(TIMER).import(BLOCK).tool(
        Tool::new("nap"),
        "(call $progress (f64.const 1) (i32.const 0) (f64.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
         (call $block (call $timer (i64.const 3600000000000))) (unreachable)",
    );
    guest
}

/// Starts a call of `nap` and waits until the guest runs.
async fn start_nap(client: &Client) -> reqwest::Response {
    let params = json!({ "name": "nap", "arguments": {}, "_meta": { "progressToken": 1 } });
    let message = client.message("tools/call", params);
    let mut response = client.post(&message).send().await.unwrap();
    assert_eq!(response.status(), 200);
    response.chunk().await.unwrap().unwrap();
    response
}

/// A host with authentication and these lines in its `[server]` section.
async fn start_guarded_host(issuer: &Issuer, server: &str) -> Host {
    issuer.set_keys([SigningKey::ed25519("key")]);
    let text = format!(
        "components = [\"guest.wasm\"]\n[server]\npublic-url = \"https://tools.example\"\n{server}\n\
         [auth]\nissuer = \"{}\"\naudience = \"{AUDIENCE}\"\njwks-uri = \"{}\"\n",
        issuer.url(),
        issuer.jwks_uri(),
    );
    Host::configured(&[("guest", &napping_guest())], &text).await
}

/// One caller may use half of the call slots, or as many as configured, with whichever token.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_calls_of_one_caller_are_limited() {
    let issuer = Issuer::start().await;
    for (server, max_calls) in [
        ("max-concurrent-calls = 4", 2),
        ("max-concurrent-calls = 4\nmax-calls-per-caller = 3", 3),
    ] {
        let host = start_guarded_host(&issuer, server).await;
        let alice = host.client().with_token(&issuer.token(|_| {}));
        let alice_with_other_token = host
            .client()
            .with_token(&issuer.token(|claims| claims["jti"] = "another".into()));
        let bob = host
            .client()
            .with_token(&issuer.token(|claims| claims["sub"] = "bob".into()));
        let mut running = Vec::new();
        for _ in 0..max_calls {
            running.push(start_nap(&alice).await);
        }
        // The limit is per caller, not per token.
        for client in [&alice, &alice_with_other_token] {
            let answer = client.call("hello", json!({})).await;
            assert_eq!(answer.status, 429, "{answer:?}");
            assert_eq!(answer.header("retry-after"), "1");
            assert_eq!(
                answer.message(),
                "you are at your limit of concurrent calls; try again in 1 s"
            );
        }
        assert_eq!(bob.call("hello", json!({})).await.text(), "hello");
        running.pop();
        assert_eq!(alice.call("hello", json!({})).await.text(), "hello");
    }
}

/// A limited number of calls waits briefly for a slot; further ones are rejected at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_wait_for_a_slot_are_limited() {
    const MAX_WAITING: usize = 256;
    let host = Host::start(&[("guest", &napping_guest())], |config| {
        config.server.max_concurrent_calls = 1;
        config.limits.time = Duration::from_secs(600);
    })
    .await;
    let client = host.client();
    let running = start_nap(&client).await;
    let calls = (0..MAX_WAITING + 100).map(async |_| {
        let message = client.message("tools/call", json!({ "name": "hello", "arguments": {} }));
        let answer = Answer::to(client.post(&message)).await;
        assert_eq!(answer.status, 503, "{answer:?}");
        assert_eq!(answer.header("retry-after"), "1");
    });
    futures::future::join_all(calls).await;
    // After those have been rejected, another call can wait.
    let waiting = tokio::spawn({
        let client = client.clone();
        async move { client.call("hello", json!({})).await }
    });
    drop(running);
    assert_eq!(waiting.await.unwrap().text(), "hello");
}
