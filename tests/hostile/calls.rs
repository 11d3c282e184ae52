//! Hostile guests that need no grant: endless loops, resource exhaustion, floods of output, crashes, and isolation.

use super::{
    BLOCK, HostileComponent, HostileComponentBuilder, POLL, TIMER, asynchronous, repeat,
    repeat_forever,
};
use crate::kinds::commands::command_with;
use crate::support::guest::http::add_http_imports;
use crate::support::guest::{Guest, component, component_from_wit};

const RANDOM: &str =
    r#"(import "wasi:random/random@0.2.0" "get-random-bytes" (func $random (param i64 i32)))"#;
const STDOUT: &str = r#"
    (import "wasi:cli/stdout@0.2.0" "get-stdout" (func $get_stdout (result i32)))
    (import "wasi:io/streams@0.2.0" "[method]output-stream.blocking-write-and-flush"
      (func $write (param i32 i32 i32 i32)))
    (import "wasi:io/streams@0.2.0" "[method]output-stream.write-zeroes" (func $zeroes (param i32 i64 i32)))
"#;
const EXIT: &str = r#"(import "wasi:cli/exit@0.2.0" "exit" (func $exit (param i32)))"#;

pub(super) fn components() -> Vec<HostileComponent> {
    let mut components = vec![endless_loops()];
    components.extend(endless_loops_outside_the_function());
    components.extend(commands());
    components.push(stub_storm());
    components.extend(asynchronous::components());
    components.extend([
        resource_exhaustion(),
        own_resources(),
        floods(),
        crashes(),
        isolation(),
    ]);
    components
}

/// Limits of which only the CPU limit can be reached.
const ONLY_CPU: &str = "[component.limits]\ncpu = \"200ms\"\ntime = \"60s\"\n";

fn endless_loops() -> HostileComponent {
    let mut guest = Guest::new();
    let line = guest.string("line");
    guest
        .pages(40)
        .export("import wasi:random/random@0.2.0;")
        .import(RANDOM)
        .import(TIMER)
        .import(BLOCK);
    let mut component = HostileComponentBuilder::new(guest);
    component.tool("spins", "loops forever", "(call $spin)")
        .tool(
            "spins-in-host-calls",
            "calls `time-left` forever",
            repeat_forever("(drop (call $time_left))"),
        )
        .tool(
            "spins-in-logs",
            "logs forever, long after its lines are dropped",
            repeat_forever(&format!("(call $log (i32.const 0) {line})")),
        )
        .tool(
            "spins-in-fills",
            "fills 1 MiB of memory forever",
            repeat_forever("(memory.fill (i32.const 1048576) (i32.const 1) (i32.const 1048576))"),
        )
        .tool(
            "spins-in-randomness",
            "requests 1 MiB of random bytes forever",
            repeat_forever(
                "(global.set $heap (i32.const 1048576)) (call $random (i64.const 1048576) (i32.const 256))",
            ),
        )
        .tool(
            "spins-in-polls",
            "blocks on a pollable that is always ready, forever",
            format!(
                "(local $ready i32) (local.set $ready (call $timer (i64.const 0))) {}",
                repeat_forever("(call $block (local.get $ready))")
            ),
        );
    component.build("Endless loops", "spins", ONLY_CPU)
}

/// Function components that loop in `cabi_realloc` and in the post-return function.
fn endless_loops_outside_the_function() -> [HostileComponent; 2] {
    const WORLD: &str = "export greet: func(name: string) -> string;";
    let greeter = |realloc: &str, post_return: &str| {
        let module = format!(
            r#"(module
              (memory (export "memory") 1)
              (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) {realloc} (i32.const 1024))
              (func (export "greet") (param i32 i32) (result i32)
                (i32.store (i32.const 16) (i32.const 1024))
                (i32.store (i32.const 20) (local.get 1))
                (i32.const 16))
              (func (export "cabi_post_greet") (param i32) {post_return}))"#
        );
        component(WORLD, &module)
    };
    let hostile = |name, behaviour, bytes| HostileComponent {
        title: "Endless loops outside the called function",
        name,
        bytes,
        settings: format!("prefix = \"{name}-\"\n{ONLY_CPU}"),
        tools: vec![(format!("{name}-greet"), behaviour)],
    };
    const SPIN: &str = "(loop $again (br $again))";
    [
        hostile(
            "spins-in-realloc",
            "loops forever in `cabi_realloc`, which the host calls to pass the arguments",
            greeter(SPIN, ""),
        ),
        hostile(
            "spins-in-post-return",
            "loops forever in the post-return function, which should free the result",
            greeter("", SPIN),
        ),
    ]
}

