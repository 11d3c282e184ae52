//! Outgoing HTTP: each request must match an entry of `http`, and its address must be permitted.

mod body;
mod client;
mod connect_timeout;
mod counts;
mod header_limits;
mod hooks;
mod http_grant;
mod http_rule;

pub(super) use client::EgressClient;
pub use counts::EgressCounts;
pub(super) use header_limits::replace_request_setters;
pub(super) use hooks::EgressHooks;
pub use http_grant::{EgressDenied, HttpGrant};
pub use http_rule::HttpRule;
