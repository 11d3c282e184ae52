//! The sandbox of one call: what a guest may use, how much of it, and for how
//! long.
//!
//! Everything of WASI is linked, and works only as granted: without [`Grants`]
//! there is no file, no environment variable, no network. A guest's output goes
//! to the log, bounded. The sandbox knows nothing of HTTP servers, MCP or tokens.

mod asked;
mod dirs;
mod egress;
mod grants;
mod imports;
pub mod keyvalue;
mod limits;
mod output;
mod run;
mod sockets;
mod state;
mod threads;

pub use asked::{Asked, asked};
pub use dirs::DirGrant;
pub use egress::{Denied, HttpGrant, HttpRule};
pub use grants::{GrantFault, Granted, Grants, Variables};
pub use imports::linker;
pub use limits::{Limits, MAX_HANDLES, MAX_LOG_LINES, MAX_OPEN_FILES, MAX_PROGRESS_EVENTS};
pub use output::printable;
pub use run::{Habit, Stopped, run};
pub use sockets::TcpRule;
pub use state::{State, exit_status, is_out_of_handles, store};
