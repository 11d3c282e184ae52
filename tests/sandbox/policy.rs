//! The policy for outgoing HTTP as a generated table: the decision of the host for each rule and each request.

use std::fmt::Write;
use std::net::IpAddr;
use std::path::Path;

use http::Method;
use toolcrib::sandbox::{EgressDenied, HttpGrant, HttpRule};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/policy.md");

const RULES: [&str; 9] = [
    "https://api.example.com",
    "https://api.example.com/v1",
    "https://api.example.com/v1/",
    "http://api.example.com",
    "https://api.example.com:8443",
    "https://*.example.com",
    "https://*.example.com:8443/v1/",
    "http://93.184.216.34",
    "https://[2606:2800:220:1::1]:8443",
];

const REQUESTS: [(&str, &str); 57] = [
    // Hosts.
    ("GET", "https://api.example.com/"),
    ("GET", "https://API.Example.COM/"),
    ("GET", "https://api.example.com:443/"),
    ("GET", "https://api.example.com:8443/"),
    ("GET", "https://api.example.com:80/"),
    ("GET", "http://api.example.com/"),
    ("GET", "http://api.example.com:443/"),
    ("GET", "https://api.example.com./"),
    ("GET", "https://example.com/"),
    ("GET", "https://www.example.com/"),
    ("GET", "https://a.api.example.com/"),
    ("GET", "https://.example.com/"),
    ("GET", "https://xn--e1afmkfd.example.com/"),
    ("GET", "https://пример.example.com/"),
    ("GET", "https://api.example.com.evil.example/"),
    ("GET", "https://evil-example.com/"),
    ("GET", "https://evilapi.example.com/"),
    ("GET", "https://api.example.org/"),
    ("GET", "https://api.example.com@evil.example/"),
    ("GET", "https://evil.example#@api.example.com/"),
    ("GET", "https://evil.example\\@api.example.com/"),
    ("GET", "https://user:secret@api.example.com/"),
    ("GET", "ftp://api.example.com/"),
    ("GET", "file:///etc/passwd"),
    // Paths.
    ("GET", "https://api.example.com/v1"),
    ("GET", "https://api.example.com/v1/"),
    ("GET", "https://api.example.com/v1/x?y=/../z"),
    ("GET", "https://www.example.com:8443/v1/x"),
    ("GET", "https://api.example.com/v10"),
    ("GET", "https://api.example.com/V1/x"),
    ("GET", "https://api.example.com/v1/a%20b"),
    ("GET", "https://api.example.com/v1//x"),
    ("GET", "https://api.example.com/x/../v1/y"),
    ("GET", "https://api.example.com//v1/x"),
    ("GET", "https://api.example.com/%76%31/x"),
    ("GET", "https://api.example.com/v1/../x"),
    ("GET", "https://api.example.com/v1/%2e%2E/x"),
    ("GET", "https://api.example.com/v1/.%2e/x"),
    ("GET", "https://api.example.com/v1/..%2fx"),
    ("GET", "https://api.example.com/v1/..%5Cx"),
    ("GET", "https://api.example.com/v1\\..\\x"),
    ("GET", "https://api.example.com/v1/%252e%252e%252fx"),
    ("GET", "https://api.example.com/v1/a%2fb"),
    ("GET", "https://api.example.com/v1/..;a/x"),
    ("GET", "https://api.example.com/v1/.../x"),
    ("GET", "https://api.example.com/v1/..%20/x"),
    ("GET", "https://api.example.com/v1/%c0%ae%c0%ae/x"),
    ("GET", "https://api.example.com/v1/x%00"),
    // Addresses and methods.
    ("GET", "http://93.184.216.34/"),
    ("GET", "http://1572395042/"),
    ("GET", "http://0x5db8d822/"),
    ("GET", "http://0135.0270.0330.042/"),
    ("GET", "http://[::ffff:93.184.216.34]/"),
    ("GET", "https://[2606:2800:0220:0001:0:0:0:1]:8443/"),
    ("POST", "https://api.example.com/"),
    ("BREW", "https://api.example.com/"),
    ("CONNECT", "https://api.example.com/"),
];

