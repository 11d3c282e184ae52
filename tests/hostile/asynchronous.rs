//! Hostile guests with asynchronous functions, on the engine with concurrency.

use super::{HostileComponent, repeat_forever};
use crate::preview3::guests::{AsyncGuest, EXIT};

const TITLE: &str = "Asynchronous functions";

/// Limits of which only the CPU limit can be reached by loops.
const ONLY_CPU: &str = "cpu = \"200ms\"\ntime = \"60s\"\n";
/// Limits for guests that wait.
const SHORT: &str = "time = \"1s\"\n";

pub(super) fn components() -> [HostileComponent; 3] {
    [loops(), waits(), subtasks()]
}

/// A builder of a component whose tools are hostile.
#[derive(Default)]
struct HostileAsyncGuest {
    guest: AsyncGuest,
    tools: Vec<(String, &'static str)>,
}

impl HostileAsyncGuest {
    /// Adds a function without a result.
    fn function(&mut self, name: &str, behaviour: &'static str, start: &str, callback: &str) {
        let start = format!("(result i32) {start}");
        self.guest.function(name, "()", "", &start, callback);
        self.add_tool(name, behaviour);
    }

    /// Adds a function that returns a stream and writes this many bytes to it.
    fn stream(&mut self, name: &str, behaviour: &'static str, length: u32, callback: &str) {
        let id = name.replace('-', "_");
        let start = format!(
            "(call $return_{id} (local.get $readable))
             (drop (call $write_{id} (local.get $writable) (i32.const 0) (i32.const {length})))
             (call $wait (local.get $writable))"
        );
        self.guest.streaming(name, &start, callback);
        self.add_tool(name, behaviour);
    }

    fn add_tool(&mut self, name: &str, behaviour: &'static str) {
        let name = format!("async-{}", name.replace('-', "_"));
        self.tools.push((name, behaviour));
    }

