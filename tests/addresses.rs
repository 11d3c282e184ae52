//! Egress rules and remote components by resolved address, tested in a network namespace with its own DNS, addresses and servers.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;

use serde_json::{Value, json};

use crate::support::command::Toolcrib;
use crate::support::guest::Guest;
use crate::support::guest::http::{Fetch, http_guest};
use crate::support::guest::sockets::{add_connect_tool, add_socket_imports};
use crate::support::process::TOOLCRIB;

/// The host refuses to connect to the address.
const PROHIBITED: &str = "E4";
/// The name does not resolve.
const DNS_ERROR: &str = "E1";

/// Addresses of the loopback interface in the namespace. The test servers listen on all of them.
const ADDRESSES: [&str; 14] = [
    "93.184.216.34",
    "2606:2800:220:1::1",
    "10.0.0.1",
    "100.64.0.1",
    "169.254.169.254",
    "169.254.1.1",
    "192.0.2.1",
    "198.18.0.1",
    "fd00:ec2::254",
    "fd12::1",
    "2001:db8::1",
    "64:ff9b::a00:1",
    "2002:a00:1::1",
    "2001:0:a00:1::1",
];

/// A network namespace with running servers. Dropping it removes it.
struct NetworkNamespace {
    name: String,
    servers: Option<Child>,
}

/// Returns a command that runs as root, which network namespaces and mounts need.
pub(crate) fn as_root(program: &str) -> Command {
    let uid = Command::new("id").arg("-u").output().unwrap().stdout;
    if uid == b"0\n" {
        return Command::new(program);
    }
    let mut command = Command::new("sudo");
    command.args(["-n", program]);
    command
}

fn ip(arguments: &[&str]) {
    let path = format!(
        "{}:/usr/sbin:/sbin",
        std::env::var("PATH").unwrap_or_default()
    );
    let output = as_root("ip").env("PATH", path).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("these tests need `ip` and root: {error}"));
    assert!(
        output.status.success(),
        "these tests need root: ip {arguments:?}: {output:?}"
    );
}

impl NetworkNamespace {
    /// Creates a namespace. `names` has the successive DNS answers of each name, each a list of addresses.
    fn new(names: &Value) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Relaxed);
        let name = format!("toolcrib-{}-{number}", std::process::id());
        ip(&["netns", "add", &name]);
        let mut namespace = Self {
            name: name.clone(),
            servers: None,
        };
        ip(&["-n", &name, "link", "set", "lo", "up"]);
        for address in ADDRESSES {
            let prefix_length = if address.contains(':') { 128 } else { 32 };
            let address = format!("{address}/{prefix_length}");
            ip(&["-n", &name, "addr", "add", &address, "dev", "lo"]);
        }
        // `ip netns exec` mounts these files over those in /etc.
        let script = format!(
            "mkdir -p {0} && echo 'nameserver 127.0.0.1' > {0}/resolv.conf && echo 'hosts: files dns' > \
             {0}/nsswitch.conf",
            namespace.etc().display()
        );
        assert!(
            as_root("sh")
                .args(["-c", &script])
                .status()
                .unwrap()
                .success()
        );
        let servers = concat!(env!("CARGO_MANIFEST_DIR"), "/system/network.py");
        let mut child = namespace
            .command("python3")
            .args([servers, &names.to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        namespace.servers = Some(child);
        assert_eq!(line, "ready\n");
        namespace
    }

    fn etc(&self) -> PathBuf {
        PathBuf::from("/etc/netns").join(&self.name)
    }

    /// Calls a tool of `guest.wasm` with these grants, inside the namespace. Returns its output.
    fn call(&self, toolcrib: &Toolcrib, allow: &str, tool: &str) -> String {
        toolcrib.file(
            "c.toml",
            format!(
                "[cache]\ndir = \"cache\"\n[[component]]\nref = \"guest.wasm\"\n[component.allow]\n{allow}\n"
            ),
        );
        let output = self
            .command(TOOLCRIB)
            .args(["call", "--config", "c.toml", "guest.wasm", tool])
            .current_dir(toolcrib.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout)
            .unwrap()
            .trim_end()
            .to_owned()
    }

    /// Returns a command that runs inside the namespace.
    fn command(&self, program: &str) -> Command {
        let mut command = as_root("/usr/sbin/ip");
        if !std::path::Path::new("/usr/sbin/ip").exists() {
            command = as_root("ip");
        }
        command.args(["netns", "exec", &self.name, program]);
        command
    }
}

