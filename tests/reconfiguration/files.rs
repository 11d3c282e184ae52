//! Files that are followed: with `--watch-config` the configuration itself; always its secrets and certificates.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use reqwest::{Certificate, ClientBuilder};
use serde_json::json;

use super::Server;
use crate::sandbox::variables;
use crate::support::issuer::SigningKey;
use crate::tls::self_signed;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watched_configuration_is_taken_in() {
    let server = Server::start_with(&["--watch-config"], |_, _| {}).await;
    let mut text = server.text();
    for (prefix, event) in [
        ("a_", "configuration taken in"),
        ("?", "configuration not taken in"),
        ("b_", "configuration taken in"),
    ] {
        text.components = format!("[[component]]\nref = \"hello.wasm\"\nprefix = \"{prefix}\"");
        server
            .logged_after(event, || text.write(&server.toolcrib))
            .await;
    }
    assert_eq!(server.tools().await, ["b_hello"]);
    // An editor writes another file and renames it.
    text.components = "[[component]]\nref = \"hello.wasm\"".into();
    let path = server.toolcrib.path().join("c.toml");
    let rename = || {
        std::fs::rename(&path, path.with_extension("old")).unwrap();
        text.write(&server.toolcrib);
    };
    server.logged_after("configuration taken in", rename).await;
    assert_eq!(server.tools().await, ["hello"]);
}

/// Reading a pipe without a writer ends after a time, and the next configuration is taken in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_configuration_that_cannot_be_read_to_its_end_is_refused() {
    let server = Server::start(|_, _| {}).await;
    let path = server.toolcrib.path().join("c.toml");
    std::fs::remove_file(&path).unwrap();
    let made = Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(made.success());
    let refused = server.logged_after("configuration not taken in", || server.hang_up());
    let refused = refused.await;
    assert!(refused[0].contains("cannot be read within"), "{refused:?}");
    assert_eq!(server.tools().await, ["hello"]);
    std::fs::remove_file(&path).unwrap();
    server.take_in(&server.text()).await;
}

/// Without the option, a secret from a file is taken in, and changes of the configuration itself are not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_are_taken_in_when_their_files_change() {
    let (old, new) = (SigningKey::p256("old"), SigningKey::p256("new"));
    let server = Server::start(|text, toolcrib| {
        toolcrib.write("variables", &variables::guest().component());
        toolcrib
            .file("key.pem", &old.public_pem)
            .file("token", "one");
        text.auth = text
            .auth
            .replace("jwks-uri = \"", "public-key = { file = \"key.pem\" } # ");
        text.components =
            "[[component]]\nref = \"variables.wasm\"\nallow.env = { TOKEN = { file = \"token\" } }"
                .into();
    })
    .await;
    let claims = server.issuer.claims(|_| {});
    let client = |key: &SigningKey| server.client().with_token(&key.token(&claims));
    let env = async |key: &SigningKey| {
        let answer = client(key).call("env", json!({})).await;
        (answer.status == 200).then(|| answer.text().to_owned())
    };
    assert_eq!(env(&old).await.unwrap(), "TOKEN=one;");
    assert!(env(&new).await.is_none());
    server.toolcrib.file("c.toml", "not a configuration");
    for (file, content) in [("token", "two"), ("key.pem", &new.public_pem)] {
        let write = || {
            server.toolcrib.file(file, content);
        };
        server.logged_after("configuration taken in", write).await;
    }
    assert_eq!(env(&new).await.unwrap(), "TOKEN=two;");
    assert!(env(&old).await.is_none());
    // A value that cannot be used is refused.
    let write = || {
        server.toolcrib.file("key.pem", "nonsense");
    };
    let lines = server
        .logged_after("configuration not taken in", write)
        .await;
    assert!(lines[0].contains("public-key"), "{lines:?}");
    assert_eq!(env(&new).await.unwrap(), "TOKEN=two;");
}

/// Writes files as the kubelet does: a new directory, and the link `..data` replaced by renaming another link.
fn publish(volume: &Path, version: &str, files: &[(&str, &str)]) {
    let dir = volume.join(version);
    std::fs::create_dir_all(&dir).unwrap();
    for (name, content) in files {
        std::fs::write(dir.join(name), content).unwrap();
        let link = volume.join(name);
        if link.symlink_metadata().is_err() {
            symlink(format!("..data/{name}"), link).unwrap();
        }
    }
    let _ = std::fs::remove_file(volume.join("..tmp"));
    symlink(version, volume.join("..tmp")).unwrap();
    std::fs::rename(volume.join("..tmp"), volume.join("..data")).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_are_taken_in_when_their_files_change() {
    let (first, second, third) = (self_signed(), self_signed(), self_signed());
    let volume = |toolcrib: &crate::support::command::Toolcrib| toolcrib.path().join("tls");
    let files =
        |pair: &(String, String)| [("cert.pem", pair.0.clone()), ("key.pem", pair.1.clone())];
    let published = |dir: &Path, version: &str, pair: &(String, String)| {
        let files = files(pair);
        let files: Vec<_> = files.iter().map(|(n, c)| (*n, c.as_str())).collect();
        publish(dir, version, &files);
    };
    let server = Server::start(|text, toolcrib| {
        published(&volume(toolcrib), "..1", &first);
        text.server += "\ntls = { cert = \"tls/cert.pem\", key = \"tls/key.pem\" }";
    })
    .await;
    let dir = volume(&server.toolcrib);
    let is_served = async |cert: &str| {
        let root = Certificate::from_pem(cert.as_bytes()).unwrap();
        let client = ClientBuilder::new()
            .no_proxy()
            .tls_certs_only([root])
            .build();
        let url = format!("https://{}/healthz", server.process.address);
        client.unwrap().get(url).send().await.is_ok()
    };
    assert!(is_served(&first.0).await && !is_served(&second.0).await);
    // A link in the path is replaced.
    let swap = || published(&dir, "..2", &second);
    server.logged_after("certificate taken in", swap).await;
    assert!(is_served(&second.0).await && !is_served(&first.0).await);
    // A certificate without its key.
    let break_it = || {
        publish(
            &dir,
            "..3",
            &[("cert.pem", &third.0), ("key.pem", &first.1)],
        )
    };
    let lines = server
        .logged_after("certificate not taken in", break_it)
        .await;
    assert!(lines[0].contains("cannot be used together"), "{lines:?}");
    assert!(is_served(&second.0).await);
    // The files themselves are written, the key last.
    let write = || {
        std::fs::write(dir.join("..3/key.pem"), &third.1).unwrap();
    };
    server.logged_after("certificate taken in", write).await;
    assert!(is_served(&third.0).await);
    assert_eq!(server.logged("certificate not taken in").len(), 1);
    // SIGHUP reads it too.
    server
        .take_in(&{
            let mut text = server.text();
            text.server +=
                "\ntls = { cert = \"tls/cert.pem\", key = \"tls/key.pem\" }\nname = \"x\"";
            text
        })
        .await;
    assert!(is_served(&third.0).await);
}
