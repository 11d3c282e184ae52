//! Credentials: where they come from, and where they are sent.

use std::os::unix::fs::PermissionsExt;

use super::{FAILED, check_refused, greeting};
use crate::support::command::{CommandOutput, Toolcrib};
use crate::support::web::{Reply, Web};

/// `user:password` in base64.
const BASIC: &str = "Basic dXNlcjpwYXNzd29yZA==";

/// Writes Docker's configuration with the credentials for the server.
fn log_in(toolcrib: &Toolcrib, web: &Web) {
    let auth = BASIC.trim_start_matches("Basic ");
    let text = format!(
        "{{\"auths\":{{\"{}\":{{\"auth\":\"{auth}\"}}}}}}",
        web.address
    );
    write_docker_config(toolcrib, &text);
}

fn write_docker_config(toolcrib: &Toolcrib, text: &str) {
    let dir = toolcrib.path().join(".docker");
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join("config.json"), text).unwrap();
}

/// Requires `Authorization` for each path of the component under a tag. Returns the paths.
fn protect(web: &Web, tag: &str, component: &[u8], needed: &str, challenge: &str) -> [String; 2] {
    let (_, layer) = web.push(tag, component);
    let paths = [
        format!("/v2/team/tool/manifests/{tag}"),
        format!("/v2/team/tool/blobs/{layer}"),
    ];
    for path in &paths {
        let mut reply = web.prepared(path);
        reply.authorization = Some((needed.into(), challenge.into()));
        web.reply(path, reply);
    }
    paths
}

/// Calls the component with a cache of its own, so that it is fetched.
fn fetch(toolcrib: &Toolcrib, reference: &str) -> CommandOutput {
    let _ = std::fs::remove_dir_all(toolcrib.path().join(".cache"));
    super::greet(toolcrib, reference)
}

#[test]
fn basic_credentials_are_sent_to_their_registry_only() {
    let (web, storage, toolcrib) = (Web::start(), Web::start(), Toolcrib::new());
    let hello = greeting("hello");
    let [manifest, blob] = protect(&web, "1", &hello, BASIC, "Basic realm=\"registry\"");
    let reference = web.oci(":1");
    let output = fetch(&toolcrib, &reference);
    check_refused(
        "anonymous",
        &output,
        FAILED,
        &["denies access", "docker login"],
    );

    log_in(&toolcrib, &web);
    let output = fetch(&toolcrib, &reference);
    assert_eq!(output.stdout, "hello\n", "{output:?}");

    // The storage that the registry redirects to gets no credentials.
    let mut reply = Reply::redirect(storage.url("/blob"));
    reply.authorization = Some((BASIC.into(), "Basic".into()));
    web.reply(&blob, reply);
    storage.reply("/blob", Reply::new(hello));
    let output = fetch(&toolcrib, &reference);
    assert_eq!(output.stdout, "hello\n", "{output:?}");
    assert_eq!(storage.requests(), ["GET /blob"]);

    // The credentials of another registry are not sent.
    let other = Web::start();
    log_in(&toolcrib, &other);
    let before = web.requests().len();
    let output = fetch(&toolcrib, &reference);
    check_refused("other", &output, FAILED, &["denies access"]);
    assert_eq!(web.requests()[before..], [format!("GET {manifest}")]);
    // Wrong ones say that there are some.
    log_in(&toolcrib, &web);
    protect(&web, "1", &greeting("hello"), "Basic other", "Basic");
    let output = fetch(&toolcrib, &reference);
    check_refused(
        "wrong",
        &output,
        FAILED,
        &["stored credentials are not accepted"],
    );
}

