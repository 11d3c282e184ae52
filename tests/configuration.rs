//! Values of the configuration file: strings from the environment and from files, and the settings of issuers.

use serde_json::json;
use toolcrib::auth::GuardConfig;
use toolcrib::config::{Access, Config, Overrides};

use crate::support::command::Toolcrib;
use crate::support::guest::Guest;

/// Loads a configuration, with the files `greeting` and `empty` beside it.
fn load(text: &str) -> Result<Config, Vec<String>> {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("greeting"), "hello\n").unwrap();
    std::fs::write(dir.path().join("minutes"), "5m\r\n").unwrap();
    std::fs::write(dir.path().join("latin-1"), b"\xe9").unwrap();
    std::fs::write(dir.path().join("large"), "x".repeat((1 << 20) + 1)).unwrap();
    let file = dir.path().join("toolcrib.toml");
    std::fs::write(&file, text).unwrap();
    let overrides = Overrides {
        file: Some(file),
        ..Overrides::default()
    };
    Config::load(&overrides).map_err(|errors| errors.iter().map(ToString::to_string).collect())
}

/// Loads `[auth]` with these lines instead of an audience.
fn load_auth(lines: &str) -> Result<GuardConfig, Vec<String>> {
    let text = format!(
        "server.public-url = \"https://tools.example\"\n[auth]\nissuer = \"https://login.example/{{tenant}}\"\n{lines}\n"
    );
    load(&text).map(|config| match config.access {
        Access::Guarded(guard) => *guard,
        other => panic!("{other:?}"),
    })
}

#[test]
fn strings_can_come_from_files() {
    let config = load(
        "[server]\nname = { file = \"greeting\" }\nallowed-hosts = [\"a\", { file = \"greeting\" }]\n\
         task-ttl = { file = \"minutes\" }\n\
         [auth]\nissuer = { file = \"greeting\" }\naudience = { file = \"greeting\" }\n\
         [auth.scope-implies]\na = [{ file = \"greeting\" }]\n",
    )
    .unwrap();
    assert_eq!(config.server.name, "hello");
    assert_eq!(config.server.allowed_hosts, ["a", "hello"]);
    assert_eq!(config.server.task_ttl.as_secs(), 300);
    let Access::Guarded(guard) = config.access else {
        panic!("{:?}", config.access);
    };
    assert_eq!(guard.issuers[0].issuer, "hello");
    assert_eq!(guard.issuers[0].audience, ["hello"]);
    assert_eq!(guard.scope_implies["a"], ["hello"]);
}

#[test]
fn strings_from_elsewhere_are_checked_like_others() {
    for (text, words) in [
        (
            "[server]\nname = { file = \"nowhere\" }",
            &["`server.name`", "nowhere", "cannot be read"][..],
        ),
        (
            "[server]\nname = { file = \"latin-1\" }",
            &["`server.name`", "latin-1", "cannot be read"],
        ),
        (
            "[server]\nname = { file = \"large\" }",
            &["`server.name`", "large", "larger than"],
        ),
        (
            "[server]\nname = { file = \".\" }",
            &["`server.name`", "cannot be read"],
        ),
        (
            "[server]\nname = { fiel = \"greeting\" }",
            &["`server.name`", "{ file = \"PATH\" }"],
        ),
        (
            "[server]\nname = { file = 1 }",
            &["`server.name`", "{ file = \"PATH\" }"],
        ),
        (
            "[server]\nname = { file = \"greeting\", env = \"HOME\" }",
            &["`server.name`", "{ file = \"PATH\" }"],
        ),
        (
            "[server]\ndrain = { file = \"greeting\" }",
            &["`server.drain`", "a duration", "what it names"],
        ),
        (
            "[server]\nallowed-hosts = [{ env = \"NO_SUCH_VARIABLE\" }]",
            &["`server.allowed-hosts`", "NO_SUCH_VARIABLE", "not set"],
        ),
        (
            "[server]\nmax-concurrent-calls = { file = \"greeting\" }",
            &["`server.max-concurrent-calls`", "whole number"],
        ),
        (
            "[network]\nca = \"nowhere\"",
            &["`network.ca`", "nowhere", "cannot be read"],
        ),
        (
            "[network]\nproxy = \"nowhere\"",
            &["`network.proxy`", "the URL of a proxy"],
        ),
        (
            "[network]\nproxi = \"http://p\"",
            &["`network.proxi`", "did you mean `proxy`?"],
        ),
    ] {
        let errors = load(text).unwrap_err();
        assert_eq!(errors.len(), 1, "{text}: {errors:?}");
        assert!(
            words.iter().all(|word| errors[0].contains(word)),
            "{text}: {errors:?}"
        );
    }
}

