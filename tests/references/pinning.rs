//! Remote components must be pinned, or be allowed to be unpinned.

use super::{FAILED, USAGE, check_refused, greeting};
use crate::support::command::Toolcrib;
use crate::support::web::{Reply, Web, digest};

#[test]
fn unpinned_components_are_refused_with_their_digest() {
    let (web, toolcrib) = (Web::start(), Toolcrib::new());
    let hello = greeting("hello");
    let (manifest_digest, layer_digest) = web.push("1", &hello);
    web.reply("/x.wasm", Reply::new(&*hello));
    let pin = format!("digest = \"{layer_digest}\"");
    for reference in [web.oci(":1"), web.url("/x.wasm")] {
        for arguments in [
            &["inspect", &*reference][..],
            &["call", &reference, "greet"],
            &["check", &reference],
            &["serve", "--no-auth", &reference],
        ] {
            let output = toolcrib.run(arguments);
            let parts = [
                &*format!("`{reference}` is not pinned"),
                &pin,
                "--allow-unpinned",
            ];
            check_refused(&reference, &output, USAGE, &parts);
        }
        let configure = |settings: &str| {
            let text = format!("[[component]]\nref = \"{reference}\"\n{settings}\n");
            toolcrib.file("toolcrib.toml", text);
            toolcrib.run(&["check", "--no-auth", "--config", "toolcrib.toml"])
        };
        check_refused(&reference, &configure(""), USAGE, &[&pin]);
        check_refused(
            &reference,
            &configure("allow-unpinned = false"),
            USAGE,
            &[&pin],
        );
        for settings in [&*pin, "allow-unpinned = true"] {
            assert_eq!(configure(settings).status, 0, "{settings}");
        }
        // The line of the refusal, and another digest.
        let other = digest(b"other");
        let output = configure(&format!("digest = \"{other}\""));
        check_refused(
            &reference,
            &output,
            FAILED,
            &[&layer_digest, &other, "review"],
        );
    }
    let reference = web.oci(&format!(":1@{manifest_digest}"));
    let output = toolcrib.run(&["call", &reference, "greet"]);
    assert_eq!(output.stdout, "hello\n", "{output:?}");
}

/// `@sha256:` is the digest of the manifest, `digest` that of the component.
#[test]
fn both_digests_must_fit() {
    let (web, toolcrib) = (Web::start(), Toolcrib::new());
    let (manifest_digest, layer_digest) = web.push("1", &greeting("hello"));
    let (other_manifest, other_layer) = web.push("2", &greeting("other"));
    for (reference, pinned, part) in [
        (&manifest_digest, &layer_digest, None),
        (&manifest_digest, &other_layer, Some("not the pinned")),
        (&manifest_digest, &manifest_digest, Some("not the pinned")),
        (&other_manifest, &layer_digest, Some("not the pinned")),
        (&layer_digest, &layer_digest, Some("has no")),
    ] {
        let reference = web.oci(&format!("@{reference}"));
        let text = format!("[[component]]\nref = \"{reference}\"\ndigest = \"{pinned}\"\n");
        toolcrib.file("toolcrib.toml", text);
        // With and without the other component in the cache.
        for _ in 0..2 {
            let output = toolcrib.run(&["check", "--no-auth", "--config", "toolcrib.toml"]);
            match part {
                None => assert_eq!(output.status, 0, "{output:?}"),
                Some(part) => check_refused(&reference, &output, FAILED, &[part]),
            }
            let other = web.oci(":2");
            assert_eq!(super::greet(&toolcrib, &other).status, 0);
        }
    }
}
