//! `env` and `config`: the variables that are listed, and none of the host's.

use serde_json::json;

use crate::support::command::Toolcrib;
use crate::support::guest::{Guest, Tool};
use crate::support::server::Host;

/// A guest that says every variable and every value of `wasi:config`.
fn guest() -> Guest {
    let mut guest = Guest::new();
    let (key, none) = (guest.string("greeting"), guest.string("nothing"));
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
                 (call $get {none} (i32.const 256))
                 (call $say_number (i64.load8_u (i32.const 260)))
                 (call $said)"
            ),
        );
    guest
}

/// Values stand in the file, in the host's environment or in a file of their own.
#[tokio::test]
async fn as_listed() {
    let dir = tempfile::tempdir().unwrap();
    let secret = dir.path().join("secret");
    std::fs::write(&secret, "from a file\n").unwrap();
    let home = std::env::var("PATH").unwrap();
    let text = format!(
        "[[component]]\nref = \"guest.wasm\"\n[component.allow]\n\
         env = {{ A = \"a value\", FILE = {{ file = {secret:?} }}, HOST = {{ env = \"PATH\" }} }}\n\
         config = {{ greeting = \"hé\", \"a.b\" = {{ file = {secret:?} }} }}\n"
    );
    let host = Host::configured(&[("guest", &guest())], &text).await;
    let client = host.client();
    let said = client.call("env", json!({})).await.text().to_owned();
    assert_eq!(said, format!("A=a value;FILE=from a file;HOST={home};"));
    let said = client.call("config", json!({})).await.text().to_owned();
    let mut pairs: Vec<_> = said.split(';').collect();
    let last = pairs.pop();
    pairs.sort_unstable();
    assert_eq!(pairs, ["a.b=from a file", "greeting=hé"]);
    assert_eq!(last, Some("1hé0"));
}

#[test]
fn faults() {
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
    for (allow, words) in cases {
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
        for word in *words {
            assert!(ended.stderr.contains(word), "{allow}: {ended:?}");
        }
    }
}

/// Whoever can add a component to a directory must not get what another one was granted.
#[test]
fn grants_are_for_one_file() {
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

/// What a component asks for, what it is granted, and what it lacks; values stay unsaid.
#[test]
fn inspecting() {
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
        let first = match command {
            "inspect" => vec!["inspect", "guest.wasm"],
            _ => vec!["check", "--no-auth"],
        };
        let text = toolcrib.run(&[&first[..], &["--config", "c.toml"]].concat());
        let json = toolcrib.run(&[&first[..], &["--config", "c.toml", "--json"]].concat());
        for ended in [&text, &json] {
            assert_eq!((ended.status, ended.stderr.as_str()), (0, ""), "{ended:?}");
            assert!(!ended.stdout.contains("hunter2"), "{ended:?}");
        }
        for line in lines {
            assert!(text.stdout.contains(line), "{line}: {}", text.stdout);
        }
        let found: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
        let component = match command {
            "inspect" => &found[0],
            _ => &found["components"][0],
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
    // Without a configuration nothing is granted.
    let text = toolcrib.run(&["inspect", "guest.wasm"]).stdout;
    assert!(
        text.contains("imports wasi:cli/environment: not granted: it sees no variable"),
        "{text}"
    );
}
