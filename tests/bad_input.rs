//! Invalid files, configurations and command lines: the exact exit status, and one line per error that says what is
//! wrong, where, and what to do.

mod command_lines;
mod components;
mod configurations;
mod files;
mod overrides;

use crate::support::command::CommandOutput;
use crate::support::guest::Guest;

/// Exit status for an invalid configuration or command line.
const USAGE: i32 = 2;
/// Exit status for any other error.
const FAILED: i32 = 1;

/// Checks the exit status and the errors. Standard error must have one line per entry of `errors`, in order, that
/// contains all of its words. Standard output must be empty.
fn check(context: &str, output: &CommandOutput, status: i32, errors: &[&[&str]]) {
    assert_eq!(output.status, status, "{context}: {output:?}");
    assert_eq!(output.stdout, "", "{context}");
    let lines: Vec<_> = output.stderr.lines().collect();
    assert_eq!(lines.len(), errors.len(), "{context}: {lines:#?}");
    for (line, words) in lines.iter().zip(errors) {
        assert!(line.starts_with("error: "), "{context}: {line}");
        for word in *words {
            assert!(line.contains(word), "{context}: {line:?} lacks {word:?}");
        }
        // Short, and without implementation details.
        assert!(line.len() < 600, "{context}: {line}");
        for detail in ["panicked", "backtrace", "wasmtime::", "src/"] {
            assert!(!line.contains(detail), "{context}: {line}");
        }
    }
}

fn hello() -> Vec<u8> {
    Guest::saying("hello", "hello").component()
}