const ADDRESSES: [(&str, &str); 39] = [
    ("93.184.216.34", "public"),
    ("2606:2800:220:1::1", "public"),
    ("127.0.0.1", "loopback"),
    ("127.255.255.254", "loopback"),
    ("::1", "loopback"),
    ("10.0.0.1", "private"),
    ("172.16.0.1", "private"),
    ("172.32.0.1", "public"),
    ("192.168.0.1", "private"),
    ("fd12:3456::1", "private"),
    ("100.64.0.1", "shared (CGNAT)"),
    ("100.128.0.1", "public"),
    ("169.254.1.1", "link-local"),
    ("fe80::1", "link-local"),
    ("169.254.169.254", "metadata"),
    ("fd00:ec2::254", "metadata"),
    ("100.100.100.200", "metadata"),
    ("0.0.0.0", "unspecified"),
    ("0.1.2.3", "this network"),
    ("::", "unspecified"),
    ("224.0.0.1", "multicast"),
    ("ff02::1", "multicast"),
    ("255.255.255.255", "broadcast"),
    ("192.0.2.1", "documentation"),
    ("198.51.100.1", "documentation"),
    ("203.0.113.1", "documentation"),
    ("2001:db8::1", "documentation"),
    ("198.18.0.1", "benchmarks"),
    ("240.0.0.1", "reserved"),
    ("::ffff:127.0.0.1", "IPv4 in IPv6, mapped"),
    ("::ffff:169.254.169.254", "IPv4 in IPv6, mapped"),
    ("64:ff9b::a00:1", "IPv4 in IPv6, NAT64"),
    ("64:ff9b::a9fe:a9fe", "IPv4 in IPv6, NAT64"),
    ("64:ff9b:1::a00:1", "IPv4 in IPv6, local NAT64"),
    ("64:ff9b:1::a9fe:a9fe", "IPv4 in IPv6, local NAT64"),
    (
        "64:ff9b::5db8:d822",
        "IPv4 in IPv6, NAT64 of a public address",
    ),
    ("::a9fe:a9fe", "IPv4 in IPv6, compatible"),
    ("2002:a00:1::1", "IPv4 in IPv6, 6to4"),
    ("2001:0:a00:1::1", "IPv4 in IPv6, Teredo"),
];

fn grant(rule: &str, private_network: bool) -> HttpGrant {
    HttpGrant {
        rules: vec![HttpRule::parse(rule).unwrap_or_else(|error| panic!("{rule}: {error}"))],
        private_network,
    }
}

