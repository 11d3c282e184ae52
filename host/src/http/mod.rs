//! HTTP: routes, request bodies, `Host` and `Origin`, sessions, health, the page, and the accept loop.
//!
//! A request to the MCP endpoint passes, in this order: `Host` and `Origin`, CORS, the guard, and the endpoint.

mod accept;
mod application;
mod body;
mod byte_budget;
mod connection;
mod connection_threads;
mod detached_peers;
mod endpoint;
mod entry;
mod envelope;
mod event_stream;
mod header_checks;
mod jsonrpc;
mod lingering_body;
mod listener;
mod message_limits;
mod message_scan;
mod metrics_server;
mod mirrored_headers;
mod mounts;
mod observe;
mod origin;
mod outgoing;
mod page;
mod response_batches;
mod responses;
mod sending;
mod serve;
mod session_errors;
mod session_owners;
mod session_requests;
mod sessions;
mod socket;
mod stateless;
mod strict_json;
mod timed_stream;
mod tls;

pub use application::{Application, Parts, Settings};
pub use listener::Listener;
pub use metrics_server::MetricsServer;
pub use origin::Policy;
pub use page::PageSettings;
pub use serve::{Serving, serve};
pub use tls::{LiveTls, TlsAcceptor, TlsError, acceptor};
