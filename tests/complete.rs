//! What `make test-all` adds: the examples of every language, called as a user
//! would, and real clients that call them with a token.

#![allow(clippy::unwrap_used)] // A test fails by panicking.

mod browser;
mod clients;
mod examples;
mod oauth;

#[path = "support/issuer.rs"]
#[allow(dead_code, reason = "the other tests use the rest")]
mod issuer;
#[path = "support/process.rs"]
#[allow(dead_code, reason = "the other tests use the rest")]
mod process;

/// The programs of the real clients.
const CLIENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/clients");

/// Where `make examples` puts the components.
const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../guest-examples/dist");
