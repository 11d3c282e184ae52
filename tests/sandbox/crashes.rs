//! Guests that trap, exit, or return values that violate the canonical ABI.

use serde_json::json;

use crate::support::client::Revision;
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
