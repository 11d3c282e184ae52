//! Imports of WASI 0.3: the same grants and limits as for 0.2, or a refusal.

use serde_json::{Value, json};

use super::guests::{AsyncGuest, EXIT};
use super::{PREVIEW3, serve};
use crate::support::command::Toolcrib;
use crate::support::guest::component_from_wit;

/// A component that uses environment, clock, randomness and standard output.
fn guest() -> Vec<u8> {
    let mut guest = AsyncGuest::new();
    guest.add(
        "import wasi:cli/environment@0.3.0;
         import wasi:cli/stdout@0.3.0;
         import wasi:clocks/monotonic-clock@0.3.0;
         import wasi:random/random@0.3.0;
         export environment: func() -> list<tuple<string, string>>;
         export now: func() -> u64;
         export random: func() -> u64;",
        r#"(import "wasi:cli/environment@0.3.0" "get-environment" (func $environment (param i32)))
           (import "wasi:clocks/monotonic-clock@0.3.0" "now" (func $now (result i64)))
           (import "wasi:random/random@0.3.0" "get-random-u64" (func $random (result i64)))"#,
        r#"(func (export "environment") (result i32) (call $environment (i32.const 512)) (i32.const 512))
           (func (export "now") (result i64) (call $now))
           (func (export "random") (result i64) (call $random))"#,
    );
    print(&mut guest, "prints", "[export]$root", "[async-lift]prints");
    guest.add("export prints: async func();", "", "");
    guest.component(1, r#"(data (i32.const 1024) "hello\n")"#)
}

/// Adds a function of the module that writes a line to standard output and returns.
fn print(guest: &mut AsyncGuest, name: &str, module: &str, export: &str) {
    let result = if name == "run" { "(param i32)" } else { "" };
    let ok = if name == "run" { "(i32.const 0)" } else { "" };
    guest.add(
        "",
        &format!(
            r#"(import "wasi:cli/stdout@0.3.0" "write-via-stream" (func $stdout (param i32) (result i32)))
               (import "wasi:cli/stdout@0.3.0" "[stream-new-0]write-via-stream" (func $new_stream (result i64)))
               (import "wasi:cli/stdout@0.3.0" "[async-lower][stream-write-0]write-via-stream"
                 (func $write_stream (param i32 i32 i32) (result i32)))
               (import "wasi:cli/stdout@0.3.0" "[stream-drop-writable-0]write-via-stream"
                 (func $drop_stream (param i32)))
               (import "{module}" "[task-return]{name}" (func $return {result}))"#
        ),
        &format!(
            r#"(func (export "{export}") (result i32) (local $pair i64) (local $writable i32)
                 (local.set $pair (call $new_stream))
                 (local.set $writable (i32.wrap_i64 (i64.shr_u (local.get $pair) (i64.const 32))))
                 (drop (call $stdout (i32.wrap_i64 (local.get $pair))))
                 (if (result i32)
                   (i32.eq (i32.const -1) (call $write_stream (local.get $writable) (i32.const 1024) (i32.const 6)))
                   (then (call $wait (local.get $writable)))
                   (else (call $drop_stream (local.get $writable)) (call $return {ok}) {EXIT})))
               (func (export "[callback]{export}") (param $event i32) (param $handle i32) (param $code i32) (result i32)
                 (call $drop_stream (local.get $handle)) (call $return {ok}) {EXIT})"#
        ),
    );
}

