//! Nothing is granted: WASI is there, and empty.

use futures::FutureExt;
use serde_json::json;
use tokio::net::TcpListener;

use crate::support::guest::{Guest, Tool};
use crate::support::server::Host;

/// Environment, arguments, files, configuration: none of the host's.
#[tokio::test]
async fn nothing_to_see() {
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
    // Every process of a test has an environment.
    assert!(std::env::vars().next().is_some());
    let host = Host::of(&guest).await;
    assert_eq!(host.client().call("look", json!({})).await.text(), "00000");
}

/// No socket connects, no name is looked up, no request goes out.
#[tokio::test]
async fn nowhere_to_go() {
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
        // 1 and the error's number where it is refused.
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
        // handle's own result, and where it is a future, what comes of that: some, ok, error, its number.
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
    // 11: access denied is the second of the error codes.
    assert_eq!(client.call("connect", json!({})).await.text(), "11");
    assert_eq!(client.call("resolve", json!({})).await.text(), "1");
    // The request is denied: error 15.
    let fetched = client.call("fetch", json!({})).await.text().to_owned();
    assert!(["115", "010115"].contains(&fetched.as_str()), "{fetched}");
    assert!(
        listener.accept().now_or_never().is_none(),
        "something connected"
    );
}
