//! `toolcrib call` on a terminal: tables and colours.

use std::process::Command;

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
