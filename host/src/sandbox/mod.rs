//! The sandbox of one call: the guest's access to the outside world, and the limits on its memory, time and output.
//!
//! All of WASI 0.2 is linked, but each interface works only as far as it is granted: without [`Grants`] a guest has no
//! file, no environment variable and no network. Its output goes to the log up to a limit. This module knows nothing
//! of HTTP servers, MCP or tokens.

mod blocking_pool;
mod command;
mod egress;
mod executor;
mod filesystem;
mod grant_report;
mod grants;
mod interfaces;
pub mod keyvalue;
mod limits;
mod linker;
mod open_grants;
mod output;
mod reachability;
mod sockets;
mod store;

pub use command::{CapturedOutput, CommandInput, start_command};
pub use egress::{EgressCounts, EgressDenied, HttpGrant, HttpRule};
pub use executor::{CpuProfile, Stopped, execute};
pub use filesystem::DirGrant;
pub use grant_report::{ImportReport, import_report};
pub use grants::{GrantError, Grants, Variables};
pub use interfaces::{has_interface, has_preview3_interface};
pub use limits::{Limits, MAX_HANDLES, MAX_LOG_LINES, MAX_OPEN_FILES, MAX_PROGRESS_EVENTS};
pub use linker::new_linker;
pub use open_grants::OpenGrants;
pub use reachability::{GrantedHost, Unreachable};
pub use sockets::TcpRule;
pub use store::{StoreData, exit_status, is_out_of_handles, new_store, start_call};
