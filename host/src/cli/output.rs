//! Output of the subcommands: printing, error reports, and the exit status.

use std::fmt::Display;
use std::io::Write;

use crate::app::BuildError;
use crate::catalog::Catalog;
use crate::config::ConfigError;
use crate::text::error_chain;

/// Prints a line to standard output. Unlike `println!` it does not panic when the reader, such as `head`, has closed
/// the pipe.
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($text)*);
    }};
}
pub(super) use say;

/// The exit status of a failed subcommand, which has reported the reason already.
#[derive(Debug)]
pub(super) enum Failure {
    /// Exit status 1: the operation failed.
    Failed,
    /// Exit status 2: the command line or the configuration is wrong.
    Usage,
}

/// Prints an error. Returns [`Failure::Failed`].
pub(super) fn fail(error: impl Display) -> Failure {
    eprintln!("error: {error}");
    Failure::Failed
}

/// Prints an error of the command line. Returns [`Failure::Usage`].
pub(super) fn fail_usage(error: impl Display) -> Failure {
    eprintln!("error: {error}");
    Failure::Usage
}

/// Prints the errors of the configuration, one line each.
pub(super) fn report_config_errors(errors: &[ConfigError]) -> Failure {
    for error in errors {
        eprintln!("error: {error}");
    }
    Failure::Usage
}

/// Prints every problem, one line each.
pub(super) fn report(error: &BuildError) -> Failure {
    for problem in &error.problems {
        eprintln!("error: {}", error_chain(problem));
    }
    failure_of(error)
}

/// Returns the failure for an application that cannot be built.
pub(super) fn failure_of(error: &BuildError) -> Failure {
    match error.problems.iter().any(|p| p.is_configuration()) {
        true => Failure::Usage,
        false => Failure::Failed,
    }
}

/// Writes a generated text to standard output. A closed pipe is not an error.
pub(super) fn print_raw(text: &[u8]) {
    let _ = std::io::stdout().write_all(text);
}

/// Summarises the catalog, such as `7 tools and 1 prompt from 3 components`. Kinds without entries are left out; an
/// empty catalog has `0 tools`.
pub(super) fn summary(catalog: &Catalog) -> String {
    let mut counts = vec![
        (catalog.tools().len(), "tool"),
        (catalog.prompts().len(), "prompt"),
        (catalog.resources().len(), "resource"),
        (catalog.templates().len(), "template"),
    ];
    counts.retain(|(number, _)| *number > 0);
    let counts: Vec<_> = counts
        .into_iter()
        .map(|(number, noun)| count(number, noun))
        .collect();
    let entries = match counts.split_last() {
        None => count(0, "tool"),
        Some((last, [])) => last.clone(),
        Some((last, before)) => format!("{} and {last}", before.join(", ")),
    };
    let components = count(catalog.components().len(), "component");
    format!("{entries} from {components}")
}

/// Formats a number with a noun: `1 tool`, `2 tools`.
fn count(number: usize, noun: &str) -> String {
    match number {
        1 => format!("1 {noun}"),
        _ => format!("{number} {noun}s"),
    }
}
