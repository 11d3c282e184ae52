//! A guest that performs file system operations in its preopened directories.

use std::path::Path;

use crate::support::guest::{Guest, Tool};

/// The imports of a guest that uses `wasi:filesystem`.
pub(super) const IMPORTS: &str = r#"
(import "wasi:filesystem/preopens@0.2.0" "get-directories" (func $directories (param i32)))
(import "wasi:filesystem/types@0.2.0" "[method]descriptor.open-at" (func $open_at (param i32 i32 i32 i32 i32 i32 i32)))
(import "wasi:filesystem/types@0.2.0" "[method]descriptor.read" (func $read (param i32 i64 i64 i32)))
(import "wasi:filesystem/types@0.2.0" "[method]descriptor.write" (func $write (param i32 i32 i32 i64 i32)))
(import "wasi:filesystem/types@0.2.0" "[method]descriptor.create-directory-at"
  (func $create_directory (param i32 i32 i32 i32)))
(import "wasi:filesystem/types@0.2.0" "[method]descriptor.link-at" (func $link (param i32 i32 i32 i32 i32 i32 i32 i32)))
(import "wasi:filesystem/types@0.2.0" "[method]descriptor.rename-at" (func $rename (param i32 i32 i32 i32 i32 i32 i32)))
(import "wasi:filesystem/types@0.2.0" "[method]descriptor.symlink-at" (func $symlink (param i32 i32 i32 i32 i32 i32)))
(import "wasi:filesystem/types@0.2.0" "[method]descriptor.set-size" (func $set_size (param i32 i64 i32)))
(import "wasi:filesystem/types@0.2.0" "[method]descriptor.set-times-at"
  (func $set_times (param i32 i32 i32 i32 i32 i64 i32 i32 i64 i32 i32)))
(import "wasi:filesystem/types@0.2.0" "[method]descriptor.unlink-file-at" (func $unlink (param i32 i32 i32 i32)))
"#;

const ITEMS: &str = r"
;; Returns the handle of the preopened directory with this index.
(func $dir (param $index i32) (result i32)
  (call $directories (i32.const 256))
  (i32.load (i32.add (i32.load (i32.const 256)) (i32.mul (local.get $index) (i32.const 12)))))

;; Says ok, or E and the error code.
(func $say_result (param $failed i32) (param $code i32)
  (if (local.get $failed)
    (then (call $say_byte (i32.const 69)) (call $say_number (i64.extend_i32_u (local.get $code))))
    (else (call $say_byte (i32.const 111)) (call $say_byte (i32.const 107)))))

;; Opens a file and reads it, or writes its path into it if `flags` includes write.
(func $file (param $dir i32) (param $follow i32) (param $path i32) (param $path_len i32) (param $open i32)
  (param $flags i32)
  (call $open_at (call $dir (local.get $dir)) (local.get $follow) (local.get $path) (local.get $path_len)
    (local.get $open) (local.get $flags) (i32.const 272))
  (if (i32.load8_u (i32.const 272))
    (then (call $say_result (i32.const 1) (i32.load8_u (i32.const 276))) (return)))
  (if (i32.and (local.get $flags) (i32.const 2))
    (then
      (call $write (i32.load (i32.const 276)) (local.get $path) (local.get $path_len) (i64.const 0) (i32.const 288))
      (call $say_result (i32.load8_u (i32.const 288)) (i32.load8_u (i32.const 296))))
    (else
      (call $read (i32.load (i32.const 276)) (i64.const 100) (i64.const 0) (i32.const 288))
      (if (i32.load8_u (i32.const 288))
        (then (call $say_result (i32.const 1) (i32.load8_u (i32.const 292))))
        (else (call $say (i32.load (i32.const 292)) (i32.load (i32.const 296))))))))
";

