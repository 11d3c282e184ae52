//! Components that are hostile before anybody calls them.

use std::time::Duration;

use serde_json::json;
use toolcrib::App;
use toolcrib::config::Config;

use crate::support::client::{Client, Revision};
use crate::support::command::Toolcrib;
use crate::support::guest::{Document, Guest, Prompt, Tool, component};
use crate::support::process::Process;
use crate::support::server;

/// A component, what it does, and what is changed of the configuration.
type Case = (&'static str, &'static str, Vec<u8>, fn(&mut Config));

/// What each does, and what is said of it.
pub(super) async fn rows() -> Vec<(String, &'static str, String)> {
    let mut rows = Vec::new();
    for (name, does, bytes, change) in cases() {
        let (dir, mut config) = server::config(&[]);
        config.limits.cpu = Duration::from_millis(200);
        config.limits.memory_bytes = 8 << 20;
        change(&mut config);
        server::name_in(&mut config, &dir, "guest", &bytes);
        let said = match App::build(config).await {
            Ok(_) => "is served".to_owned(),
            Err(error) => {
                let lines: Vec<_> = error.problems.iter().map(ToString::to_string).collect();
                assert_eq!(lines.len(), 1, "{name}: {lines:?}");
                // Without the path of the file, which is another one each time.
                lines[0].split_once("`: ").unwrap().1.to_owned()
            }
        };
        assert!(!said.contains('\n'), "{name}: {said}");
        rows.push((name.to_owned(), does, said));
    }
    rows
}

fn cases() -> Vec<Case> {
    let hello = || Guest::saying("hello", "hello");
    let with_item = |item: &str| {
        let mut guest = hello();
        guest.item(item);
        guest.component()
    };
    let defining = |body: &str| {
        let mut guest = hello();
        guest.before_definitions(body);
        guest.component()
    };
    let mut large = hello();
    large.pages(1_000);
    let mut many = Guest::new();
    for index in 0..1_001 {
        many.tool(Tool::new(&format!("t{index}")), "unreachable");
    }
    let same: fn(&mut Config) = |_| {};
    vec![
        ("nothing", "is an empty file", Vec::new(), same),
        ("rubbish", "is no WebAssembly", vec![0x5a; 100_000], same),
        (
            "a-torn-component",
            "is half of a component",
            {
                let bytes = hello().component();
                bytes[..bytes.len() / 2].to_vec()
            },
            same,
        ),
        (
            "spins-at-start",
            "computes for ever when it is instantiated",
            with_item("(func $begin (drop (call $spin))) (start $begin)"),
            same,
        ),
        (
            "spins-in-definitions",
            "computes for ever instead of saying what it offers",
            defining("(drop (call $spin))"),
            same,
        ),
        (
            "spins-in-resources",
            "computes for ever instead of naming its documents",
            offering("resources", "(drop (call $spin))"),
            same,
        ),
        (
            "spins-in-prompts",
            "computes for ever instead of naming its prompts",
            offering("prompts.definitions", "(drop (call $spin))"),
            same,
        ),
        (
            "takes-memory-in-definitions",
            "takes memory until there is none instead of saying what it offers",
            defining(
                "(loop $again (if (i32.eq (memory.grow (i32.const 16)) (i32.const -1)) (then unreachable)) (br $again))",
            ),
            same,
        ),
        (
            "crashes-at-start",
            "crashes when it is instantiated",
            with_item("(func $begin unreachable) (start $begin)"),
            same,
        ),
        (
            "defines-without-end",
            "defines four billion tools",
            defining(
                "(i32.store (i32.const 256) (i32.const 1024)) (i32.store (i32.const 260) (i32.const -1)) (return (i32.const 256))",
            ),
            same,
        ),
        (
            "defines-many",
            "defines 1,001 tools",
            many.component(),
            same,
        ),
        (
            "large-from-the-start",
            "has 1,000 pages of memory from the start where 128 are allowed",
            large.component(),
            same,
        ),
        (
            "a-table-from-the-start",
            "has a table of a hundred million entries",
            with_item("(table 100000000 funcref)"),
            same,
        ),
        (
            "many-instances",
            "is made of 1,000 instances",
            instances(1_000),
            same,
        ),
        (
            "many-functions",
            "exports 1,500 functions; 1,000 of them are tools",
            functions(1_500),
            same,
        ),
        (
            "types-in-types",
            "has a type that is 1,000 levels deep",
            nested_types(1_000),
            same,
        ),
        (
            "types-that-double",
            "has a type that would fill the memory when it is written out",
            doubling_types(),
            same,
        ),
        (
            "slow-to-compile",
            "takes longer to compile than it may",
            slow(),
            |config| config.limits.compile = Duration::from_millis(20),
        ),
    ]
}

/// One core module, instantiated again and again.
fn instances(number: usize) -> Vec<u8> {
    let mut text = String::from("(component (core module $m (memory 1))");
    for _ in 0..number {
        text.push_str("(core instance (instantiate $m))");
    }
    text.push(')');
    wat::parse_str(&text).unwrap()
}

/// A component that offers a document and a prompt, and runs this before it names them.
fn offering(function: &'static str, body: &str) -> Vec<u8> {
    let mut guest = Guest::saying("hello", "hello");
    guest
        .document(Document::new("doc:a"), "unreachable")
        .prompt(Prompt::new("prompt"), "unreachable")
        .before(function, body);
    guest.component()
}

/// One function, exported again and again.
fn functions(number: usize) -> Vec<u8> {
    let mut text = String::from(
        r#"(component
          (core module $m (func (export "f") (result i32) (i32.const 0)))
          (core instance $i (instantiate $m))
          (func $f (result u32) (canon lift (core func $i "f")))"#,
    );
    for index in 0..number {
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

/// Each type is a tuple of two of the one before.
fn doubling_types() -> Vec<u8> {
    let mut text = String::from("(component (type $t0 (tuple u8 u8))");
    for level in 1..60 {
        let below = level - 1;
        text.push_str(&format!("(type $t{level} (tuple $t{below} $t{below}))"));
    }
    text.push(')');
    wat::parse_str(&text).unwrap()
}

/// A file is looked at before it is read.
#[tokio::test]
async fn too_large_a_file() {
    let (dir, mut config) = server::config(&[]);
    server::name_in(&mut config, &dir, "guest", b"");
    let file = std::fs::File::create(dir.path().join("guest.wasm")).unwrap();
    file.set_len((256 << 20) + 1).unwrap();
    let error = App::build(config).await.err().unwrap().to_string();
    assert!(error.ends_with("is larger than 268435456 bytes"), "{error}");
}

/// What takes too long to compile is left out where the operator goes on without, and nobody waits for it.
#[tokio::test]
async fn a_slow_one_holds_up_no_other() {
    let dir = Toolcrib::new();
    dir.write("hello", &Guest::saying("hello", "hello").component());
    dir.write("slow", &slow());
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

/// Many functions of many instructions.
fn slow() -> Vec<u8> {
    let step = "(local.set 0 (i64.rotl (i64.xor (local.get 0) (local.get 1)) (i64.mul (local.get 1) (local.get 0))))";
    let body = step.repeat(400);
    let mut module = String::from(r#"(module (func (export "f") (result i32) (i32.const 0))"#);
    for _ in 0..400 {
        module.push_str(&format!("(func (param i64 i64) {body})"));
    }
    module.push(')');
    component("export f: func() -> u32;", &module)
}
