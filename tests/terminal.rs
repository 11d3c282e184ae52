//! Commands on a terminal: tables and colours of `toolcrib call`, the question of `toolcrib connect --write`.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::support::command::{CommandOutput, Toolcrib};
use crate::support::guest::{Guest, Reply, Tool};
use crate::support::process::TOOLCRIB;

/// Runs a program on a pseudo-terminal and copies what it prints.
const ON_TERMINAL: &str = "import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)";

const ROWS: &str = r#"{"city":"Oslo","rows":[
    {"name":"a\u001b[2J","n":5},{"name":"long enough","n":-10.5,"more":[1]},{"n":null}
]}"#;

fn guest() -> Guest {
    let mut guest = Guest::new();
    for (name, structured) in [("table", ROWS), ("plain", r#"{"n":1}"#)] {
        let body = guest.reply(&Reply {
            structured: Some(structured),
            ..Reply::default()
        });
        guest.tool(Tool::new(name), body);
    }
    guest
}

fn on_terminal(toolcrib: &Toolcrib, tool: &str, variable: Option<(&str, &str)>) -> String {
    let output = CommandOutput::of(
        Command::new("python3")
            .args(["-c", ON_TERMINAL, TOOLCRIB, "call", "g.wasm", tool])
            .current_dir(toolcrib.path())
            .env("HOME", toolcrib.path())
            .env("TERM", "xterm")
            .env_remove("NO_COLOR")
            .envs(variable),
    );
    output.stdout.replace("\r\n", "\n")
}

#[test]
fn a_terminal_gets_tables_and_colours() {
    let toolcrib = Toolcrib::new();
    toolcrib.write("g", &guest().component());
    let table = "city: Oslo\nrows:\nname             n  more\na\\u{1b}[2J       5\nlong enough  -10.5  [1]\n\n";
    let plain = |text: &str| {
        let text = text.replace("\u{1b}[1m", "").replace("\u{1b}[2m", "");
        text.replace("\u{1b}[0m", "").replace("\u{1b}[1;31m", "")
    };
    let output = on_terminal(&toolcrib, "table", None);
    assert!(
        output.contains("\u{1b}[1mname             n  more\u{1b}[0m\n"),
        "{output:?}"
    );
    assert_eq!(plain(&output), table);
    for variable in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        assert_eq!(on_terminal(&toolcrib, "table", Some(variable)), table);
    }
    assert!(on_terminal(&toolcrib, "table", Some(("NO_COLOR", ""))).contains('\u{1b}'));
    assert_eq!(on_terminal(&toolcrib, "plain", None), "{\"n\":1}\n");
    let output = on_terminal(&toolcrib, "nothing", None);
    assert!(
        output.starts_with("\u{1b}[1;31merror:\u{1b}[0m `g.wasm` has no tool"),
        "{output:?}"
    );

    // Elsewhere the JSON stays as it is.
    let output = toolcrib.run(&["call", "g.wasm", "table"]);
    assert_eq!(output.stdout, format!("{}\n", ROWS));
}

#[test]
fn connect_asks_before_it_writes() {
    let toolcrib = Toolcrib::new();
    let file = toolcrib.path().join("mcp.json");
    for (answer, is_written) in [("n\n", false), ("\n", false), ("", false), ("Yes\n", true)] {
        let mut child = Command::new("python3")
            .args(["-c", ON_TERMINAL, TOOLCRIB, "connect", "cursor"])
            .args(["--write", "--file", "mcp.json"])
            .current_dir(toolcrib.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // Control-D ends the input of a terminal.
        let answer = if answer.is_empty() { "\u{4}" } else { answer };
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(answer.as_bytes()).unwrap();
        let output = CommandOutput::from(child.wait_with_output().unwrap());
        drop(stdin);
        assert_eq!(output.status, 0, "{output:?}");
        let asked = output.stdout.find("write mcp.json? [y/N]").unwrap();
        let shown = output.stdout.find("+     \"toolcrib\": {").unwrap();
        assert!(shown < asked, "{output:?}");
        assert_eq!(file.exists(), is_written, "{output:?}");
        assert_eq!(output.stdout.contains("nothing is written"), !is_written);
    }
}
