//! Calls of compositions: results, limits, and what `inspect` shows.

use serde_json::json;

use super::{ADD, CONFIGURATION, adder, composed, compute, inspect};
use crate::support::guest::component_from_wit;
use crate::support::server::{Host, write};

/// Serves `compute.wasm` composed with this adder.
async fn serve(adder: &[u8], settings: &str) -> Host {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "compute", &compute());
    write(dir.path(), "adder", adder);
    Host::configured_in(dir, &format!("{CONFIGURATION}{settings}")).await
}

/// Every call has its own instance of each part.
#[tokio::test]
async fn imports_are_satisfied_by_private_instances_of_the_parts() {
    let counting = "
        (global.set $calls (i32.add (global.get $calls) (i32.const 100)))
        (i32.add (i32.add (local.get 0) (local.get 1)) (global.get $calls))";
    let host = serve(&adder(counting), "").await;
    let client = host.client();
    for x in [1, 2, 40] {
        let answer = client.call("compute", json!({ "x": x })).await;
        assert_eq!(answer.text(), (x + 101).to_string());
    }
    let names = client.list().await;
    let tools = names.result()["tools"].as_array().unwrap().len();
    assert_eq!(tools, 1, "the exports of a part are no tools");
}

/// The limits are those of the whole.
#[tokio::test]
async fn parts_are_stopped_at_the_limits_of_the_call() {
    let spins = adder("(loop $l (br $l)) (unreachable)");
    let host = serve(&spins, "limits = { cpu = \"300ms\" }").await;
    let failure = host.client().call("compute", json!({ "x": 1 })).await;
    assert!(failure.failure().contains("processor time"), "{failure:?}");

    let floods = adder(
        "(loop $l (br_if $l (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) (unreachable)",
    );
    let host = serve(&floods, "limits = { memory = \"8MiB\" }").await;
    let client = host.client();
    let failure = client.call("compute", json!({ "x": 1 })).await;
    assert!(failure.failure().contains("memory"), "{failure:?}");
    let recurses = adder("(drop (call 0 (local.get 0) (local.get 1))) (unreachable)");
    let host = serve(&recurses, "").await;
    let failure = host.client().call("compute", json!({ "x": 1 })).await;
    assert!(!failure.failure().is_empty(), "{failure:?}");
}

/// A part that needs another one, through memory and with a resource.
#[tokio::test]
async fn parts_use_each_other() {
    let wit = "
        package docs:chain@0.1.0 {
          interface texts { resource text { constructor(size: u32); size: func() -> u32; } }
          interface names { name: func(size: u32) -> string; }
        }";
    let memory = r#"(memory (export "memory") 1)
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))"#;
    let main = component_from_wit(
        &format!(
            "{wit} world guest {{ import docs:chain/names@0.1.0; export say: func(size: u32) -> string; }}"
        ),
        &format!(
            r#"(module
              (import "docs:chain/names@0.1.0" "name" (func $name (param i32 i32)))
              {memory}
              (func (export "say") (param i32) (result i32)
                (call $name (local.get 0) (i32.const 16)) (i32.const 16)))"#
        ),
    );
    let names = component_from_wit(
        &format!(
            "{wit} world guest {{ import docs:chain/texts@0.1.0; export docs:chain/names@0.1.0; }}"
        ),
        &format!(
            r#"(module
              (import "docs:chain/texts@0.1.0" "[constructor]text" (func $new (param i32) (result i32)))
              (import "docs:chain/texts@0.1.0" "[method]text.size" (func $size (param i32) (result i32)))
              {memory}
              (data (i32.const 64) "aaaaaaaaaaaaaaaa")
              (func (export "docs:chain/names@0.1.0#name") (param i32) (result i32)
                (i32.store (i32.const 16) (i32.const 64))
                (i32.store (i32.const 20) (call $size (call $new (local.get 0))))
                (i32.const 16)))"#
        ),
    );
    let texts = component_from_wit(
        &format!("{wit} world guest {{ export docs:chain/texts@0.1.0; }}"),
        r#"(module
          (import "[export]docs:chain/texts@0.1.0" "[resource-new]text" (func $new (param i32) (result i32)))
          (func (export "docs:chain/texts@0.1.0#[constructor]text") (param i32) (result i32)
            (call $new (i32.mul (local.get 0) (i32.const 2))))
          (func (export "docs:chain/texts@0.1.0#[method]text.size") (param i32) (result i32) (local.get 0)))"#,
    );
    let dir = tempfile::tempdir().unwrap();
    for (name, bytes) in [("main", &main), ("names", &names), ("texts", &texts)] {
        write(dir.path(), name, bytes);
    }
    let text = "[[component]]\nref = \"main.wasm\"\nwith = [\"names.wasm\", \"texts.wasm\"]";
    let host = Host::configured_in(dir, text).await;
    let answer = host.client().call("say", json!({ "size": 3 })).await;
    assert_eq!(answer.text(), "aaaaaa");
}