/// Generates the page from the current decisions.
fn page() -> String {
    let mut page = String::from(
        "# Policy for outgoing HTTP requests\n\n\
         Generated by a test (`tests/sandbox/policy.rs`) from the decisions of the host. To change the entries, requests or \
         addresses, edit the test and run it.\n\n\
         ## Entries\n\n\
         Entries of `allow.http`:\n\n",
    );
    for (rule, letter) in RULES.iter().zip('A'..) {
        let _ = writeln!(page, "- **{letter}** `{rule}`");
    }
    page.push_str(
        "\n## Requests\n\n\
         Each entry on its own: ✓ the request is sent, – the entry does not match, ✗ the request is denied whatever the entries \
         are.\n\n| request |",
    );
    for (_, letter) in RULES.iter().zip('A'..) {
        let _ = write!(page, " {letter} |");
    }
    page.push_str("\n|---|");
    page.push_str(&"---|".repeat(RULES.len()));
    page.push('\n');
    for (method, url) in REQUESTS {
        let request = if method == "GET" {
            url.to_owned()
        } else {
            format!("{method} {url}")
        };
        let _ = write!(page, "| `{request}` |");
        for rule in RULES {
            let decision =
                grant(rule, false).authorize(&Method::from_bytes(method.as_bytes()).unwrap(), url);
            let cell = match decision {
                Ok(_) => "✓",
                Err(EgressDenied::NotGranted) => "–",
                Err(_) => "✗",
            };
            let _ = write!(page, " {cell} |");
        }
        page.push('\n');
    }
    page.push_str(
        "\n## Addresses\n\n\
         The addresses to which a granted host name resolves, or which a granted request contains. The connection is made to \
         exactly the address that was checked: ✓ allowed, ✗ denied.\n\n\
         | address | kind | by default | `private-network = true` |\n|---|---|---|---|\n",
    );
    for (address, kind) in ADDRESSES {
        let ip: IpAddr = address.parse().unwrap();
        let mark = |private| {
            if grant(RULES[0], private).permits(ip) {
                "✓"
            } else {
                "✗"
            }
        };
        let _ = writeln!(
            page,
            "| `{address}` | {kind} | {} | {} |",
            mark(false),
            mark(true)
        );
    }
    page
}

/// If the committed page is out of date, the test fails and writes the new one, to be reviewed and committed.
#[test]
fn the_policy_page_matches_the_host() {
    let page = page();
    let committed = std::fs::read_to_string(FILE).unwrap_or_default();
    if page != committed {
        std::fs::create_dir_all(Path::new(FILE).parent().unwrap()).unwrap();
        std::fs::write(FILE, &page).unwrap();
        panic!(
            "docs/policy.md did not match the decisions of the host; review and commit the regenerated file"
        );
    }
}

#[test]
fn ambiguous_entries_are_rejected_and_valid_ones_normalized() {
    for (text, expected) in [
        ("api.example.com", "a scheme, a host"),
        ("ftp://api.example.com", "neither http nor https"),
        ("*://api.example.com", "neither http nor https"),
        ("https://", "a scheme, a host"),
        ("https://*", "one whole label"),
        ("https://*example.com", "one whole label"),
        ("https://api.*.com", "one whole label"),
        ("https://*.*.com", "one whole label"),
        ("https://*.10.0.0.1", "no labels"),
        ("https://*.[::1]", "no labels"),
        ("https://api.example.com.", "a dot"),
        ("https://api.example.com:*", "one whole label"),
        ("https://api.example.com:99999", "port"),
        ("https://user@api.example.com", "credentials"),
        ("https://api.example.com?x", "a query"),
        ("https://api.example.com/v1#x", "a query"),
        ("https://api.example.com/v1/*", "reads the same"),
        ("https://api.example.com/v1/../x", "reads the same"),
        ("https://api.example.com/v1/./x", "reads the same"),
        ("https://api.example.com//v1", "reads the same"),
        ("https://api.example.com/v1%2fx", "reads the same"),
        ("https://api.example.com/%2e%2e", "reads the same"),
        ("https://api.example.com\\v1", "reads the same"),
        ("https://api.example.com/v1;x", "reads the same"),
        ("https://api.example.com/a b", "reads the same"),
    ] {
        let error = HttpRule::parse(text).unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
        assert!(
            !error.contains('\n') && error.len() < 300,
            "{text}: {error}"
        );
    }
    // Valid entries and their normalized form.
    for (text, normalized) in [
        ("https://API.example.com/", "https://api.example.com"),
        ("https://api.example.com:443", "https://api.example.com"),
        ("http://api.example.com:80/v1", "http://api.example.com/v1"),
        (
            "https://*.example.org:8443/v1/",
            "https://*.example.org:8443/v1/",
        ),
        ("http://0x7f.1", "http://127.0.0.1"),
        ("http://[0:0::1]:80", "http://[::1]"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
    ] {
        assert_eq!(HttpRule::parse(text).unwrap().to_string(), normalized);
    }
}
