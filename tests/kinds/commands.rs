//! Commands: a component that exports `wasi:cli/run` and nothing else is one tool.

use serde_json::{Value, json};

use super::inspect;
use crate::support::client::Client;
use crate::support::command::Toolcrib;
use crate::support::guest::component_from_wit;
use crate::support::server::Host;

/// Builds a command. Helpers of its module: `$print` and `$complain` write text to standard output and standard error,
/// `$arguments` returns a list of strings, `$read` copies standard input to standard output.
pub(crate) fn command(run: &str) -> Vec<u8> {
    const TEXTS: &str = r#"
      (data (i32.const 1024) "hello\n") (data (i32.const 1040) "warning\n") (data (i32.const 1056) "\ff")"#;
    command_with(TEXTS, run)
}

/// Like [`command`], with other data. The host keeps a file with the data of a component that has been called.
pub(crate) fn command_with(data: &str, run: &str) -> Vec<u8> {
    component_from_wit(
        "world guest {
           import wasi:cli/environment@0.2.0;
           import wasi:cli/stdin@0.2.0;
           import wasi:cli/stdout@0.2.0;
           import wasi:cli/stderr@0.2.0;
           import wasi:cli/exit@0.2.0;
           export wasi:cli/run@0.2.0;
         }",
        &format!(
            r#"(module
              (import "wasi:cli/environment@0.2.0" "get-arguments" (func $get_arguments (param i32)))
              (import "wasi:cli/stdin@0.2.0" "get-stdin" (func $stdin (result i32)))
              (import "wasi:cli/stdout@0.2.0" "get-stdout" (func $stdout (result i32)))
              (import "wasi:cli/stderr@0.2.0" "get-stderr" (func $stderr (result i32)))
              (import "wasi:cli/exit@0.2.0" "exit" (func $exit (param i32)))
              (import "wasi:cli/exit@0.2.0" "exit-with-code" (func $exit_with_code (param i32)))
              (import "wasi:io/streams@0.2.0" "[method]input-stream.blocking-read" (func $blocking_read (param i32 i64 i32)))
              (import "wasi:io/streams@0.2.0" "[method]output-stream.blocking-write-and-flush"
                (func $write (param i32 i32 i32 i32)))
              (memory (export "memory") 8)
              (global $heap (mut i32) (i32.const 65536))
              (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                (local $at i32)
                (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
                (global.set $heap (i32.add (local.get $at) (local.get 3)))
                (local.get $at))
              {data}
              (func $print (param i32 i32)
                (call $write (call $stdout) (local.get 0) (local.get 1) (i32.const 512)))
              (func $complain (param i32 i32)
                (call $write (call $stderr) (local.get 0) (local.get 1) (i32.const 512)))
              (func $read (local $in i32)
                (local.set $in (call $stdin))
                (loop $again
                  (global.set $heap (i32.const 65536))
                  (call $blocking_read (local.get $in) (i64.const 4096) (i32.const 512))
                  (if (i32.eqz (i32.load8_u (i32.const 512)))
                    (then
                      (call $print (i32.load (i32.const 516)) (i32.load (i32.const 520)))
                      (br $again)))))
              (func (export "wasi:cli/run@0.2.0#run") (result i32) {run}))"#
        ),
    )
}

/// Prints its arguments, each on a line.
pub(super) const PRINT_ARGUMENTS: &str = r#"(local $at i32) (local $end i32)
  (call $get_arguments (i32.const 256))
  (local.set $at (i32.load (i32.const 256)))
  (local.set $end (i32.add (local.get $at) (i32.mul (i32.load (i32.const 260)) (i32.const 8))))
  (loop $again
    (if (i32.lt_u (local.get $at) (local.get $end))
      (then
        (call $print (i32.load (local.get $at)) (i32.load offset=4 (local.get $at)))
        (call $print (i32.const 1029) (i32.const 1))
        (local.set $at (i32.add (local.get $at) (i32.const 8)))
        (br $again))))
  (call $read)
  (i32.const 0)"#;

async fn call(client: &Client, arguments: Value) -> Value {
    let answer = client.call("guest", arguments).await;
    answer.result().clone()
}

