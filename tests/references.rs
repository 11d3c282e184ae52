//! Components from web servers and registries: what is fetched, refused, kept, and served without the network.

mod access;
mod cache;
mod commands;
mod forms;
mod interrupted;
mod pinning;
mod refusals;
mod serving;

use crate::support::command::{CommandOutput, Toolcrib};
use crate::support::guest::Guest;

/// Exit status of an operation that failed.
const FAILED: i32 = 1;
/// Exit status of a wrong command line or configuration.
const USAGE: i32 = 2;

/// Returns a component with one tool `greet` that says this.
fn greeting(text: &str) -> Vec<u8> {
    Guest::saying("greet", text).component()
}

/// Fetches a component without its digest and calls its tool.
fn greet(toolcrib: &Toolcrib, reference: &str) -> CommandOutput {
    toolcrib.run(&["call", "--allow-unpinned", reference, "greet"])
}

/// Checks that a command fails with one line that contains these parts.
fn check_refused(name: &str, output: &CommandOutput, status: i32, parts: &[&str]) {
    assert_eq!(output.status, status, "{name}: {output:?}");
    let errors = output.stderr.lines().filter(|l| l.starts_with("error: "));
    let errors: Vec<_> = errors.collect();
    assert_eq!(errors.len(), 1, "{name}: {output:?}");
    for part in parts {
        assert!(
            errors[0].contains(part),
            "{name} lacks {part:?}: {output:?}"
        );
    }
}
