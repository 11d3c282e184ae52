//! `allow.tcp`: connections to the listed endpoints, and nothing else of `wasi:sockets`.

use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use crate::support::command::Toolcrib;
use crate::support::guest::sockets::{can_connect, connecting};
use crate::support::guest::{Guest, Tool};
use crate::support::server::Host;

/// A code of `wasi:sockets/network.error-code`.
const ACCESS_DENIED: &str = "E1";

/// Starts a server that sends "hello" on each connection, and returns its port.
async fn start_hello_server() -> u16 {
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
    can_connect(&mut guest);
    let [granted, other] = ports;
    for (name, to) in [
        ("granted", format!("127.0.0.1:{granted}")),
        ("port", format!("127.0.0.1:{other}")),
        ("address", format!("127.0.0.2:{granted}")),
    ] {
        connecting(&mut guest, name, to.parse().unwrap());
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
async fn only_granted_endpoints_can_be_reached() {
    let ports = [start_hello_server().await, start_hello_server().await];
    let [granted, _] = ports;
    let guest = guest(ports);
    let by_address = format!("tcp = [\"127.0.0.1:{granted}\"]\nprivate-network = true");
    let by_name = format!("tcp = [\"localhost:{granted}\"]\nprivate-network = true");
    let tools = [
        "granted",
        "port",
        "address",
        "bind",
        "bind_port",
        "listen",
        "localhost",
        "example_com",
    ];
    for (allow, results) in [
        ("", ["E1"; 8]),
        (
            &by_address,
            ["hello", "E1", "E1", "E1", "E1", "E1", "E1", "E1"],
        ),
        // A granted name can be looked up, and its addresses can be connected to.
        (&by_name, ["hello", "E1", "E1", "E1", "E1", "E1", "0", "E1"]),
    ] {
        assert_eq!(ACCESS_DENIED, "E1");
        let text = format!("[[component]]\nref = \"guest.wasm\"\n[component.allow]\n{allow}\n");
        let host = Host::configured(&[("guest", &guest)], &text).await;
        for (tool, expected) in tools.into_iter().zip(results) {
            let result = host.client().call(tool, json!({})).await.text().to_owned();
            // The machine may list the IPv6 address of localhost first.
            let result = if tool == "localhost" && result == "1" {
                "0".into()
            } else {
                result
            };
            assert_eq!(result, expected, "{allow}: {tool}");
        }
    }
}

#[test]
fn invalid_entries_are_rejected() {
    let toolcrib = Toolcrib::new();
    toolcrib.write("guest", &guest([1, 2]).component());
    for (entry, private_network, expected) in [
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
             private-network = {private_network}\n"
        );
        toolcrib.file("c.toml", text);
        let ended = toolcrib.run(&["check", "--no-auth", "--config", "c.toml"]);
        assert_eq!(
            ended.status,
            if expected.is_empty() { 0 } else { 2 },
            "{entry}: {ended:?}"
        );
        assert!(ended.stderr.contains(expected), "{entry}: {ended:?}");
        assert!(
            expected.is_empty() || ended.stderr.contains("allow.tcp`"),
            "{entry}: {ended:?}"
        );
    }
}