/// Commands, which the host calls without the contract.
fn commands() -> [HostileComponent; 3] {
    let hostile = |name: &'static str, behaviour, run: &str, limits: &str| HostileComponent {
        title: "Commands",
        name,
        bytes: command_with("", run),
        settings: format!("[component.limits]\noutput = \"100kB\"\n{limits}"),
        tools: vec![(name.to_owned(), behaviour)],
    };
    let print = repeat_forever("(call $print (i32.const 0) (i32.const 4000))");
    let complain = repeat_forever("(call $complain (i32.const 0) (i32.const 4000))");
    [
        hostile(
            "command-floods-its-output",
            "writes to its standard output forever",
            &print,
            "",
        ),
        hostile(
            "command-floods-its-errors",
            "writes to its standard error forever",
            &complain,
            "",
        ),
        hostile(
            "command-never-ends",
            "loops forever",
            &repeat_forever(""),
            "cpu = \"200ms\"\ntime = \"60s\"\n",
        ),
    ]
}

/// Stubs cost the host something for each call, and for each value that they are given.
fn stub_storm() -> HostileComponent {
    let module = format!(
        r#"(module
          (import "acme:metrics/counter" "add" (func $add (param i32 i32)))
          (import "acme:metrics/counter" "total" (func $total (result i64)))
          (memory (export "memory") 80)
          (func (export "calls") {calls})
          (func (export "passes-much") {much})
          (func (export "passes-too-much") (call $add (i32.const 0) (i32.const 5000000)))
          (func (export "needs-a-result") (drop (call $total))))"#,
        calls = repeat_forever("(call $add (i32.const 0) (i32.const 0))"),
        much = repeat_forever("(call $add (i32.const 0) (i32.const 100000))"),
    );
    let bytes = component_from_wit(
        "package acme:metrics {
           interface counter { add: func(counts: list<u8>); total: func() -> u64; }
         }
         world guest {
           import acme:metrics/counter;
           export calls: func();
           export passes-much: func();
           export passes-too-much: func();
           export needs-a-result: func();
         }",
        &module,
    );
    let tools = [
        ("calls", "calls a stub forever"),
        (
            "passes_much",
            "calls a stub with a list of 100,000 entries forever",
        ),
        (
            "passes_too_much",
            "calls a stub with a list of 5,000,000 entries",
        ),
        ("needs_a_result", "calls a stub that has no result to give"),
    ];
    HostileComponent {
        title: "Stubs for missing imports",
        name: "stub-storm",
        bytes,
        settings: format!("prefix = \"stub-\"\nmissing-imports = \"stub\"\n{ONLY_CPU}"),
        tools: tools
            .map(|(tool, behaviour)| (format!("stub-{tool}"), behaviour))
            .into(),
    }
}

