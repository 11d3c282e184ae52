//! Limits and errors of a compilation.

use std::time::Duration;

use crate::text::bounded;

/// Maximum length of the text of an error, which may contain names from the component.
const MAX_ERROR_BYTES: usize = 2_000;

/// The time and memory that one compilation may take.
#[derive(Debug, Clone, Copy)]
pub struct CompileLimits {
    /// Wall-clock time, from the moment the compiler starts on the component.
    pub time: Duration,
    /// Address space of the compiler process. A compilation in the host's own process has no memory limit.
    pub memory_bytes: usize,
}

/// The reason a compilation has no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// The compiler rejects the component.
    #[error("it is not a valid component: {0}")]
    Invalid(String),
    /// The time limit elapsed.
    #[error(
        "it was not compiled within {0:?}; raise `compile` in [limits], or build it smaller (without debug \
         information, optimised for size)"
    )]
    Timeout(Duration),
    /// The compiler needs more memory than its limit.
    #[error(
        "it was not compiled within {} MiB of memory; raise `compile-memory` in [limits], or build it smaller \
         (without debug information, optimised for size)", .0 >> 20
    )]
    Memory(usize),
    /// The compiled component is too large.
    #[error("its compiled code is larger than {} MiB; build it smaller", .0 >> 20)]
    TooLarge(usize),
    /// The compiler crashed or could not be started. The log has the cause.
    #[error("the compiler failed; the log says how")]
    Failed,
}

impl CompileError {
    pub(super) fn invalid(error: &wasmtime::Error) -> Self {
        Self::Invalid(error_summary(error))
    }
}

/// Formats an error of the engine and its causes as one line, without the backtrace.
pub fn error_summary(error: &wasmtime::Error) -> String {
    let mut line = String::new();
    for cause in error.chain() {
        let text = bounded(cause, MAX_ERROR_BYTES);
        let first = text.lines().next().unwrap_or_default();
        // The engine's context lines say only that a guest was running, with the backtrace, or that bytes were parsed.
        let is_context = first.starts_with("error while executing")
            || first == "failed to parse WebAssembly module";
        if is_context || first.is_empty() {
            continue;
        }
        if !line.is_empty() {
            line.push_str(": ");
        }
        line.push_str(first);
    }
    bounded(line, MAX_ERROR_BYTES)
}
