//! `allow.dirs`: no component gets write access to files that the host itself uses.

use std::os::unix::fs::symlink;
use std::path::Path;

use super::filesystem_guest::{FileOp, entry, guest};
use crate::support::command::Toolcrib;

/// A guest with write access to components, configuration, cache or key-value data could change what the host runs.
#[test]
fn writable_grants_over_host_files_are_rejected() {
    let toolcrib = Toolcrib::new();
    for dir in [
        "tools",
        "data/sub",
        "cache/sub",
        "state",
        "more",
        "plug-in",
        "other",
    ] {
        std::fs::create_dir_all(toolcrib.path().join(dir)).unwrap();
    }
    symlink("tools", toolcrib.path().join("alias")).unwrap();
    let component = guest(0, &[FileOp::Read("x", true)]).component();
    toolcrib.write("tools/guest", &component);
    toolcrib.write("more/other", &component);
    for (host_path, reason) in [
        ("data", None),
        ("data/sub", None),
        ("other", None),
        (".", Some("the compiled components are")),
        ("cache", Some("the compiled components are")),
        ("cache/sub", Some("the compiled components are")),
        ("state", Some("the data of `wasi:keyvalue` is")),
        ("tools", Some("components are")),
        ("alias", Some("components are")),
        ("more", Some("components are")),
        // Matches the pattern of a reference, but has no component yet.
        ("plug-in", Some("components are")),
        ("config", Some("the configuration is")),
    ] {
        std::fs::create_dir_all(toolcrib.path().join("config")).unwrap();
        for write in [false, true] {
            let dirs = entry(Path::new("..").join(host_path).as_path(), "/data", write);
            toolcrib.file(
                "config/c.toml",
                format!(
                    "cache.dir = \"../cache\"\nkv.url = \"../state/kv.redb\"\ncomponents = [\"../more/*.wasm\", \"../[mp]*/*.wasm\"]\n\
                     [[component]]\nref = \"../tools/guest.wasm\"\nprefix = \"g_\"\n[component.allow]\ndirs = [{dirs}]\n"
                ),
            );
            let ended = toolcrib.run(&["check", "--no-auth", "--config", "config/c.toml"]);
            match reason.filter(|_| write) {
                None => assert_eq!(ended.status, 0, "{host_path}: {ended:?}"),
                Some(reason) => {
                    assert_ne!(ended.status, 0, "{host_path}");
                    assert!(
                        ended.stderr.contains("`allow.dirs` gives"),
                        "{host_path}: {ended:?}"
                    );
                    assert!(ended.stderr.contains(reason), "{host_path}: {ended:?}");
                }
            }
        }
    }
}

/// The same holds for every file that the configuration names, and for the links on the way to it: who can replace the
/// guard's key is let in.
#[test]
fn writable_grants_over_files_of_the_configuration_are_rejected() {
    const VALUE: &str = "a file is that the configuration names";
    const TLS: &str = "the certificate or the private key of [server.tls] is";

    let toolcrib = Toolcrib::new();
    for dir in ["data", "keys", "tools", "linked"] {
        std::fs::create_dir(toolcrib.path().join(dir)).unwrap();
    }
    let component = guest(0, &[FileOp::Read("x", true)]).component();
    toolcrib.write("tools/guest", &component);
    for file in ["data/secret", "keys/secret"] {
        toolcrib.file(file, "0123456789abcdef0123456789abcdef");
    }
    let names = vec!["localhost".to_owned()];
    let certificate = rcgen::generate_simple_self_signed(names).unwrap();
    for dir in ["data", "keys"] {
        toolcrib
            .file(&format!("{dir}/cert.pem"), certificate.cert.pem())
            .file(
                &format!("{dir}/key.pem"),
                certificate.signing_key.serialize_pem(),
            );
    }
    // The guest could replace these links, although the files are elsewhere.
    symlink("../keys/secret", toolcrib.path().join("data/link")).unwrap();
    symlink("../keys", toolcrib.path().join("data/keys")).unwrap();
    symlink(
        "../tools/guest.wasm",
        toolcrib.path().join("data/guest.wasm"),
    )
    .unwrap();
    // A link to the directory that the guest gets.
    symlink("../data", toolcrib.path().join("linked/data")).unwrap();

    let auth = |keys: &str| {
        format!("[auth]\nissuer = \"https://login.example.com\"\naudience = \"a\"\n{keys}\n")
    };
    let secret = |path: &str| {
        auth(&format!(
            "secret = {{ file = \"{path}\" }}\nalgorithms = [\"HS256\"]"
        ))
    };
    let state_key = |path: &str| format!("server.state-key = {{ file = \"{path}\" }}\n");
    let socket = |dir: &str| format!("server.listen = \"unix:{dir}/s.sock\"\n");
    let tls = |cert: &str, key: &str| {
        format!("[server.tls]\ncert = \"{cert}/cert.pem\"\nkey = \"{key}/key.pem\"\n")
    };
    let environment = |path: &str| format!("env = {{ TOKEN = {{ file = \"{path}\" }} }}\n");
    let public_key = |path: &str| auth(&format!("public-key = {{ file = \"{path}\" }}"));
    for (name, head, allow, expected) in [
        ("nothing", String::new(), String::new(), None),
        ("secret", secret("keys/secret"), String::new(), None),
        (
            "secret in it",
            secret("data/secret"),
            String::new(),
            Some(VALUE),
        ),
        (
            "secret by a link in it",
            secret("data/link"),
            String::new(),
            Some(VALUE),
        ),
        (
            "secret through a linked directory",
            secret("data/keys/secret"),
            String::new(),
            Some(VALUE),
        ),
        (
            "secret by a link to it",
            secret("linked/data/secret"),
            String::new(),
            Some(VALUE),
        ),
        (
            "public key in it",
            public_key("data/cert.pem"),
            String::new(),
            Some(VALUE),
        ),
        ("state key", state_key("keys/secret"), String::new(), None),
        (
            "state key in it",
            state_key("data/secret"),
            String::new(),
            Some(VALUE),
        ),
        ("socket", socket("keys"), String::new(), None),
        (
            "socket in it",
            socket("data"),
            String::new(),
            Some("the socket of `server.listen` is"),
        ),
        ("tls", tls("keys", "keys"), String::new(), None),
        (
            "certificate in it",
            tls("data", "keys"),
            String::new(),
            Some(TLS),
        ),
        ("key in it", tls("keys", "data"), String::new(), Some(TLS)),
        ("variable", String::new(), environment("keys/secret"), None),
        (
            "variable in it",
            String::new(),
            environment("data/secret"),
            Some(VALUE),
        ),
        (
            "component by a link in it",
            "components = [\"data/guest.wasm\"]\n".into(),
            String::new(),
            Some("components are"),
        ),
    ] {
        for write in [false, true] {
            let dirs = entry(Path::new("data"), "/data", write);
            toolcrib.file(
                "c.toml",
                format!(
                    "{head}\n[[component]]\nref = \"tools/guest.wasm\"\n\
                     [component.allow]\ndirs = [{dirs}]\n{allow}"
                ),
            );
            let mut arguments = vec!["check", "--config", "c.toml"];
            if !head.contains("[auth]") {
                arguments.push("--no-auth");
            }
            let output = toolcrib.run(&arguments);
            let grant_error = output.stderr.contains("`allow.dirs` gives");
            match expected.filter(|_| write) {
                Some(expected) => {
                    assert!(
                        grant_error && output.stderr.contains(expected),
                        "{name}: {output:?}"
                    );
                }
                None => assert!(!grant_error, "{name}: {output:?}"),
            }
        }
    }
}