fn resource_exhaustion() -> HostileComponent {
    let mut guest = Guest::new();
    add_http_imports(&mut guest);
    let (name, value) = (guest.string("x"), guest.string("v".repeat(40_000)));
    let method = guest.string("M".repeat(100_000));
    guest
        .pages(40)
        .export("import wasi:random/random@0.2.0;")
        .import(RANDOM)
        .import(STDOUT)
        .import(TIMER)
        .import(POLL)
        .item("(table $table 1 funcref)")
        .item(
            "(func $deeper (param i64) (result i64)
               (i64.add (local.get 0) (call $deeper (i64.add (local.get 0) (i64.const 1)))))",
        );
    let mut component = HostileComponentBuilder::new(guest);
    component.tool(
        "exhausts-memory",
        "grows its memory until that fails, then traps",
        repeat_forever("(if (i32.eq (memory.grow (i32.const 16)) (i32.const -1)) (then unreachable))"),
    )
    .tool(
        "exhausts-tables",
        "grows a table until that fails, then traps",
        repeat_forever(
            "(if (i32.eq (table.grow $table (ref.null func) (i32.const 1000)) (i32.const -1)) (then unreachable))",
        ),
    )
    .tool(
        "recurses",
        "calls itself without end",
        "(call $say_number (call $deeper (i64.const 0))) (call $said)",
    )
    .tool(
        "leaks-headers",
        "creates header lists of 40 kB each and keeps them all",
        repeat_forever(&format!(
            "(call $append (call $fields) {name} {value} (i32.const 256))"
        )),
    )
    .tool(
        "leaks-requests",
        "creates requests with method names of 100 kB, never sends them and keeps them all",
        format!(
            "(local $request i32) {}",
            repeat_forever(&format!(
                "(local.set $request (call $request (call $fields)))
                 (drop (call $set_method (local.get $request) (i32.const 9) {method}))"
            ))
        ),
    )
    .tool(
        "leaks-streams",
        "opens its output stream repeatedly and keeps every handle",
        repeat_forever("(drop (call $get_stdout))"),
    )
    .tool(
        "leaks-timers",
        "creates timers and keeps them all",
        repeat_forever("(drop (call $timer (i64.const 3600000000000)))"),
    )
    .tool(
        "requests-random-bytes",
        "requests 1 TiB of random bytes at once",
        "(call $random (i64.const 1099511627776) (i32.const 256)) (unreachable)",
    )
    .tool(
        "writes-zeroes",
        "writes 1 TiB of zeroes to its output with one host call",
        "(call $zeroes (call $get_stdout) (i64.const 1099511627776) (i32.const 256)) (unreachable)",
    )
    .tool(
        "polls-half-a-million",
        "polls a list that contains the same timer half a million times",
        "(local $timer i32) (local $at i32)
         (local.set $timer (call $timer (i64.const 1000000)))
         (local.set $at (i32.const 65536))
         (loop $again
           (i32.store (local.get $at) (local.get $timer))
           (local.set $at (i32.add (local.get $at) (i32.const 4)))
           (br_if $again (i32.lt_u (local.get $at) (i32.const 2065536))))
         (global.set $heap (i32.const 2621440))
         (call $poll (i32.const 65536) (i32.const 500000) (i32.const 256))
         (call $say_number (i64.load32_u (i32.const 260)))
         (call $said)",
    );
    component.build(
        "Resource exhaustion",
        "resource-exhaustion",
        "[component.limits]\nmemory = \"8MiB\"\ntime = \"10m\"\n",
    )
}

fn own_resources() -> HostileComponent {
    let mut guest = Guest::new();
    guest
        .export("export things: interface { resource thing; } export leak: func() -> u32;")
        .import(
            r#"(import "[export]things" "[resource-new]thing" (func $new (param i32) (result i32)))"#,
        )
        .item(format!(
            r#"(func (export "leak") (result i32) {})"#,
            repeat_forever("(drop (call $new (i32.const 0)))")
        ));
    HostileComponent {
        title: "Resource exhaustion",
        name: "own-resources",
        bytes: guest.component(),
        settings: String::new(),
        tools: vec![(
            "leak".into(),
            "creates resources of its own type and keeps them all",
        )],
    }
}

