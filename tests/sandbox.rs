//! The sandbox: resource limits, output limits and grants of guests. Everything that is not granted is denied.

mod audited_grants;
mod crashes;
mod definitions;
mod deny_by_default;
mod dirs;
mod dirs_limits;
mod egress;
mod egress_limits;
mod filesystem_guest;
mod fresh_memory;
mod keyvalue;
mod limits;
mod output_limits;
mod policy;
mod protected_paths;
mod schemas;
mod sockets;
pub(crate) mod variables;
