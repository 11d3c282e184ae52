//! `allow.env` and `allow.config`: a guest sees the listed values, and none of the host's environment.

use serde_json::json;

use crate::support::command::Toolcrib;
use crate::support::guest::{Guest, Tool};
use crate::support::server::Host;

/// A guest with the tools `env` and `config`, which list environment variables and `wasi:config` values.
pub(crate) fn guest() -> Guest {
    let mut guest = Guest::new();
    let (key, missing_key) = (guest.string("greeting"), guest.string("nothing"));
    guest
        .import(
            r#"(import "wasi:cli/environment@0.2.0" "get-environment" (func $environment (param i32)))
               (import "wasi:config/store@0.2.0-rc.1" "get" (func $get (param i32 i32 i32)))
               (import "wasi:config/store@0.2.0-rc.1" "get-all" (func $config (param i32)))"#,
        )
        .item(
            r"(func $pairs (param $at i32) (param $left i32)
                (block $end
                  (loop $next
                    (br_if $end (i32.eqz (local.get $left)))
                    (call $say (i32.load (local.get $at)) (i32.load offset=4 (local.get $at)))
                    (i32.store8 (i32.const 1020) (i32.const 61))
                    (call $say (i32.const 1020) (i32.const 1))
                    (call $say (i32.load offset=8 (local.get $at)) (i32.load offset=12 (local.get $at)))
                    (i32.store8 (i32.const 1020) (i32.const 59))
                    (call $say (i32.const 1020) (i32.const 1))
                    (local.set $at (i32.add (local.get $at) (i32.const 16)))
                    (local.set $left (i32.sub (local.get $left) (i32.const 1)))
                    (br $next))))",
        )
        .tool(
            Tool::new("env"),
            "(call $environment (i32.const 256))
             (call $pairs (i32.load (i32.const 256)) (i32.load (i32.const 260)))
             (call $said)",
        )
        .tool(
            Tool::new("config"),
            format!(
                "(call $config (i32.const 256))
                 (call $pairs (i32.load (i32.const 260)) (i32.load (i32.const 264)))
                 (call $get {key} (i32.const 256))
                 (call $say_number (i64.load8_u (i32.const 260)))
                 (call $say (i32.load (i32.const 264)) (i32.load (i32.const 268)))
                 (call $get {missing_key} (i32.const 256))
                 (call $say_number (i64.load8_u (i32.const 260)))
                 (call $said)"
            ),
        );
    guest
}

/// A value is given in the configuration, or read from an environment variable of the host or from a file.
#[tokio::test]
async fn guests_see_the_listed_values_only() {
    let dir = tempfile::tempdir().unwrap();
    let secret = dir.path().join("secret");
    std::fs::write(&secret, "from a file\n").unwrap();
    let path = std::env::var("PATH").unwrap();
    let text = format!(
        "[[component]]\nref = \"guest.wasm\"\n[component.allow]\n\
         env = {{ A = \"a value\", FILE = {{ file = {secret:?} }}, HOST = {{ env = \"PATH\" }} }}\n\
         config = {{ greeting = \"hé\", \"a.b\" = {{ file = {secret:?} }} }}\n"
    );
    let host = Host::configured(&[("guest", &guest())], &text).await;
    let client = host.client();
    let variables = client.call("env", json!({})).await.text().to_owned();
    assert_eq!(
        variables,
        format!("A=a value;FILE=from a file;HOST={path};")
    );
    let values = client.call("config", json!({})).await.text().to_owned();
    let mut pairs: Vec<_> = values.split(';').collect();
    let last = pairs.pop();
    pairs.sort_unstable();
    assert_eq!(pairs, ["a.b=from a file", "greeting=hé"]);
    assert_eq!(last, Some("1hé0"));
}