fn floods() -> HostileComponent {
    let mut guest = Guest::new();
    let line = guest.string("a line of the guest\n");
    let without_newline = guest.string("x".repeat(4_000));
    let done = guest.string("done");
    let long_text = guest.string("y".repeat(400_000));
    let deep_json = guest.string("[".repeat(90_000));
    let invalid_utf8 = guest.string([b'a', 0xff, b'b']);
    // A function name close to the maximum length, which appears twenty times in the backtrace.
    let name = "n".repeat(90_000);
    guest.import(STDOUT).item(format!(
        "(func ${name} (param i32) (if (i32.eqz (local.get 0)) (then unreachable))
           (call ${name} (i32.sub (local.get 0) (i32.const 1))))"
    ));
    // Locals must be declared first, so the stream is opened inside the loop.
    let print = |count, text: &str| {
        format!(
            "(local $stream i32) {} (call $text {done})",
            repeat(
                count,
                &format!(
                    "(if (i32.eqz (local.get $stream)) (then (local.set $stream (call $get_stdout))))
                     (call $write (local.get $stream) {text} (i32.const 512))"
                )
            )
        )
    };
    let repeat_then_done =
        |count, body: &str| format!("{} (call $text {done})", repeat(count, body));
    let mut component = HostileComponentBuilder::new(guest);
    component
        .tool(
            "floods-the-log",
            "logs 50,000 lines",
            repeat_then_done(50_000, &format!("(call $log (i32.const 1) {line})")),
        )
        .tool(
            "floods-its-output",
            "prints 50,000 lines",
            print(50_000, &line),
        )
        .tool(
            "floods-one-line",
            "prints 8 MB without a line break",
            print(2_000, &without_newline),
        )
        .tool(
            "floods-its-client",
            "reports progress 50,000 times",
            repeat_then_done(
                50_000,
                "(call $progress (f64.convert_i32_u (i32.sub (i32.const 60000) (local.get $n)))
               (i32.const 0) (f64.const 0) (i32.const 0) (i32.const 0) (i32.const 0))",
            ),
        )
        .tool(
            "returns-too-much",
            "returns 400,000 bytes of text",
            format!("(call $text {long_text})"),
        )
        .tool(
            "fails-with-long-text",
            "fails with an error text of 400,000 bytes",
            format!("(call $failed {long_text})"),
        )
        .tool(
            "returns-deep-json",
            "returns JSON that is nested 90,000 levels deep",
            format!("(call $structured {deep_json})"),
        )
        .tool(
            "returns-invalid-utf-8",
            "returns text that is not valid UTF-8",
            format!("(call $text {invalid_utf8})"),
        )
        .tool(
            "floods-a-backtrace",
            "crashes in functions with names of 90,000 characters",
            format!("(call ${name} (i32.const 30)) (unreachable)"),
        );
    component.build(
        "Floods of output",
        "floods",
        "[component.limits]\noutput = \"100kB\"\ntime = \"10m\"\n",
    )
}

fn crashes() -> HostileComponent {
    let mut guest = Guest::new();
    guest
        .import(EXIT)
        .import(BLOCK)
        .item("(type $nothing (func)) (table $none 1 funcref)");
    let mut component = HostileComponentBuilder::new(guest);
    component.tool("traps", "executes `unreachable`", "(unreachable)")
        .tool(
            "divides-by-zero",
            "divides by zero",
            "(i32.div_u (i32.const 1) (i32.load (i32.const 512)))",
        )
        .tool(
            "reads-out-of-bounds",
            "reads beyond its memory",
            "(i32.load (i32.const -8))",
        )
        .tool(
            "calls-null-function",
            "calls a null entry of a function table",
            "(call_indirect $none (type $nothing) (i32.const 0)) (i32.const 0)",
        )
        .tool(
            "returns-out-of-bounds",
            "returns an address beyond its memory",
            "(i32.const -8)",
        )
        .tool(
            "returns-4-billion-items",
            "returns a list of four billion items",
            "(drop (call $text (i32.const 0) (i32.const 0))) (i32.store (i32.const 28) (i32.const -1)) (i32.const 16)",
        )
        .tool(
            "guesses-handles",
            "uses a handle that it never received",
            "(call $block (i32.const 3)) (unreachable)",
        )
        .tool(
            "exits",
            "calls `wasi:cli/exit`",
            "(call $exit (i32.const 1)) (unreachable)",
        );
    component.build("Crashes", "crashes", "")
}

fn isolation() -> HostileComponent {
    let mut guest = Guest::new();
    guest.item("(global $mark (mut i64) (i64.const 0))");
    let mut component = HostileComponentBuilder::new(guest);
    component
        .tool(
            "leaves-marks",
            "fills 4 MiB of memory and sets a global, for the next guest to find",
            "(drop (memory.grow (i32.const 64)))
         (memory.fill (i32.const 131072) (i32.const 90) (i32.const 4063232))
         (global.set $mark (i64.const 90))
         (call $say_number (global.get $mark))
         (call $said)",
        )
        .tool(
            "looks-for-marks",
            "counts data that other calls left in memory and globals",
            "(local $at i32) (local $found i64)
         (drop (memory.grow (i32.const 64)))
         (local.set $at (i32.const 131072))
         (local.set $found (global.get $mark))
         (loop $again
           (if (i64.ne (i64.load (local.get $at)) (i64.const 0))
             (then (local.set $found (i64.add (local.get $found) (i64.const 1)))))
           (local.set $at (i32.add (local.get $at) (i32.const 8)))
           (br_if $again (i32.lt_u (local.get $at) (i32.const 4194304))))
         (call $say_number (local.get $found))
         (call $said)",
        );
    component.build("Isolation between calls", "isolation", "")
}
