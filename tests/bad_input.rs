//! Wrong files, wrong configurations, wrong command lines: the exact exit status, and one line for each fault that names the
//! thing and the way out.

mod command_lines;
mod components;
mod configurations;
mod overrides;

use crate::support::command::Ended;
use crate::support::guest::Guest;

/// The configuration or the command line is wrong.
const USAGE: i32 = 2;
const FAILED: i32 = 1;

/// There is one line on standard error for each entry of `faults`, in their order, with all its words in it; and nothing
/// on standard output.
fn check(what: &str, ended: &Ended, status: i32, faults: &[&[&str]]) {
    assert_eq!(ended.status, status, "{what}: {ended:?}");
    assert_eq!(ended.stdout, "", "{what}");
    let lines: Vec<_> = ended.stderr.lines().collect();
    assert_eq!(lines.len(), faults.len(), "{what}: {lines:#?}");
    for (line, words) in lines.iter().zip(faults) {
        assert!(line.starts_with("error: "), "{what}: {line}");
        for word in *words {
            assert!(line.contains(word), "{what}: {line:?} lacks {word:?}");
        }
        // Nobody reads more, and nothing of the inside belongs there.
        assert!(line.len() < 600, "{what}: {line}");
        for inside in ["panicked", "backtrace", "wasmtime::", "src/"] {
            assert!(!line.contains(inside), "{what}: {line}");
        }
    }
}

fn hello() -> Vec<u8> {
    Guest::saying("hello", "hello").component()
}
