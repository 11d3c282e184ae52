//! The table `[trust]`: every fault is reported at its line, with the way out.

use crate::support::command::Toolcrib;
use crate::support::guest::Guest;
use crate::support::signer::{Cosign, Minisign};

const USAGE: i32 = 2;

#[test]
fn faults_are_reported() {
    let toolcrib = Toolcrib::new();
    toolcrib.write("x", &Guest::saying("hello", "hello").component());
    toolcrib
        .file("key.pub", Cosign::new().public_key())
        .file("root.json", include_str!("fixtures/trusted-root.json"))
        .file("bad.json", "{}}");
    let line = Minisign::new(1).public_key();
    let line = line.lines().nth(1).unwrap();
    let keys = "keys = [{ file = \"key.pub\" }]";
    let person = "identity = \"a@example.com\"\nissuer = \"https://accounts.google.com\"";
    for (text, word) in [
        (String::new(), ""),
        (keys.into(), ""),
        ("keys = { file = \"key.pub\" }".into(), ""),
        (format!("keys = [\"{line}\"]"), ""),
        (format!("{person}\ntrusted-root = \"root.json\""), ""),
        (
            format!("{keys}\n[[trust.rule]]\nprefix = \"oci://ghcr.io/team\""),
            "",
        ),
        (
            format!("[[trust.rule]]\nprefix = \"https://a.example\"\n{keys}"),
            "",
        ),
        (
            format!(
                "trusted-root = \"root.json\"\n[[trust.rule]]\nprefix = \"oci://a.b/\"\n{person}"
            ),
            "",
        ),
        (
            "require-signatures = true".into(),
            "`trust.require-signatures` needs somebody who signs",
        ),
        ("keys = [\"key.pub\"]".into(), "{ file = \"cosign.pub\" }"),
        ("keys = [{ file = \"none.pub\" }]".into(), "none.pub"),
        ("keys = []".into(), "`trust.keys` is empty"),
        (
            format!("keys = [{}]", format!("\"{line}\", ").repeat(33)),
            "more than 32",
        ),
        (person.into(), "needs `trusted-root`"),
        (
            "identity = \"a@example.com\"\ntrusted-root = \"root.json\"".into(),
            "needs `issuer`",
        ),
        ("issuer = \"https://a.example\"".into(), "needs `identity`"),
        (
            format!("{person}\ntrusted-root = \"bad.json\""),
            "`trust.trusted-root` is not a trusted root",
        ),
        (
            format!("{person}\ntrusted-root = \"none.json\""),
            "none.json",
        ),
        (
            format!(
                "{}\ntrusted-root = \"root.json\"",
                person.replace("a@example.com", "*")
            ),
            "trust everybody",
        ),
        (
            format!("[[trust.rule]]\n{keys}"),
            "`trust.rule[0].prefix` is missing",
        ),
        (
            "[[trust.rule]]\nprefix = \"oci://ghcr.io/\"".into(),
            "nobody who signs",
        ),
        (
            format!("[[trust.rule]]\nprefix = \"tools/\"\n{keys}"),
            "the beginning of remote references",
        ),
        (
            format!("[[trust.rule]]\nprefix = \"oci://user@a.b/\"\n{keys}"),
            "the beginning of remote references",
        ),
        (
            "require-signature = true".into(),
            "did you mean `require-signatures`",
        ),
    ] {
        toolcrib.file("c.toml", format!("[trust]\n{text}\n"));
        let output = toolcrib.run(&["check", "--no-auth", "--config", "c.toml", "x.wasm"]);
        if word.is_empty() {
            assert_eq!(output.status, 0, "{text}: {output:?}");
            continue;
        }
        assert_eq!(output.status, USAGE, "{text}: {output:?}");
        assert_eq!(output.stderr.lines().count(), 1, "{text}: {output:?}");
        assert!(output.stderr.contains(word), "{text}: {output:?}");
    }
}
