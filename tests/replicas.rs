//! Three replicas in processes of their own, behind a real nginx with the configuration of `docs/replicas.md`, with a real
//! Redis.

mod cluster;
mod outages;
mod restarts;
mod starts;
mod state;

use crate::support::guest::{Guest, Tool};
use crate::support::task_client::as_task;

/// A guest with quick tools, and with tools that run as tasks.
fn guest() -> Guest {
    let mut guest = Guest::new();
    guest.import(
        r#"(import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration" (func $timer (param i64) (result i32)))
           (import "wasi:io/poll@0.2.0" "[method]pollable.block" (func $block (param i32)))"#,
    );
    guest.item(
        "(func $sleep (param $ms i64)
           (call $block (call $timer (i64.mul (local.get $ms) (i64.const 1000000)))))",
    );
    let done = guest.string("done");
    let return_done = format!("(call $text {done})");
    guest.tool(Tool::new("quick"), return_done.clone());
    guest.tool(
        Tool::new("short"),
        format!("(call $sleep (i64.const 200)) {return_done}"),
    );
    let half = guest.string("half way");
    guest.tool(
        Tool::new("slow"),
        format!(
            "(call $progress (f64.const 1) (i32.const 0) (f64.const 0) (i32.const 1) {half})
             (call $sleep (i64.const 1500)) {return_done}"
        ),
    );
    guest.tool(as_task("task"), return_done);
    guest.tool(
        as_task("endless"),
        "(loop $on (call $sleep (i64.const 1000)) (br $on)) (unreachable)",
    );
    let form = r#"{"message":"Your name?","requestedSchema":{"type":"object","properties":{}}}"#;
    let ask = guest.questions(&[["name", "elicitation/create", form]]);
    let answer = "(call $text (call $answer (local.get $answers) (i32.const 0)))";
    let asks = format!("(if (i32.eqz (local.get $answers_len)) (then (return {ask}))) {answer}");
    guest.tool(as_task("asks"), asks.clone());
    guest.tool(Tool::new("asks_at_once"), asks);
    let bytes = 17 << 20;
    guest.tool(
        as_task("large"),
        format!(
            "(local $at i32)
             (local.set $at (call $realloc (i32.const 0) (i32.const 0) (i32.const 1) (i32.const {bytes})))
             (memory.fill (local.get $at) (i32.const 97) (i32.const {bytes}))
             (call $text (local.get $at) (i32.const {bytes}))"
        ),
    );
    guest
}
