//! `toolcrib connect`: the links, lines and settings of each client.

mod files;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::command::{CommandOutput, Toolcrib};
use crate::support::guest::Guest;
use crate::support::process::TOOLCRIB;

const URL: &str = "https://tools.example.com/it's/mcp?a=b&c=d";
/// The URL as a part of a link, with the escapes of `encodeURIComponent` and that of the quote.
const ENCODED_URL: &str = "https%3A%2F%2Ftools.example.com%2Fit%27s%2Fmcp%3Fa%3Db%26c%3Dd";

fn connect(toolcrib: &Toolcrib, arguments: &[&str]) -> CommandOutput {
    toolcrib.run(&[&["connect"], arguments].concat())
}

/// Runs the command and returns what it prints.
fn printed(toolcrib: &Toolcrib, arguments: &[&str]) -> String {
    let output = connect(toolcrib, arguments);
    assert_eq!((output.status, &*output.stderr), (0, ""), "{arguments:?}");
    output.stdout.trim_end().to_owned()
}

/// Runs the command, which fails with one sentence.
fn refused(toolcrib: &Toolcrib, arguments: &[&str], status: i32, words: &[&str]) {
    let output = connect(toolcrib, arguments);
    assert_eq!(output.status, status, "{arguments:?}: {output:?}");
    let error = output.stderr.strip_prefix("error: ").unwrap();
    assert_eq!(error.lines().count(), 1, "{error}");
    for word in words {
        assert!(error.contains(word), "{word}: {error}");
    }
}

/// Decodes a part of a link.
fn decoded(text: &str) -> String {
    let pairs = format!("x={}", text.replace('+', "%2B"));
    let url = reqwest::Url::parse(&format!("http://x/?{pairs}")).unwrap();
    url.query_pairs().next().unwrap().1.into_owned()
}

/// The settings in base64 at the end of a link.
fn settings_of(link: &str) -> Value {
    let (_, settings) = link.split_once("&config=").unwrap();
    assert!(!settings.contains(['+', '/', '=']), "{settings}");
    serde_json::from_slice(&STANDARD.decode(decoded(settings)).unwrap()).unwrap()
}

#[test]
fn each_client_gets_its_link_or_line() {
    let toolcrib = Toolcrib::new();
    let named = |client: &str| {
        printed(
            &toolcrib,
            &[client, "--url", URL, "--name", "My Tools & Söhne"],
        )
    };
    let encoded_name = "My%20Tools%20%26%20S%C3%B6hne";
    assert_eq!(
        named("claude"),
        format!(
            "https://claude.ai/customize/connectors?modal=add-custom-connector&connectorName={encoded_name}&connectorUrl={ENCODED_URL}"
        )
    );
    let link = named("cursor");
    assert!(
        link.starts_with(&format!(
            "cursor://anysphere.cursor-deeplink/mcp/install?name={encoded_name}&config="
        )),
        "{link}"
    );
    assert_eq!(settings_of(&link), json!({ "url": URL }));
    let link = named("lm-studio");
    assert!(
        link.starts_with(&format!("lmstudio://add_mcp?name={encoded_name}&config=")),
        "{link}"
    );
    assert_eq!(settings_of(&link), json!({ "url": URL }));
    let lines = named("vscode");
    let (link, line) = lines.split_once('\n').unwrap();
    let settings = link.strip_prefix("vscode:mcp/install?").unwrap();
    assert!(!settings.contains(['{', '"', ' ', '&', '\'']), "{settings}");
    let expected = json!({ "name": "My Tools & Söhne", "type": "http", "url": URL });
    assert_eq!(
        serde_json::from_str::<Value>(&decoded(settings)).unwrap(),
        expected
    );
    // The line is one argument of a shell.
    let shell = format!("code() {{ printf '%s|' \"$@\"; }}; {line}");
    let words = CommandOutput::of(std::process::Command::new("sh").args(["-c", &shell]));
    let json = words.stdout.strip_prefix("--add-mcp|").unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(json.trim_end_matches('|')).unwrap(),
        expected
    );
    let settings: Value = serde_json::from_str(&named("json")).unwrap();
    let expected = json!({ "mcpServers": { "My Tools & Söhne": { "type": "http", "url": URL } } });
    assert_eq!(settings, expected);
    assert_eq!(
        printed(
            &toolcrib,
            &["claude-code", "--url", URL, "--name", "my-tools"]
        ),
        r#"claude mcp add --transport http my-tools 'https://tools.example.com/it'\''s/mcp?a=b&c=d'"#
    );
    let server: Value = serde_json::from_str(&named("registry")).unwrap();
    assert_eq!(server["name"], "com.example.tools/My-Tools---S-hne");
    assert_eq!(
        server["$schema"],
        "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json"
    );
    assert_eq!(
        server["remotes"],
        json!([{ "type": "streamable-http", "url": URL }])
    );
    for key in ["description", "version"] {
        assert!(server[key].as_str().is_some_and(|text| !text.is_empty()));
    }
}

