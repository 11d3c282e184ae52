//! Signature files beside the files of components.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::support::command::{CommandOutput, Toolcrib};
use crate::support::guest::Guest;
use crate::support::signer::{Cosign, Minisign};

/// A directory with `x.wasm` and a configuration that trusts a key of each kind.
struct Fixture {
    toolcrib: Toolcrib,
    minisign: Minisign,
    cosign: Cosign,
    component: Vec<u8>,
}

impl Fixture {
    fn new(settings: &str) -> Self {
        let (minisign, cosign) = (Minisign::new(0xf0), Cosign::new());
        let toolcrib = Toolcrib::new();
        let component = Guest::saying("hello", "hello").component();
        toolcrib.write("x", &component);
        toolcrib
            .file("minisign.pub", minisign.public_key())
            .file("cosign.pub", cosign.public_key())
            .file(
                "c.toml",
                format!(
                    "[trust]\nkeys = [{{ file = \"minisign.pub\" }}, {{ file = \"cosign.pub\" }}]\n{settings}\n"
                ),
            );
        Self {
            toolcrib,
            minisign,
            cosign,
            component,
        }
    }

    fn inspect(&self) -> CommandOutput {
        let arguments = ["inspect", "--config", "c.toml", "--json", "x.wasm"];
        self.toolcrib.run(&arguments)
    }

    /// Returns `signedBy` of the only component.
    fn signed_by(&self) -> Value {
        let output = self.inspect();
        assert_eq!(output.status, 0, "{output:?}");
        let found: Value = serde_json::from_str(&output.stdout).unwrap();
        found[0]["signedBy"].clone()
    }

    /// Asserts that the component is refused in one line that contains all of `words`.
    fn assert_refused(&self, words: &[&str]) {
        let output = self.inspect();
        assert_eq!(output.status, 1, "{words:?}: {output:?}");
        assert_eq!(output.stderr.lines().count(), 1, "{output:?}");
        for word in words {
            assert!(output.stderr.contains(word), "{word:?}: {output:?}");
        }
    }
}

#[test]
fn unsigned_components_are_refused_in_signed_only_mode() {
    let fixture = Fixture::new("require-signatures = true");
    let key = format!("the minisign key {}", fixture.minisign.id());
    fixture.assert_refused(&[
        "`x.wasm`: it is not signed",
        &key,
        "the ECDSA key sha256:",
        "`x.wasm.minisig` or `x.wasm.sigstore.json` or `x.wasm.bundle`",
    ]);
    for arguments in [
        &["call", "--config", "c.toml", "x.wasm", "hello"][..],
        &["check", "--config", "c.toml", "x.wasm", "--no-auth"],
        &[
            "serve",
            "--config",
            "c.toml",
            ".",
            "--no-auth",
            "--listen",
            "127.0.0.1:0",
        ],
        &["stdio", "--config", "c.toml", "x.wasm"],
    ] {
        let output = fixture.toolcrib.run(arguments);
        assert_eq!(output.status, 1, "{arguments:?}: {output:?}");
        assert!(output.stderr.contains("not signed"), "{output:?}");
    }
    let signature = fixture.minisign.sign(&fixture.component);
    fixture.toolcrib.file("x.wasm.minisig", signature);
    assert_eq!(fixture.signed_by(), key);
    let output = fixture
        .toolcrib
        .run(&["inspect", "--config", "c.toml", "x.wasm"]);
    assert!(
        output.stdout.contains(&format!("signed   by {key}")),
        "{output:?}"
    );
    let check = ["check", "--config", "c.toml", "x.wasm", "--no-auth"];
    let output = fixture.toolcrib.run(&check);
    assert!(
        output.stdout.contains(&format!("x: signed by {key}")),
        "{output:?}"
    );
    let call = ["call", "--config", "c.toml", "x.wasm", "hello"];
    assert_eq!(fixture.toolcrib.run(&call).stdout, "hello\n");
}

#[test]
fn bundles_are_accepted_under_both_names() {
    let fixture = Fixture::new("require-signatures = true");
    let digest = toolcrib::component::digest(&fixture.component);
    let hex = digest.trim_start_matches("sha256:");
    let provenance = "https://slsa.dev/provenance/v1";
    for name in ["x.wasm.sigstore.json", "x.wasm.bundle"] {
        for bundle in [
            fixture.cosign.bundle(&fixture.component),
            fixture
                .cosign
                .statement("https://sigstore.dev/cosign/sign/v1", hex),
            fixture.cosign.statement(provenance, hex),
        ] {
            fixture.toolcrib.file(name, bundle);
            let signer = fixture.signed_by();
            assert!(
                signer.as_str().unwrap().starts_with("the ECDSA key"),
                "{signer}"
            );
        }
        let path = fixture.toolcrib.path().join(name);
        fs::remove_file(path).unwrap();
        fixture.assert_refused(&["not signed"]);
    }
    // One accepted signature is enough.
    fixture.toolcrib.file("x.wasm.minisig", "rubbish");
    fixture.assert_refused(&["`x.wasm.minisig`: it cannot be understood"]);
    let bundle = fixture.cosign.bundle(&fixture.component);
    fixture.toolcrib.file("x.wasm.bundle", bundle);
    assert!(fixture.signed_by().is_string());
}

