//! Errors of the WebAssembly engine: a one-line summary, and causes that the engine reports only as text.

/// Formats an error and its causes as one line, without the backtrace.
pub(super) fn summary(error: &wasmtime::Error) -> String {
    let mut line = String::new();
    for cause in error.chain() {
        let text = cause.to_string();
        let first = text.lines().next().unwrap_or_default();
        // The engine's context line, which holds the backtrace, says only that a guest was running.
        if first.starts_with("error while executing") || first.is_empty() {
            continue;
        }
        if !line.is_empty() {
            line.push_str(": ");
        }
        line.push_str(first);
    }
    line
}

/// Returns whether the engine refused to copy a result out of the guest because it exceeds the output limit.
pub(super) fn is_output_too_large(error: &wasmtime::Error) -> bool {
    error
        .chain()
        .any(|cause| cause.to_string().contains("fuel allocated for hostcalls"))
}

/// Returns whether a component does not compile because it uses the asynchronous functions of WASI 0.3.
pub(super) fn needs_async(error: &wasmtime::Error) -> bool {
    let summary = summary(error);
    [
        "component model async",
        "component model more async",
        "component model threading",
        "error-context feature",
    ]
    .iter()
    .any(|feature| summary.contains(feature))
}