#[test]
fn the_configuration_determines_the_url_and_the_name() {
    let toolcrib = Toolcrib::new();
    for (config, url) in [
        ("", "http://127.0.0.1:8080/mcp"),
        (
            "[server]\nlisten = \"localhost:81\"\n",
            "http://localhost:81/mcp",
        ),
        (
            "[server]\nlisten = \"0.0.0.0:80\"\npublic-url = \"https://t.example/x\"\npath = \"/tools\"\n",
            "https://t.example/x/tools",
        ),
    ] {
        toolcrib.file("c.toml", config);
        let line = printed(&toolcrib, &["claude-code", "--config", "c.toml"]);
        assert_eq!(
            line,
            format!("claude mcp add --transport http toolcrib {url}")
        );
    }
    toolcrib.file(
        "c.toml",
        "[server]\nname = \"abc\"\ninstructions = \"Tools of ABC.\"\n",
    );
    let line = printed(&toolcrib, &["claude-code", "--config", "c.toml"]);
    assert!(line.contains(" abc http://"), "{line}");
    let arguments = [
        "registry",
        "--config",
        "c.toml",
        "--url",
        "https://t.example",
    ];
    let server: Value = serde_json::from_str(&printed(&toolcrib, &arguments)).unwrap();
    assert_eq!(server["description"], "Tools of ABC.");

    // All at once, with the reason for those that cannot get there.
    let all = printed(&toolcrib, &[]);
    for text in [
        "Claude:\n  Claude connects from the internet",
        "Claude Code:\n  claude mcp add --transport http toolcrib http://127.0.0.1:8080/mcp\n",
        "Cursor:\n  cursor://",
        "Visual Studio Code:\n  vscode:mcp/install?",
        "LM Studio:\n  lmstudio://",
        "Other clients:\n  {\n    \"mcpServers\"",
        "Registry of MCP servers (server.json):\n  the registry lists servers that everybody reaches",
    ] {
        assert!(all.contains(text), "{text}: {all}");
    }
}

#[test]
fn a_client_starts_the_program_with_absolute_paths() {
    let toolcrib = Toolcrib::new();
    toolcrib.write("a", &Guest::saying("a", "a").component());
    toolcrib.file("c.toml", "components = [\"a.wasm\"]\n");
    let here = toolcrib.path().canonicalize().unwrap();
    let here = here.to_str().unwrap();
    let (component, config) = (format!("{here}/a.wasm#a"), format!("{here}/c.toml"));
    for (arguments, expected) in [
        (&["--stdio", "a.wasm#a"][..], vec!["stdio", &component]),
        (
            &["--stdio", "--config", "c.toml"],
            vec!["stdio", "--config", &config],
        ),
        (
            &["--stdio", "oci://r.example/a:1"],
            vec!["stdio", "oci://r.example/a:1"],
        ),
    ] {
        let expected = json!({ "command": TOOLCRIB, "args": expected });
        let link = printed(&toolcrib, &[&["cursor"], arguments].concat());
        assert_eq!(settings_of(&link), expected);
        let desktop = printed(&toolcrib, &[&["claude"], arguments].concat());
        let desktop: Value = serde_json::from_str(&desktop).unwrap();
        assert_eq!(desktop, json!({ "mcpServers": { "toolcrib": expected } }));
    }
    assert_eq!(
        printed(&toolcrib, &["claude-code", "--stdio", "a.wasm"]),
        format!("claude mcp add --transport stdio toolcrib -- {TOOLCRIB} stdio {here}/a.wasm")
    );
}

#[test]
fn connect_says_how_to_go_on() {
    let toolcrib = Toolcrib::new();
    toolcrib.file("all.toml", "[server]\nlisten = \"0.0.0.0:80\"\n");
    toolcrib.file("socket.toml", "[server]\nlisten = \"unix:x.sock\"\n");
    toolcrib.file("bad.toml", "x = 1\n");
    let long = "x".repeat(65);
    for (arguments, words) in [
        (
            &["--url", "tools.example.com"][..],
            &["is no URL of a server", "https://"][..],
        ),
        (
            &["--url", "ftp://tools.example.com"],
            &["is no URL of a server"],
        ),
        (
            &["--url", "https://a:b@tools.example.com"],
            &["no password"],
        ),
        (
            &["--config", "all.toml"],
            &["0.0.0.0:80", "server.public-url", "--url"],
        ),
        (&["--config", "socket.toml"], &["x.sock", "--url"]),
        (&["--config", "bad.toml"], &["bad.toml:1"]),
        (&["--name", ""], &["is no name for clients", "--name"]),
        (&["--name", "a\nb"], &["is no name for clients"]),
        (&["--name", &long], &["is no name for clients"]),
        (
            &["claude-code", "--name", "my tools"],
            &["Claude Code accepts", "--name"],
        ),
        (
            &["claude"],
            &[
                "does not reach http://127.0.0.1:8080/mcp",
                "--url",
                "--stdio",
            ],
        ),
        (&["registry"], &["everybody reaches", "--url"]),
        (
            &["registry", "--stdio", "https://x.example/a.wasm"],
            &["leave out --stdio"],
        ),
        (&["cursor", "--stdio"], &["needs components", "--config"]),
        (
            &["cursor", "--stdio", "no.wasm"],
            &["no.wasm", "no such file"],
        ),
        (&["claude", "--write"], &["takes programs only", "--stdio"]),
        (&["registry", "--write"], &["no configuration file"]),
    ] {
        refused(&toolcrib, arguments, 2, words);
    }
    refused(
        &toolcrib,
        &["json", "--write"],
        1,
        &["no usual file", "--file"],
    );
    // The client is needed, and one of the two ways to the server.
    assert_eq!(connect(&toolcrib, &["--write"]).status, 2);
    assert_eq!(
        connect(&toolcrib, &["cursor", "--url", URL, "--stdio", "x"]).status,
        2
    );
    assert_eq!(connect(&toolcrib, &["emacs"]).status, 2);
}