#[tokio::test]
async fn imports_work_by_the_grants() {
    let host = serve(&guest(), "[component.allow]\nenv = { PLACE = \"here\" }\n").await;
    let client = host.client();
    let environment = client.call("environment", json!({})).await;
    assert_eq!(environment.text(), r#"[["PLACE","here"]]"#);
    let mut numbers = Vec::new();
    for name in ["now", "random", "random"] {
        let answer = client.call(name, json!({})).await;
        numbers.push(answer.text().parse::<u64>().unwrap());
    }
    // The clock starts with the call.
    assert!(numbers[0] < 60_000_000_000, "{numbers:?}");
    assert_ne!(numbers[1], numbers[2]);
    let without = serve(&guest(), "").await;
    let environment = without.client().call("environment", json!({})).await;
    assert_eq!(environment.text(), "[]");
}

#[test]
fn output_goes_to_the_log_and_the_warning_is_shown() {
    let toolcrib = Toolcrib::new();
    toolcrib.write("guest", &guest());
    toolcrib.file(
        "toolcrib.toml",
        format!("{PREVIEW3}[[component]]\nref = \"guest.wasm\"\n"),
    );
    let config = ["--config", "toolcrib.toml"];
    let output = toolcrib.run(&[&["call", "guest.wasm", "prints"], &config[..]].concat());
    assert_eq!(output.status, 0, "{output:?}");
    let mut lines = output.stderr.lines();
    let is_output = |line: &str| line.contains("guest output") && line.contains("hello");
    assert!(lines.any(is_output), "{output:?}");
    let warnings = output.stderr.matches("`wasi.preview3` is on").count();
    assert_eq!(warnings, 1, "{output:?}");
    for words in ["experimental", "no patch releases for security bugs"] {
        assert!(output.stderr.contains(words), "{output:?}");
    }
    let output = toolcrib.run(&[&["inspect", "guest.wasm", "--json"], &config[..]].concat());
    let all: Value = serde_json::from_str(&output.stdout).unwrap();
    let access = all[0]["access"].as_array().unwrap();
    let env = access.iter().find(|report| report["key"] == "env").unwrap();
    assert_eq!(
        env["imports"],
        json!(["wasi:cli/environment@0.3.0"]),
        "{access:?}"
    );
}

#[tokio::test]
async fn commands_of_wasi_0_3_are_tools() {
    let mut guest = AsyncGuest::new();
    guest.add(
        "import wasi:cli/stdout@0.3.0; export wasi:cli/run@0.3.0;",
        "",
        "",
    );
    let interface = "wasi:cli/run@0.3.0";
    print(
        &mut guest,
        "run",
        &format!("[export]{interface}"),
        &format!("[async-lift]{interface}#run"),
    );
    let host = serve(
        &guest.component(1, r#"(data (i32.const 1024) "hello\n")"#),
        "",
    )
    .await;
    let answer = host.client().call("guest", json!({})).await;
    assert_eq!(
        answer.result()["structuredContent"],
        json!({ "stdout": "hello\n", "stderr": "", "exit-code": 0 }),
        "{answer:?}"
    );
}

#[test]
fn imports_that_the_host_has_of_0_2_only_are_refused() {
    let toolcrib = Toolcrib::new();
    for (package, interface, function) in [
        ("filesystem", "preopens", "get"),
        ("sockets", "types", "get"),
        ("http", "client", "get"),
        ("cli", "stdout", "get"),
    ] {
        let import = format!("wasi:{package}/{interface}@0.3.0");
        let component = component_from_wit(
            &format!(
                "package wasi:{package}@0.3.0 {{ interface {interface} {{ {function}: func(); }} }}
                 world guest {{ import {import}; export f: func(); }}"
            ),
            &format!(r#"(module (import "{import}" "{function}" (func)) (func (export "f")))"#),
        );
        toolcrib.write("guest", &component);
        toolcrib.file(
            "toolcrib.toml",
            format!("{PREVIEW3}[[component]]\nref = \"guest.wasm\"\n"),
        );
        let output = toolcrib.run(&["inspect", "guest.wasm", "--config", "toolcrib.toml"]);
        assert_eq!(output.status, 1, "{output:?}");
        let words = match package {
            // Another interface of the same name.
            "cli" => "which this host's version of the interface does not have",
            _ => &format!("it imports `{import}`, which is of WASI 0.3 and not of this host"),
        };
        assert!(output.stderr.contains(words), "{output:?}");
    }
}
