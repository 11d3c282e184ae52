//! Guests that use `wasi:keyvalue`. Their tools accept any object; its JSON text is the key.

use super::{Guest, Tool};

/// Creates a guest whose tools use one bucket.
///
/// - `set` stores the key's own text as the value, `signed` stores `+5` and `zeros` stores `007`.
/// - `get` returns the value or `none`, `exists` returns 1 or 0, `delete` returns `ok`.
/// - `count` increments by 7 and returns the new number.
/// - `list` returns every key with a space after it.
/// - `get_lots` reads one key nine times.
/// - `batch` sets 8 values of 1 MiB at once, `small_batch` of 1 byte; `large_batch` sets 9 and `huge_batch` 11 of 1 MiB.
///
/// On failure, a tool returns `E`, the index of the error and its text.
pub(crate) fn keyvalue_guest(bucket: &str) -> Guest {
    keyvalue_guest_with_buckets(&[("", bucket)])
}

/// Like [`keyvalue_guest`] for several buckets, each with a prefix of its tools' names.
pub(crate) fn keyvalue_guest_with_buckets(buckets: &[(&str, &str)]) -> Guest {
    let mut guest = Guest::new();
    guest.import(include_str!("kv_imports.wat"));
    guest.item(include_str!("kv.wat"));
    let key = "(local.get $arguments) (local.get $arguments_len)";
    let (signed, zeros) = (guest.string("+5"), guest.string("007"));
    let set_as = |value: &str| {
        format!(
            "(call $set (global.get $bucket) {key} {value} (i32.const 256)) (call $say_done (i32.const 256))"
        )
    };
    let tools = [
        ("signed", set_as(&signed)),
        ("zeros", set_as(&zeros)),
        ("get_lots", format!("(call $get_lots {key})")),
        ("set", format!("(call $set_key {key})")),
        ("get", format!("(call $get_key {key})")),
        ("exists", format!("(call $exists_key {key})")),
        ("delete", format!("(call $delete_key {key})")),
        ("count", format!("(call $count_key {key})")),
        ("list", "(call $list_all)".into()),
        ("fill", "(call $fill)".into()),
        ("pages", "(call $pages)".into()),
        ("clear", "(call $clear)".into()),
        (
            "large",
            format!("(call $set_large {key} (i32.const 1048576))"),
        ),
        (
            "larger",
            format!("(call $set_large {key} (i32.const 1048577))"),
        ),
        ("get_many", format!("(call $get_many_keys {key})")),
        ("too_many", "(call $too_many)".into()),
        (
            "batch",
            "(call $set_batch (i32.const 8) (i32.const 1048576))".into(),
        ),
        (
            "small_batch",
            "(call $set_batch (i32.const 8) (i32.const 1))".into(),
        ),
        (
            "large_batch",
            "(call $set_batch (i32.const 9) (i32.const 1048576))".into(),
        ),
        (
            "huge_batch",
            "(call $set_batch (i32.const 11) (i32.const 1048576))".into(),
        ),
        (
            "long_key",
            "(call $get_key (i32.const 4096) (i32.const 1025))".into(),
        ),
    ];
    for (prefix, bucket) in buckets {
        let bucket = guest.string(bucket);
        for (name, body) in &tools {
            guest.tool(
                Tool::new(&format!("{prefix}{name}")),
                format!("(if (call $open_bucket {bucket}) (then {body})) (call $said)"),
            );
        }
    }
    guest.pages(40);
    guest
}