#[test]
fn signatures_that_do_not_fit_are_refused() {
    let fixture = Fixture::new("require-signatures = true");
    let (component, other) = (&fixture.component, b"other".as_slice());
    let stranger = Minisign::new(0x77);
    let impostor = Minisign::new(0xf0);
    let statement = |kind, hex: &str| fixture.cosign.statement(kind, hex).into_bytes();
    let large = "x".repeat(300 << 10).into_bytes();
    let cut = fixture.cosign.bundle(component).into_bytes();
    let cut = cut[..cut.len() / 2].to_vec();
    for (name, content, words) in [
        (
            "minisig",
            stranger.sign(component).into_bytes(),
            &["by the minisign key", "77, which is not trusted"][..],
        ),
        (
            "minisig",
            impostor.sign(component).into_bytes(),
            &["a signature of other bytes"],
        ),
        (
            "minisig",
            fixture.minisign.sign(other).into_bytes(),
            &["a signature of other bytes"],
        ),
        ("minisig", Vec::new(), &["cannot be understood"]),
        (
            "minisig",
            b"\xff\xfe".to_vec(),
            &["cannot be read", "not text"],
        ),
        (
            "minisig",
            large.clone(),
            &["cannot be read", "larger than 262144 bytes"],
        ),
        (
            "bundle",
            large,
            &["cannot be read", "larger than 262144 bytes"],
        ),
        ("bundle", cut, &["cannot be understood"]),
        (
            "bundle",
            Cosign::new().bundle(component).into_bytes(),
            &["not made with an expected key"],
        ),
        (
            "bundle",
            fixture.cosign.bundle(other).into_bytes(),
            &["of the digest sha256:"],
        ),
        (
            "sigstore.json",
            statement("https://slsa.dev/provenance/v1", &"0".repeat(64)),
            &["of the digest sha256:0000"],
        ),
        (
            "sigstore.json",
            statement(
                "https://cosign.sigstore.dev/attestation/vuln/v1",
                &"0".repeat(64),
            ),
            &["attestation/vuln", "not a signature"],
        ),
    ] {
        let file = format!("x.wasm.{name}");
        fixture.toolcrib.file(&file, content);
        let place = format!("`x.wasm`: its signature is not accepted: `{file}`: ");
        fixture.assert_refused(&[&[place.as_str(), "expected is a signature by"], words].concat());
        fs::remove_file(fixture.toolcrib.path().join(&file)).unwrap();
    }
    // Neither a directory nor a pipe is waited for.
    let path = fixture.toolcrib.path().join("x.wasm.minisig");
    fs::create_dir(&path).unwrap();
    fixture.assert_refused(&["`x.wasm.minisig`: it cannot be read: it is not a regular file"]);
    fs::remove_dir(&path).unwrap();
    let made = Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(made.success());
    fixture.assert_refused(&["`x.wasm.minisig`: it cannot be read: it is not a regular file"]);
}

/// Without signed-only mode a signature is shown if it is accepted, and reported if it is not.
#[test]
fn signatures_are_optional_without_signed_only_mode() {
    let fixture = Fixture::new("");
    assert_eq!(fixture.signed_by(), Value::Null);
    let signature = fixture.minisign.sign(&fixture.component);
    fixture.toolcrib.file("x.wasm.minisig", signature);
    assert!(fixture.signed_by().is_string());
    fixture.toolcrib.file("x.wasm.minisig", "rubbish");
    assert_eq!(fixture.signed_by(), Value::Null);
    let output = fixture.inspect();
    let words = [
        "WARN",
        "signature not accepted",
        "x.wasm.minisig",
        "cannot be understood",
    ];
    for word in words {
        assert!(output.stderr.contains(word), "{output:?}");
    }
}

/// A rule is for remote references; files follow `require-signatures`.
#[test]
fn rules_do_not_apply_to_files() {
    let fixture = Fixture::new("[[trust.rule]]\nprefix = \"oci://ghcr.io/\"");
    assert_eq!(fixture.signed_by(), Value::Null);
}
