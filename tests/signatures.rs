//! Components that real programs signed: minisign, and cosign in each of its forms, in a real registry.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::command::{CommandOutput, Toolcrib};
use crate::support::guest::Guest;
use crate::support::guest::adder::{ADD, adder, compute};
use crate::support::registry::Registry;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// Path of cosign, if it was unpacked beside the tests.
const UNPACKED_COSIGN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/system/trixie/usr/bin/cosign");

/// Runs a program to success and returns its standard output.
fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Returns a document of an open registry: `manifests/TAG` or `blobs/DIGEST` of the repository `team/tool`.
fn fetch(registry: &Registry, path: &str) -> String {
    let url = format!("http://{}/v2/team/tool/{path}", registry.address);
    let accept = format!("Accept: {MANIFEST}");
    run(Command::new("curl").args(["-sSfL", "-H", &accept, &url]))
}

/// Writes a manifest of the repository `team/tool` under a tag.
fn put_manifest(registry: &Registry, tag: &str, manifest: &str) {
    let url = format!("http://{}/v2/team/tool/manifests/{tag}", registry.address);
    let kind = format!("Content-Type: {MANIFEST}");
    let arguments = [
        "-sSf",
        "-X",
        "PUT",
        "-H",
        &kind,
        "--data-binary",
        manifest,
        &url,
    ];
    run(Command::new("curl").args(arguments));
}

/// Runs cosign in a directory, with an empty password and without transparency log.
fn cosign(dir: &Path, arguments: &[&str]) -> String {
    let program = match Path::new(UNPACKED_COSIGN).exists() {
        true => UNPACKED_COSIGN,
        false => "cosign",
    };
    let mut command = Command::new(program);
    command
        .args(arguments)
        .current_dir(dir)
        .env("HOME", dir)
        .env("COSIGN_PASSWORD", "");
    // For referrers instead of a tag.
    if arguments.contains(&"oci-1-1") {
        command.env("COSIGN_EXPERIMENTAL", "1");
    }
    run(&mut command)
}

/// Creates a key pair of cosign: `<name>.key` and `<name>.pub`.
fn create_key(dir: &Path, name: &str) {
    cosign(dir, &["generate-key-pair", "--output-key-prefix", name]);
}

/// A directory with a component, key pairs and a registry that holds the component as `team/tool:1`.
struct Published {
    toolcrib: Toolcrib,
    registry: Registry,
    /// `oci://…@sha256:…`
    reference: String,
}

impl Published {
    fn new() -> Self {
        Self::of(&Guest::saying("greet", "hello").component())
    }

    fn of(component: &[u8]) -> Self {
        let toolcrib = Toolcrib::new();
        toolcrib.write("tool", component);
        create_key(toolcrib.path(), "trusted");
        create_key(toolcrib.path(), "other");
        let registry = Registry::open();
        let reference = registry.oci("team/tool:1");
        let output = toolcrib.run(&["push", "tool.wasm", &reference]);
        assert_eq!(output.status, 0, "{output:?}");
        let reference = output.stdout.trim().to_owned();
        toolcrib.file(
            "c.toml",
            "[trust]\nrequire-signatures = true\nkeys = [{ file = \"trusted.pub\" }]\n[cache]\ndir = \"cache\"\n",
        );
        Self {
            toolcrib,
            registry,
            reference,
        }
    }

    /// Signs the component in the registry with additional arguments.
    fn sign(&self, subcommand: &str, key: &str, arguments: &[&str]) {
        let key = format!("{key}.key");
        let name = self.reference.trim_start_matches("oci://");
        // cosign takes a tag or a digest.
        let (name, digest) = name.split_once(":1@").unwrap();
        let name = format!("{name}@{digest}");
        let always = ["--tlog-upload=false", "-y", "--allow-http-registry"];
        let arguments = [
            &[subcommand, "--key", &key],
            &always[..],
            arguments,
            &[&name],
        ]
        .concat();
        cosign(self.toolcrib.path(), &arguments);
    }

    fn inspect(&self) -> CommandOutput {
        let arguments = ["inspect", "--json", "--config", "c.toml", &self.reference];
        self.toolcrib.run(&arguments)
    }

    fn assert_signed(&self, context: &str) {
        let output = self.inspect();
        assert_eq!(output.status, 0, "{context}: {output:?}");
        let found: Value = serde_json::from_str(&output.stdout).unwrap();
        let signer = found[0]["signedBy"].as_str().unwrap_or_default();
        assert!(
            signer.starts_with("the ECDSA key sha256:"),
            "{context}: {signer}"
        );
    }

