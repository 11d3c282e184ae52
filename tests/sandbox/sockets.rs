//! `tcp`: connections to what is listed, and nothing else of `wasi:sockets`.

use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use crate::support::command::Toolcrib;
use crate::support::guest::{Guest, Tool};
use crate::support::server::Host;

/// `wasi:sockets/network.error-code`, by number.
const ACCESS_DENIED: &str = "E1";

const IMPORTS: &str = r#"
(import "wasi:sockets/instance-network@0.2.0" "instance-network" (func $network (result i32)))
(import "wasi:sockets/tcp-create-socket@0.2.0" "create-tcp-socket" (func $socket (param i32 i32)))
(import "wasi:sockets/tcp@0.2.0" "[method]tcp-socket.start-connect"
  (func $start_connect (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
(import "wasi:sockets/tcp@0.2.0" "[method]tcp-socket.finish-connect" (func $finish_connect (param i32 i32)))
(import "wasi:sockets/tcp@0.2.0" "[method]tcp-socket.start-bind"
  (func $start_bind (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
(import "wasi:sockets/tcp@0.2.0" "[method]tcp-socket.finish-bind" (func $finish_bind (param i32 i32)))
(import "wasi:sockets/tcp@0.2.0" "[method]tcp-socket.start-listen" (func $start_listen (param i32 i32)))
(import "wasi:sockets/tcp@0.2.0" "[method]tcp-socket.finish-listen" (func $finish_listen (param i32 i32)))
(import "wasi:sockets/tcp@0.2.0" "[method]tcp-socket.subscribe" (func $subscribe (param i32) (result i32)))
(import "wasi:io/poll@0.2.0" "[method]pollable.block" (func $block (param i32)))
(import "wasi:io/streams@0.2.0" "[method]input-stream.blocking-read" (func $read (param i32 i64 i32)))
(import "wasi:sockets/ip-name-lookup@0.2.0" "resolve-addresses" (func $resolve (param i32 i32 i32 i32)))
(import "wasi:sockets/ip-name-lookup@0.2.0" "[method]resolve-address-stream.subscribe"
  (func $subscribe_lookup (param i32) (result i32)))
(import "wasi:sockets/ip-name-lookup@0.2.0" "[method]resolve-address-stream.resolve-next-address"
  (func $next (param i32 i32)))
"#;

const ITEMS: &str = r"
(func $say_error (param $code i32)
  (i32.store8 (i32.const 1020) (i32.const 69))
  (call $say (i32.const 1020) (i32.const 1))
  (call $say_number (i64.extend_i32_u (local.get $code))))

;; Connects to 127.0.0.x and says what it hears.
(func $connect (param $last i32) (param $port i32)
  (local $socket i32)
  (call $socket (i32.const 0) (i32.const 256))
  (if (i32.load8_u (i32.const 256)) (then (call $say_error (i32.load8_u (i32.const 260))) (return)))
  (local.set $socket (i32.load (i32.const 260)))
  (call $start_connect (local.get $socket) (call $network)
    (i32.const 0) (local.get $port) (i32.const 127) (i32.const 0) (i32.const 0) (local.get $last)
    (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
    (i32.const 272))
  (if (i32.load8_u (i32.const 272)) (then (call $say_error (i32.load8_u (i32.const 273))) (return)))
  (call $block (call $subscribe (local.get $socket)))
  (call $finish_connect (local.get $socket) (i32.const 288))
  (if (i32.load8_u (i32.const 288)) (then (call $say_error (i32.load8_u (i32.const 292))) (return)))
  (call $read (i32.load (i32.const 292)) (i64.const 100) (i32.const 304))
  (if (i32.eqz (i32.load8_u (i32.const 304)))
    (then (call $say (i32.load (i32.const 308)) (i32.load (i32.const 312))))))

;; Binds to an address and a port of its choice, and listens where it may.
(func $bind (param $first i32) (param $port i32)
  (local $socket i32)
  (call $socket (i32.const 0) (i32.const 256))
  (if (i32.load8_u (i32.const 256)) (then (call $say_error (i32.load8_u (i32.const 260))) (return)))
  (local.set $socket (i32.load (i32.const 260)))
  (call $start_bind (local.get $socket) (call $network)
    (i32.const 0) (local.get $port) (local.get $first) (i32.const 0) (i32.const 0)
    (i32.ne (local.get $first) (i32.const 0))
    (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
    (i32.const 272))
  (if (i32.load8_u (i32.const 272)) (then (call $say_error (i32.load8_u (i32.const 273))) (return)))
  (call $block (call $subscribe (local.get $socket)))
  (call $finish_bind (local.get $socket) (i32.const 272))
  (if (i32.load8_u (i32.const 272)) (then (call $say_error (i32.load8_u (i32.const 273))) (return)))
  (call $start_listen (local.get $socket) (i32.const 272))
  (if (i32.load8_u (i32.const 272)) (then (call $say_error (i32.load8_u (i32.const 273))) (return)))
  (call $block (call $subscribe (local.get $socket)))
  (call $finish_listen (local.get $socket) (i32.const 272))
  (if (i32.load8_u (i32.const 272)) (then (call $say_error (i32.load8_u (i32.const 273))) (return)))
  (i32.store8 (i32.const 1020) (i32.const 76))
  (call $say (i32.const 1020) (i32.const 1)))

;; Says the first IPv4 address of a name, or the kind of address that it is.
(func $lookup (param $name i32) (param $len i32)
  (local $stream i32)
  (call $resolve (call $network) (local.get $name) (local.get $len) (i32.const 256))
  (if (i32.load8_u (i32.const 256)) (then (call $say_error (i32.load8_u (i32.const 260))) (return)))
  (local.set $stream (i32.load (i32.const 260)))
  (call $block (call $subscribe_lookup (local.get $stream)))
  (call $next (local.get $stream) (i32.const 288))
  (if (i32.load8_u (i32.const 288)) (then (call $say_error (i32.load8_u (i32.const 290))) (return)))
  (call $say_number (i64.load8_u (i32.const 290))))
";

/// Listens, and says hello to whoever connects.
async fn listener() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(b"hello").await.unwrap();
        }
    });
    port
}

fn guest(ports: [u16; 2]) -> Guest {
    let mut guest = Guest::new();
    guest.import(IMPORTS).item(ITEMS);
    let [granted, other] = ports;
    for (name, last, port) in [
        ("granted", 1, granted),
        ("port", 1, other),
        ("address", 2, granted),
    ] {
        guest.tool(
            Tool::new(name),
            format!("(call $connect (i32.const {last}) (i32.const {port})) (call $said)"),
        );
    }
    for (name, first, port) in [
        ("bind", 127, 0),
        ("bind_port", 0, granted),
        ("listen", 0, 0),
    ] {
        guest.tool(
            Tool::new(name),
            format!("(call $bind (i32.const {first}) (i32.const {port})) (call $said)"),
        );
    }
    for name in ["localhost", "example.com", "db.internal"] {
        let text = guest.string(name);
        guest.tool(
            Tool::new(&name.replace('.', "_")),
            format!("(call $lookup {text}) (call $said)"),
        );
    }
    guest
}

#[tokio::test]
async fn as_granted() {
    let ports = [listener().await, listener().await];
    let [granted, _] = ports;
    let guest = guest(ports);
    let address = format!("tcp = [\"127.0.0.1:{granted}\"]\nprivate-network = true");
    let name = format!("tcp = [\"localhost:{granted}\"]\nprivate-network = true");
    let all = [
        "granted",
        "port",
        "address",
        "bind",
        "bind_port",
        "listen",
        "localhost",
        "example_com",
    ];
    for (allow, heard) in [
        ("", ["E1"; 8]),
        (
            &address,
            ["hello", "E1", "E1", "E1", "E1", "E1", "E1", "E1"],
        ),
        // A name is what may be looked up, and what it stands for is what may be connected to.
        (&name, ["hello", "E1", "E1", "E1", "E1", "E1", "0", "E1"]),
    ] {
        assert_eq!(ACCESS_DENIED, "E1");
        let text = format!("[[component]]\nref = \"guest.wasm\"\n[component.allow]\n{allow}\n");
        let host = Host::configured(&[("guest", &guest)], &text).await;
        for (tool, heard) in all.into_iter().zip(heard) {
            let said = host.client().call(tool, json!({})).await.text().to_owned();
            // A machine may have the IPv6 address of localhost first.
            let said = if tool == "localhost" && said == "1" {
                "0".into()
            } else {
                said
            };
            assert_eq!(said, heard, "{allow}: {tool}");
        }
    }
}

#[test]
fn entries() {
    let toolcrib = Toolcrib::new();
    toolcrib.write("guest", &guest([1, 2]).component());
    for (entry, private, word) in [
        ("93.184.216.34:5432", false, ""),
        ("[2606:2800:220:1::1]:5432", false, ""),
        ("db.example.com:5432", false, ""),
        ("10.0.0.5:5432", true, ""),
        ("localhost:5432", true, ""),
        ("10.0.0.5:5432", false, "private-network = true"),
        ("[::1]:5432", false, "private-network = true"),
        ("localhost:5432", false, "private-network = true"),
        ("169.254.169.254:80", false, "private-network = true"),
        ("db.example.com", false, "a port"),
        ("db.example.com:0", false, "a port"),
        ("db.example.com:70000", false, "a port"),
        ("*.example.com:5432", false, "a name or an address"),
        ("tcp://db.example.com:5432", false, "a name or an address"),
        ("::1:5432", false, "a name or an address"),
        (":5432", false, "a name or an address"),
    ] {
        let text = format!(
            "[[component]]\nref = \"guest.wasm\"\n[component.allow]\ntcp = [{entry:?}]\n\
             private-network = {private}\n"
        );
        toolcrib.file("c.toml", text);
        let ended = toolcrib.run(&["check", "--no-auth", "--config", "c.toml"]);
        assert_eq!(
            ended.status,
            if word.is_empty() { 0 } else { 2 },
            "{entry}: {ended:?}"
        );
        assert!(ended.stderr.contains(word), "{entry}: {ended:?}");
        assert!(
            word.is_empty() || ended.stderr.contains("allow.tcp`"),
            "{entry}: {ended:?}"
        );
    }
}
