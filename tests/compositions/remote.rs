//! Parts from web servers and registries are pinned, kept and signed like components.

use super::{ADD, adder, compute};
use crate::support::command::{CommandOutput, Toolcrib};
use crate::support::signer::Minisign;
use crate::support::web::{Reply, Web, digest};

/// The result with another version of the part.
const SEVEN: &str = "(i32.const 7)";

fn directory() -> Toolcrib {
    let toolcrib = Toolcrib::new();
    toolcrib.write("compute", &compute());
    toolcrib
}

/// Composes `compute.wasm` with a part and calls it with 20.
fn call(toolcrib: &Toolcrib, part: &str, settings: &str, arguments: &[&str]) -> CommandOutput {
    let text = format!("[[component]]\nref = \"compute.wasm\"\nwith = [\"{part}\"]\n{settings}\n");
    toolcrib.file("toolcrib.toml", text);
    let call = ["call", "compute.wasm", "compute", "x=20", "--config"];
    toolcrib.run(&[&call[..], &["toolcrib.toml"], arguments].concat())
}

fn assert_computes(output: &CommandOutput, expected: &str, context: &str) {
    assert_eq!(output.stdout.trim(), expected, "{context}: {output:?}");
    assert_eq!(output.status, 0, "{context}: {output:?}");
}

/// Checks that a command fails with one sentence that has these words.
fn assert_refused(output: &CommandOutput, status: i32, words: &[&str]) {
    assert_eq!(output.status, status, "{words:?}: {output:?}");
    let errors = output.stderr.lines().filter(|l| l.starts_with("error: "));
    let errors: Vec<_> = errors.collect();
    assert_eq!(errors.len(), 1, "{output:?}");
    for word in words {
        assert!(errors[0].contains(word), "{word}: {output:?}");
    }
}

#[test]
fn remote_parts_must_be_pinned() {
    let web = Web::start();
    let (manifest, layer) = web.push("1", &adder(ADD));
    let (other_manifest, other_layer) = web.push("2", &adder(SEVEN));
    web.reply("/adder.wasm", Reply::new(adder(ADD)));
    for part in [web.url("/adder.wasm"), web.oci(":1")] {
        let toolcrib = directory();
        let pin = |digest: &str| format!("with-digests = {{ \"{part}\" = \"{digest}\" }}");
        let unpinned = call(&toolcrib, &part, "", &[]);
        let words = [&*format!("`{part}` is not pinned"), &pin(&layer)];
        assert_refused(&unpinned, 2, &words);
        // The line of the refusal.
        assert_computes(&call(&toolcrib, &part, &pin(&layer), &[]), "21", &part);
        assert_computes(
            &call(&toolcrib, &part, "allow-unpinned = true", &[]),
            "21",
            &part,
        );
        assert_computes(
            &call(&toolcrib, &part, "", &["--allow-unpinned"]),
            "21",
            &part,
        );
        // The cache has the parts.
        assert_computes(
            &call(&toolcrib, &part, &pin(&layer), &["--offline"]),
            "21",
            &part,
        );
        let refused = call(&toolcrib, &part, &pin(&other_layer), &[]);
        assert_refused(
            &refused,
            1,
            &[&part, &layer, &other_layer, "not the pinned"],
        );
        let refused = call(&directory(), &part, &pin(&layer), &["--offline"]);
        assert_refused(&refused, 1, &[&part]);
    }
    // The reference has the digest of the manifest, which decides on the version.
    let toolcrib = directory();
    let pinned = web.oci(&format!(":1@{manifest}"));
    let other = web.oci(&format!("@{other_manifest}"));
    assert_computes(&call(&toolcrib, &pinned, "", &[]), "21", "its own digest");
    assert_computes(&call(&toolcrib, &other, "", &[]), "7", "another version");
    let settings = format!("with-digests = {{ \"{pinned}\" = \"{other_layer}\" }}");
    let refused = call(&toolcrib, &pinned, &settings, &[]);
    assert_refused(&refused, 1, &["not the pinned", &other_layer]);
    let gone = web.oci(&format!("@{}", digest(b"gone")));
    assert_refused(&call(&toolcrib, &gone, "", &[]), 1, &[&gone]);
}

/// A server that changes a part after it was pinned.
#[test]
fn altered_parts_are_refused() {
    let (web, toolcrib) = (Web::start(), directory());
    let part = web.url("/adder.wasm");
    let pin = format!(
        "with-digests = {{ \"{part}\" = \"{}\" }}",
        digest(&adder(ADD))
    );
    web.reply("/adder.wasm", Reply::new(adder(SEVEN)));
    let refused = call(&toolcrib, &part, &pin, &[]);
    assert_refused(&refused, 1, &[&part, "not the pinned"]);
    web.reply("/adder.wasm", Reply::new("rubbish"));
    let refused = call(&toolcrib, &part, "allow-unpinned = true", &[]);
    assert_refused(
        &refused,
        1,
        &["its part", &part, "not a WebAssembly component"],
    );
    web.reply("/adder.wasm", Reply::new(adder(ADD)));
    assert_computes(&call(&toolcrib, &part, &pin, &[]), "21", "as pinned");
}

/// Where signatures are required, one of the component does not cover a part.
#[test]
fn remote_parts_must_be_signed() {
    let (web, toolcrib, signer) = (Web::start(), directory(), Minisign::new(7));
    let part = web.url("/adder.wasm");
    toolcrib.file("key.pub", signer.public_key());
    toolcrib.file("compute.wasm.minisig", signer.sign(&compute()));
    let trust = "[trust]\nrequire-signatures = true\nkeys = [{ file = \"key.pub\" }]";
    web.reply("/adder.wasm", Reply::new(adder(ADD)));
    let signed = |signature: String| {
        web.reply("/adder.wasm.minisig", Reply::new(signature));
        call(&toolcrib, &part, trust, &[])
    };
    let refused = call(&toolcrib, &part, trust, &[]);
    assert_refused(&refused, 1, &["its part", &part, "not signed"]);
    let refused = signed(Minisign::new(8).sign(&adder(ADD)));
    assert_refused(&refused, 1, &["its part", &part]);
    let refused = signed(signer.sign(&adder(SEVEN)));
    assert_refused(&refused, 1, &["its part", &part]);
    // A signature takes the place of a digest.
    assert_computes(&signed(signer.sign(&adder(ADD))), "21", "signed");
}
