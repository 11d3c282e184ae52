//! `toolcrib connect --write`: the configuration files of clients.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use serde_json::Value;

use super::{connect, printed, refused};
use crate::support::command::{CommandOutput, Toolcrib};
use crate::support::guest::Guest;
use crate::support::process::TOOLCRIB;

#[test]
fn the_server_is_added_to_the_file_of_the_client() {
    let toolcrib = Toolcrib::new();
    toolcrib.write("a", &Guest::saying("a", "a").component());
    let stdio = &["--stdio", "a.wasm"][..];
    let url = &["--url", "https://t.example/mcp"][..];
    for (client, way, file, pointer, expected) in [
        (
            "cursor",
            url,
            ".cursor/mcp.json",
            "/mcpServers/toolcrib/url",
            "https://t.example/mcp",
        ),
        (
            "vscode",
            url,
            ".vscode/mcp.json",
            "/servers/toolcrib/type",
            "http",
        ),
        (
            "vscode",
            stdio,
            ".vscode/mcp.json",
            "/servers/toolcrib/type",
            "stdio",
        ),
        (
            "claude-code",
            url,
            ".mcp.json",
            "/mcpServers/toolcrib/type",
            "http",
        ),
        (
            "lm-studio",
            url,
            ".lmstudio/mcp.json",
            "/mcpServers/toolcrib/url",
            "https://t.example/mcp",
        ),
        (
            "claude",
            stdio,
            ".config/Claude/claude_desktop_config.json",
            "/mcpServers/toolcrib/command",
            TOOLCRIB,
        ),
    ] {
        let arguments = [&[client, "--write", "--yes"], way].concat();
        let text = printed(&toolcrib, &arguments);
        assert!(text.contains("+ ") && text.ends_with("\nwritten"), "{text}");
        let path = toolcrib.path().join(file);
        let written = fs::read_to_string(&path).unwrap();
        let value: Value = serde_json::from_str(&written).unwrap();
        assert_eq!(value.pointer(pointer).unwrap(), expected, "{client}");
        // The second time there is nothing to do.
        let text = printed(&toolcrib, &arguments);
        assert!(text.ends_with("has this server already"), "{text}");
        assert_eq!(fs::read_to_string(&path).unwrap(), written);
    }
}

/// Everything that is in the file stays: comments, order, numbers, formatting, line ends and the mode.
#[test]
fn the_rest_of_the_file_stays_as_it_is() {
    let entry = r#""toolcrib": {
      "url": "https://t.example/mcp"
    }"#;
    let with_comments = "// mine\n{\n  \"z\": 1.50, /* keep */\n  \"mcpServers\": {\n    // the first\n    \"other\": { \"command\": \"x\", \"env\": {\"K\": \"a\\u0041\"} }\n  },\n  \"a\": [1,2,\n 3]\n}\n";
    for (before, after) in [
        (
            "",
            format!("{{\n  \"mcpServers\": {{\n    {entry}\n  }}\n}}\n"),
        ),
        (
            "{\"a\": 1e400, \"b\": {}}",
            format!(
                "{{\n  \"a\": 1e400,\n  \"b\": {{}},\n  \"mcpServers\": {{\n    {entry}\n  }}\n}}"
            ),
        ),
        (
            with_comments,
            with_comments.replace(
                "a\\u0041\"} }\n",
                &format!("a\\u0041\"}} }},\n    {entry}\n"),
            ),
        ),
        (
            "\u{feff}{\n  \"mcpServers\": {\n    \"toolcrib\": {\"url\": \"http://old\"},\n    \"b\": {},\n  }\n}\n",
            format!("\u{feff}{{\n  \"mcpServers\": {{\n    {entry},\n    \"b\": {{}},\n  }}\n}}\n"),
        ),
        (
            "{\r\n  \"mcpServers\": {}\r\n}\r\n",
            format!("{{\n  \"mcpServers\": {{\n    {entry}\n  }}\n}}\n").replace('\n', "\r\n"),
        ),
    ] {
        let toolcrib = Toolcrib::new();
        toolcrib.file("target.json", before);
        let (target, link) = (
            toolcrib.path().join("target.json"),
            toolcrib.path().join("link"),
        );
        fs::set_permissions(&target, fs::Permissions::from_mode(0o640)).unwrap();
        symlink("target.json", &link).unwrap();
        let arguments = [
            "cursor",
            "--url",
            "https://t.example/mcp",
            "--write",
            "--file",
            "link",
        ];
        // Without a terminal nothing is written, and the difference is shown.
        let output = connect(&toolcrib, &arguments);
        assert_eq!(output.status, 1, "{output:?}");
        assert!(output.stderr.contains("add --yes"), "{output:?}");
        assert!(output.stdout.contains("\n+ "), "{output:?}");
        assert_eq!(fs::read_to_string(&target).unwrap(), before);
        printed(&toolcrib, &[&arguments[..], &["--yes"]].concat());
        assert_eq!(fs::read_to_string(&target).unwrap(), after, "{before}");
        assert!(link.symlink_metadata().unwrap().is_symlink());
        let mode = target.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
        let left: Vec<_> = fs::read_dir(toolcrib.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(left.len(), 2, "{left:?}");
    }
}

#[test]
fn a_file_that_is_not_what_it_should_be_stays_as_it_is() {
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    for (before, words) in [
        ("{", "column"),
        ("{\"a\": 1} x", "column"),
        ("{'a': 1}", "column"),
        ("{\"a\": 1 \"b\": 2}", "column"),
        ("[]", "holds no JSON object"),
        ("\"text\"", "holds no JSON object"),
        ("{\"mcpServers\": []}", "its `mcpServers` is no object"),
        (
            "{\"mcpServers\": {}, \"mcpServers\": {}}",
            "\"mcpServers\" twice",
        ),
        (
            "{\"mcpServers\": {\"toolcrib\": 1, \"toolcrib\": 2}}",
            "\"toolcrib\" twice",
        ),
        ("{\"mcpServers\": {\"x\u{1b}[2J", "column"),
        (&deep, "depth"),
    ] {
        let toolcrib = Toolcrib::new();
        toolcrib.file("mcp.json", before);
        let arguments = ["cursor", "--write", "--yes", "--file", "mcp.json"];
        refused(
            &toolcrib,
            &arguments,
            1,
            &["`mcp.json`", "nothing is written", words],
        );
        assert_eq!(
            fs::read_to_string(toolcrib.path().join("mcp.json")).unwrap(),
            before
        );
    }
    let toolcrib = Toolcrib::new();
    fs::write(toolcrib.path().join("bytes"), b"{\"a\": \"\xff\"}").unwrap();
    fs::create_dir(toolcrib.path().join("folder")).unwrap();
    symlink("nowhere", toolcrib.path().join("dangling")).unwrap();
    for (file, words) in [
        ("bytes", "UTF-8"),
        ("folder", ""),
        ("dangling", "does not exist"),
    ] {
        let arguments = ["cursor", "--write", "--yes", "--file", file];
        refused(
            &toolcrib,
            &arguments,
            1,
            &[file, "nothing is written", words],
        );
    }
    assert!(!toolcrib.path().join("nowhere").exists());
    let mut command = toolcrib.command(&["connect", "cursor", "--write", "--yes"]);
    let output = CommandOutput::of(command.env_remove("HOME"));
    assert_eq!(output.status, 1);
    assert!(output.stderr.contains("`HOME` is not set"), "{output:?}");
}