#[test]
fn strings_can_come_from_the_environment() {
    let toolcrib = Toolcrib::new();
    toolcrib.write("hello", &Guest::saying("greet", "hello").component());
    toolcrib.file(
        "c.toml",
        "components = [{ env = \"COMPONENT\" }]\n[limits]\nmemory = { env = \"MEMORY\" }\n",
    );
    let arguments = ["check", "--no-auth", "--config", "c.toml"];
    for (component, memory, status, output) in [
        ("hello.wasm", "16MiB", 0, "ok: 1 tool"),
        ("nowhere.wasm", "16MiB", 1, "nowhere.wasm"),
        ("hello.wasm", "16", 2, "`limits.memory`"),
    ] {
        let mut command = toolcrib.command(&arguments);
        command.env("COMPONENT", component).env("MEMORY", memory);
        let done = command.output().unwrap();
        let text = String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned();
        assert_eq!(done.status.code(), Some(status), "{text}");
        assert!(text.contains(output), "{text}");
    }
}

#[test]
fn issuers_have_the_settings_of_the_file() {
    let guard = load_auth(
        "audience = { claim = \"client_id\", any-of = [\"a\", \"b\"] }\n\
         require-claims = { token_use = \"access\", \"/ext/tier\" = 2 }\ntenants = [\"t-1\", \"t-2\"]\n\
         scope-claims = [\"scope\", \"/realm_access/roles\"]\n",
    )
    .unwrap();
    let issuer = &guard.issuers[0];
    assert_eq!(issuer.audience_claim.as_deref(), Some("client_id"));
    assert_eq!(issuer.audience, ["a", "b"]);
    assert_eq!(issuer.required_claims["token_use"], json!("access"));
    assert_eq!(issuer.required_claims["/ext/tier"], json!(2));
    assert_eq!(issuer.tenants, ["t-1", "t-2"]);
    assert_eq!(guard.scope_claims, ["scope", "/realm_access/roles"]);
    let guard = load_auth("audience = [\"a\", \"b\"]").unwrap();
    assert_eq!(guard.issuers[0].audience, ["a", "b"]);
    assert_eq!(guard.issuers[0].audience_claim, None);
    assert_eq!(guard.scope_claims, ["scope", "scp"]);
    assert_eq!(guard.metadata_url, None);
    for (lines, words) in [
        (
            "audience = { claim = \"client_id\" }",
            &["`auth.audience.any-of`", "missing"][..],
        ),
        (
            "audience = { any-of = [\"a\"] }",
            &["`auth.audience.claim`", "missing"],
        ),
        (
            "audience = { claim = \"a\", any-of = [\"a\"], all-of = [] }",
            &["`auth.audience.all-of`", "unknown key"],
        ),
        (
            "audience = { claim = \"a\", any-of = \"a\" }",
            &["`auth.audience.any-of`", "a list of strings"],
        ),
        (
            "audience = { clame = \"a\" }",
            &["`auth.audience`", "must be a string"],
        ),
        ("audience = 1", &["`auth.audience`", "a list of strings"]),
        (
            "audience = \"a\"\nrequire-claims = [\"a\"]",
            &["`auth.require-claims`", "a table"],
        ),
        (
            "audience = \"a\"\ntenants = \"a\"",
            &["`auth.tenants`", "a list of strings"],
        ),
        (
            "audience = \"a\"\n[[auth.issuers]]\nissuer = \"b\"\naudience = \"b\"\nscope-claims = []",
            &["`auth.issuers[0].scope-claims`", "unknown key"],
        ),
    ] {
        let errors = load_auth(lines).unwrap_err();
        assert_eq!(errors.len(), 1, "{lines}: {errors:?}");
        assert!(
            words.iter().all(|word| errors[0].contains(word)),
            "{lines}: {errors:?}"
        );
    }
}
