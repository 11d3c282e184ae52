//! The kinds of components beside those of the contract and plain functions, and the imports that they may lack.

mod command_lines;
pub(crate) mod commands;
mod descriptions;
mod limits;
mod logging;
mod missing_imports;
mod refusals;

use serde_json::Value;

use crate::support::command::{CommandOutput, Toolcrib};

/// Runs `inspect --json` for one component and returns its description.
fn inspect(toolcrib: &Toolcrib, arguments: &[&str]) -> Value {
    let output = toolcrib.run(&[&["inspect", "--json"], arguments].concat());
    assert_eq!(output.status, 0, "{output:?}");
    serde_json::from_str::<Value>(&output.stdout).unwrap()[0].take()
}

/// Checks that the only line of standard error has all of these words.
fn assert_refused(output: &CommandOutput, words: &[&str]) {
    assert_eq!(output.status, 1, "{output:?}");
    assert_eq!(output.stderr.lines().count(), 1, "{output:?}");
    for words in words {
        assert!(output.stderr.contains(words), "{words}: {output:?}");
    }
}
