//! Output of the commands: the texts of components are escaped in it, and output that cannot be written is an error.

use std::fs::File;
use std::process::Stdio;

use serde_json::Value;

use super::echo;
use crate::support::command::Toolcrib;
use crate::support::guest::{Block, Guest, Link, Prompt, Reply, Resource, ResourceTemplate, Tool};

/// Text that ends a line, clears the terminal, sets its title, reverses the text after it, and hides a letter.
const HOSTILE: &str = "x\nerror: forged\r\u{1b}[2J\u{1b}]0;t\u{7}\u{9b}31m\u{202e}\u{e0041}é";

/// A guest with [`HOSTILE`] in everything that it says and returns.
fn hostile_guest() -> Guest {
    let mut guest = Guest::new();
    let (failure, text) = (guest.string(HOSTILE), guest.string(HOSTILE));
    let link = Link {
        uri: HOSTILE,
        name: HOSTILE,
        ..Link::default()
    };
    let blocks = [
        Block::Text(HOSTILE),
        Block::Image(&[1], HOSTILE),
        Block::Link(link),
        Block::EmbeddedText(HOSTILE, Some(HOSTILE), HOSTILE),
        Block::EmbeddedBinary(HOSTILE, None, &[1]),
    ];
    let content = blocks.into_iter().map(|block| (block, None)).collect();
    let blocks = guest.reply(&Reply {
        content,
        ..Reply::default()
    });
    let structured = serde_json::json!({ "a": HOSTILE }).to_string();
    let structured = guest.reply(&Reply {
        structured: Some(&format!("{{\r\t\"b\": 1, {}", &structured[1..])),
        ..Reply::default()
    });
    let schema = serde_json::json!({ "type": "object", "description": HOSTILE }).to_string();
    let tool = |name: &str| {
        let mut tool = Tool::new(name).with_description(HOSTILE).taking(&schema);
        tool.title = Some(HOSTILE.into());
        tool
    };
    guest
        .tool(tool("fails"), format!("(call $failed {failure})"))
        .tool(tool("invalid"), format!("(call $invalid {failure})"))
        .tool(tool("text"), format!("(call $text {text})"))
        .tool(
            tool("logs"),
            format!("(call $log (i32.const 1) {text}) (call $text {text})"),
        )
        .tool(tool("blocks"), blocks)
        .tool(tool("structured"), structured)
        .prompt(
            Prompt {
                title: Some(HOSTILE.into()),
                description: Some(HOSTILE.into()),
                ..Prompt::new("p")
            },
            "unreachable",
        )
        .resource(
            Resource {
                name: HOSTILE.into(),
                title: Some(HOSTILE.into()),
                description: Some(HOSTILE.into()),
                media_type: Some(HOSTILE.into()),
                ..Resource::new("test://\u{202e}\u{e0041}")
            },
            "unreachable",
        )
        .resource_template(
            ResourceTemplate {
                name: HOSTILE.into(),
                title: Some(HOSTILE.into()),
                description: Some(HOSTILE.into()),
                media_type: Some(HOSTILE.into()),
                ..ResourceTemplate::new("test://\u{202e}\u{e0041}/{x}")
            },
            "unreachable",
        );
    guest
}

/// A guest that cannot be loaded: an input schema is invalid, and its error quotes the guest.
fn invalid_guest() -> Guest {
    let schema =
        serde_json::json!({ "type": "object", "properties": { HOSTILE: { "type": HOSTILE } } });
    Guest::with(Tool::new("t").taking(schema.to_string()), "unreachable")
}

fn assert_safe(case: &str, output: &str) {
    let is_unsafe = |c: char| {
        c.is_control() && c != '\n'
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{e0000}'..='\u{e007f}')
    };
    assert!(!output.contains(is_unsafe), "{case}: {output:?}");
    let mut lines = output.lines();
    assert!(
        !lines.any(|line| line.starts_with("error: forged")),
        "{case}: {output:?}"
    );
}

