//! Components in a real registry, pushed by real programs.

use std::process::Command;

use serde_json::json;

use crate::support::command::{CommandOutput, Toolcrib};
use crate::support::guest::Guest;
use crate::support::guest::adder::{adder, compute};
use crate::support::process::TOOLCRIB;
use crate::support::registry::{Registry, act_build, oras};

const WASM: &str = "application/wasm";
const OLD_WASM: &str = "application/vnd.wasm.content.layer.v1+wasm";

fn greeting(text: &str) -> Vec<u8> {
    Guest::saying("greet", text).component()
}

fn greet(toolcrib: &Toolcrib, reference: &str) -> CommandOutput {
    toolcrib.run(&["call", "--allow-unpinned", reference, "greet"])
}

#[test]
fn components_are_pulled_in_the_form_of_each_tool() {
    let (registry, toolcrib) = (Registry::open(), Toolcrib::new());
    let dir = toolcrib.path();
    toolcrib.write("tool", &greeting("hello"));
    toolcrib.file("config.json", "{}").file("note.txt", "text");
    let image = |tag: &str| registry.image(&format!("team/tool:{tag}"));
    let push = |tag: &str, arguments: &[&str]| {
        let image = image(tag);
        let begin = ["push", "--plain-http", &image];
        oras(dir, &[&begin[..], arguments].concat());
    };
    let layer = |media_type: &str| format!("tool.wasm:{media_type}");
    let config = |media_type: &str| format!("--config=config.json:{media_type}");
    push("plain", &[&layer(WASM)]);
    push(
        "typed",
        &["--artifact-type=application/vnd.example", &layer(WASM)],
    );
    push(
        "config",
        &[&config("application/vnd.wasm.config.v0+json"), &layer(WASM)],
    );
    push(
        "old",
        &[
            &config("application/vnd.wasm.config.v1+json"),
            &layer(OLD_WASM),
        ],
    );
    push("1.0-spec", &["--image-spec=v1.0", &layer(WASM)]);
    act_build(dir, &["push", "tool.wasm", &image("act")]);
    for tag in ["plain", "typed", "config", "old", "1.0-spec", "act"] {
        let output = greet(&toolcrib, &registry.oci(&format!("team/tool:{tag}")));
        assert_eq!(output.stdout, "hello\n", "{tag}: {output:?}");
    }

    let image_config = config("application/vnd.oci.image.config.v1+json");
    let tar = "tool.wasm:application/vnd.oci.image.layer.v1.tar+gzip";
    push("image", &[&image_config, tar]);
    push("two", &[&layer(WASM), "note.txt:text/plain"]);
    push("text", &["note.txt:text/plain"]);
    let spin = config("application/vnd.fermyon.spin.application.v1+config");
    push("spin", &[&spin, &layer(OLD_WASM)]);
    // An index of the pushed manifests.
    let manifest = oras(
        dir,
        &[
            "manifest",
            "fetch",
            "--plain-http",
            "--descriptor",
            &image("plain"),
        ],
    );
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [manifest],
    });
    toolcrib.file("index.json", index.to_string());
    oras(
        dir,
        &[
            "manifest",
            "push",
            "--plain-http",
            &image("index"),
            "index.json",
        ],
    );
    for (tag, part) in [
        ("image", "a container image"),
        ("two", "of 2 layers"),
        ("text", "the type \"text/plain\""),
        ("spin", "Spin application"),
        ("index", "an index of several manifests"),
        ("missing", "MANIFEST_UNKNOWN"),
    ] {
        let reference = registry.oci(&format!("team/tool:{tag}"));
        let output = greet(&toolcrib, &reference);
        assert_eq!(output.status, 1, "{tag}: {output:?}");
        for part in [&*format!("error: `{reference}`"), part] {
            assert!(
                output.stderr.contains(part),
                "{tag} lacks {part}: {output:?}"
            );
        }
    }
}

/// TLS with an authority of its own, and credentials that `oras login` has stored.
#[test]
fn a_registry_with_tls_and_passwords_is_used() {
    let (registry, toolcrib) = (Registry::guarded(), Toolcrib::new());
    let dir = toolcrib.path();
    toolcrib.write("tool", &greeting("hello"));
    // It outlives the registry.
    let ca = dir.join("ca.pem");
    std::fs::copy(registry.ca(), &ca).unwrap();
    let address = registry.address.to_string();
    let ca = ca.to_str().unwrap();
    let configure = |ca: &str| {
        toolcrib.file("toolcrib.toml", format!("[network]\nca = \"{ca}\"\n"));
    };
    let image = registry.image("team/tool:1");
    let reference = registry.oci("team/tool:1");
    let call = || {
        let arguments = [
            "--config",
            "toolcrib.toml",
            "--allow-unpinned",
            &reference,
            "greet",
        ];
        toolcrib.run(&[&["call"], &arguments[..]].concat())
    };
    let refused = |part: &str| {
        let output = call();
        assert_eq!(output.status, 1, "{output:?}");
        assert!(output.stderr.contains(part), "{part}: {output:?}");
    };
    let log_in = [
        "login",
        "--ca-file",
        ca,
        "-u",
        "user",
        "-p",
        "password",
        &address,
    ];
    configure(ca);
    refused("docker login");
    oras(dir, &log_in);
    oras(
        dir,
        &[
            "push",
            "--ca-file",
            ca,
            &image,
            &format!("tool.wasm:{WASM}"),
        ],
    );
    let output = call();
    assert_eq!(output.stdout, "hello\n", "{output:?}");

    // The certificate of another registry.
    let _ = std::fs::remove_dir_all(dir.join(".cache"));
    let other = Registry::guarded();
    configure(other.ca().to_str().unwrap());
    refused("certificate");
    configure(ca);
    // Wrong credentials.
    let docker = dir.join(".docker/config.json");
    let auth = format!("{{\"auths\":{{\"{address}\":{{\"auth\":\"dXNlcjpvdGhlcg==\"}}}}}}");
    std::fs::write(&docker, auth).unwrap();
    refused("stored credentials are not accepted");
    std::fs::remove_file(&docker).unwrap();
    oras(dir, &log_in);
    assert_eq!(call().stdout, "hello\n");

    // Away: the cached version is served.
    drop(registry);
    let output = call();
    assert_eq!(output.stdout, "hello\n", "{output:?}");
    assert!(
        output.stderr.contains("serving its last known version"),
        "{output:?}"
    );
}

