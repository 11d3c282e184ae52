//! Components that are hostile when they are loaded.

use std::time::Duration;

use serde_json::json;
use toolcrib::App;
use toolcrib::config::Config;

use crate::support::client::{Client, Revision};
use crate::support::command::Toolcrib;
use crate::support::guest::{Document, Guest, Prompt, Tool, component};
use crate::support::process::Process;
use crate::support::server;

/// Name, behaviour, bytes, and a change to the configuration.
type Case = (&'static str, &'static str, Vec<u8>, fn(&mut Config));

/// Loads each component and returns its name, behaviour and outcome.
pub(super) async fn outcomes() -> Vec<(String, &'static str, String)> {
    let mut outcomes = Vec::new();
    for (name, behaviour, bytes, change) in cases() {
        let (dir, mut config) = server::config(&[]);
        config.limits.cpu = Duration::from_millis(200);
        config.limits.memory_bytes = 8 << 20;
        change(&mut config);
        server::name_in(&mut config, &dir, "guest", &bytes);
        let outcome = match App::build(config).await {
            Ok(_) => "is served".to_owned(),
            Err(error) => {
                let lines: Vec<_> = error.problems.iter().map(ToString::to_string).collect();
                assert_eq!(lines.len(), 1, "{name}: {lines:?}");
                // The path of the file is cut off, since it differs in each run.
                lines[0].split_once("`: ").unwrap().1.to_owned()
            }
        };
        assert!(!outcome.contains('\n'), "{name}: {outcome}");
        outcomes.push((name.to_owned(), behaviour, outcome));
    }
    outcomes
}

fn cases() -> Vec<Case> {
    let hello = || Guest::saying("hello", "hello");
    let with_item = |item: &str| {
        let mut guest = hello();
        guest.item(item);
        guest.component()
    };
    let before_definitions = |body: &str| {
        let mut guest = hello();
        guest.before_definitions(body);
        guest.component()
    };
    let mut large_memory = hello();
    large_memory.pages(1_000);
    let mut many_tools = Guest::new();
    for index in 0..1_001 {
        many_tools.tool(Tool::new(&format!("t{index}")), "unreachable");
    }
    let no_change: fn(&mut Config) = |_| {};
    vec![
        ("empty-file", "is an empty file", Vec::new(), no_change),
        (
            "not-webassembly",
            "is not WebAssembly",
            vec![0x5a; 100_000],
            no_change,
        ),
        (
            "truncated-file",
            "is the first half of a component",
            {
                let bytes = hello().component();
                bytes[..bytes.len() / 2].to_vec()
            },
            no_change,
        ),
        (
            "spins-at-start",
            "loops forever when it is instantiated",
            with_item("(func $begin (drop (call $spin))) (start $begin)"),
            no_change,
        ),
        (
            "spins-in-definitions",
            "loops forever instead of returning its tool definitions",
            before_definitions("(drop (call $spin))"),
            no_change,
        ),
        (
            "spins-in-resources",
            "loops forever instead of returning its resources",
            offering("resources", "(drop (call $spin))"),
            no_change,
        ),
        (
            "spins-in-prompts",
            "loops forever instead of returning its prompt definitions",
            offering("prompts.definitions", "(drop (call $spin))"),
            no_change,
        ),
        (
            "exhausts-memory-in-definitions",
            "grows its memory until that fails instead of returning its tool definitions",
            before_definitions(
                "(loop $again (if (i32.eq (memory.grow (i32.const 16)) (i32.const -1)) (then unreachable)) (br $again))",
            ),
            no_change,
        ),
        (
            "crashes-at-start",
            "crashes when it is instantiated",
            with_item("(func $begin unreachable) (start $begin)"),
            no_change,
        ),
        (
            "defines-4-billion-tools",
            "defines four billion tools",
            before_definitions(
                "(i32.store (i32.const 256) (i32.const 1024)) (i32.store (i32.const 260) (i32.const -1)) (return (i32.const 256))",
            ),
            no_change,
        ),
        (
            "defines-too-many-tools",
            "defines 1,001 tools",
            many_tools.component(),
            no_change,
        ),
        (
            "large-initial-memory",
            "has an initial memory of 1,000 pages where 128 are allowed",
            large_memory.component(),
            no_change,
        ),
        (
            "large-initial-table",
            "has an initial table of a hundred million entries",
            with_item("(table 100000000 funcref)"),
            no_change,
        ),
        (
            "many-instances",
            "contains 1,000 core module instances",
            instances(1_000),
            no_change,
        ),
        (
            "many-functions",
            "exports 1,500 functions, of which 1,000 become tools",
            functions(1_500),
            no_change,
        ),
        (
            "deeply-nested-types",
            "has a type that is nested 1,000 levels deep",
            nested_types(1_000),
            no_change,
        ),
        (
            "doubling-types",
            "has a type whose expansion doubles at each of 60 levels",
            doubling_types(),
            no_change,
        ),
        (
            "slow-to-compile",
            "takes longer to compile than its limit allows",
            slow_to_compile(),
            |config| config.limits.compile = Duration::from_millis(20),
        ),
    ]
}

