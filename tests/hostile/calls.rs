//! Guests that need no grant: they spin, take, flood, crash and look around.

use super::{BLOCK, POLL, Pack, Packing, TIMER, forever, times};
use crate::support::guest::http::can_fetch;
use crate::support::guest::{Guest, component};

const RANDOM: &str =
    r#"(import "wasi:random/random@0.2.0" "get-random-bytes" (func $random (param i64 i32)))"#;
const STDOUT: &str = r#"
    (import "wasi:cli/stdout@0.2.0" "get-stdout" (func $get_stdout (result i32)))
    (import "wasi:io/streams@0.2.0" "[method]output-stream.blocking-write-and-flush"
      (func $write (param i32 i32 i32 i32)))
    (import "wasi:io/streams@0.2.0" "[method]output-stream.write-zeroes" (func $zeroes (param i32 i64 i32)))
"#;
const EXIT: &str = r#"(import "wasi:cli/exit@0.2.0" "exit" (func $exit (param i32)))"#;

pub(super) fn packs() -> Vec<Pack> {
    let mut packs = vec![spins()];
    packs.extend(spins_elsewhere());
    packs.extend([bombs(), own_resources(), floods(), crashes(), looks()]);
    packs
}

/// Where nothing but the processor time can end them.
const ONLY_CPU: &str = "[component.limits]\ncpu = \"200ms\"\ntime = \"60s\"\n";

fn spins() -> Pack {
    let mut guest = Guest::new();
    let line = guest.string("line");
    guest
        .pages(40)
        .export("import wasi:random/random@0.2.0;")
        .import(RANDOM)
        .import(TIMER)
        .import(BLOCK);
    let mut pack = Packing::of(guest);
    pack.row("spins", "computes for ever", "(call $spin)")
        .row(
            "spins-in-host-calls",
            "asks the host for the time, for ever",
            forever("(drop (call $time_left))"),
        )
        .row(
            "spins-in-logs",
            "logs for ever, long after its lines are cut",
            forever(&format!("(call $log (i32.const 0) {line})")),
        )
        .row(
            "spins-in-fills",
            "fills a mebibyte of memory, for ever",
            forever("(memory.fill (i32.const 1048576) (i32.const 1) (i32.const 1048576))"),
        )
        .row(
            "spins-in-randomness",
            "asks for a mebibyte of random bytes, for ever",
            forever(
                "(global.set $heap (i32.const 1048576)) (call $random (i64.const 1048576) (i32.const 256))",
            ),
        )
        .row(
            "spins-in-polls",
            "waits for what is ready, for ever",
            format!(
                "(local $ready i32) (local.set $ready (call $timer (i64.const 0))) {}",
                forever("(call $block (local.get $ready))")
            ),
        );
    pack.packed("Guests that never end", "spins", ONLY_CPU)
}

