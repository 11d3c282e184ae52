//! `[[mount]]`: its paths, and the components that can be mounted.

use serde_json::Value;

use super::{HELLO, handler};
use crate::support::command::Toolcrib;
use crate::support::guest::Guest;

fn directory() -> Toolcrib {
    let toolcrib = Toolcrib::new();
    toolcrib.write("hook", &handler(HELLO));
    toolcrib.write("tool", &Guest::saying("tool", "text").component());
    toolcrib
}

#[test]
fn faults_are_reported() {
    let toolcrib = directory();
    let mount =
        |path: &str, file: &str| format!("[[mount]]\npath = \"{path}\"\nref = \"{file}\"\n");
    for (text, status, words) in [
        (mount("/hook", "hook.wasm"), 0, &[][..]),
        (mount("/a-b/c.d/~e_f", "hook.wasm"), 0, &[]),
        (
            mount("/hook", "tool.wasm"),
            1,
            &["tool.wasm", "wasi:http/incoming-handler", "[[component]]"],
        ),
        (
            "components = [\"hook.wasm\"]".to_owned(),
            1,
            &["hook.wasm", "wasi:http/incoming-handler", "[[mount]]"],
        ),
        (
            "[[mount]]\nref = \"hook.wasm\"".to_owned(),
            2,
            &["`mount[0].path` is missing", "/hooks/github"],
        ),
        (
            "[[mount]]\npath = \"/x\"".to_owned(),
            2,
            &["`mount[0].ref` is missing"],
        ),
        (
            mount("hook", "hook.wasm"),
            2,
            &["`mount[0].path` must be a path"],
        ),
        (
            mount("/hook/", "hook.wasm"),
            2,
            &["`mount[0].path` must be a path"],
        ),
        (
            mount("/", "hook.wasm"),
            2,
            &["`mount[0].path` must be a path"],
        ),
        (
            mount("/a/../b", "hook.wasm"),
            2,
            &["`mount[0].path` must be a path"],
        ),
        (
            mount("/a b", "hook.wasm"),
            2,
            &["`mount[0].path` must be a path"],
        ),
        (
            mount(&format!("/{}", "a".repeat(256)), "hook.wasm"),
            2,
            &["at most 256 characters"],
        ),
        (
            mount("/mcp", "hook.wasm"),
            2,
            &["`/mcp` is the server's own"],
        ),
        (
            mount("/mcp/x", "hook.wasm"),
            2,
            &["`/mcp` is the server's own"],
        ),
        (
            mount("/healthz", "hook.wasm"),
            2,
            &["`/healthz` is the server's own"],
        ),
        (
            mount("/.well-known/x", "hook.wasm"),
            2,
            &["`/.well-known` is the server's own"],
        ),
        (
            format!(
                "{}{}",
                mount("/hook", "hook.wasm"),
                mount("/hook", "hook.wasm")
            ),
            2,
            &["in another [[mount]] too"],
        ),
        (
            format!("{}tools = [\"a\"]", mount("/hook", "hook.wasm")),
            2,
            &["unknown key `mount[0].tools`"],
        ),
        (mount("/hook", "*.wasm"), 2, &["are for one"]),
    ] {
        toolcrib.file("toolcrib.toml", &text);
        let output = toolcrib.run(&["check", "--config", "toolcrib.toml", "--no-auth"]);
        assert_eq!(output.status, status, "{text}: {output:?}");
        for word in words {
            let all = format!("{}{}", output.stdout, output.stderr);
            assert!(all.contains(word), "{text}\n{word}\n{all}");
        }
    }
}

#[test]
fn inspect_shows_the_mount() {
    let toolcrib = directory();
    toolcrib.file(
        "toolcrib.toml",
        "[[mount]]\npath = \"/hook\"\nref = \"hook.wasm\"",
    );
    let arguments = [
        "inspect",
        "hook.wasm",
        "--config",
        "toolcrib.toml",
        "--json",
    ];
    let output = toolcrib.run(&arguments);
    let components: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(components[0]["mounts"][0], "/hook", "{output:?}");
    assert_eq!(components[0]["tools"], serde_json::json!([]));
    let output = toolcrib.run(&arguments[..4]);
    assert!(output.stdout.contains("mount    /hook"), "{output:?}");
}