#[tokio::test]
async fn a_command_is_a_tool_with_arguments_and_input() {
    let host = Host::serving_component(&command(PRINT_ARGUMENTS)).await;
    let client = host.client();
    let list = client.list().await;
    let tool = &list.result()["tools"][0];
    assert_eq!(tool["name"], "guest");
    assert_eq!(
        tool["inputSchema"]["properties"]["args"]["items"],
        json!({ "type": "string" })
    );
    assert_eq!(
        tool["outputSchema"]["required"],
        json!(["stdout", "stderr", "exit-code"])
    );
    for (arguments, stdout) in [
        (json!({}), "guest\n"),
        (
            json!({ "args": ["-a", "b c", "{d}", ""] }),
            "guest\n-a\nb c\n{d}\n\n",
        ),
        (
            json!({ "args": "[\"x\"]", "stdin": "line\n" }),
            "guest\nx\nline\n",
        ),
        (
            json!({ "stdin": "é".repeat(5_000) }),
            &format!("guest\n{}", "é".repeat(5_000)),
        ),
    ] {
        let result = call(&client, arguments).await;
        assert_ne!(result["isError"], true, "{result}");
        assert_eq!(
            result["content"],
            json!([{ "type": "text", "text": stdout }])
        );
        assert_eq!(
            result["structuredContent"],
            json!({ "stdout": stdout, "stderr": "", "exit-code": 0 })
        );
    }
    for (arguments, error) in [
        (
            json!({ "args": "x" }),
            "`/args`: must be an array of strings",
        ),
        (json!({ "args": [1] }), "`/args/0`: must be a string"),
        (
            json!({ "args": ["a\0b"] }),
            "`/args/0`: contains the character U+0000",
        ),
        (
            json!({ "args": vec![""; 10_001] }),
            "`/args`: has more than 10000 entries",
        ),
        (json!({ "stdin": 1 }), "`/stdin`: must be a string"),
        (
            json!({ "arg": [] }),
            "`/arg`: a command takes `args` and `stdin` alone",
        ),
    ] {
        let result = call(&client, arguments).await;
        assert_eq!(result["isError"], true, "{result}");
        assert!(
            result["content"][0]["text"]
                .as_str()
                .unwrap()
                .contains(error),
            "{result}"
        );
    }
}

#[tokio::test]
async fn the_exit_code_and_standard_error_are_part_of_the_result() {
    const OUTPUT: &str = "(call $print (i32.const 1024) (i32.const 6)) (call $complain (i32.const 1040) (i32.const 8))";
    for (run, exit_code, texts) in [
        ("(i32.const 0)", 0, vec!["hello\n", "warning\n"]),
        (
            "(i32.const 1)",
            1,
            vec!["hello\n", "warning\n", "exit code 1"],
        ),
        (
            "(call $exit (i32.const 1)) unreachable",
            1,
            vec!["hello\n", "warning\n", "exit code 1"],
        ),
        (
            "(call $exit_with_code (i32.const 7)) unreachable",
            7,
            vec!["hello\n", "warning\n", "exit code 7"],
        ),
        (
            "(call $exit (i32.const 0)) unreachable",
            0,
            vec!["hello\n", "warning\n"],
        ),
    ] {
        let host = Host::serving_component(&command(&format!("{OUTPUT} {run}"))).await;
        let result = call(&host.client(), json!({})).await;
        assert_eq!(result["isError"] == true, exit_code != 0, "{run}: {result}");
        assert_eq!(
            result["structuredContent"],
            json!({ "stdout": "hello\n", "stderr": "warning\n", "exit-code": exit_code }),
            "{run}"
        );
        let content = result["content"].as_array().unwrap().iter();
        let found: Vec<_> = content
            .map(|block| block["text"].as_str().unwrap())
            .collect();
        assert_eq!(found, texts, "{run}");
    }
    // Bytes that are not UTF-8 become replacement characters.
    let binary = command("(call $print (i32.const 1056) (i32.const 1)) (i32.const 0)");
    let host = Host::serving_component(&binary).await;
    assert_eq!(
        call(&host.client(), json!({})).await["content"][0]["text"],
        "\u{fffd}"
    );
}

#[test]
fn the_command_line_prints_and_exits_like_the_command() {
    let toolcrib = Toolcrib::new();
    toolcrib.write(
        "grep 2.0",
        &command("(call $read) (call $complain (i32.const 1040) (i32.const 8)) (i32.const 1)"),
    );
    let output = toolcrib.run(&["call", "grep 2.0.wasm", "grep_2_0", "stdin=text"]);
    assert_eq!(output.status, 1, "{output:?}");
    assert_eq!(output.stdout, "text\nwarning\n\nexit code 1\n");
    // A crash leaves standard error in the log.
    toolcrib.write(
        "crash",
        &command("(call $complain (i32.const 1040) (i32.const 8)) unreachable"),
    );
    let output = toolcrib.run(&["call", "crash.wasm", "crash"]);
    assert_eq!(output.status, 1, "{output:?}");
    assert!(
        output
            .stderr
            .contains("guest.stream=\"stderr\" guest.line=warning"),
        "{output:?}"
    );
    assert!(output.stderr.contains("the tool crashed"), "{output:?}");
}

/// A component with another kind of tools keeps them, and its command is skipped.
#[test]
fn a_command_beside_other_tools_is_skipped() {
    let toolcrib = Toolcrib::new();
    let with_function = component_from_wit(
        "world guest { export wasi:cli/run@0.2.0; export f: func(); }",
        r#"(module
          (func (export "wasi:cli/run@0.2.0#run") (result i32) (i32.const 0))
          (func (export "f")))"#,
    );
    let path = toolcrib.write("guest", &with_function);
    let described = inspect(&toolcrib, &[&path]);
    assert_eq!(described["tools"].as_array().unwrap().len(), 1);
    assert_eq!(described["tools"][0]["name"], "f");
    assert_eq!(described["skipped"][0]["export"], "wasi:cli/run@0.2.0#run");
    let path = toolcrib.write("alone", &command("(i32.const 0)"));
    let described = inspect(&toolcrib, &[&path]);
    assert_eq!(described["tools"][0]["name"], "alone");
    assert_eq!(described["skipped"], json!([]));
}
