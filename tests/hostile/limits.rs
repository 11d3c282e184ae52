//! The limits of a call that are no keys, and those of callers: one test goes beyond each.

use std::time::Duration;

use serde_json::json;

use super::{BLOCK, TIMER, times};
use crate::support::client::{Answer, Client};
use crate::support::guest::{Guest, Tool};
use crate::support::issuer::{AUDIENCE, Issuer, SigningKey};
use crate::support::server::Host;

/// Files are counted while something has them open: a descriptor, or a stream of one that is gone.
#[tokio::test]
async fn open_files() {
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
    for (name, number, close) in [
        ("all", MAX_OPEN_FILES, 0),
        ("one-more", MAX_OPEN_FILES + 1, 0),
        ("in-turn", 3 * MAX_OPEN_FILES, 1),
    ] {
        let opens = times(
            number,
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
    // Memory is what the standard has for it.
    for (tool, said) in [
        ("all", "0"),
        ("one-more", "122"),
        ("in-turn", "0"),
        ("all", "0"),
    ] {
        assert_eq!(
            host.client().call(tool, json!({})).await.text(),
            said,
            "{tool}"
        );
    }
}

/// Sockets are counted as they are made.
#[tokio::test]
async fn sockets() {
    const MAX_SOCKETS: u32 = 64;
    let mut guest = Guest::new();
    guest.import(
        r#"(import "wasi:sockets/tcp-create-socket@0.2.0" "create-tcp-socket" (func $socket (param i32 i32)))
           (import "wasi:sockets/tcp@0.2.0" "[resource-drop]tcp-socket" (func $close (param i32)))"#,
    );
    let makes = times(
        MAX_SOCKETS,
        "(call $socket (i32.const 0) (i32.const 256))
         (if (i32.load8_u (i32.const 256)) (then unreachable))
         (call $close (i32.load (i32.const 260)))",
    );
    guest.tool(
        Tool::new("makes"),
        format!(
            "{makes}
             (call $socket (i32.const 0) (i32.const 256))
             (if (i32.eqz (i32.load8_u (i32.const 256))) (then unreachable))
             (call $say_number (i64.load8_u (i32.const 260))) (call $said)"
        ),
    );
    let text = "[[component]]\nref = \"guest.wasm\"\n[component.allow]\ntcp = [\"127.0.0.1:1\"]\nprivate-network = true\n";
    let host = Host::configured(&[("guest", &guest)], text).await;
    for _ in 0..2 {
        // new-socket-limit
        assert_eq!(host.client().call("makes", json!({})).await.text(), "10");
    }
}

/// What a call is given, as JSON.
#[tokio::test]
async fn arguments() {
    const MAX_BYTES: usize = 10_000;
    const CONFIGURATION: &str = "components = [\"guest.wasm\"]\nlimits.arguments = \"10kB\"\n";
    let mut guest = Guest::saying("hello", "hello");
    guest
        .export("export length: func(text: string) -> u32;")
        .item(r#"(func (export "length") (param i32 i32) (result i32) (local.get 1))"#);
    let host = Host::configured(&[("guest", &guest)], CONFIGURATION).await;
    let client = host.client();
    // What stands around the text: {"text":""}.
    let (fits, over) = ("x".repeat(MAX_BYTES - 11), "x".repeat(MAX_BYTES - 10));
    for tool in ["hello", "length"] {
        let answer = client.call(tool, json!({ "text": fits })).await;
        assert_ne!(answer.result()["isError"], true, "{tool}");
        let answer = client.call(tool, json!({ "text": over })).await;
        assert_eq!(
            answer.failure(),
            "the arguments are larger than 10000 bytes",
            "{tool}"
        );
    }
}

/// `nap` says that it has begun and sleeps.
fn naps() -> Guest {
    let mut guest = Guest::saying("hello", "hello");
    guest.import(TIMER).import(BLOCK).tool(
        Tool::new("nap"),
        "(call $progress (f64.const 1) (i32.const 0) (f64.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
         (call $block (call $timer (i64.const 3600000000000))) (unreachable)",
    );
    guest
}

async fn napping(client: &Client) -> reqwest::Response {
    let params = json!({ "name": "nap", "arguments": {}, "_meta": { "progressToken": 1 } });
    let message = client.message("tools/call", params);
    let mut response = client.post(&message).send().await.unwrap();
    assert_eq!(response.status(), 200);
    response.chunk().await.unwrap().unwrap();
    response
}

async fn guarded(issuer: &Issuer, server: &str) -> Host {
    issuer.set_keys([SigningKey::ed25519("key")]);
    let text = format!(
        "components = [\"guest.wasm\"]\n[server]\npublic-url = \"https://tools.example\"\n{server}\n\
         [auth]\nissuer = \"{}\"\naudience = \"{AUDIENCE}\"\njwks-uri = \"{}\"\n",
        issuer.url(),
        issuer.jwks_uri(),
    );
    Host::configured(&[("guest", &naps())], &text).await
}

/// One caller has half of the places, or as many as the configuration says, and is told so; the others have the rest.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_of_one_caller() {
    let issuer = Issuer::start().await;
    for (server, places) in [
        ("max-concurrent-calls = 4", 2),
        ("max-concurrent-calls = 4\nmax-calls-per-caller = 3", 3),
    ] {
        let host = guarded(&issuer, server).await;
        let alice = host.client().with_token(&issuer.token(|_| {}));
        let again = host
            .client()
            .with_token(&issuer.token(|claims| claims["jti"] = "another".into()));
        let bob = host
            .client()
            .with_token(&issuer.token(|claims| claims["sub"] = "bob".into()));
        let mut running = Vec::new();
        for _ in 0..places {
            running.push(napping(&alice).await);
        }
        // Another token is no other caller.
        for client in [&alice, &again] {
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

/// Calls wait for a moment, and only so many: the next one is refused at once. What a caller's own calls wait for takes
/// no place of those of others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting() {
    const MAX_WAITING: usize = 256;
    let host = Host::start(&[("guest", &naps())], |config| {
        config.server.max_concurrent_calls = 1;
        config.limits.time = Duration::from_secs(600);
    })
    .await;
    let client = host.client();
    let running = napping(&client).await;
    let calls = (0..MAX_WAITING + 100).map(async |_| {
        let message = client.message("tools/call", json!({ "name": "hello", "arguments": {} }));
        let answer = Answer::to(client.post(&message)).await;
        assert_eq!(answer.status, 503, "{answer:?}");
        assert_eq!(answer.header("retry-after"), "1");
    });
    futures::future::join_all(calls).await;
    // Nobody waits any longer, so there is room to.
    let waits = tokio::spawn({
        let client = client.clone();
        async move { client.call("hello", json!({})).await }
    });
    drop(running);
    assert_eq!(waits.await.unwrap().text(), "hello");
}
