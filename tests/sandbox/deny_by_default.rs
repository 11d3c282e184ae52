//! A component without grants can import WASI, but gets no data, files or network through it.

use futures::FutureExt;
use serde_json::json;
use tokio::net::TcpListener;

use crate::support::guest::{Guest, Tool};
use crate::support::server::Host;

#[tokio::test]
async fn without_grants_a_guest_has_no_environment_files_or_config() {
    let mut guest = Guest::new();
    guest
        .import(
            r#"(import "wasi:cli/environment@0.2.0" "get-environment" (func $environment (param i32)))
               (import "wasi:cli/environment@0.2.0" "get-arguments" (func $argv (param i32)))
               (import "wasi:filesystem/preopens@0.2.0" "get-directories" (func $directories (param i32)))
               (import "wasi:config/store@0.2.0-rc.1" "get-all" (func $config (param i32)))"#,
        )
        .tool(
            Tool::new("look"),
            "(call $environment (i32.const 256))
             (call $argv (i32.const 272))
             (call $directories (i32.const 288))
             (call $config (i32.const 304))
             (call $say_number (i64.load32_u (i32.const 260)))
             (call $say_number (i64.load32_u (i32.const 276)))
             (call $say_number (i64.load32_u (i32.const 292)))
             (call $say_number (i64.load8_u (i32.const 304)))
             (call $say_number (i64.load32_u (i32.const 312)))
             (call $said)",
        );
    // The test's own process has an environment to hide.
    assert!(std::env::vars().next().is_some());
    let host = Host::of(&guest).await;
    assert_eq!(host.client().call("look", json!({})).await.text(), "00000");
}

#[tokio::test]
async fn without_grants_a_guest_has_no_network() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut guest = Guest::new();
    let name = guest.string("localhost");
    let path = guest.string("/");
    let authority = guest.string(format!("127.0.0.1:{port}"));
    guest
        .import(
            r#"(import "wasi:sockets/instance-network@0.2.0" "instance-network" (func $network (result i32)))
               (import "wasi:sockets/tcp-create-socket@0.2.0" "create-tcp-socket" (func $socket (param i32 i32)))
               (import "wasi:sockets/tcp@0.2.0" "[method]tcp-socket.start-connect"
                 (func $connect (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
               (import "wasi:sockets/ip-name-lookup@0.2.0" "resolve-addresses"
                 (func $resolve (param i32 i32 i32 i32)))
               (import "wasi:http/types@0.2.0" "[constructor]fields" (func $fields (result i32)))
               (import "wasi:http/types@0.2.0" "[constructor]outgoing-request" (func $request (param i32) (result i32)))
               (import "wasi:http/types@0.2.0" "[method]outgoing-request.set-authority"
                 (func $authority (param i32 i32 i32 i32) (result i32)))
               (import "wasi:http/types@0.2.0" "[method]outgoing-request.set-path-with-query"
                 (func $path (param i32 i32 i32 i32) (result i32)))
               (import "wasi:http/types@0.2.0" "[method]outgoing-request.set-scheme"
                 (func $scheme (param i32 i32 i32 i32 i32) (result i32)))
               (import "wasi:http/types@0.2.0" "[method]future-incoming-response.subscribe"
                 (func $subscribe (param i32) (result i32)))
               (import "wasi:io/poll@0.2.0" "[method]pollable.block" (func $block (param i32)))
               (import "wasi:http/types@0.2.0" "[method]future-incoming-response.get" (func $get (param i32 i32)))
               (import "wasi:http/outgoing-handler@0.2.0" "handle" (func $handle (param i32 i32 i32 i32)))"#,
        )
        // Says 1 and the error code if connecting fails.
        .tool(
            Tool::new("connect"),
            format!(
                "(call $socket (i32.const 0) (i32.const 256))
                 (if (i32.load8_u (i32.const 256))
                   (then
                     (call $say_number (i64.const 1))
                     (call $say_number (i64.load8_u (i32.const 260))))
                   (else
                     (call $connect (i32.load (i32.const 260)) (call $network)
                       (i32.const 0) (i32.const {port}) (i32.const 127) (i32.const 0) (i32.const 0) (i32.const 1)
                       (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
                       (i32.const 272))
                     (call $say_number (i64.load8_u (i32.const 272)))
                     (call $say_number (i64.load8_u (i32.const 273)))))
                 (call $said)"
            ),
        )
        .tool(
            Tool::new("resolve"),
            format!(
                "(call $resolve (call $network) {name} (i32.const 256))
                 (call $say_number (i64.load8_u (i32.const 256)))
                 (call $said)"
            ),
        )
        // Says the result of `handle`; if it is a future, the discriminants of its value and the error code.
        .tool(
            Tool::new("fetch"),
            format!(
                "(local $request i32)
                 (local.set $request (call $request (call $fields)))
                 (drop (call $scheme (local.get $request) (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 0)))
                 (drop (call $authority (local.get $request) (i32.const 1) {authority}))
                 (drop (call $path (local.get $request) (i32.const 1) {path}))
                 (call $handle (local.get $request) (i32.const 0) (i32.const 0) (i32.const 256))
                 (call $say_number (i64.load8_u (i32.const 256)))
                 (if (i32.eqz (i32.load8_u (i32.const 256)))
                   (then
                     (call $block (call $subscribe (i32.load (i32.const 264))))
                     (call $get (i32.load (i32.const 264)) (i32.const 320))
                     (call $say_number (i64.load8_u (i32.const 320)))
                     (call $say_number (i64.load8_u (i32.const 328)))
                     (call $say_number (i64.load8_u (i32.const 336)))
                     (call $say_number (i64.load8_u (i32.const 344))))
                   (else (call $say_number (i64.load8_u (i32.const 264)))))
                 (call $said)"
            ),
        );
    let host = Host::of(&guest).await;
    let client = host.client();
    // 1 is `error-code.access-denied`.
    assert_eq!(client.call("connect", json!({})).await.text(), "11");
    assert_eq!(client.call("resolve", json!({})).await.text(), "1");
    // 15 is `error-code.HTTP-request-denied`.
    let fetched = client.call("fetch", json!({})).await.text().to_owned();
    assert!(["115", "010115"].contains(&fetched.as_str()), "{fetched}");
    assert!(
        listener.accept().now_or_never().is_none(),
        "a guest without grants connected"
    );
}