/// A file system operation.
pub(super) enum FileOp {
    /// Reads a file; follows symbolic links if `true`.
    Read(&'static str, bool),
    /// Creates a file and writes its path into it.
    Write(&'static str),
    CreateDirectory(&'static str),
    Unlink(&'static str),
    /// Opens a file with these `open-flags` and `descriptor-flags`, then sets its size in bytes.
    Resize(&'static str, u8, u8, u64),
    /// Sets the timestamps of a file.
    Touch(&'static str),
    Rename(&'static str, &'static str),
    /// Target and path of the link.
    Symlink(&'static str, &'static str),
    /// Creates a hard link: directory index and path of the original, then of the link.
    Link(u8, &'static str, u8, &'static str),
}

/// A guest with the tools `t0`, `t1`, …, one for each operation. All but [`FileOp::Link`] use the preopened directory
/// with the index `dir`.
pub(super) fn guest(dir: u8, operations: &[FileOp]) -> Guest {
    let mut guest = Guest::new();
    guest.import(IMPORTS).item(ITEMS);
    let at = format!("(i32.const {dir})");
    let dir = format!("(call $dir {at})");
    for (index, operation) in operations.iter().enumerate() {
        let say_result =
            "(call $say_result (i32.load8_u (i32.const 304)) (i32.load8_u (i32.const 305)))";
        let body = match operation {
            FileOp::Read(path, follow) => {
                let path = guest.string(path);
                format!(
                    "(call $file {at} (i32.const {}) {path} (i32.const 0) (i32.const 1))",
                    u8::from(*follow)
                )
            }
            FileOp::Write(path) => {
                let path = guest.string(path);
                format!("(call $file {at} (i32.const 1) {path} (i32.const 1) (i32.const 2))")
            }
            FileOp::CreateDirectory(path) => {
                let path = guest.string(path);
                format!("(call $create_directory {dir} {path} (i32.const 304)) {say_result}")
            }
            FileOp::Unlink(path) => {
                let path = guest.string(path);
                format!("(call $unlink {dir} {path} (i32.const 304)) {say_result}")
            }
            FileOp::Resize(path, open, flags, size) => {
                let path = guest.string(path);
                format!(
                    "(call $open_at {dir} (i32.const 1) {path} (i32.const {open}) (i32.const {flags}) (i32.const 272))
                     (if (i32.load8_u (i32.const 272))
                       (then (call $say_result (i32.const 1) (i32.load8_u (i32.const 276))))
                       (else
                         (call $set_size (i32.load (i32.const 276)) (i64.const {size}) (i32.const 304)) {say_result}))"
                )
            }
            FileOp::Touch(path) => {
                let path = guest.string(path);
                let timestamp = "(i32.const 2) (i64.const 1) (i32.const 0)";
                format!(
                    "(call $set_times {dir} (i32.const 1) {path} {timestamp} {timestamp} (i32.const 304)) {say_result}"
                )
            }
            FileOp::Rename(from, to) => {
                let (from, to) = (guest.string(from), guest.string(to));
                format!("(call $rename {dir} {from} {dir} {to} (i32.const 304)) {say_result}")
            }
            FileOp::Symlink(target, path) => {
                let (target, path) = (guest.string(target), guest.string(path));
                format!("(call $symlink {dir} {target} {path} (i32.const 304)) {say_result}")
            }
            FileOp::Link(from_dir, from, to_dir, to) => {
                let (from, to) = (guest.string(from), guest.string(to));
                format!(
                    "(call $link (call $dir (i32.const {from_dir})) (i32.const 0) {from}
                       (call $dir (i32.const {to_dir})) {to} (i32.const 304)) {say_result}"
                )
            }
        };
        guest.tool(
            Tool::new(&format!("t{index}")),
            format!("{body} (call $said)"),
        );
    }
    guest
}

/// An entry of `allow.dirs`.
pub(super) fn entry(host: &Path, guest: &str, write: bool) -> String {
    format!("{{ host = {host:?}, guest = {guest:?}, write = {write} }}")
}
