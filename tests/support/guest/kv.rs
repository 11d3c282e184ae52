//! Guests that keep something: their tools take any object, whose text is the key.

use super::{Guest, Tool};

/// A guest whose tools use the bucket that a guest opens by this name.
///
/// `set` keeps the key's own text under it, `get` says what is there or `none`, `exists` says 1 or 0, `delete` and
/// `count` (which increments by 7) say what they must, `list` says every key, a space behind each. What fails says `E`, the
/// error's number and its text. `signed` and `zeros` keep `+5` and `007`, `get_lots` asks for one key nine times.
pub(crate) fn keeping(bucket: &str) -> Guest {
    keeping_all(&[("", bucket)])
}

/// As [`keeping`], with tools for each bucket; their names begin as said.
pub(crate) fn keeping_all(buckets: &[(&str, &str)]) -> Guest {
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
            "long_key",
            "(call $get_key (i32.const 4096) (i32.const 1025))".into(),
        ),
    ];
    for (begins, bucket) in buckets {
        let bucket = guest.string(bucket);
        for (name, body) in &tools {
            guest.tool(
                Tool::new(&format!("{begins}{name}")),
                format!("(if (call $open_bucket {bucket}) (then {body})) (call $said)"),
            );
        }
    }
    guest.pages(40);
    guest
}
