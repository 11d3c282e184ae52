//! The current call: its caller, time, progress and log.
//!
//! In a native program, such as a test, nobody calls: progress is dropped, and log messages go to standard error.

#[cfg(target_arch = "wasm32")]
use crate::bindings::toolcrib::mcp::call as host;

pub use crate::bindings::toolcrib::mcp::call::{Level, Principal};

/// Returns the authenticated caller, or `None` if the server runs without authentication.
pub fn caller() -> Option<Principal> {
    #[cfg(target_arch = "wasm32")]
    return host::caller();
    #[cfg(not(target_arch = "wasm32"))]
    return None;
}

/// Returns the milliseconds until the host stops this call.
pub fn time_left() -> u64 {
    #[cfg(target_arch = "wasm32")]
    return host::time_left();
    #[cfg(not(target_arch = "wasm32"))]
    return u64::MAX;
}

/// Returns whether the client has disconnected or cancelled the call.
pub fn cancelled() -> bool {
    #[cfg(target_arch = "wasm32")]
    return host::cancelled();
    #[cfg(not(target_arch = "wasm32"))]
    return false;
}

/// Reports progress. `done` increases with each report.
pub fn progress(done: f64, total: Option<f64>, message: Option<&str>) {
    #[cfg(target_arch = "wasm32")]
    host::progress(done, total, message);
    #[cfg(not(target_arch = "wasm32"))]
    let _ = (done, total, message);
}

/// Writes to the operator's log, and to the client if it has requested log messages.
pub fn log(level: Level, message: &str) {
    #[cfg(target_arch = "wasm32")]
    host::log(level, message);
    #[cfg(not(target_arch = "wasm32"))]
    eprintln!("{level:?}: {message}");
}
