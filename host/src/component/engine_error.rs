//! Causes of errors that the engine reports only as text.

use wasmtime::{Trap, WasmBacktrace};

use crate::text::bounded;

/// Length of a cause's text that is searched. The engine's own texts are shorter; texts with names from a guest can have
/// megabytes.
const MAX_SEARCHED_BYTES: usize = 1_000;

/// Returns whether the guest passed more data to a function of the host than one host call may transfer.
pub(super) fn is_host_call_too_large(error: &wasmtime::Error) -> bool {
    // The guest was running, so the data was an argument and not the guest's result.
    is_transfer_too_large(error) && error.downcast_ref::<WasmBacktrace>().is_some()
}

/// Returns whether the engine refused to copy a result out of the guest because it exceeds the output limit.
pub(super) fn is_output_too_large(error: &wasmtime::Error) -> bool {
    is_transfer_too_large(error) && !is_host_call_too_large(error)
}

fn is_transfer_too_large(error: &wasmtime::Error) -> bool {
    error
        .chain()
        .any(|cause| bounded(cause, MAX_SEARCHED_BYTES).contains("fuel allocated for hostcalls"))
}

/// Returns whether the guest waits for an event that nothing can cause.
pub(super) fn is_deadlock(error: &wasmtime::Error) -> bool {
    matches!(error.downcast_ref(), Some(Trap::AsyncDeadlock))
}

/// Returns the proposal of WebAssembly that a component does not compile without, as a part of a sentence. `summary` is
/// the compiler's error.
pub(super) fn missing_proposal(summary: &str) -> Option<&'static str> {
    const PROPOSALS: [(&str, &[&str]); 4] = [
        (
            "garbage collection (GC), as compilers of Kotlin and Dart do",
            &["gc types", "gc support", "gc feature", "heap types"],
        ),
        ("exceptions", &["exceptions support", "exceptions proposal"]),
        ("threads", &["threads support", "threads must be enabled"]),
        (
            "asynchronous built-ins that are not part of WASI 0.3",
            &[
                "component model more async",
                "component model async stackful",
                "component model threading",
                "error-context feature",
            ],
        ),
    ];
    let proposals = PROPOSALS.into_iter();
    let mut proposals = proposals.filter(|(_, texts)| texts.iter().any(|t| summary.contains(t)));
    proposals.next().map(|(name, _)| name)
}

/// Returns whether a component does not compile because it uses the asynchronous functions of WASI 0.3. `summary` is the
/// error of the compiler or of a validator.
pub(super) fn needs_async(summary: &str) -> bool {
    summary.contains("component model async feature")
}

/// Returns whether a component does not compile because it has types from before the standard settled. `summary` is the
/// compiler's error.
pub(super) fn is_of_earlier_tools(summary: &str) -> bool {
    summary.contains("record type must have at least one field")
}

/// Returns the sentence about an import that the host has with other content. `summary` is the linker's error.
pub(super) fn import_mismatch(summary: &str) -> Option<String> {
    let rest = summary.strip_prefix("component imports instance `")?;
    let (interface, rest) = rest.split_once('`')?;
    let (_, rest) = rest.split_once("instance export `")?;
    let (item, rest) = rest.split_once('`')?;
    let reason = rest.strip_prefix(" has the wrong type: ")?;
    Some(if reason.ends_with("implementation is missing") {
        format!(
            "it imports `{item}` of `{interface}`, which this host's version of the interface does not have; build \
             it with the released WIT"
        )
    } else {
        format!(
            "it imports `{item}` of `{interface}` with another type than the host's ({reason}); build it with the \
             released WIT"
        )
    })
}