#[test]
fn texts_of_components_are_escaped_in_every_output() {
    let toolcrib = Toolcrib::new();
    toolcrib.write("hostile", &hostile_guest().component());
    toolcrib.write("invalid", &invalid_guest().component());
    let visible = r"\u{1b}[2J";
    for (arguments, status, expected) in [
        (&["inspect", "hostile.wasm"][..], 0, visible),
        (&["inspect", "--json", "hostile.wasm"], 0, r"\u001b[2J"),
        (
            &["check", "--json", "--no-auth", "hostile.wasm"],
            0,
            r"\udb40\udc41",
        ),
        (&["call", "--json", "hostile.wasm", "text"], 0, r"\u202e"),
        (&["call", "--json", "hostile.wasm", "fails"], 1, r"\u009b"),
        (&["call", "hostile.wasm", "blocks"], 0, visible),
        (&["call", "hostile.wasm", "structured"], 0, r"\u202e"),
        (&["call", "hostile.wasm", "fails"], 1, visible),
        (&["call", "hostile.wasm", "invalid"], 1, visible),
        (&["call", "hostile.wasm", "logs"], 0, visible),
        (&["inspect", "invalid.wasm"], 1, r"\u{202e}"),
        (&["check", "--no-auth", "invalid.wasm"], 1, r"\u{202e}"),
        (
            &["check", "--json", "--no-auth", "invalid.wasm"],
            1,
            r"\u202e",
        ),
        (&["serve", "--no-auth", "invalid.wasm"], 1, r"\u{202e}"),
        (&["inspect", "no\u{1b}[2J\u{202e}.wasm"], 2, visible),
        (
            &["check", "--config", "no\u{1b}[2J\u{202e}.toml"],
            2,
            visible,
        ),
    ] {
        let ended = toolcrib.run(arguments);
        let case = arguments.join(" ");
        assert_eq!(ended.status, status, "{case}: {ended:?}");
        // The text of a result keeps its lines.
        let stdout = match case.starts_with("call hostile.wasm") {
            true => ended.stdout.replace("\nerror: forged", ""),
            false => ended.stdout.clone(),
        };
        assert_safe(&case, &stdout);
        assert_safe(&case, &ended.stderr);
        let output = ended.stdout + &ended.stderr;
        assert!(output.contains(expected), "{case}: {output}");
    }
    // A text keeps its lines, and JSON its value.
    let ended = toolcrib.run(&["call", "hostile.wasm", "text"]);
    assert!(
        ended.stdout.starts_with("x\nerror: forged\\r\\u{1b}"),
        "{ended:?}"
    );
    let ended = toolcrib.run(&["call", "hostile.wasm", "structured"]);
    let value: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(value["a"], HOSTILE);
    let ended = toolcrib.run(&["inspect", "--json", "hostile.wasm"]);
    let value: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(value[0]["tools"][0]["title"], HOSTILE);
}

/// `/dev/full` refuses each write with "no space left on device".
#[test]
fn output_that_cannot_be_written_is_an_error() {
    let toolcrib = Toolcrib::new();
    toolcrib.write("echo", &echo().component());
    let full = || File::options().write(true).open("/dev/full").unwrap();
    for arguments in [
        &["call", "echo.wasm", "echo", r#"{"text":"a"}"#][..],
        &["call", "--json", "echo.wasm", "echo", r#"{"text":"a"}"#],
        &["inspect", "echo.wasm"],
        &["inspect", "--json", "echo.wasm"],
        &["check", "--no-auth", "echo.wasm"],
        &["check", "--no-auth", "--json", "echo.wasm"],
        &["completions", "bash"],
        &["man"],
        &["--help"],
        &["--version"],
    ] {
        let output = toolcrib.command(arguments).stdout(full()).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {stderr}");
        assert!(
            stderr.starts_with("error: cannot write to standard output: "),
            "{arguments:?}: {stderr}"
        );
        // The same succeeds where the output can be written, and where its reader leaves early.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        for stdout in [Stdio::null(), writer.into()] {
            let output = toolcrib.command(arguments).stdout(stdout).output().unwrap();
            assert_eq!(output.status.code(), Some(0), "{arguments:?}: {output:?}");
        }
    }
    // Without standard error the exit status remains.
    for (arguments, status) in [
        (&["check", "--no-auth", "nosuch"][..], 1),
        (&["call", "echo.wasm", "fails"], 1),
        (&["call", "echo.wasm", "echo", "[]"], 2),
        (&["check", "--config", "nosuch.toml"], 2),
        (&["serve", "--no-such-flag"], 2),
    ] {
        let output = toolcrib.command(arguments).stderr(full()).output().unwrap();
        assert_eq!(output.status.code(), Some(status), "{arguments:?}");
    }
    let outputs = toolcrib
        .command(&["call", "echo.wasm", "echo", r#"{"text":"a"}"#])
        .stdout(full())
        .stderr(full())
        .output();
    assert_eq!(outputs.unwrap().status.code(), Some(1));
}