/// A registry whose blob was altered on its disk.
#[test]
fn an_altered_blob_is_refused() {
    let (registry, toolcrib) = (Registry::open(), Toolcrib::new());
    toolcrib.write("tool", &greeting("hello"));
    let image = registry.image("team/tool:1");
    oras(
        toolcrib.path(),
        &["push", "--plain-http", &image, &format!("tool.wasm:{WASM}")],
    );
    let found = Command::new("grep")
        .args(["-rl", "--binary-files=text", "hello"])
        .arg(registry.data())
        .output()
        .unwrap();
    let path = String::from_utf8(found.stdout).unwrap();
    let path = path.lines().next().unwrap();
    let mut bytes = std::fs::read(path).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(path, bytes).unwrap();
    let output = greet(&toolcrib, &registry.oci("team/tool:1"));
    assert_eq!(output.status, 1, "{output:?}");
    assert!(
        output.stderr.contains("altered, damaged or cut off"),
        "{output:?}"
    );
}

/// A part from a registry with TLS and passwords, pushed by the host itself.
#[test]
fn parts_of_compositions_are_pulled() {
    let (registry, toolcrib) = (Registry::guarded(), Toolcrib::new());
    let dir = toolcrib.path();
    let ca = registry.ca();
    let ca = ca.to_str().unwrap();
    toolcrib.file("toolcrib.toml", format!("[network]\nca = \"{ca}\"\n"));
    toolcrib.write("compute", &compute());
    let address = registry.address.to_string();
    let log_in = [
        "login",
        "--ca-file",
        ca,
        "-u",
        "user",
        "-p",
        "password",
        &address,
    ];
    oras(dir, &log_in);
    let push = |body: &str| {
        toolcrib.write("adder", &adder(body));
        let reference = registry.oci("team/adder:1");
        let arguments = [
            "push",
            "--config",
            "toolcrib.toml",
            "adder.wasm",
            &reference,
        ];
        let output = toolcrib.run(&arguments);
        assert_eq!(output.status, 0, "{output:?}");
        output.stdout.trim().to_owned()
    };
    let (first, second) = (push("(i32.const 5)"), push("(i32.const 7)"));
    std::fs::remove_file(dir.join("adder.wasm")).unwrap();
    let call = |part: &str, settings: &str| {
        let text = format!(
            "[network]\nca = \"{ca}\"\n[[component]]\nref = \"compute.wasm\"\nwith = [\"{part}\"]\n{settings}\n"
        );
        toolcrib.file("c.toml", text);
        toolcrib.run(&[
            "call",
            "compute.wasm",
            "compute",
            "x=1",
            "--config",
            "c.toml",
        ])
    };
    for (part, result) in [(&first, "5\n"), (&second, "7\n")] {
        let output = call(part, "");
        assert_eq!(output.stdout, result, "{part}: {output:?}");
    }
    let (tag, _) = first.split_once('@').unwrap();
    let output = call(tag, "");
    assert!(output.stderr.contains("with-digests"), "{output:?}");
    let wrong = format!(
        "with-digests = {{ \"{first}\" = \"sha256:{}\" }}",
        "0".repeat(64)
    );
    let output = call(&first, &wrong);
    assert_eq!(output.status, 1, "{output:?}");
    assert!(output.stderr.contains("not the pinned"), "{output:?}");
    // Without credentials, what was fetched is still served.
    std::fs::remove_file(dir.join(".docker/config.json")).unwrap();
    assert_eq!(call(&second, "").stdout, "7\n");
    std::fs::remove_dir_all(dir.join(".cache")).unwrap();
    let output = call(&second, "");
    assert!(output.stderr.contains("docker login"), "{output:?}");
}

/// A disk without space: the component is refused, and nothing of it stays.
#[test]
fn a_full_disk_is_reported() {
    let (registry, toolcrib) = (Registry::open(), Toolcrib::new());
    toolcrib.write("tool", &greeting(&"long ".repeat(20_000)));
    let image = registry.image("team/tool:1");
    oras(
        toolcrib.path(),
        &["push", "--plain-http", &image, &format!("tool.wasm:{WASM}")],
    );
    let reference = registry.oci("team/tool:1");
    let script = format!(
        "mkdir -p .cache && mount -t tmpfs -o size=64k tmpfs .cache && chmod 700 .cache && \
         ! {TOOLCRIB} pull {reference} && find .cache -type f"
    );
    let mut command = crate::addresses::as_root("unshare");
    command
        .args(["--mount", "sh", "-c", &script])
        .current_dir(toolcrib.path())
        .env("HOME", toolcrib.path());
    let output = CommandOutput::of(&mut command);
    assert_eq!(output.status, 0, "{output:?}");
    assert_eq!(output.stdout, "", "{output:?}");
    assert!(output.stderr.contains("cannot be kept in"), "{output:?}");
    assert!(output.stderr.contains("No space left"), "{output:?}");
}
