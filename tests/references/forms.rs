//! The forms of remote references, everywhere a file can stand.

use serde_json::Value;

use super::{USAGE, check_refused, greet, greeting};
use crate::support::command::Toolcrib;
use crate::support::process::{Process, TOOLCRIB};
use crate::support::web::{MANIFEST, Reply, WASM, Web, digest, manifest};

#[test]
fn components_are_called_by_url_and_in_registries() {
    let (web, toolcrib) = (Web::start(), Toolcrib::new());
    let hello = greeting("hello");
    web.reply("/get/hello.wasm?version=1", Reply::new(&*hello));
    web.reply("/latest", Reply::redirect("/get/hello.wasm?version=1"));
    let (manifest_digest, _) = web.push("1.0", &hello);
    web.push("latest", &hello);
    let localhost = web.oci(":1.0").replace("127.0.0.1", "localhost");
    for reference in [
        web.url("/get/hello.wasm?version=1"),
        web.url("/get/hello.wasm?version=1#greet"),
        web.url("/latest"),
        web.oci(":1.0"),
        web.oci(""),
        web.oci(":1.0#greet"),
        web.oci(&format!("@{manifest_digest}")),
        web.oci(&format!(":other@{manifest_digest}")),
        localhost,
    ] {
        let output = greet(&toolcrib, &reference);
        assert_eq!(output.stdout, "hello\n", "{reference}: {output:?}");
    }
}

/// The forms that tools push: config and layer types, with and without a media type in the manifest.
#[test]
fn artefacts_of_the_usual_forms_are_accepted() {
    let (web, toolcrib) = (Web::start(), Toolcrib::new());
    let hello = greeting("hello");
    web.push("1", &hello);
    const OLD_LAYER: &str = "application/vnd.wasm.content.layer.v1+wasm";
    for (index, (config, layer)) in [
        ("application/vnd.wasm.config.v0+json", WASM),
        ("application/vnd.oci.empty.v1+json", WASM),
        ("application/vnd.wasm.config.v1+json", OLD_LAYER),
        ("application/vnd.unknown.config.v1+json", OLD_LAYER),
    ]
    .into_iter()
    .enumerate()
    {
        let layer = serde_json::json!({
            "mediaType": layer, "digest": digest(&hello), "size": hello.len(),
        });
        let mut text = manifest(config, &[layer]);
        if index % 2 == 1 {
            text = text.replace(&format!("\"mediaType\":\"{MANIFEST}\","), "");
        }
        let tag = format!(":form{index}");
        web.push_manifest(&tag[1..], text);
        let output = greet(&toolcrib, &web.oci(&tag));
        assert_eq!(output.stdout, "hello\n", "{config}: {output:?}");
    }
}

#[test]
fn the_configuration_names_remote_components() {
    let (web, toolcrib) = (Web::start(), Toolcrib::new());
    let (hello, good_bye) = (greeting("hello"), greeting("good bye"));
    let (manifest_digest, _) = web.push("1", &hello);
    web.reply("/bye.wasm", Reply::new(&*good_bye));
    let listed = web.oci(&format!("@{manifest_digest}"));
    let (bye, bye_digest) = (web.url("/bye.wasm"), digest(&good_bye));
    toolcrib.file(
        "toolcrib.toml",
        format!(
            "components = [\"{listed}\"]\n\
             [[component]]\nref = \"{bye}\"\ndigest = \"{bye_digest}\"\nprefix = \"bye_\"\n\
             tools = [\"greet\"]\n[component.limits]\nmemory = \"1MiB\"\n"
        ),
    );
    let checked = toolcrib.run(&["check", "--no-auth", "--config", "toolcrib.toml"]);
    assert_eq!(checked.status, 0, "{checked:?}");
    assert!(
        checked.stdout.ends_with("ok: 2 tools from 2 components\n"),
        "{checked:?}"
    );

    let inspected = toolcrib.run(&["inspect", "--json", "--config", "toolcrib.toml", &bye]);
    let components: Value = serde_json::from_str(&inspected.stdout).unwrap();
    assert_eq!(components[0]["name"], "bye", "{components}");
    assert_eq!(components[0]["digest"], bye_digest, "{components}");
    assert_eq!(
        components[0]["tools"][0]["name"], "bye_greet",
        "{components}"
    );

    let mut command = std::process::Command::new(TOOLCRIB);
    command
        .args(["serve", "--no-auth", "--listen", "127.0.0.1:0"])
        .args(["--config", "toolcrib.toml"])
        .current_dir(toolcrib.path())
        .env("HOME", toolcrib.path());
    let (sender, lines) = std::sync::mpsc::channel();
    let server = Process::start_with_log(command, move |line| {
        let _ = sender.send(line.to_owned());
    });
    drop(server);
    let log: Vec<_> = lines.iter().collect();
    // Both were in the cache.
    assert!(
        log.iter().all(|line| !line.contains("WARN component")),
        "{log:?}"
    );
}

#[test]
fn malformed_references_are_refused_before_anything_is_fetched() {
    let toolcrib = Toolcrib::new();
    for (reference, part) in [
        ("oci://registry.example", "names no repository"),
        ("oci://registry.example/Tool", "wrong repository"),
        ("oci://registry.example/tool:", "wrong tag"),
        ("oci://registry.example/tool@sha256:12", "wrong digest"),
        ("oci://user:secret@registry.example/tool", "credentials"),
        ("https://user:secret@web.example/x.wasm", "credentials"),
        ("http://web.example/x.wasm", "loopback"),
        ("https://", "not a valid URL"),
        ("s3://bucket/x.wasm", "scheme `s3:`"),
    ] {
        let output = toolcrib.run(&["inspect", reference]);
        check_refused(reference, &output, USAGE, &[part]);
        assert!(!output.stderr.contains("secret"), "{output:?}");
    }
    for (settings, part) in [
        (
            "ref = \"x.wasm\"\nallow-unpinned = true",
            "`component[0].allow-unpinned` is for",
        ),
        (
            "ref = \"x.wasm\"\nfollow = \"1h\"",
            "`component[0].follow` is for",
        ),
        ("ref = \"oci://a.b/c\"\nfollow = \"59s\"", "at least \"1m\""),
        (
            "ref = \"oci://a.b/c\"\nfollow = \"1h\"\ndigest = \"sha256:0000000000000000000000000000000000000000000000000000000000000000\"",
            "no effect",
        ),
        (
            "ref = \"oci://a.b/c\"\nfollow = \"1h\"",
            "needs required signatures",
        ),
    ] {
        toolcrib.file("toolcrib.toml", format!("[[component]]\n{settings}\n"));
        let output = toolcrib.run(&["check", "--config", "toolcrib.toml", "--no-auth"]);
        check_refused(settings, &output, USAGE, &[part]);
    }
}
