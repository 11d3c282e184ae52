//! Guests that trap, exit, or return values that violate the canonical ABI.

use serde_json::json;

use crate::support::client::Revision;
use crate::support::command::Toolcrib;
use crate::support::guest::{Guest, Tool};
use crate::support::server::Host;

#[tokio::test]
async fn crashes_and_malformed_results_fail_the_call_only() {
    let mut guest = Guest::saying("hello", "hello");
    let bad_text = guest.string([b'a', 0xff, b'b']);
    guest
        .import(r#"(import "wasi:cli/exit@0.2.0" "exit" (func $exit (param i32)))"#)
        .item("(type $nothing (func)) (table $none 1 funcref)");
    let bodies = [
        ("traps", "(unreachable)".to_owned()),
        ("divides-by-zero", "(i32.div_u (i32.const 1) (i32.load (i32.const 512)))".into()),
        ("reads-out-of-bounds", "(i32.load (i32.const -8))".into()),
        ("calls-null-function", "(call_indirect $none (type $nothing) (i32.const 0)) (i32.const 0)".into()),
        ("returns-address-out-of-bounds", "(i32.const -8)".into()),
        ("returns-record-across-the-end", "(i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 4))".into()),
        ("returns-unaligned", "(i32.const 17)".into()),
        ("unknown-result", "(i32.store8 (i32.const 16) (i32.const 2)) (i32.const 16)".into()),
        ("unknown-outcome", "(i32.store8 (i32.const 20) (i32.const 7)) (i32.const 16)".into()),
        ("unknown-error", "(call $error (i32.const 9) (i32.const 0) (i32.const 0))".into()),
        ("unknown-block", "(i32.store8 (i32.const 128) (i32.const 5)) (call $text (i32.const 0) (i32.const 0))".into()),
        ("text-out-of-bounds", "(call $text (i32.const -8) (i32.const 100))".into()),
        ("text-of-4-gib", "(call $text (i32.const 0) (i32.const -1))".into()),
        ("text-invalid-utf-8", format!("(call $text {bad_text})")),
        ("error-invalid-utf-8", format!("(call $failed {bad_text})")),
        (
            "list-of-4-billion",
            "(drop (call $text (i32.const 0) (i32.const 0))) (i32.store (i32.const 28) (i32.const -1)) (i32.const 16)".into(),
        ),
        ("unknown-handle", r#"(call $log (i32.const 77) (i32.const 0) (i32.const 0)) (unreachable)"#.into()),
    ];
    for (name, body) in &bodies {
        guest.tool(Tool::new(name), body.as_str());
    }
    for status in [0, 1] {
        let body = format!("(call $exit (i32.const {status})) (unreachable)");
        guest.tool(Tool::new(&format!("exits-{status}")), body);
    }
    let host = Host::of(&guest).await;
    for revision in Revision::ALL {
        let client = host.client_of(revision);
        for (name, _) in &bodies {
            let answer = client.call(name, json!({})).await;
            // The cause is only in the operator's log.
            assert_eq!(answer.failure_with_id(), "the tool crashed", "{name}");
            assert_eq!(answer.status, 200);
        }
        for status in [0, 1] {
            let answer = client.call(&format!("exits-{status}"), json!({})).await;
            let expected =
                format!("the tool exited with status {status} instead of returning a result");
            assert_eq!(answer.failure(), expected);
        }
        assert_eq!(client.call("hello", json!({})).await.text(), "hello");
    }
}

/// Names in a backtrace are the guest's own: they are logged as they are, not demangled, and only up to the limit of a
/// log line.
#[test]
fn long_names_in_backtraces_are_cut() {
    /// The length of a name in WebAssembly is at most 100,000 bytes.
    const LONGEST_NAME: usize = 99_000;
    const MAX_LOGGED_BYTES: usize = 4_096;

    // Substitutions of the Itanium C++ ABI, of which each doubles the demangled name.
    let substitution = |n: usize| {
        let digit = |n: usize| char::from_digit(n as u32, 36).unwrap().to_ascii_uppercase();
        match n {
            0 => "S_".to_owned(),
            n => format!("S{}_", digit(n - 1)),
        }
    };
    let doubled: String = (0..30)
        .map(|n| format!("S0_I{0}{0}E", substitution(2 + n)))
        .collect();
    let mangled = format!("_Z1fI1xIiiE{doubled}Evv");
    let long = "x".repeat(LONGEST_NAME);
    let names = [
        ("short", "a_short_name"),
        ("mangled", &mangled),
        ("long", &long),
    ];
    let mut guest = Guest::new();
    for (tool, name) in names {
        // Endless recursion: all frames of the backtrace have the name.
        guest
            .item(format!("(func $\"{name}\" (call $\"{name}\"))"))
            .tool(Tool::new(tool), format!("(call $\"{name}\") (unreachable)"));
    }
    let toolcrib = Toolcrib::new();
    toolcrib.write("guest", &guest.component());
    for (tool, name) in names {
        let logged = &name[..name.len().min(1_000)];
        let output = toolcrib.run(&["call", "guest.wasm", tool]);
        assert!(
            output.stderr.contains("the tool crashed"),
            "{tool}: {output:?}"
        );
        assert!(output.stderr.contains(logged), "{tool}: {output:?}");
        let trap = output
            .stderr
            .lines()
            .find(|line| line.contains("guest trapped"));
        let length = trap.unwrap().len();
        assert!(length < MAX_LOGGED_BYTES + 1_000, "{tool}: {length}");
    }
}