#[test]
fn invalid_settings_are_reported() {
    let toolcrib = Toolcrib::new();
    toolcrib.write("guest", &guest().component());
    let cases: &[(&str, &[&str])] = &[
        (
            "env = { A = 1 }",
            &["c.toml:4", "allow.env.A`", "{ env = \"NAME\" }"],
        ),
        (
            "env = { A = { env = \"NOWHERE\" } }",
            &["allow.env.A`", "`NOWHERE`", "not set"],
        ),
        (
            "env = { A = { file = \"nowhere\" } }",
            &["allow.env.A`", "nowhere", "cannot be read"],
        ),
        ("env = { \"A=B\" = \"x\" }", &["allow.env`", "A=B"]),
        ("env = { \"\" = \"x\" }", &["allow.env`"]),
        ("env = [\"A=B\"]", &["allow.env`", "a table"]),
        ("config = \"x\"", &["allow.config`", "a table"]),
        (
            "http = \"https://x\"",
            &["allow.http`", "a list of strings"],
        ),
        (
            "htpp = []",
            &["`component[0].allow.htpp`", "did you mean `http`?"],
        ),
        (
            "private-network = 1",
            &["private-network`", "true or false"],
        ),
    ];
    for (allow, parts) in cases {
        toolcrib.file(
            "c.toml",
            format!("[[component]]\nref = \"guest.wasm\"\n[component.allow]\n{allow}\n"),
        );
        let ended = toolcrib.run(&["check", "--no-auth", "--config", "c.toml"]);
        assert_eq!(
            (ended.status, ended.stderr.lines().count()),
            (2, 1),
            "{allow}: {ended:?}"
        );
        for part in *parts {
            assert!(ended.stderr.contains(part), "{allow}: {ended:?}");
        }
    }
}

/// A grant for a directory or a pattern would apply to every component that is added later.
#[test]
fn grants_must_name_one_file() {
    let toolcrib = Toolcrib::new();
    toolcrib.write("guest", &guest().component());
    std::fs::create_dir(toolcrib.path().join("tools")).unwrap();
    std::fs::copy(
        toolcrib.path().join("guest.wasm"),
        toolcrib.path().join("tools/guest.wasm"),
    )
    .unwrap();
    for (reference, allow, status) in [
        ("guest.wasm", "env = { A = \"x\" }", 0),
        ("tools/guest.wasm", "env = { A = \"x\" }", 0),
        ("tools/", "", 0),
        ("tools", "env = { A = \"x\" }", 2),
        ("tools/*.wasm", "kv = [\"x\"]", 2),
    ] {
        toolcrib.file(
            "c.toml",
            format!("[[component]]\nref = {reference:?}\n[component.allow]\n{allow}\n"),
        );
        let ended = toolcrib.run(&["check", "--no-auth", "--config", "c.toml"]);
        assert_eq!(ended.status, status, "{reference}: {ended:?}");
        assert_eq!(
            ended.stderr.contains("name the file"),
            status == 2,
            "{ended:?}"
        );
    }
}

/// `inspect` and `check` show what a component imports and what it is granted, without secret values.
#[test]
fn grants_are_reported_without_values() {
    let toolcrib = Toolcrib::new();
    toolcrib.write("guest", &guest().component());
    toolcrib.file(
        "c.toml",
        "[[component]]\nref = \"guest.wasm\"\n[component.allow]\n\
         http = [\"https://*.example.com/v1/\"]\nenv = { TOKEN = \"hunter2\" }\n",
    );
    let lines = [
        "`http` grants https://*.example.com/v1/, which it does not import",
        "imports wasi:cli/environment: granted TOKEN",
        "imports wasi:config/store: not granted: it finds no value",
    ];
    for command in ["inspect", "check"] {
        let arguments = match command {
            "inspect" => vec!["inspect", "guest.wasm"],
            _ => vec!["check", "--no-auth"],
        };
        let text = toolcrib.run(&[&arguments[..], &["--config", "c.toml"]].concat());
        let json = toolcrib.run(&[&arguments[..], &["--config", "c.toml", "--json"]].concat());
        for ended in [&text, &json] {
            assert_eq!((ended.status, ended.stderr.as_str()), (0, ""), "{ended:?}");
            assert!(!ended.stdout.contains("hunter2"), "{ended:?}");
        }
        for line in lines {
            assert!(text.stdout.contains(line), "{line}: {}", text.stdout);
        }
        let report: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
        let component = match command {
            "inspect" => &report[0],
            _ => &report["components"][0],
        };
        assert_eq!(
            component["access"],
            json!([
                {
                    "key": "http", "imports": [], "granted": ["https://*.example.com/v1/"], "says": lines[0],
                },
                {
                    "key": "env", "imports": ["wasi:cli/environment@0.2.0"], "granted": ["TOKEN"],
                    "says": lines[1],
                },
                {
                    "key": "config", "imports": ["wasi:config/store@0.2.0-rc.1"], "granted": [],
                    "says": lines[2],
                },
            ])
        );
    }
    // Without a configuration there are no grants.
    let text = toolcrib.run(&["inspect", "guest.wasm"]).stdout;
    assert!(
        text.contains("imports wasi:cli/environment: not granted: it sees no variable"),
        "{text}"
    );
}
