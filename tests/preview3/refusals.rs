//! Without the key, and components that need more than it gives.

use super::{PREVIEW3, guests};
use crate::support::command::Toolcrib;
use crate::support::guest::{component, component_from_wit};

#[test]
fn without_the_key_the_sentence_names_the_export_and_the_key() {
    let interface = component_from_wit(
        "package demo:net@1.0.0 { interface pages { size: func() -> u32; fetch: async func() -> u32; } }
         world guest { export demo:net/pages@1.0.0; }",
        r#"(module
          (func (export "demo:net/pages@1.0.0#size") (result i32) (i32.const 1))
          (func (export "demo:net/pages@1.0.0#fetch") (result i32) (i32.const 1)))"#,
    );
    let stream = component(
        "export f: func(x: stream<u8>);",
        r#"(module (func (export "f") (param i32)))"#,
    );
    let toolcrib = Toolcrib::new();
    for (name, component, export) in [
        ("interface", interface, "demo:net/pages@1.0.0#fetch"),
        ("stream", stream, "f"),
    ] {
        let path = toolcrib.write(name, &component);
        let output = toolcrib.run(&["inspect", &path]);
        assert_eq!(output.status, 1, "{output:?}");
        for words in [
            &format!("its export `{export}` needs the asynchronous functions of WASI 0.3"),
            "`preview3 = true` in [wasi]",
        ] {
            assert!(output.stderr.contains(words), "{words}: {output:?}");
        }
    }
}

#[test]
fn imports_of_wasi_0_3_name_the_key() {
    let toolcrib = Toolcrib::new();
    let path = toolcrib.write("guest", &guests::kinds());
    let output = toolcrib.run(&["inspect", &path]);
    let words = "it imports `wasi:clocks/monotonic-clock@0.3.0`, which is of WASI 0.3; set `preview3 = true` in [wasi]";
    assert!(output.stderr.contains(words), "{output:?}");
    toolcrib.file("toolcrib.toml", PREVIEW3);
    let output = toolcrib.run(&["inspect", &path, "--config", "toolcrib.toml"]);
    assert_eq!(output.status, 0, "{output:?}");
}

#[test]
fn release_candidates_of_wasi_0_3_are_named() {
    let toolcrib = Toolcrib::new();
    let candidate = component_from_wit(
        "package wasi:clocks@0.3.0-rc-2026-03-15 { interface monotonic-clock { now: func() -> u64; } }
         world guest {
           import wasi:clocks/monotonic-clock@0.3.0-rc-2026-03-15;
           export f: func();
         }",
        r#"(module
          (import "wasi:clocks/monotonic-clock@0.3.0-rc-2026-03-15" "now" (func (result i64)))
          (func (export "f")))"#,
    );
    let path = toolcrib.write("guest", &candidate);
    toolcrib.file("toolcrib.toml", PREVIEW3);
    for config in [&[][..], &["--config", "toolcrib.toml"]] {
        let output = toolcrib.run(&[&["inspect", &path][..], config].concat());
        assert_eq!(output.status, 1, "{output:?}");
        let words = "it imports `wasi:clocks/monotonic-clock@0.3.0-rc-2026-03-15`, of a release candidate of WASI 0.3";
        assert!(output.stderr.contains(words), "{output:?}");
    }
}

/// Functions whose types the host cannot convert are skipped, and the others served.
#[test]
fn functions_with_other_streams_and_futures_are_skipped() {
    let toolcrib = Toolcrib::new();
    let path = toolcrib.write(
        "guest",
        &component(
            "export takes: func(x: stream<u8>);
             export numbers: func() -> stream<u32>;
             export signal: func() -> future;
             export nested: func() -> future<list<u32>>;
             export add: async func(a: u32) -> u32;",
            r#"(module
              (func (export "takes") (param i32))
              (func (export "numbers") (result i32) unreachable)
              (func (export "signal") (result i32) unreachable)
              (func (export "nested") (result i32) unreachable)
              (func (export "add") (param i32) (result i32) (local.get 0)))"#,
        ),
    );
    toolcrib.file("toolcrib.toml", PREVIEW3);
    let output = toolcrib.run(&["inspect", &path, "--config", "toolcrib.toml"]);
    assert_eq!(output.status, 0, "{output:?}");
    for words in [
        "it takes a `stream`, which only a result may have",
        "it returns a `stream` of something else than bytes",
        "it returns a `future` without a value",
        "it returns a `future` of something else than a number",
    ] {
        assert!(output.stdout.contains(words), "{words}: {output:?}");
    }
}

/// Blocking writes are not part of WASI 0.3.
#[test]
fn built_ins_beyond_wasi_0_3_are_refused() {
    let toolcrib = Toolcrib::new();
    let path = toolcrib.write(
        "guest",
        &component(
            "export f: async func() -> stream<u8>;",
            r#"(module
              (import "[export]$root" "[stream-write-0]f" (func (param i32 i32 i32) (result i32)))
              (memory (export "memory") 1)
              (func (export "f") (result i32) unreachable))"#,
        ),
    );
    toolcrib.file("toolcrib.toml", PREVIEW3);
    let output = toolcrib.run(&["inspect", &path, "--config", "toolcrib.toml"]);
    assert_eq!(output.status, 1, "{output:?}");
    let words = "it uses asynchronous built-ins that are not part of WASI 0.3, which this host does not have";
    assert!(output.stderr.contains(words), "{output:?}");
}

/// A component that needs no concurrency is compiled for the engine of all others, whose code is in the cache already.
#[test]
fn other_components_stay_on_the_other_engine() {
    let toolcrib = Toolcrib::new();
    let plain = component(
        "export f: func() -> u32;",
        r#"(module (func (export "f") (result i32) (i32.const 1)))"#,
    );
    let path = toolcrib.write("guest", &plain);
    toolcrib.file("toolcrib.toml", PREVIEW3);
    let compiled = || {
        let cache = toolcrib.path().join(".cache/toolcrib");
        std::fs::read_dir(cache).unwrap().count()
    };
    assert_eq!(toolcrib.run(&["call", &path, "f"]).stdout, "1\n");
    assert_eq!(compiled(), 1);
    let with_key = ["call", &path, "f", "--config", "toolcrib.toml"];
    assert_eq!(toolcrib.run(&with_key).stdout, "1\n");
    assert_eq!(compiled(), 1);
}
