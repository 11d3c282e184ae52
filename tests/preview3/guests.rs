//! Guests with asynchronous functions, lifted with a callback as `wit-bindgen` does.

use std::fmt::Write;

use crate::support::guest::component_from_wit;

/// The code with which a function ends.
pub(crate) const EXIT: &str = "(i32.const 0)";

/// The interfaces of WASI 0.3 that the guests import.
const WASI: &str = "
    package wasi:cli@0.3.0 {
      interface types { enum error-code { io, illegal-byte-sequence, pipe } }
      interface environment { get-environment: func() -> list<tuple<string, string>>; }
      interface stdout {
        use types.{error-code};
        write-via-stream: func(data: stream<u8>) -> future<result<_, error-code>>;
      }
      interface run { run: async func() -> result; }
    }
    package wasi:clocks@0.3.0 {
      interface monotonic-clock { now: func() -> u64; wait-for: async func(how-long: u64); }
    }
    package wasi:random@0.3.0 {
      interface random { get-random-u64: func() -> u64; }
    }";

/// A builder of a component with asynchronous functions.
#[derive(Default)]
pub(crate) struct AsyncGuest {
    world: String,
    imports: String,
    functions: String,
}

impl AsyncGuest {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds items of the world, imports of the module and its functions.
    pub(crate) fn add(&mut self, world: &str, imports: &str, functions: &str) -> &mut Self {
        self.world.push_str(world);
        self.imports.push_str(imports);
        self.functions.push_str(functions);
        self
    }

    /// Imports `$sleep`, which takes nanoseconds and returns the handle of a task.
    pub(crate) fn sleeping(&mut self) -> &mut Self {
        self.add(
            "import wasi:clocks/monotonic-clock@0.3.0;",
            r#"(import "wasi:clocks/monotonic-clock@0.3.0" "[async-lower]wait-for"
                 (func $wait_for (param i64) (result i32)))"#,
            "(func $sleep (param i64) (result i32)
               (i32.shr_u (call $wait_for (local.get 0)) (i32.const 4)))",
        )
    }

    /// Adds an exported `async func`. `start` begins it and `callback` goes on after each event, with `$handle` and `$code`; both
    /// return the next step. `$return_NAME` takes the flat result.
    pub(crate) fn function(
        &mut self,
        name: &str,
        signature: &str,
        flat: &str,
        start: &str,
        callback: &str,
    ) -> &mut Self {
        let _ = writeln!(self.world, "export {name}: async func{signature};");
        let id = name.replace('-', "_");
        let _ = writeln!(
            self.imports,
            r#"(import "[export]$root" "[task-return]{name}" (func $return_{id} {flat}))"#
        );
        let _ = writeln!(
            self.functions,
            r#"(func (export "[async-lift]{name}") {start})
               (func (export "[callback][async-lift]{name}") (param $event i32) (param $handle i32) (param $code i32)
                 (result i32) {callback})"#
        );
        self
    }

    /// Adds an `async func` without parameters that returns what `result` says of a stream of bytes. It runs `start` when it has
    /// `$readable` and `$writable`, and `callback` after each event.
    pub(crate) fn streaming(&mut self, name: &str, start: &str, callback: &str) -> &mut Self {
        let id = name.replace('-', "_");
        let _ = writeln!(
            self.imports,
            r#"(import "[export]$root" "[stream-new-0]{name}" (func $new_{id} (result i64)))
               (import "[export]$root" "[async-lower][stream-write-0]{name}"
                 (func $write_{id} (param i32 i32 i32) (result i32)))
               (import "[export]$root" "[stream-drop-writable-0]{name}" (func $drop_{id} (param i32)))"#
        );
        let start = format!(
            "(result i32) (local $pair i64) (local $readable i32) (local $writable i32)
             (local.set $pair (call $new_{id}))
             (local.set $readable (i32.wrap_i64 (local.get $pair)))
             (local.set $writable (i32.wrap_i64 (i64.shr_u (local.get $pair) (i64.const 32))))
             {start}"
        );
        self.function(name, "() -> stream<u8>", "(param i32)", &start, callback)
    }

    /// Adds an `async func` that returns a stream and writes `length` bytes at `at` to it.
    pub(crate) fn writing(&mut self, name: &str, at: usize, length: usize) -> &mut Self {
        let id = name.replace('-', "_");
        let start = format!(
            "(call $return_{id} (local.get $readable))
             (drop (call $write_{id} (local.get $writable) (i32.const {at}) (i32.const {length})))
             (call $wait (local.get $writable))"
        );
        let callback = format!("(call $drop_{id} (local.get $handle)) {EXIT}");
        self.streaming(name, &start, &callback)
    }

    /// Builds the component. Its module has `$wait`, which returns the step that waits for an event of a handle, and a memory of
    /// `pages` with `data`.
    pub(crate) fn component(&self, pages: u32, data: &str) -> Vec<u8> {
        let Self {
            world,
            imports,
            functions,
        } = self;
        component_from_wit(
            &format!("{WASI} world guest {{ {world} }}"),
            &format!(
                r#"(module
                  (import "$root" "[waitable-set-new]" (func $new_set (result i32)))
                  (import "$root" "[waitable-join]" (func $join (param i32 i32)))
                  (import "$root" "[subtask-drop]" (func $drop_task (param i32)))
                  {imports}
                  (memory (export "memory") {pages})
                  (global $heap (mut i32) (i32.const 32768))
                  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                    (local $at i32)
                    (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
                    (global.set $heap (i32.add (local.get $at) (local.get 3)))
                    (local.get $at))
                  {data}
                  (func $wait (param $handle i32) (result i32) (local $set i32)
                    (local.set $set (call $new_set))
                    (call $join (local.get $handle) (local.get $set))
                    (i32.or (i32.shl (local.get $set) (i32.const 4)) (i32.const 2)))
                  (func $wait_for_nothing (result i32)
                    (i32.or (i32.shl (call $new_set) (i32.const 4)) (i32.const 2)))
                  {functions})"#
            ),
        )
    }
}