    fn assert_refused(&self, words: &[&str]) {
        let output = self.inspect();
        assert_eq!(output.status, 1, "{words:?}: {output:?}");
        let errors = output
            .stderr
            .lines()
            .filter(|line| line.starts_with("error: "));
        let errors: Vec<_> = errors.collect();
        assert_eq!(errors.len(), 1, "{output:?}");
        for word in words {
            assert!(errors[0].contains(word), "{word:?}: {output:?}");
        }
    }
}

/// The form of cosign 2: a tag that holds the digest; the same as a referrer; and a bundle.
#[test]
fn each_form_of_cosign_is_accepted() {
    let predicate = "{\"buildDefinition\":{\"buildType\":\"x\",\"externalParameters\":{}},\
                     \"runDetails\":{\"builder\":{\"id\":\"x\"}}}";
    let bundle = [
        "--new-bundle-format",
        "--type",
        "slsaprovenance1",
        "--predicate",
        "p.json",
    ];
    for (name, subcommand, arguments) in [
        ("tag", "sign", &[][..]),
        (
            "referrer",
            "sign",
            &["--registry-referrers-mode", "oci-1-1"],
        ),
        ("bundle", "attest", &bundle),
    ] {
        let published = Published::new();
        published.toolcrib.file("p.json", predicate);
        published.assert_refused(&["it is not signed", ".sig`", "the ECDSA key sha256:"]);
        published.sign(subcommand, "other", arguments);
        published.assert_refused(&[
            "its signature is not accepted",
            "not made with an expected key",
        ]);
        published.sign(subcommand, "trusted", arguments);
        published.assert_signed(name);
        // A start with everything in the cache needs no registry.
        drop(published.registry);
        let arguments = ["call", "--config", "c.toml", &published.reference, "greet"];
        let output = published.toolcrib.run(&arguments);
        assert_eq!(output.stdout, "hello\n", "{name}: {output:?}");
        let offline = [
            "call",
            "--offline",
            "--config",
            "c.toml",
            &published.reference,
            "greet",
        ];
        assert_eq!(published.toolcrib.run(&offline).stdout, "hello\n", "{name}");
    }
}

/// The signature must name the repository that the component comes from.
#[test]
fn signatures_for_another_repository_are_refused() {
    let published = Published::new();
    let other = published.registry.image("team/other");
    published.sign("sign", "trusted", &["--sign-container-identity", &other]);
    published.assert_refused(&[&format!("it is for the repository `{other}`")]);
    published.sign("sign", "trusted", &[]);
    published.assert_signed("both");
}

/// A statement about the component is not a signature, whoever signed it.
#[test]
fn statements_that_are_no_signatures_are_refused() {
    let published = Published::new();
    published.toolcrib.file("p.json", "{}");
    let arguments = [
        "--new-bundle-format",
        "--type",
        "custom",
        "--predicate",
        "p.json",
    ];
    published.sign("attest", "trusted", &arguments);
    published.assert_refused(&["it attests `https://cosign.sigstore.dev/attestation/v1`"]);
}

/// Signatures that are copied to another version, altered or damaged.
#[test]
fn signatures_of_another_digest_and_garbled_ones_are_refused() {
    let published = Published::new();
    published.sign("sign", "trusted", &[]);
    published.assert_signed("its own");
    let (_, digest) = published.reference.split_once('@').unwrap();
    let tag = format!("{}.sig", digest.replace(':', "-"));
    let signature = fetch(&published.registry, &format!("manifests/{tag}"));
    // Another version of the component gets the signature of this one.
    let second = Toolcrib::new();
    second.write("tool", &Guest::saying("greet", "second").component());
    let reference = published.registry.oci("team/tool:2");
    let output = second.run(&["push", "tool.wasm", &reference]);
    assert_eq!(output.status, 0, "{output:?}");
    let reference = output.stdout.trim();
    let (_, other_digest) = reference.split_once('@').unwrap();
    let other_tag = format!("{}.sig", other_digest.replace(':', "-"));
    put_manifest(&published.registry, &other_tag, &signature);
    let arguments = ["inspect", "--config", "c.toml", reference];
    let output = published.toolcrib.run(&arguments);
    assert_eq!(output.status, 1, "{output:?}");
    let expected = format!("it is of the digest {digest}");
    assert!(output.stderr.contains(&expected), "{output:?}");
    // The signature in the annotation is altered, then missing.
    let altered = signature.replacen("cosign/signature\":\"ME", "cosign/signature\":\"MA", 1);
    assert_ne!(altered, signature);
    for (content, word) in [
        (altered, "not made with an expected key"),
        (
            signature.replace("cosign/signature", "cosign/x"),
            "it is not signed",
        ),
    ] {
        put_manifest(&published.registry, &tag, &content);
        // The cache keeps signatures that were verified before.
        std::fs::remove_dir_all(published.toolcrib.path().join("cache")).unwrap();
        published.assert_refused(&[word]);
    }
}