impl Drop for NetworkNamespace {
    fn drop(&mut self) {
        if let Some(mut servers) = self.servers.take() {
            let _ = servers.kill();
            let _ = servers.wait();
        }
        ip(&["netns", "del", &self.name]);
        let _ = as_root("rm").arg("-r").arg(self.etc()).status();
    }
}

#[test]
fn http_requests_are_allowed_by_resolved_address() {
    let one = |address: &str| json!([[address]]);
    let names = json!({
        "public.test": one("93.184.216.34"),
        "public6.test": one("2606:2800:220:1::1"),
        "private.test": one("10.0.0.1"),
        "loopback.test": one("127.0.0.1"),
        "loopback6.test": one("::1"),
        "shared.test": one("100.64.0.1"),
        "metadata.test": one("169.254.169.254"),
        "metadata6.test": one("fd00:ec2::254"),
        "local.test": one("169.254.1.1"),
        "unique.test": one("fd12::1"),
        "unspecified.test": one("0.0.0.0"),
        "unspecified6.test": one("::"),
        "documentation.test": one("192.0.2.1"),
        "documentation6.test": one("2001:db8::1"),
        "benchmark.test": one("198.18.0.1"),
        "mapped.test": one("::ffff:10.0.0.1"),
        "mapped-metadata.test": one("::ffff:169.254.169.254"),
        "nat64.test": one("64:ff9b::a00:1"),
        "6to4.test": one("2002:a00:1::1"),
        "teredo.test": one("2001:0:a00:1::1"),
        "mixed.test": [["10.0.0.1", "127.0.0.1", "93.184.216.34"]],
        // DNS rebinding: a second resolution returns loopback.
        "rebinding.test": [["93.184.216.34"], ["127.0.0.1"]],
    });
    let namespace = NetworkNamespace::new(&names);
    // Name, output without `private-network`, output with it.
    let cases = [
        (
            "public",
            "200 reached 93.184.216.34",
            "200 reached 93.184.216.34",
        ),
        (
            "public6",
            "200 reached 2606:2800:220:1::1",
            "200 reached 2606:2800:220:1::1",
        ),
        ("private", PROHIBITED, "200 reached 10.0.0.1"),
        ("loopback", PROHIBITED, "200 reached 127.0.0.1"),
        ("loopback6", PROHIBITED, "200 reached ::1"),
        ("shared", PROHIBITED, "200 reached 100.64.0.1"),
        ("metadata", PROHIBITED, PROHIBITED),
        ("metadata6", PROHIBITED, PROHIBITED),
        ("local", PROHIBITED, PROHIBITED),
        ("unique", PROHIBITED, "200 reached fd12::1"),
        ("unspecified", PROHIBITED, PROHIBITED),
        ("unspecified6", PROHIBITED, PROHIBITED),
        ("documentation", PROHIBITED, "200 reached 192.0.2.1"),
        ("documentation6", PROHIBITED, "200 reached 2001:db8::1"),
        ("benchmark", PROHIBITED, "200 reached 198.18.0.1"),
        ("mapped", PROHIBITED, "200 reached 10.0.0.1"),
        ("mapped-metadata", PROHIBITED, PROHIBITED),
        ("nat64", PROHIBITED, "200 reached 64:ff9b::a00:1"),
        ("6to4", PROHIBITED, "200 reached 2002:a00:1::1"),
        ("teredo", PROHIBITED, "200 reached 2001:0:a00:1::1"),
        ("mixed", "200 reached 93.184.216.34", ""),
        ("nowhere", DNS_ERROR, DNS_ERROR),
    ];
    let requests: Vec<_> = cases
        .iter()
        .map(|(name, ..)| Fetch::get(&format!("http://{name}.test/")))
        .chain(
            ["rebinding.test", "93.184.216.34"].map(|host| Fetch::get(&format!("http://{host}/"))),
        )
        .collect();
    let toolcrib = Toolcrib::new();
    toolcrib.write("guest", &http_guest(&requests).component());
    let call = |private: bool, tool: usize| {
        let entries = ["http://*.test", "http://93.184.216.34"];
        let allow = format!("http = {entries:?}\nprivate-network = {private}");
        namespace.call(&toolcrib, &allow, &format!("t{tool}"))
    };
    for (tool, (name, public_only, private)) in cases.into_iter().enumerate() {
        assert_eq!(call(false, tool), public_only, "{name}");
        let output = call(true, tool);
        // With private addresses allowed, any of the addresses may be reached.
        if name != "mixed" {
            assert_eq!(output, private, "{name} with private-network");
        }
    }
    let rebinding = cases.len();
    // Each request resolves the name once and connects to an address of that answer. The second request gets loopback.
    assert_eq!(call(false, rebinding), "200 reached 93.184.216.34");
    assert_eq!(call(false, rebinding), PROHIBITED);
    assert_eq!(call(false, rebinding + 1), "200 reached 93.184.216.34");
    let queries = namespace
        .command("python3")
        .args(["-c", "import urllib.request as u; print(u.urlopen('http://127.0.0.1/asked').read().decode())"])
        .output()
        .unwrap();
    let queries: Value = serde_json::from_slice(&queries.stdout).unwrap();
    assert_eq!(queries["rebinding.test 1"], 2, "{queries}");
}

