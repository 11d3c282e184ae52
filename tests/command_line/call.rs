//! `toolcrib call`: arguments as pairs, files of binary content, and progress.

use std::fs;

use serde_json::{Value, json};

use crate::support::command::Toolcrib;
use crate::support::guest::{Block, Guest, Reply, Tool};

const SCHEMA: &str = r##"{
    "type": "object",
    "properties": {
        "text": { "type": "string" },
        "count": { "type": "integer" },
        "ratio": { "type": ["number", "null"] },
        "flag": { "type": "boolean" },
        "names": { "type": "array", "items": { "type": "string" } },
        "numbers": { "anyOf": [{ "type": "array", "items": { "$ref": "#/$defs/number" } }, { "type": "null" }] },
        "both": { "type": ["integer", "string"] },
        "size": { "$ref": "#/$defs/size" },
        "color": { "enum": ["red", "blue"] },
        "any": {}
    },
    "$defs": {
        "number": { "type": "number" },
        "size": { "type": "object", "properties": { "width": { "type": "integer" } } }
    },
    "additionalProperties": false
}"##;

/// A guest whose tools return their arguments as text.
fn guest() -> Guest {
    let body = "(call $text (local.get $arguments) (local.get $arguments_len))";
    let mut guest = Guest::new();
    guest
        .tool(Tool::new("echo").taking(SCHEMA), body)
        .tool(Tool::new("open").taking(r#"{"type":"object"}"#), body)
        .tool(
            Tool::new("needs").taking(
                r#"{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"integer"}},"required":["a"]}"#,
            ),
            body,
        )
        .tool(
            Tool::new("none").taking(r#"{"type":"object","additionalProperties":false}"#),
            body,
        );
    guest
}

#[test]
fn pairs_get_the_types_of_the_schema() {
    let toolcrib = Toolcrib::new();
    toolcrib.write("g", &guest().component());
    for (tool, pairs, expected) in [
        ("echo", &["text=5"][..], json!({ "text": "5" })),
        ("echo", &["text="], json!({ "text": "" })),
        ("echo", &["text=a=b"], json!({ "text": "a=b" })),
        ("echo", &["text={\"a\":1}"], json!({ "text": "{\"a\":1}" })),
        (
            "echo",
            &["count=-5", "flag=true"],
            json!({ "count": -5, "flag": true }),
        ),
        ("echo", &["ratio=1.5"], json!({ "ratio": 1.5 })),
        ("echo", &["ratio=null"], json!({ "ratio": null })),
        ("echo", &["names=a"], json!({ "names": ["a"] })),
        (
            "echo",
            &["names=a", "names=5"],
            json!({ "names": ["a", "5"] }),
        ),
        (
            "echo",
            &["names=[\"a\",\"b\"]", "names=c"],
            json!({ "names": ["a", "b", "c"] }),
        ),
        (
            "echo",
            &["numbers=1", "numbers=2"],
            json!({ "numbers": [1, 2] }),
        ),
        ("echo", &["numbers=null"], json!({ "numbers": null })),
        ("echo", &["both=5"], json!({ "both": 5 })),
        ("echo", &["both=five"], json!({ "both": "five" })),
        (
            "echo",
            &["size={\"width\":2}"],
            json!({ "size": { "width": 2 } }),
        ),
        ("echo", &["color=red"], json!({ "color": "red" })),
        ("echo", &["any=[1]"], json!({ "any": [1] })),
        ("echo", &["any=word"], json!({ "any": "word" })),
        ("open", &["x=1", "y=z"], json!({ "x": 1, "y": "z" })),
        ("echo", &["{\"text\":\"a=b\"}"], json!({ "text": "a=b" })),
        ("none", &[], json!({})),
    ] {
        let arguments = [&["call", "g.wasm", tool], pairs].concat();
        let output = toolcrib.run(&arguments);
        assert_eq!(
            (output.status, output.stderr.as_str()),
            (0, ""),
            "{pairs:?}"
        );
        let found: Value = serde_json::from_str(&output.stdout).unwrap();
        assert_eq!(found, expected, "{pairs:?}");
    }
}

/// Each message is one sentence, and how the tool is called follows.
#[test]
fn pairs_that_do_not_fit_are_refused() {
    let toolcrib = Toolcrib::new();
    toolcrib.write("g", &guest().component());
    let usage = "usage: toolcrib call g.wasm needs a=TEXT [b=INTEGER]\n";
    for (tool, pairs, status, message, usage) in [
        (
            "echo",
            &["count=many"][..],
            2,
            "`count` is an integer, and `many` is not",
            "usage: toolcrib call g.wasm echo [text=TEXT] [count=INTEGER] [ratio=NUMBER] [flag=true|false] [names=JSON] [numbers=JSON] [both=TEXT] [size=JSON] [color=TEXT] [any=VALUE]\n",
        ),
        (
            "echo",
            &["count=1.5"],
            2,
            "`count` is an integer, and `1.5` is not",
            "usage: ",
        ),
        (
            "echo",
            &["flag=yes"],
            2,
            "`flag` is true or false, and `yes` is not",
            "usage: ",
        ),
        (
            "echo",
            &["ratio=x"],
            2,
            "`ratio` is a number or null, and `x` is not",
            "usage: ",
        ),
        (
            "echo",
            &["size=1"],
            2,
            "`size` is a JSON object, and `1` is not",
            "usage: ",
        ),
        (
            "echo",
            &["numbers=a"],
            2,
            "`numbers` is a number, and `a` is not",
            "usage: ",
        ),
        (
            "echo",
            &["text=a", "text=b"],
            2,
            "`text` is given twice, and is not an array",
            "usage: ",
        ),
        (
            "none",
            &["a=1"],
            2,
            "there is no argument `a`; the tool takes none",
            "usage: toolcrib call g.wasm none\n",
        ),
        (
            "echo",
            &["txet=a"],
            2,
            "there is no argument `txet`; the tool takes text, count,",
            "usage: ",
        ),
        (
            "needs",
            &["b=1"],
            1,
            "the arguments: \"a\" is a required property",
            usage,
        ),
        (
            "needs",
            &["{\"a\":1}"],
            1,
            "`/a`: 1 is not of type \"string\"",
            usage,
        ),
        (
            "needs",
            &["a=1", "word"],
            2,
            "`word` is not `name=value`; give the arguments as such pairs or as one JSON object",
            "",
        ),
        (
            "needs",
            &["a=1", "{\"b\":\"=\"}"],
            2,
            "`{\"b\":\"=\"}` is not `name=value`",
            "",
        ),
        ("needs", &["a=1", "-"], 2, "`-` is not `name=value`", ""),
        (
            "needs",
            &["word"],
            2,
            "the arguments are not valid JSON",
            "",
        ),
        (
            "needs",
            &["[1]"],
            2,
            "the arguments must be a JSON object",
            "",
        ),
    ] {
        let arguments = [&["call", "g.wasm", tool], pairs].concat();
        let output = toolcrib.run(&arguments);
        assert_eq!(
            (output.status, output.stdout.as_str()),
            (status, ""),
            "{pairs:?}: {output:?}"
        );
        let (first, rest) = output.stderr.split_once('\n').unwrap();
        let is_expected = first.starts_with(&format!("error: {message}"))
            && rest.starts_with(usage)
            && rest.lines().count() == usize::from(!usage.is_empty());
        assert!(is_expected, "{pairs:?}: {}", output.stderr);
    }
}

#[test]
fn standard_input_is_limited() {
    let toolcrib = Toolcrib::new();
    toolcrib.write("g", &guest().component());
    let output = toolcrib.run_with(&["call", "g.wasm", "open", "-"], &" ".repeat((4 << 20) + 1));
    assert_eq!(
        (output.status, output.stderr.as_str()),
        (
            2,
            "error: the arguments on standard input are larger than 4194304 bytes\n"
        )
    );
}

/// A guest whose tool `files` returns content of every kind, with names that must not escape the folder.
fn guest_with_files() -> Guest {
    let mut guest = Guest::new();
    let blocks = [
        Block::Text("a text"),
        Block::Image(b"png", "image/png"),
        Block::Audio(b"wav", "audio/wav; rate=8"),
        Block::Image(b"odd", "../../x"),
        Block::EmbeddedBinary("test://a/report.pdf?x=1", None, b"pdf"),
        Block::EmbeddedBinary("test://a/..%2f../.hidden", Some("application/zip"), b"zip"),
        Block::EmbeddedBinary("test://a/\\..\\b.t\u{202e}xt", None, b"txt"),
        Block::EmbeddedText("test://a", None, "inside"),
    ];
    let content = blocks.into_iter().map(|block| (block, None)).collect();
    let body = guest.reply(&Reply {
        content,
        ..Reply::default()
    });
    guest.tool(Tool::new("files"), body);
    guest
}

#[test]
fn binary_content_becomes_files() {
    let toolcrib = Toolcrib::new();
    toolcrib.write("g", &guest_with_files().component());
    let expected = [
        ("files-2.png", "png"),
        ("files-3.wav", "wav"),
        ("files-4.bin", "odd"),
        ("report.pdf", "pdf"),
        ("files-6.zip", "zip"),
        ("b.txt", "txt"),
    ];
    let output = toolcrib.run(&["call", "g.wasm", "files", "--output", "out"]);
    assert_eq!(
        (output.status, output.stderr.as_str()),
        (0, ""),
        "{output:?}"
    );
    let lines: Vec<_> = output.stdout.lines().collect();
    assert_eq!(lines[0], "a text");
    assert_eq!(lines[1], "[image/png, 3 bytes: out/files-2.png]");
    assert_eq!(
        lines[4],
        "[test://a/report.pdf?x=1, 3 bytes: out/report.pdf]"
    );
    let out = toolcrib.path().join("out");
    for (name, content) in expected {
        assert_eq!(
            fs::read_to_string(out.join(name)).unwrap(),
            content,
            "{name}"
        );
    }
    assert_eq!(fs::read_dir(&out).unwrap().count(), expected.len());

    // A second call overwrites nothing, not even through a link.
    fs::remove_file(out.join("b.txt")).unwrap();
    std::os::unix::fs::symlink("../victim", out.join("b.txt")).unwrap();
    let output = toolcrib.run(&["call", "g.wasm", "files", "--json", "--output", "out"]);
    assert_eq!(output.status, 0, "{output:?}");
    assert!(
        output.stderr.contains("wrote out/files-2-2.png\n"),
        "{}",
        output.stderr
    );
    assert!(
        output.stderr.contains("wrote out/b-2.txt\n"),
        "{}",
        output.stderr
    );
    let found: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(found["content"][1]["type"], "image");
    assert!(!toolcrib.path().join("victim").exists());
    assert_eq!(fs::read_to_string(out.join("report.pdf")).unwrap(), "pdf");
    assert_eq!(fs::read_to_string(out.join("report-2.pdf")).unwrap(), "pdf");

    toolcrib.file("file", "mine");
    for (folder, message) in [
        (
            "file",
            "error: `file` exists and is not a folder; name another for `--output`\n",
        ),
        (
            "a/b",
            "error: the folder `a/b` cannot be created: No such file or directory (os error 2)\n",
        ),
    ] {
        let output = toolcrib.run(&["call", "g.wasm", "files", "--output", folder]);
        assert_eq!((output.status, output.stderr.as_str()), (1, message));
        assert_eq!(output.stdout, "");
    }
}

#[test]
fn progress_is_printed_if_wanted() {
    let toolcrib = Toolcrib::new();
    let mut guest = Guest::new();
    let (message, done) = (guest.string("half\u{1b}[2J"), guest.string("done"));
    guest.tool(
        Tool::new("works"),
        format!(
            "(call $progress (f64.const 1) (i32.const 1) (f64.const 2) (i32.const 1) {message})
             (call $progress (f64.const 1.5) (i32.const 0) (f64.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
             (call $text {done})"
        ),
    );
    toolcrib.write("g", &guest.component());
    let output = toolcrib.run(&["call", "g.wasm", "works"]);
    assert_eq!(
        (output.stdout.as_str(), output.stderr.as_str()),
        ("done\n", "")
    );
    let output = toolcrib.run(&["call", "g.wasm", "works", "--progress"]);
    assert_eq!(output.stdout, "done\n");
    assert_eq!(
        output.stderr,
        "progress: 1/2 half\\u{1b}[2J\nprogress: 1.5\n"
    );
}
