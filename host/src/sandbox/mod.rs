//! The sandbox of one call: what a guest may use, how much of it, and for how
//! long.
//!
//! Everything of WASI is linked, and works only as granted: without [`Grants`]
//! there is no file, no environment variable, no network. A guest's output goes
//! to the log, bounded. The sandbox knows nothing of HTTP servers, MCP or tokens.

mod blocking_pool;
mod dirs;
mod egress;
mod executor;
mod grant_report;
mod grants;
mod imports;
pub mod keyvalue;
mod limits;
mod output;
mod sockets;
mod store;

pub use dirs::DirGrant;
pub use egress::{EgressDenied, HttpGrant, HttpRule};
pub use executor::{CpuProfile, Stopped, run};
pub use grant_report::{ImportReport, import_report};
pub use grants::{GrantError, Grants, OpenGrants, Variables};
pub use imports::linker;
pub use limits::{Limits, MAX_HANDLES, MAX_LOG_LINES, MAX_OPEN_FILES, MAX_PROGRESS_EVENTS};
pub use sockets::TcpRule;
pub use store::{StoreData, exit_status, is_out_of_handles, store};