/// A name in a `tcp` grant is resolved at each connection, with the same rules as for HTTP.
/// A registry or web server whose name resolves to a private address is contacted only if the configuration allows it.
#[test]
fn components_are_fetched_by_resolved_address() {
    let one = |address: &str| json!([[address]]);
    let namespace = NetworkNamespace::new(&json!({
        "public.test": one("93.184.216.34"),
        "private.test": one("10.0.0.1"),
        "loopback.test": one("127.0.0.1"),
        "metadata.test": one("169.254.169.254"),
    }));
    let toolcrib = Toolcrib::new();
    // The server there has no TLS, so that nothing is fetched from an address that may be contacted.
    let contacted = "cannot be reached or broke off";
    for (host, private_network, part) in [
        ("public.test", false, contacted),
        (
            "private.test",
            false,
            "`private.test:80` is at a private address",
        ),
        ("loopback.test", false, "is at a private address"),
        ("metadata.test", false, "is at a private address"),
        ("private.test", true, contacted),
        ("loopback.test", true, contacted),
        ("metadata.test", true, "is at a private address"),
        ("10.0.0.1", false, contacted),
        ("169.254.169.254", true, "is at a private address"),
    ] {
        let text =
            format!("[cache]\ndir = \"cache\"\n[network]\nprivate-network = {private_network}\n");
        toolcrib.file("c.toml", text);
        for reference in [
            format!("https://{host}:80/x.wasm"),
            format!("oci://{host}:80/team/tool:1"),
        ] {
            let output = namespace
                .command(TOOLCRIB)
                .args(["pull", "--config", "c.toml", &reference])
                .current_dir(toolcrib.path())
                .output()
                .unwrap();
            let errors = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(1), "{errors}");
            assert!(
                errors.contains(part),
                "{reference} {private_network}: {errors}"
            );
        }
    }
}

#[test]
fn tcp_connections_are_allowed_by_resolved_address() {
    const REFUSED: &str = "E1";
    let namespace = NetworkNamespace::new(&json!({
        "db.test": [["93.184.216.34"]],
        "private.test": [["10.0.0.1"]],
        "metadata.test": [["169.254.169.254"]],
    }));
    let mut guest = Guest::new();
    add_socket_imports(&mut guest);
    for (name, address) in [
        ("public", "93.184.216.34:5432"),
        ("private", "10.0.0.1:5432"),
        ("metadata", "169.254.169.254:5432"),
        ("port", "93.184.216.34:80"),
    ] {
        add_connect_tool(&mut guest, name, address.parse().unwrap());
    }
    let toolcrib = Toolcrib::new();
    toolcrib.write("guest", &guest.component());
    for (entry, private, expected) in [
        ("db.test:5432", false, ["hello", REFUSED, REFUSED, REFUSED]),
        (
            "93.184.216.34:5432",
            false,
            ["hello", REFUSED, REFUSED, REFUSED],
        ),
        ("private.test:5432", false, [REFUSED; 4]),
        (
            "private.test:5432",
            true,
            [REFUSED, "hello", REFUSED, REFUSED],
        ),
        ("metadata.test:5432", true, [REFUSED; 4]),
        ("nowhere.test:5432", true, [REFUSED; 4]),
    ] {
        let allow = format!("tcp = [{entry:?}]\nprivate-network = {private}");
        let outputs = ["public", "private", "metadata", "port"]
            .map(|tool| namespace.call(&toolcrib, &allow, tool));
        assert_eq!(outputs, expected, "{allow}");
    }
}
