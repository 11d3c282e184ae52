//! Limits of a call on `allow.dirs`: directory listings, streams, file size. `hostile/limits.rs` tests open files.

use std::path::Path;
use std::process::Command;

use serde_json::json;

use super::filesystem_guest::{FileOp, IMPORTS, entry, guest};
use crate::support::command::Toolcrib;
use crate::support::guest::{Guest, Tool};
use crate::support::server::Host;

/// Codes of `wasi:filesystem/types.error-code`.
const FILE_TOO_LARGE: &str = "E8";
const INSUFFICIENT_MEMORY: &str = "22";

/// The host reads a directory as a whole, so the entries of all open listings of a call count.
#[tokio::test]
async fn open_directory_listings_are_limited() {
    const MAX_ENTRIES: u32 = 100_000;
    const ENTRIES_PER_DIRECTORY: u32 = 2_500;
    let dir = tempfile::tempdir().unwrap();
    for entry in 0..ENTRIES_PER_DIRECTORY {
        std::fs::write(dir.path().join(entry.to_string()), "").unwrap();
    }
    let mut guest = Guest::new();
    guest
        .import(
            r#"(import "wasi:filesystem/preopens@0.2.0" "get-directories" (func $directories (param i32)))
               (import "wasi:filesystem/types@0.2.0" "[method]descriptor.read-directory" (func $list (param i32 i32)))
               (import "wasi:filesystem/types@0.2.0" "[resource-drop]directory-entry-stream" (func $drop (param i32)))"#,
        )
        .item(
            "(func $lists (param $count i32) (param $drop i32)
               (call $directories (i32.const 256))
               (loop $again
                 (call $list (i32.load (i32.load (i32.const 256))) (i32.const 272))
                 (if (i32.load8_u (i32.const 272))
                   (then (call $say_number (i64.load8_u (i32.const 276))) (return)))
                 (if (local.get $drop) (then (call $drop (i32.load (i32.const 276)))))
                 (local.set $count (i32.sub (local.get $count) (i32.const 1)))
                 (br_if $again (local.get $count))))",
        );
    let max_listings = MAX_ENTRIES / ENTRIES_PER_DIRECTORY;
    for (name, count, drop) in [
        ("max", max_listings, 0),
        ("too-many", max_listings + 1, 0),
        ("one-at-a-time", max_listings + 9, 1),
    ] {
        let body = format!("(call $lists (i32.const {count}) (i32.const {drop})) (call $said)");
        guest.tool(Tool::new(name), body);
    }
    let text = format!(
        "[[component]]\nref = \"guest.wasm\"\n[component.allow]\ndirs = [{}]\n",
        entry(dir.path(), "/data", false)
    );
    let host = Host::configured(&[("guest", &guest)], &text).await;
    for (tool, expected) in [
        ("max", ""),
        ("too-many", INSUFFICIENT_MEMORY),
        ("one-at-a-time", ""),
        ("max", ""),
    ] {
        assert_eq!(
            host.client().call(tool, json!({})).await.text(),
            expected,
            "{tool}"
        );
    }
}

/// Each stream buffers data in the host.
#[tokio::test]
async fn open_file_streams_are_limited() {
    const MAX_FILES: u32 = 64;
    const MAX_STREAMS: u32 = 128;
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("file"), "text").unwrap();
    let mut guest = Guest::new();
    let file = guest.string("file");
    guest.import(IMPORTS).import(
        r#"(import "wasi:filesystem/types@0.2.0" "[method]descriptor.read-via-stream" (func $read_stream (param i32 i64 i32)))
           (import "wasi:filesystem/types@0.2.0" "[method]descriptor.write-via-stream" (func $write_stream (param i32 i64 i32)))
           (import "wasi:filesystem/types@0.2.0" "[method]descriptor.append-via-stream" (func $append_stream (param i32 i32)))
           (import "wasi:io/streams@0.2.0" "[resource-drop]input-stream" (func $drop_input (param i32)))
           (import "wasi:io/streams@0.2.0" "[resource-drop]output-stream" (func $drop_output (param i32)))"#,
    );
    for (name, drop) in [("read", "input"), ("write", "output"), ("append", "output")] {
        let offset = if name == "append" {
            ""
        } else {
            "(i64.const 0)"
        };
        for is_dropped in [false, true] {
            let drop = match is_dropped {
                true => format!("(call $drop_{drop} (i32.load (i32.const 292)))"),
                false => String::new(),
            };
            // Says how many streams it could open, at most a thousand.
            let body = format!(
                "(local $file i32) (local $count i32)
                 (call $directories (i32.const 256))
                 (call $open_at (i32.load (i32.load (i32.const 256))) (i32.const 1) {file}
                   (i32.const 0) (i32.const 3) (i32.const 272))
                 (local.set $file (i32.load (i32.const 276)))
                 (block $end
                   (loop $again
                     (call ${name}_stream (local.get $file) {offset} (i32.const 288))
                     (br_if $end (i32.load8_u (i32.const 288)))
                     {drop}
                     (local.set $count (i32.add (local.get $count) (i32.const 1)))
                     (br_if $again (i32.lt_u (local.get $count) (i32.const 1000)))))
                 (call $say_number (i64.extend_i32_u (local.get $count))) (call $said)"
            );
            let name = if is_dropped {
                format!("{name}-one-at-a-time")
            } else {
                name.to_owned()
            };
            guest.tool(Tool::new(&name), body);
        }
    }
    let text = format!(
        "[[component]]\nref = \"guest.wasm\"\n[component.allow]\ndirs = [{}]\n",
        entry(dir.path(), "/data", true)
    );
    let host = Host::configured(&[("guest", &guest)], &text).await;
    for name in ["read", "write", "append"] {
        // The open descriptor counts too.
        let max = (MAX_FILES + MAX_STREAMS - 1).to_string();
        for (tool, expected) in [
            (name.to_owned(), &*max),
            (format!("{name}-one-at-a-time"), "1000"),
        ] {
            let count = host.client().call(&tool, json!({})).await.text().to_owned();
            assert_eq!(count, expected, "{tool}");
        }
    }
}

/// By default `RLIMIT_FSIZE` ends a process that exceeds it.
#[test]
fn exceeding_the_file_size_limit_fails_the_operation_only() {
    let toolcrib = Toolcrib::new();
    let operations = [
        FileOp::Resize("x", 1, 2, 1 << 30),
        FileOp::Resize("x", 1, 2, 1 << 10),
    ];
    toolcrib.write("guest", &guest(0, &operations).component());
    std::fs::create_dir(toolcrib.path().join("data")).unwrap();
    let dirs = entry(Path::new("data"), "/data", true);
    toolcrib.file(
        "c.toml",
        format!("cache.dir = false\n[[component]]\nref = \"guest.wasm\"\n[component.allow]\ndirs = [{dirs}]\n"),
    );
    for (tool, expected) in [("t0", FILE_TOO_LARGE), ("t1", "ok")] {
        let call = toolcrib.command(&["call", "--config", "c.toml", "guest.wasm", tool]);
        let mut limited = Command::new("sh");
        limited
            .args(["-c", "ulimit -f 2048; exec \"$0\" \"$@\""])
            .arg(call.get_program())
            .args(call.get_args())
            .current_dir(toolcrib.path());
        let output = limited.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        assert_eq!(
            String::from_utf8(output.stdout).unwrap().trim_end(),
            expected
        );
    }
}