/// A component with a function of each kind.
pub(crate) fn kinds() -> Vec<u8> {
    let mut guest = AsyncGuest::new();
    guest
        .sleeping()
        .function(
            "add",
            "(a: u32, b: u32) -> u32",
            "(param i32)",
            &format!(
                "(param i32 i32) (result i32)
                 (call $return_add (i32.add (local.get 0) (local.get 1))) {EXIT}"
            ),
            "unreachable",
        )
        .function(
            "waits",
            "() -> string",
            "(param i32 i32)",
            "(result i32) (call $wait (call $sleep (i64.const 20000000)))",
            &format!(
                "(call $drop_task (local.get $handle))
                 (call $return_waits (i32.const 1024) (i32.const 5)) {EXIT}"
            ),
        )
        .function(
            "fails",
            "() -> result<u32, string>",
            "(param i32 i32 i32)",
            &format!(
                "(result i32) (call $return_fails (i32.const 1) (i32.const 1024) (i32.const 5)) {EXIT}"
            ),
            "unreachable",
        )
        .writing("text", 1024, 5)
        .writing("empty", 1024, 0)
        .writing("bytes", 1056, 3)
        .writing("large", 0, 1_000);
    // The string of the future is at 1040.
    guest.add(
        "",
        r#"(import "[export]$root" "[future-new-0]later" (func $new_later (result i64)))
           (import "[export]$root" "[async-lower][future-write-0]later" (func $write_later (param i32 i32) (result i32)))
           (import "[export]$root" "[future-drop-writable-0]later" (func $drop_later (param i32)))"#,
        "",
    );
    guest.function(
        "later",
        "() -> future<string>",
        "(param i32)",
        "(result i32) (local $pair i64) (local $writable i32)
         (local.set $pair (call $new_later))
         (local.set $writable (i32.wrap_i64 (i64.shr_u (local.get $pair) (i64.const 32))))
         (call $return_later (i32.wrap_i64 (local.get $pair)))
         (drop (call $write_later (local.get $writable) (i32.const 1040)))
         (call $wait (local.get $writable))",
        &format!("(call $drop_later (local.get $handle)) {EXIT}"),
    );
    // Writes to the future first, although the stream comes first in the result.
    guest.add(
        "",
        r#"(import "[export]$root" "[stream-new-0]both" (func $new_stream (result i64)))
           (import "[export]$root" "[async-lower][stream-write-0]both"
             (func $write_stream (param i32 i32 i32) (result i32)))
           (import "[export]$root" "[stream-drop-writable-0]both" (func $drop_stream (param i32)))
           (import "[export]$root" "[future-new-1]both" (func $new_future (result i64)))
           (import "[export]$root" "[async-lower][future-write-1]both"
             (func $write_future (param i32 i32) (result i32)))
           (import "[export]$root" "[future-drop-writable-1]both" (func $drop_future (param i32)))"#,
        "(global $stream (mut i32) (i32.const 0))",
    );
    guest.function(
        "both",
        "() -> tuple<stream<u8>, future<u32>>",
        "(param i32 i32)",
        "(result i32) (local $stream i64) (local $future i64) (local $writable i32)
         (local.set $stream (call $new_stream))
         (local.set $future (call $new_future))
         (global.set $stream (i32.wrap_i64 (i64.shr_u (local.get $stream) (i64.const 32))))
         (local.set $writable (i32.wrap_i64 (i64.shr_u (local.get $future) (i64.const 32))))
         (call $return_both (i32.wrap_i64 (local.get $stream)) (i32.wrap_i64 (local.get $future)))
         (drop (call $write_future (local.get $writable) (i32.const 1048)))
         (call $wait (local.get $writable))",
        &format!(
            "(if (result i32) (i32.eq (local.get $handle) (global.get $stream))
               (then (call $drop_stream (local.get $handle)) {EXIT})
               (else
                 (call $drop_future (local.get $handle))
                 (if (result i32)
                   (i32.eq (i32.const -1)
                     (call $write_stream (global.get $stream) (i32.const 1024) (i32.const 5)))
                   (then (call $wait (global.get $stream)))
                   (else (call $drop_stream (global.get $stream)) {EXIT}))))"
        ),
    );
    guest.add(
        "export double: func(x: u32) -> u32;",
        "",
        r#"(func (export "double") (param i32) (result i32) (i32.mul (local.get 0) (i32.const 2)))"#,
    );
    guest.component(
        1,
        r#"(data (i32.const 1024) "hello")
           (data (i32.const 1040) "\00\04\00\00\05\00\00\00") (data (i32.const 1048) "\07\00\00\00")
           (data (i32.const 1056) "\ff\00\01")"#,
    )
}