    fn build(self, name: &'static str, limits: &str) -> HostileComponent {
        HostileComponent {
            title: TITLE,
            name,
            bytes: self.guest.component(100, ""),
            settings: format!(
                "prefix = \"async-\"\n[component.limits]\noutput = \"100kB\"\n{limits}"
            ),
            tools: self.tools,
        }
    }
}

/// Guests that compute.
fn loops() -> HostileComponent {
    let mut guest = HostileAsyncGuest::default();
    guest.function("spins", "loops forever", &repeat_forever(""), EXIT);
    guest.function(
        "yields",
        "yields forever, and is called back each time",
        "(i32.const 1)",
        "(i32.const 1)",
    );
    let write = |name: &str, length: u32| {
        repeat_forever(&format!(
            "(drop (call $write_{name} (local.get $handle) (i32.const 0) (i32.const {length})))"
        ))
    };
    guest.stream(
        "streams-nothing",
        "writes nothing to its stream, forever",
        0,
        &write("streams_nothing", 0),
    );
    guest.stream(
        "streams-without-end",
        "writes to its stream forever, whatever is read",
        4_000,
        &write("streams_without_end", 4_000),
    );
    guest.stream(
        "streams-much-at-once",
        "writes 6 MB to its stream at once",
        6_000_000,
        EXIT,
    );
    guest.build("asynchronous-loops", ONLY_CPU)
}

/// Guests that wait, or keep what they make.
fn waits() -> HostileComponent {
    let mut guest = HostileAsyncGuest::default();
    guest.guest.sleeping();
    for (name, behaviour, start) in [
        (
            "waits-for-ever",
            "waits for an event that nothing can cause",
            "(call $wait_for_nothing)",
        ),
        (
            "sleeps-for-ever",
            "sleeps for 500 years",
            "(call $wait (call $sleep (i64.const -1)))",
        ),
        ("ends-without-a-result", "ends before it has returned", EXIT),
        (
            "leaks-tasks",
            "starts tasks that sleep, and keeps them all",
            &repeat_forever("(drop (call $sleep (i64.const -1)))"),
        ),
        (
            "leaks-sets",
            "makes sets to wait with, and keeps them all",
            &repeat_forever("(drop (call $new_set))"),
        ),
    ] {
        guest.function(name, behaviour, start, EXIT);
    }
    for (name, behaviour, start) in [
        (
            "forgets-its-stream",
            "returns a stream and ends with it open",
            "(call $return_forgets_its_stream (local.get $readable)) (i32.const 0)",
        ),
        (
            "leaks-streams",
            "makes streams and keeps them all",
            &repeat_forever("(drop (call $new_leaks_streams))"),
        ),
    ] {
        guest.guest.streaming(name, start, EXIT);
        guest.add_tool(name, behaviour);
    }
    for (name, behaviour, end) in [
        (
            "never-writes-its-future",
            "returns a future and waits forever",
            "(call $wait_for_nothing)",
        ),
        (
            "drops-its-future",
            "returns a future and drops the end that would write to it",
            "(call $drop_drops_its_future (i32.wrap_i64 (i64.shr_u (local.get $pair) (i64.const 32))))
             (i32.const 0)",
        ),
    ] {
        let id = name.replace('-', "_");
        guest.guest.add(
            "",
            &format!(
                r#"(import "[export]$root" "[future-new-0]{name}" (func $new_{id} (result i64)))
                   (import "[export]$root" "[future-drop-writable-0]{name}" (func $drop_{id} (param i32)))"#
            ),
            "",
        );
        let start = format!(
            "(result i32) (local $pair i64)
             (local.set $pair (call $new_{id}))
             (call $return_{id} (i32.wrap_i64 (local.get $pair)))
             {end}"
        );
        guest
            .guest
            .function(name, "() -> future<u32>", "(param i32)", &start, EXIT);
        guest.add_tool(name, behaviour);
    }
    flood_of_futures(&mut guest);
    guest.build("asynchronous-waits", SHORT)
}

/// Adds a function that returns many futures. The text of each is the same part of the guest's memory.
fn flood_of_futures(guest: &mut HostileAsyncGuest) {
    let name = "returns-many-futures";
    guest.guest.add(
        "",
        &format!(
            r#"(import "[export]$root" "[future-new-0]{name}" (func $new_text (result i64)))
               (import "[export]$root" "[async-lower][future-write-0]{name}" (func $write_text (param i32 i32) (result i32)))"#
        ),
        "",
    );
    let each = |body: &str| {
        format!(
            "(local.set $at (i32.const 0))
             (loop $again
               {body}
               (local.set $at (i32.add (local.get $at) (i32.const 4)))
               (br_if $again (i32.lt_u (local.get $at) (i32.const 800))))"
        )
    };
    let make = each(
        "(local.set $pair (call $new_text))
         (i32.store offset=1024 (local.get $at) (i32.wrap_i64 (local.get $pair)))
         (i32.store offset=2048 (local.get $at) (i32.wrap_i64 (i64.shr_u (local.get $pair) (i64.const 32))))",
    );
    let write =
        each("(drop (call $write_text (i32.load offset=2048 (local.get $at)) (i32.const 16)))");
    let start = format!(
        "(result i32) (local $at i32) (local $pair i64)
         (i32.store (i32.const 16) (i32.const 65536))
         (i32.store (i32.const 20) (i32.const 1000000))
         {make}
         (call $return_returns_many_futures (i32.const 1024) (i32.const 200))
         {write}
         (call $wait_for_nothing)"
    );
    let signature = "() -> list<future<string>>";
    guest
        .guest
        .function(name, signature, "(param i32 i32)", &start, EXIT);
    guest.add_tool(name, "returns 200 futures with texts of 1 MB");
}

/// A component that starts many tasks of a component in it. The first waits inside of a function, the others for the first.
fn subtasks() -> HostileComponent {
    let text = r#"(component
      (component $sleeper
        (core module $memory (memory (export "memory") 1))
        (core instance $memory (instantiate $memory))
        (core func $new (canon waitable-set.new))
        (core func $wait (canon waitable-set.wait (memory $memory "memory")))
        (core module $module
          (import "" "new" (func $new (result i32)))
          (import "" "wait" (func $wait (param i32 i32) (result i32)))
          (func (export "sleep") (result i32) (drop (call $wait (call $new) (i32.const 0))) unreachable)
          (func (export "callback") (param i32 i32 i32) (result i32) unreachable))
        (core instance $instance (instantiate $module (with "" (instance
          (export "new" (func $new))
          (export "wait" (func $wait))))))
        (func (export "sleep") async
          (canon lift (core func $instance "sleep") async (callback (func $instance "callback")))))
      (component $starter
        (import "sleep" (func $sleeper async))
        (core func $sleep (canon lower (func $sleeper) async))
        (core module $module
          (import "" "sleep" (func $sleep (result i32)))
          (func (export "run") (result i32) (loop $again (drop (call $sleep)) (br $again)) unreachable)
          (func (export "callback") (param i32 i32 i32) (result i32) unreachable))
        (core instance $instance (instantiate $module (with "" (instance (export "sleep" (func $sleep))))))
        (func (export "run") async
          (canon lift (core func $instance "run") async (callback (func $instance "callback")))))
      (instance $sleeper (instantiate $sleeper))
      (instance $starter (instantiate $starter (with "sleep" (func $sleeper "sleep"))))
      (export "leaks-subtasks" (func $starter "run")))"#;
    HostileComponent {
        title: TITLE,
        name: "asynchronous-parts",
        bytes: wat::parse_str(text).unwrap(),
        settings: format!("prefix = \"async-\"\n[component.limits]\n{SHORT}"),
        tools: vec![(
            "async-leaks_subtasks".to_owned(),
            "starts tasks of a component in it that wait, and keeps them all",
        )],
    }
}
