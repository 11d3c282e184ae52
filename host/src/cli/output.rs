//! Output of the subcommands: printing, error reports, and the exit status.
//!
//! Everything printed passes through [`escape_untrusted`] and its variants, because much of it comes from guests.

use std::fmt::{self, Display};
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::process::ExitCode;

use serde_json::Value;

use crate::app::BuildError;
use crate::catalog::Catalog;
use crate::config::ConfigError;
use crate::telemetry;
use crate::text::{error_chain, escape_json, escape_lines, escape_untrusted};

/// Prints a line to standard output, escaped. Returns from the function if it cannot be written.
macro_rules! say {
    ($($text:tt)*) => {
        $crate::cli::output::print_line(format_args!($($text)*))?
    };
}
pub(super) use say;

/// The look of text: plain, unless a terminal shows it and `NO_COLOR` is not set.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style {
    pub(super) is_terminal: bool,
    is_colored: bool,
}

impl Style {
    pub(super) fn of_stdout() -> Self {
        Self::of(io::stdout().is_terminal())
    }

    fn of(is_terminal: bool) -> Self {
        // https://no-color.org: any value but an empty one.
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let is_dumb = std::env::var_os("TERM").is_some_and(|terminal| terminal == "dumb");
        Self {
            is_terminal,
            is_colored: is_terminal && !no_color && !is_dumb,
        }
    }

    /// Formats escaped text in bold.
    pub(super) fn bold(self, text: &str) -> String {
        self.with("1", text)
    }

    /// Formats escaped text in a faint colour.
    pub(super) fn dim(self, text: &str) -> String {
        self.with("2", text)
    }

    fn with(self, code: &str, text: &str) -> String {
        match self.is_colored {
            true => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            false => text.to_owned(),
        }
    }
}

/// The exit status of a failed subcommand, which has reported the reason already.
#[derive(Debug)]
pub(super) enum Failure {
    /// Exit status 1: the operation failed.
    Failed,
    /// Exit status 2: the command line or the configuration is wrong.
    Usage,
}

/// Prints a line, escaped.
///
/// # Errors
/// It cannot be written.
pub(super) fn print_line(line: fmt::Arguments<'_>) -> Result<(), Failure> {
    print_raw(format!("{}\n", escape_untrusted(&line.to_string())).as_bytes())
}

/// Prints a text of one or more lines, escaped.
///
/// # Errors
/// It cannot be written.
pub(super) fn print_text(text: &str) -> Result<(), Failure> {
    print_raw(format!("{}\n", escape_lines(text)).as_bytes())
}

/// Prints an indented JSON value. Its strings keep their value.
///
/// # Errors
/// It cannot be written.
pub(super) fn print_json(value: &Value) -> Result<(), Failure> {
    print_json_text(&format!("{value:#}"))
}

/// Prints a valid JSON text. Its strings keep their value.
///
/// # Errors
/// It cannot be written.
pub(super) fn print_json_text(json: &str) -> Result<(), Failure> {
    // Outside of strings these are space, and inside of them they cannot be.
    let json = json.replace(['\r', '\t'], " ");
    print_raw(format!("{}\n", escape_json(&json)).as_bytes())
}

/// Formats a JSON value for [`say!`].
pub(super) fn json_line(value: &Value) -> String {
    escape_json(&value.to_string()).into_owned()
}

/// Writes to standard output. It is not an error if the reader, such as `head`, has closed the pipe.
///
/// # Errors
/// It cannot be written.
pub(super) fn print_raw(text: &[u8]) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(fail(format!("cannot write to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Prints a message about the server to standard error, escaped.
pub(super) fn notice(message: impl Display) {
    // A message that cannot be written must not end a server.
    let _ = writeln!(io::stderr(), "{}", escape_untrusted(&message.to_string()));
}

/// Prints an error. Returns [`Failure::Failed`].
pub(super) fn fail(error: impl Display) -> Failure {
    print_error(error);
    Failure::Failed
}

/// Prints an error of the command line. Returns [`Failure::Usage`].
pub(super) fn fail_usage(error: impl Display) -> Failure {
    print_error(error);
    Failure::Usage
}

/// Prints the errors of the configuration, one line each.
pub(super) fn report_config_errors(errors: &[ConfigError]) -> Failure {
    errors.iter().for_each(print_error);
    Failure::Usage
}

/// Prints every problem, one line each.
pub(super) fn report(error: &BuildError) -> Failure {
    for problem in &error.problems {
        print_error(error_chain(problem));
    }
    failure_of(error)
}

/// Prints an error to standard error, escaped. Further lines are indented, so that they cannot imitate other errors.
fn print_error(error: impl Display) {
    let text = escape_lines(error.to_string().trim_end()).replace('\n', "\n  ");
    telemetry::flush_log();
    // Only the exit status is left to tell that standard error cannot be written.
    let error = Style::of(io::stderr().is_terminal()).with("1;31", "error:");
    let _ = writeln!(io::stderr(), "{error} {text}");
}

/// Prints the message of a command line that is not run: an error, the help or the version.
pub(super) fn print_usage(message: &clap::Error) -> ExitCode {
    let printed = message.print().and_then(|()| io::stdout().flush());
    match printed {
        Err(error) if !message.use_stderr() && error.kind() != ErrorKind::BrokenPipe => {
            fail(format!("cannot write to standard output: {error}"));
            ExitCode::FAILURE
        }
        _ => u8::try_from(message.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from),
    }
}

/// Returns the failure for an application that cannot be built.
pub(super) fn failure_of(error: &BuildError) -> Failure {
    match error.problems.iter().any(|p| p.is_configuration()) {
        true => Failure::Usage,
        false => Failure::Failed,
    }
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