/// `inspect` shows the digests of all parts, and where each import comes from. Grants are those of the whole.
#[test]
fn inspect_shows_the_imports_of_each_part() {
    let with_environment = component_from_wit(
        &format!(
            "{} world guest {{ import wasi:cli/environment@0.2.0; export docs:adder/add@0.1.0; }}",
            super::ADDER
        ),
        &format!(
            r#"(module
              (import "wasi:cli/environment@0.2.0" "get-environment" (func (param i32)))
              (memory (export "memory") 1)
              (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
              (func (export "docs:adder/add@0.1.0#add") (param i32 i32) (result i32) {ADD}))"#
        ),
    );
    let toolcrib = composed(&with_environment);
    toolcrib.file(
        "toolcrib.toml",
        format!("{CONFIGURATION}allow.env = {{ REGION = \"eu\" }}"),
    );
    let components = inspect(&toolcrib, "compute.wasm");
    let parts = components[0]["parts"].as_array().unwrap();
    let name = |index: usize| parts[index]["name"].as_str().unwrap();
    assert!(name(0).ends_with("compute.wasm") && name(1).ends_with("adder.wasm"));
    assert_ne!(parts[0]["digest"], parts[1]["digest"]);
    assert_eq!(
        parts[0]["imports"],
        json!([{ "name": "docs:adder/add@0.1.0", "from": name(1) }])
    );
    assert_eq!(
        parts[1]["imports"],
        json!([{ "name": "wasi:cli/environment@0.2.0", "from": null }])
    );
    assert_eq!(
        components[0]["imports"],
        json!(["wasi:cli/environment@0.2.0"])
    );
    assert_eq!(components[0]["access"][0]["granted"], json!(["REGION"]));
    let output = toolcrib.run(&["inspect", "compute.wasm", "--config", "toolcrib.toml"]);
    assert!(
        output.stdout.contains("imports docs:adder/add@0.1.0 from"),
        "{output:?}"
    );
    // A directory does not serve a part as a component of its own, a file does.
    assert_eq!(inspect(&toolcrib, ".").len(), 1);
    let alone = inspect(&toolcrib, "adder.wasm");
    assert_eq!(alone[0]["tools"][0]["name"], "add");
    assert_eq!(alone[0]["parts"], json!([]));
}

/// The files that a configuration needs are in its bundle: those of the parts, and the descriptions beside them.
#[test]
fn a_bundle_has_the_parts_and_descriptions() {
    let toolcrib = composed(&adder(ADD));
    toolcrib.file(
        "compute.toml",
        "[tool.compute]\ndescription = \"Adds one\"\n",
    );
    toolcrib.file("unrelated.toml", "");
    let output = toolcrib.run(&["bundle", "--config", "toolcrib.toml", "-o", "x.mcpb"]);
    assert_eq!(output.status, 0, "{output:?}");
    // The names of the files stand in the archive as they are.
    let archive = std::fs::read(toolcrib.path().join("x.mcpb")).unwrap();
    let has = |name: &str| {
        archive
            .windows(name.len())
            .any(|part| part == name.as_bytes())
    };
    for name in [
        "compute.wasm",
        "adder.wasm",
        "compute.toml",
        "toolcrib.toml",
    ] {
        assert!(has(name), "{name}");
    }
    assert!(!has("unrelated.toml"));
}
