//! The sandbox of one call: what a guest may use, how much of it, and for how
//! long.
//!
//! Everything of WASI is linked and nothing is granted: no file, no environment
//! variable, no network. A guest's output goes to the log, bounded. The sandbox
//! knows nothing of HTTP servers, MCP or tokens.

mod limits;
mod output;
mod run;
mod state;

pub use limits::{Limits, MAX_LOG_LINES, MAX_PROGRESS_EVENTS};
pub use output::printable;
pub use run::{Stopped, run};
pub use state::{State, exit_status, linker, store};