#[test]
fn tokens_are_fetched_from_a_checked_service() {
    let (web, toolcrib) = (Web::start(), Toolcrib::new());
    let challenge = |realm: &str| format!("Bearer realm=\"{realm}\",service=\"registry\"");
    let token_path = "/token?service=registry&scope=repository%3Ateam%2Ftool%3Apull";
    protect(
        &web,
        "1",
        &greeting("hello"),
        "Bearer abc",
        &challenge(&web.url("/token")),
    );
    web.reply(token_path, Reply::new(r#"{"token":"abc"}"#));
    // An anonymous token.
    let output = fetch(&toolcrib, &web.oci(":1"));
    assert_eq!(output.stdout, "hello\n", "{output:?}");
    let token_requests = || {
        let requests = web.requests().into_iter();
        requests
            .filter(|r| r.contains("/token"))
            .collect::<Vec<_>>()
    };
    // One token for the manifest and the blob.
    assert_eq!(token_requests(), [format!("GET {token_path}")]);

    log_in(&toolcrib, &web);
    let output = fetch(&toolcrib, &web.oci(":1"));
    assert_eq!(output.stdout, "hello\n", "{output:?}");
    assert_eq!(token_requests()[1..], [format!("GET {token_path} {BASIC}")]);

    // A refresh token is sent in the body of a POST.
    let text = format!(
        "{{\"auths\":{{\"{}\":{{\"identitytoken\":\"r\"}}}}}}",
        web.address
    );
    write_docker_config(&toolcrib, &text);
    web.reply("/token", Reply::new(r#"{"access_token":"abc"}"#));
    let output = fetch(&toolcrib, &web.oci(":1"));
    assert_eq!(output.stdout, "hello\n", "{output:?}");
    assert_eq!(token_requests()[2..], ["POST /token"]);

    log_in(&toolcrib, &web);
    let elsewhere = Web::start();
    for (name, realm, token, parts) in [
        (
            "elsewhere",
            elsewhere.url("/token"),
            "",
            &["asks for a token from", "neither https"][..],
        ),
        (
            "private",
            "https://10.0.0.1/token".into(),
            "",
            &["private address"],
        ),
        ("file", "file:///etc/passwd".into(), "", &["neither https"]),
        ("none", web.url("/token"), r#"{}"#, &["holds no token"]),
        ("rubbish", web.url("/token"), "rubbish", &["holds no token"]),
        (
            "header",
            web.url("/token"),
            r#"{"token":"a\r\nb"}"#,
            &["holds no token"],
        ),
        (
            "other",
            web.url("/token"),
            r#"{"token":"other"}"#,
            &["denies access"],
        ),
    ] {
        protect(
            &web,
            "1",
            &greeting("hello"),
            "Bearer abc",
            &challenge(&realm),
        );
        web.reply(token_path, Reply::new(token));
        let output = fetch(&toolcrib, &web.oci(":1"));
        check_refused(name, &output, FAILED, parts);
    }
    assert!(elsewhere.requests().is_empty());
    for challenge in ["Digest realm=\"x\"", "Bearer", "\u{2}"] {
        protect(
            &web,
            "1",
            &greeting("hello"),
            "Bearer abc",
            challenge.trim_matches('\u{2}'),
        );
        let output = fetch(&toolcrib, &web.oci(":1"));
        check_refused(
            challenge,
            &output,
            FAILED,
            &["a challenge that cannot be understood"],
        );
    }
}

/// A helper that fails is an error: the request is not made without credentials instead.
#[test]
fn credential_helpers_are_asked() {
    let (web, toolcrib) = (Web::start(), Toolcrib::new());
    protect(&web, "1", &greeting("hello"), BASIC, "Basic");
    let config = format!("{{\"credHelpers\":{{\"{}\":\"test\"}}}}", web.address);
    write_docker_config(&toolcrib, &config);
    let helper = toolcrib.path().join("docker-credential-test");
    for (name, script, expected) in [
        (
            "good",
            r#"cat >/dev/null; echo '{"Username":"user","Secret":"password"}'"#,
            Ok("hello\n"),
        ),
        (
            "failing",
            "cat >/dev/null; echo 'the key store is locked' >&2; exit 1",
            Err("the key store is locked"),
        ),
        (
            "rubbish",
            "cat >/dev/null; echo rubbish",
            Err("log in again"),
        ),
        (
            "unknown",
            "cat >/dev/null; echo 'credentials not found in native keychain'; exit 1",
            Err("denies access"),
        ),
    ] {
        std::fs::write(&helper, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&helper, PermissionsExt::from_mode(0o755)).unwrap();
        let _ = std::fs::remove_dir_all(toolcrib.path().join(".cache"));
        let reference = web.oci(":1");
        let mut command = toolcrib.command(&["call", "--allow-unpinned", &reference, "greet"]);
        let path = format!("{}:/usr/bin:/bin", toolcrib.path().display());
        let output = CommandOutput::of(command.env("PATH", path));
        match expected {
            Ok(text) => assert_eq!(output.stdout, text, "{name}: {output:?}"),
            Err(part) => check_refused(name, &output, FAILED, &[part]),
        }
    }
    // A broken file is an error too.
    write_docker_config(&toolcrib, "rubbish");
    let output = fetch(&toolcrib, &web.oci(":1"));
    check_refused("file", &output, FAILED, &["config.json", "log in again"]);
}
