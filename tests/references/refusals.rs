//! Artefacts, sizes, digests and redirects that are refused, each with one sentence that names the reference.

use serde_json::{Value, json};

use super::{FAILED, check_refused, greet, greeting};
use crate::support::command::Toolcrib;
use crate::support::web::{MANIFEST, Reply, WASM, WASM_CONFIG, Web, digest, manifest};

fn layer(media_type: &str, bytes: &[u8]) -> Value {
    json!({ "mediaType": media_type, "digest": digest(bytes), "size": bytes.len() })
}

#[test]
fn other_artefacts_are_named() {
    const IMAGE_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
    const TAR: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
    const DOCKER_TAR: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
    const SPIN: &str = "application/vnd.fermyon.spin.application.v1+config";
    const SPIN_LAYER: &str = "application/vnd.wasm.content.layer.v1+wasm";
    let (web, toolcrib) = (Web::start(), Toolcrib::new());
    let index = json!({ "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [] });
    let of = |config: &str, layers: &[&str]| {
        let layers: Vec<_> = layers
            .iter()
            .map(|media_type| layer(media_type, b"x"))
            .collect();
        manifest(config, &layers)
    };
    let mut other_digest = layer(WASM, b"x");
    other_digest["digest"] = "sha512:00".into();
    for (name, document, parts) in [
        (
            "index",
            index.to_string(),
            &["an index of several manifests"][..],
        ),
        (
            "image",
            of(IMAGE_CONFIG, &[TAR, TAR]),
            &["container image", "Extism", "wkg oci push"],
        ),
        (
            "extism",
            of(IMAGE_CONFIG, &[DOCKER_TAR]),
            &["container image"],
        ),
        ("spin", of(SPIN, &[SPIN_LAYER]), &["Spin application"]),
        (
            "layers",
            of(WASM_CONFIG, &[WASM, WASM]),
            &["2 layers", "single layer"],
        ),
        (
            "text",
            of(WASM_CONFIG, &["text/plain"]),
            &["the type \"text/plain\""],
        ),
        ("empty", of(WASM_CONFIG, &[]), &["without layers"]),
        (
            "sha512",
            manifest(WASM_CONFIG, &[other_digest]),
            &["sha512:00", "only sha256"],
        ),
        ("list", "[]".into(), &["not a JSON object"]),
        (
            "rubbish",
            "\u{1b}[31mrubbish".into(),
            &["cannot be understood"],
        ),
        ("escapes", of(WASM_CONFIG, &["\u{1b}[31m\n"]), &["artefact"]),
    ] {
        web.push_manifest(name, document);
        let reference = web.oci(&format!(":{name}"));
        let output = greet(&toolcrib, &reference);
        let named = format!("`{reference}`");
        let parts = [&[&*named], parts].concat();
        check_refused(name, &output, FAILED, &parts);
        assert!(!output.stderr.contains('\u{1b}'), "{name}: {output:?}");
    }
}

#[test]
fn altered_and_large_things_are_refused() {
    let (web, toolcrib) = (Web::start(), Toolcrib::new());
    let hello = greeting("hello");
    let (manifest_digest, _) = web.push("good", &hello);

    // A blob with one other byte, a shorter one, a longer one.
    for (tag, change) in [
        ("altered", (|bytes| bytes[100] ^= 1) as fn(&mut Vec<u8>)),
        ("shorter", |bytes| bytes.truncate(bytes.len() - 1)),
        ("longer", |bytes| bytes.push(0)),
    ] {
        let component = greeting(tag);
        let (_, layer_digest) = web.push(tag, &component);
        let mut changed = component.clone();
        change(&mut changed);
        let blob = format!("/v2/team/tool/blobs/{layer_digest}");
        web.reply(blob, Reply::new(changed));
        let output = greet(&toolcrib, &web.oci(&format!(":{tag}")));
        let part = match tag {
            "longer" => "more than the",
            _ => "altered, damaged or cut off",
        };
        check_refused(tag, &output, FAILED, &[part]);
    }
    // A manifest that is not the requested one, or not the one in the header.
    let other = digest(b"other");
    let good = manifest(WASM_CONFIG, &[layer(WASM, &hello)]);
    web.reply(
        format!("/v2/team/tool/manifests/{other}"),
        Reply::new(&*good).header("content-type", MANIFEST),
    );
    web.reply(
        "/v2/team/tool/manifests/claimed",
        Reply::new(&*good).header("docker-content-digest", &other),
    );
    for suffix in [format!("@{other}"), ":claimed".into()] {
        let output = greet(&toolcrib, &web.oci(&suffix));
        check_refused(&suffix, &output, FAILED, &[&manifest_digest, &other]);
    }
    // Endless and too large ones.
    let endless = Reply {
        is_endless: true,
        ..Reply::new(vec![b' '; 64 << 10])
    };
    web.reply("/v2/team/tool/manifests/endless", endless.clone());
    web.reply(
        "/v2/team/tool/manifests/large",
        Reply::new(vec![b' '; (1 << 20) + 1]),
    );
    let mut large_layer = layer(WASM, b"");
    large_layer["size"] = (300_u64 << 20).into();
    web.push_manifest("component", manifest(WASM_CONFIG, &[large_layer]));
    let announced = endless.clone().header("content-length", "268435457");
    web.reply("/endless.wasm", endless);
    web.reply("/large.wasm", announced);
    for (reference, parts) in [
        (web.oci(":endless"), ["1048576 bytes", "a manifest"]),
        (web.oci(":large"), ["1048576 bytes", "a manifest"]),
        (web.oci(":component"), ["314572800 bytes", "268435456"]),
        (web.url("/large.wasm"), ["268435456 bytes", "a component"]),
        (web.url("/endless.wasm"), ["268435456 bytes", "a component"]),
    ] {
        let output = greet(&toolcrib, &reference);
        check_refused(&reference, &output, FAILED, &parts);
    }
    let output = greet(&toolcrib, &web.oci(":good"));
    assert_eq!(output.stdout, "hello\n", "{output:?}");
}

#[test]
fn redirects_are_bounded_and_checked() {
    let (web, other, toolcrib) = (Web::start(), Web::start(), Toolcrib::new());
    let hello = greeting("hello");
    other.reply("/x.wasm", Reply::new(&*hello));
    web.reply("/5", Reply::redirect(other.url("/x.wasm")));
    for number in 0..5 {
        let next = (number + 1).to_string();
        web.reply(format!("/{number}"), Reply::redirect(next));
    }
    let output = greet(&toolcrib, &web.url("/1"));
    assert_eq!(output.stdout, "hello\n", "{output:?}");
    for (name, target, part) in [
        ("many", "/0", "redirects more than 5 times"),
        ("loop", "/loop", "redirects more than 5 times"),
        (
            "private",
            "https://10.0.0.1/x.wasm",
            "`10.0.0.1` is at a private address",
        ),
        (
            "metadata",
            "https://169.254.169.254/x.wasm",
            "private address",
        ),
        ("http", "http://10.0.0.1/x.wasm", "not https"),
        ("file", "file:///etc/passwd", "not https"),
        (
            "credentials",
            "https://u:p@web.example/x.wasm",
            "cannot be used",
        ),
        ("nowhere", "", "cannot be used"),
    ] {
        web.reply(format!("/{name}"), Reply::redirect(target));
        let output = greet(&toolcrib, &web.url(&format!("/{name}")));
        check_refused(name, &output, FAILED, &[part]);
    }
    // The same for the blobs of a registry.
    let (_, layer_digest) = web.push("1", &greeting("elsewhere"));
    let blob = format!("/v2/team/tool/blobs/{layer_digest}");
    web.reply(blob, Reply::redirect("https://192.168.0.1/blob"));
    let output = greet(&toolcrib, &web.oci(":1"));
    check_refused(
        "blob",
        &output,
        FAILED,
        &["private address", "private-network"],
    );
}

#[test]
fn answers_of_servers_are_explained() {
    let (web, toolcrib) = (Web::start(), Toolcrib::new());
    let error =
        json!({ "errors": [{ "code": "MANIFEST_UNKNOWN", "message": "no\u{1b}[2Jsuch tag" }] });
    web.reply(
        "/v2/team/tool/manifests/gone",
        Reply {
            body: error.to_string().into(),
            ..Reply::status(404)
        },
    );
    web.reply("/v2/team/tool/manifests/busy", Reply::status(429));
    web.reply("/v2/team/tool/manifests/broken", Reply::status(500));
    web.reply("/v2/team/tool/manifests/forbidden", Reply::status(403));
    web.reply("/forbidden.wasm", Reply::status(403));
    web.reply("/empty.wasm", Reply::new(b""));
    for (reference, parts) in [
        (
            web.oci(":gone"),
            &["has no `team/tool:gone`", "MANIFEST_UNKNOWN"][..],
        ),
        (web.oci(":busy"), &["answered 429"]),
        (web.oci(":broken"), &["answered 500"]),
        (web.oci(":forbidden"), &["denies access", "log in"]),
        (web.url("/missing.wasm"), &["no such file"]),
        (
            web.url("/forbidden.wasm"),
            &["denies access", "no credentials are sent"],
        ),
        (web.url("/empty.wasm"), &["is empty"]),
        ("http://127.0.0.1:9/x.wasm".into(), &["cannot be reached"]),
        ("oci://127.0.0.1:9/x".into(), &["cannot be reached"]),
    ] {
        let output = greet(&toolcrib, &reference);
        let named = format!("`{reference}`");
        let parts = [&[&*named], parts].concat();
        check_refused(&reference, &output, FAILED, &parts);
        assert!(!output.stderr.contains('\u{1b}'), "{output:?}");
    }
}