/// Outside of the function that is called.
fn spins_elsewhere() -> [Pack; 2] {
    const WORLD: &str = "export greet: func(name: string) -> string;";
    let greets = |realloc: &str, post_return: &str| {
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
    let pack = |name, does, bytes| Pack {
        title: "Guests that never end, elsewhere",
        name,
        bytes,
        settings: format!("prefix = \"{name}-\"\n{ONLY_CPU}"),
        rows: vec![(format!("{name}-greet"), does)],
    };
    const SPIN: &str = "(loop $again (br $again))";
    [
        pack(
            "spins-for-arguments",
            "computes for ever where the host asks it for room for the arguments",
            greets(SPIN, ""),
        ),
        pack(
            "spins-after-return",
            "computes for ever after it has returned, where it should free what it returned",
            greets("", SPIN),
        ),
    ]
}

fn bombs() -> Pack {
    let mut guest = Guest::new();
    can_fetch(&mut guest);
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
    let mut pack = Packing::of(guest);
    pack.row(
        "takes-memory",
        "takes memory until there is none",
        forever("(if (i32.eq (memory.grow (i32.const 16)) (i32.const -1)) (then unreachable))"),
    )
    .row(
        "takes-tables",
        "lets a table grow until it cannot",
        forever(
            "(if (i32.eq (table.grow $table (ref.null func) (i32.const 1000)) (i32.const -1)) (then unreachable))",
        ),
    )
    .row(
        "recurses",
        "calls itself without end",
        "(call $say_number (call $deeper (i64.const 0))) (call $said)",
    )
    .row(
        "leaks-headers",
        "makes lists of headers, 40 kB each, and keeps them all",
        forever(&format!(
            "(call $append (call $fields) {name} {value} (i32.const 256))"
        )),
    )
    .row(
        "leaks-requests",
        "makes requests that it never sends, each of a method with 100 kB, and keeps them all",
        format!(
            "(local $request i32) {}",
            forever(&format!(
                "(local.set $request (call $request (call $fields)))
                 (drop (call $set_method (local.get $request) (i32.const 9) {method}))"
            ))
        ),
    )
    .row(
        "leaks-streams",
        "opens its output again and again and keeps every stream",
        forever("(drop (call $get_stdout))"),
    )
    .row(
        "leaks-timers",
        "sets timers and keeps them all",
        forever("(drop (call $timer (i64.const 3600000000000)))"),
    )
    .row(
        "asks-for-randomness",
        "asks for a tebibyte of random bytes at once",
        "(call $random (i64.const 1099511627776) (i32.const 256)) (unreachable)",
    )
    .row(
        "writes-zeroes",
        "has the host write a tebibyte of zeroes to its output",
        "(call $zeroes (call $get_stdout) (i64.const 1099511627776) (i32.const 256)) (unreachable)",
    )
    .row(
        "polls-a-crowd",
        "waits for half a million timers, all of them the same",
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
    pack.packed(
        "Bombs",
        "bombs",
        "[component.limits]\nmemory = \"8MiB\"\ntime = \"10m\"\n",
    )
}

fn own_resources() -> Pack {
    let mut guest = Guest::new();
    guest
        .export("export things: interface { resource thing; } export leak: func() -> u32;")
        .import(
            r#"(import "[export]things" "[resource-new]thing" (func $new (param i32) (result i32)))"#,
        )
        .item(format!(
            r#"(func (export "leak") (result i32) {})"#,
            forever("(drop (call $new (i32.const 0)))")
        ));
    Pack {
        title: "Bombs",
        name: "own",
        bytes: guest.component(),
        settings: String::new(),
        rows: vec![(
            "leak".into(),
            "makes resources of its own and keeps them all",
        )],
    }
}

fn floods() -> Pack {
    let mut guest = Guest::new();
    let line = guest.string("a line of the guest\n");
    let endless = guest.string("x".repeat(4_000));
    let done = guest.string("done");
    let long = guest.string("y".repeat(400_000));
    let deep = guest.string("[".repeat(90_000));
    let bad = guest.string([b'a', 0xff, b'b']);
    // As long as names can be, in a backtrace of twenty.
    let name = "n".repeat(90_000);
    guest.import(STDOUT).item(format!(
        "(func ${name} (param i32) (if (i32.eqz (local.get 0)) (then unreachable))
           (call ${name} (i32.sub (local.get 0) (i32.const 1))))"
    ));
    // Declarations of locals come first.
    let prints = |number, text: &str| {
        format!(
            "(local $stream i32) {} (call $text {done})",
            times(
                number,
                &format!(
                    "(if (i32.eqz (local.get $stream)) (then (local.set $stream (call $get_stdout))))
                     (call $write (local.get $stream) {text} (i32.const 512))"
                )
            )
        )
    };
    let then_done = |number, body: &str| format!("{} (call $text {done})", times(number, body));
    let mut pack = Packing::of(guest);
    pack.row(
        "floods-the-log",
        "logs 50,000 lines",
        then_done(50_000, &format!("(call $log (i32.const 1) {line})")),
    )
    .row(
        "floods-its-output",
        "prints 50,000 lines",
        prints(50_000, &line),
    )
    .row(
        "floods-one-line",
        "prints 8 MB without a line break",
        prints(2_000, &endless),
    )
    .row(
        "floods-its-client",
        "reports progress 50,000 times",
        then_done(
            50_000,
            "(call $progress (f64.convert_i32_u (i32.sub (i32.const 60000) (local.get $n)))
               (i32.const 0) (f64.const 0) (i32.const 0) (i32.const 0) (i32.const 0))",
        ),
    )
    .row(
        "returns-too-much",
        "returns 400,000 bytes of text",
        format!("(call $text {long})"),
    )
    .row(
        "fails-at-length",
        "fails with 400,000 bytes of text",
        format!("(call $failed {long})"),
    )
    .row(
        "returns-depth",
        "returns JSON that is 90,000 levels deep",
        format!("(call $structured {deep})"),
    )
    .row(
        "returns-no-text",
        "returns text that is no UTF-8",
        format!("(call $text {bad})"),
    )
    .row(
        "floods-a-backtrace",
        "crashes in functions with names of 90,000 characters",
        format!("(call ${name} (i32.const 30)) (unreachable)"),
    );
    pack.packed(
        "Floods",
        "floods",
        "[component.limits]\noutput = \"100kB\"\ntime = \"10m\"\n",
    )
}

fn crashes() -> Pack {
    let mut guest = Guest::new();
    guest
        .import(EXIT)
        .import(BLOCK)
        .item("(type $nothing (func)) (table $none 1 funcref)");
    let mut pack = Packing::of(guest);
    pack.row("traps", "executes `unreachable`", "(unreachable)")
        .row(
            "divides-by-zero",
            "divides by zero",
            "(i32.div_u (i32.const 1) (i32.load (i32.const 512)))",
        )
        .row(
            "reads-outside",
            "reads beyond its memory",
            "(i32.load (i32.const -8))",
        )
        .row(
            "calls-nothing",
            "calls an entry of a table that is empty",
            "(call_indirect $none (type $nothing) (i32.const 0)) (i32.const 0)",
        )
        .row(
            "returns-outside",
            "returns an address beyond its memory",
            "(i32.const -8)",
        )
        .row(
            "returns-without-end",
            "returns a list of four billion items",
            "(drop (call $text (i32.const 0) (i32.const 0))) (i32.store (i32.const 28) (i32.const -1)) (i32.const 16)",
        )
        .row(
            "guesses-handles",
            "uses a handle that nobody gave to it",
            "(call $block (i32.const 3)) (unreachable)",
        )
        .row(
            "exits",
            "ends its process, as if it had one",
            "(call $exit (i32.const 1)) (unreachable)",
        );
    pack.packed("Crashes", "crashes", "")
}

fn looks() -> Pack {
    let mut guest = Guest::new();
    guest.item("(global $mark (mut i64) (i64.const 0))");
    let mut pack = Packing::of(guest);
    pack.row(
        "leaves-marks",
        "takes four mebibytes, fills them, sets a global, for those who look",
        "(drop (memory.grow (i32.const 64)))
         (memory.fill (i32.const 131072) (i32.const 90) (i32.const 4063232))
         (global.set $mark (i64.const 90))
         (call $say_number (global.get $mark))
         (call $said)",
    )
    .row(
        "looks-for-marks",
        "counts what others have left in memory and globals",
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
    pack.packed("Looking around", "looks", "")
}