/// A signature makes a tag without digest acceptable: who signs decides what runs.
#[test]
fn signed_tags_need_no_digest() {
    let published = Published::new();
    let (tag, _) = published.reference.split_once('@').unwrap();
    let arguments = ["call", "--config", "c.toml", tag, "greet"];
    let output = published.toolcrib.run(&arguments);
    assert!(output.stderr.contains("not signed"), "{output:?}");
    published.sign("sign", "trusted", &[]);
    let output = published.toolcrib.run(&arguments);
    assert_eq!(output.stdout, "hello\n", "{output:?}");
    // A rule for the registry does the same, and only for what it covers.
    for (prefix, status) in [("", 0), ("/team", 0), ("/tea", 2)] {
        published.toolcrib.file(
            "c.toml",
            format!(
                "[[trust.rule]]\nprefix = \"oci://{}{prefix}\"\nkeys = [{{ file = \"trusted.pub\" }}]\n",
                published.registry.address
            ),
        );
        let output = published.toolcrib.run(&arguments);
        assert_eq!(output.status, status, "{prefix}: {output:?}");
    }
}

/// A rule for a registry covers the parts that come from it.
#[test]
fn parts_from_a_registry_must_be_signed() {
    let published = Published::of(&adder(ADD));
    let (tag, _) = published.reference.split_once('@').unwrap();
    published.toolcrib.write("compute", &compute());
    let text = format!(
        "[[component]]\nref = \"compute.wasm\"\nwith = [\"{tag}\"]\n\
         [[trust.rule]]\nprefix = \"oci://{}\"\nkeys = [{{ file = \"trusted.pub\" }}]\n\
         [cache]\ndir = \"cache\"\n",
        published.registry.address
    );
    published.toolcrib.file("c.toml", text);
    let call = || {
        let arguments = [
            "call",
            "--config",
            "c.toml",
            "compute.wasm",
            "compute",
            "x=1",
        ];
        published.toolcrib.run(&arguments)
    };
    let refused = |words: &str| {
        let output = call();
        assert_eq!(output.status, 1, "{output:?}");
        for words in ["its part", tag, words] {
            assert!(output.stderr.contains(words), "{words}: {output:?}");
        }
    };
    refused("not signed");
    published.sign("sign", "other", &[]);
    refused("not made with an expected key");
    published.sign("sign", "trusted", &[]);
    assert_eq!(call().stdout, "2\n", "{:?}", call());
}

/// The artefact of `wkg`: a configuration with the world of the component, and one layer.
#[test]
fn pushed_artefacts_have_the_common_form() {
    let registry = Registry::open();
    let toolcrib = Toolcrib::new();
    let component = Guest::saying("greet", "hello").component();
    toolcrib.write("tool", &component);
    let reference = registry.oci("team/tool:1.0");
    let push = || {
        let mut command = toolcrib.command(&["push", "tool.wasm", &reference]);
        command.env("SOURCE_DATE_EPOCH", "1700000000");
        run(&mut command)
    };
    let pushed = push();
    let digest = pushed
        .trim()
        .strip_prefix(&format!("{reference}@"))
        .unwrap();
    assert!(toolcrib::reference::is_digest(digest), "{pushed}");
    // The same file at the same time has the same digest.
    assert_eq!(push(), pushed);
    let manifest: Value =
        serde_json::from_str(&fetch(&registry, &format!("manifests/{digest}"))).unwrap();
    assert_eq!(manifest["schemaVersion"], 2);
    let config = &manifest["config"];
    assert_eq!(config["mediaType"], "application/vnd.wasm.config.v0+json");
    let layers = manifest["layers"].as_array().unwrap();
    assert_eq!(layers.len(), 1);
    assert_eq!(layers[0]["mediaType"], "application/wasm");
    assert_eq!(layers[0]["digest"], toolcrib::component::digest(&component));
    assert_eq!(layers[0]["size"], component.len());
    let config = fetch(
        &registry,
        &format!("blobs/{}", config["digest"].as_str().unwrap()),
    );
    let config: Value = serde_json::from_str(&config).unwrap();
    assert_eq!(config["architecture"], "wasm");
    assert_eq!(config["os"], "wasip2");
    assert_eq!(config["created"], "2023-11-14T22:13:20Z");
    assert_eq!(
        config["layerDigests"],
        serde_json::json!([layers[0]["digest"]])
    );
    let exports = config["component"]["exports"].as_array().unwrap();
    assert!(
        exports.contains(&"toolcrib:mcp/tool@0.1.1".into()),
        "{exports:?}"
    );
    assert!(config["component"]["imports"].is_array());
    // Its own digest makes it servable.
    let output = toolcrib.run(&["call", pushed.trim(), "greet"]);
    assert_eq!(output.stdout, "hello\n", "{output:?}");
    drop(registry);
    let output = toolcrib.run(&["push", "tool.wasm", &reference]);
    assert_eq!(output.status, 1, "{output:?}");
    assert!(output.stderr.contains("cannot be reached"), "{output:?}");
}