/// A component that instantiates one core module `count` times.
fn instances(count: usize) -> Vec<u8> {
    let mut text = String::from("(component (core module $m (memory 1))");
    for _ in 0..count {
        text.push_str("(core instance (instantiate $m))");
    }
    text.push(')');
    wat::parse_str(&text).unwrap()
}

/// A component with a resource and a prompt that runs `body` at the start of `function`.
fn offering(function: &'static str, body: &str) -> Vec<u8> {
    let mut guest = Guest::saying("hello", "hello");
    guest
        .document(Document::new("doc:a"), "unreachable")
        .prompt(Prompt::new("prompt"), "unreachable")
        .before(function, body);
    guest.component()
}

/// A component that exports one function `count` times.
fn functions(count: usize) -> Vec<u8> {
    let mut text = String::from(
        r#"(component
          (core module $m (func (export "f") (result i32) (i32.const 0)))
          (core instance $i (instantiate $m))
          (func $f (result u32) (canon lift (core func $i "f")))"#,
    );
    for index in 0..count {
        text.push_str(&format!("(export \"f{index}\" (func $f))"));
    }
    text.push(')');
    wat::parse_str(&text).unwrap()
}

fn nested_types(levels: usize) -> Vec<u8> {
    let mut text = String::from("(component (type $t0 (list u8))");
    for level in 1..levels {
        let below = level - 1;
        text.push_str(&format!("(type $t{level} (list $t{below}))"));
    }
    text.push(')');
    wat::parse_str(&text).unwrap()
}

/// A component with 60 types, each a tuple of two of the previous type.
fn doubling_types() -> Vec<u8> {
    let mut text = String::from("(component (type $t0 (tuple u8 u8))");
    for level in 1..60 {
        let below = level - 1;
        text.push_str(&format!("(type $t{level} (tuple $t{below} $t{below}))"));
    }
    text.push(')');
    wat::parse_str(&text).unwrap()
}

#[tokio::test]
async fn oversized_files_are_rejected_without_reading_them() {
    let (dir, mut config) = server::config(&[]);
    server::name_in(&mut config, &dir, "guest", b"");
    let file = std::fs::File::create(dir.path().join("guest.wasm")).unwrap();
    file.set_len((256 << 20) + 1).unwrap();
    let error = App::build(config).await.err().unwrap().to_string();
    assert!(error.ends_with("is larger than 268435456 bytes"), "{error}");
}

/// With `--keep-going`, a component that exceeds its compile limit is left out, and the others are served.
#[tokio::test]
async fn slow_compilation_does_not_block_other_components() {
    let dir = Toolcrib::new();
    dir.write("hello", &Guest::saying("hello", "hello").component());
    dir.write("slow", &slow_to_compile());
    dir.file(
        "toolcrib.toml",
        "components = [\"hello.wasm\"]\n[[component]]\nref = \"slow.wasm\"\nlimits.compile = \"20ms\"\n",
    );
    let arguments = [
        "serve",
        "--no-auth",
        "--keep-going",
        "--config",
        "toolcrib.toml",
    ];
    let command = dir.command(&[&arguments[..], &["--listen", "127.0.0.1:0"]].concat());
    let process = Process::start(command);
    let client = Client::new(
        &format!("http://{}/mcp", process.address),
        Revision::July2026,
    );
    assert_eq!(client.call("hello", json!({})).await.text(), "hello");
    let ready = client
        .http
        .get(format!("http://{}/readyz", process.address));
    let ready = ready.send().await.unwrap().text().await.unwrap();
    assert!(ready.contains("was not compiled within 20ms"), "{ready}");
    assert_eq!(
        client.list().await.result()["tools"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

/// A component with many large functions.
fn slow_to_compile() -> Vec<u8> {
    let step = "(local.set 0 (i64.rotl (i64.xor (local.get 0) (local.get 1)) (i64.mul (local.get 1) (local.get 0))))";
    let body = step.repeat(400);
    let mut module = String::from(r#"(module (func (export "f") (result i32) (i32.const 0))"#);
    for _ in 0..400 {
        module.push_str(&format!("(func (param i64 i64) {body})"));
    }
    module.push(')');
    component("export f: func() -> u32;", &module)
}