/// A registry with TLS and passwords.
#[test]
fn pushing_needs_access() {
    let registry = Registry::guarded();
    let toolcrib = Toolcrib::new();
    toolcrib.write("tool", &Guest::saying("greet", "hello").component());
    let network = format!("[network]\nca = {:?}\n", registry.ca());
    toolcrib.file("c.toml", network);
    let reference = registry.oci("team/tool:1");
    let arguments = ["push", "--config", "c.toml", "tool.wasm", &reference];
    let output = toolcrib.run(&arguments);
    assert_eq!(output.status, 1, "{output:?}");
    assert!(output.stderr.contains("docker login"), "{output:?}");
    // `user` and `password`.
    let auths = format!(
        "{{\"auths\":{{\"{}\":{{\"auth\":\"dXNlcjpwYXNzd29yZA==\"}}}}}}",
        registry.address
    );
    std::fs::create_dir(toolcrib.path().join(".docker")).unwrap();
    toolcrib.file(".docker/config.json", auths);
    let output = toolcrib.run(&arguments);
    assert_eq!(output.status, 0, "{output:?}");
    let call = ["call", "--config", "c.toml", output.stdout.trim(), "greet"];
    assert_eq!(toolcrib.run(&call).stdout, "hello\n");
}

/// Files that minisign and cosign signed as their manuals say.
#[test]
fn files_are_signed_with_minisign_and_cosign() {
    let toolcrib = Toolcrib::new();
    toolcrib.write("tool", &Guest::saying("greet", "hello").component());
    let minisign = |arguments: &[&str]| {
        let mut command = Command::new("minisign");
        run(command.args(arguments).current_dir(toolcrib.path()))
    };
    minisign(&["-G", "-W", "-p", "minisign.pub", "-s", "minisign.key"]);
    create_key(toolcrib.path(), "cosign");
    toolcrib.file(
        "c.toml",
        "[trust]\nrequire-signatures = true\nkeys = [{ file = \"minisign.pub\" }, { file = \"cosign.pub\" }]\n",
    );
    let call = || toolcrib.run(&["call", "--config", "c.toml", "tool.wasm", "greet"]);
    let remove = |name: &str| std::fs::remove_file(toolcrib.path().join(name)).unwrap();
    assert!(call().stderr.contains("not signed"));
    for options in [&["-S"][..], &["-S", "-l"]] {
        minisign(&[options, &["-s", "minisign.key", "-m", "tool.wasm"]].concat());
        assert_eq!(call().stdout, "hello\n", "{options:?}");
        remove("tool.wasm.minisig");
    }
    let always = [
        "--key",
        "cosign.key",
        "--tlog-upload=false",
        "--new-bundle-format",
        "-y",
    ];
    for bundle in ["tool.wasm.sigstore.json", "tool.wasm.bundle"] {
        let arguments = [
            &["sign-blob"],
            &always[..],
            &["--bundle", bundle, "tool.wasm"],
        ]
        .concat();
        cosign(toolcrib.path(), &arguments);
        assert_eq!(call().stdout, "hello\n", "{bundle}");
        remove(bundle);
    }
    // The default form of cosign 2 is named in the error.
    let arguments = [
        "sign-blob",
        "--key",
        "cosign.key",
        "--tlog-upload=false",
        "-y",
        "--bundle",
    ];
    cosign(
        toolcrib.path(),
        &[&arguments[..], &["tool.wasm.bundle", "tool.wasm"]].concat(),
    );
    assert!(call().stderr.contains("sign with `--new-bundle-format`"));
}
