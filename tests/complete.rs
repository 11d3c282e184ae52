//! What `make test-all` adds: the examples of every language, called as a user
//! would, real clients that call them with a token, a real Redis, and networks
//! with names and addresses of the tests' own.

#![allow(clippy::unwrap_used)] // A test fails by panicking.

mod addresses;
mod browser;
mod clients;
mod examples;
mod oauth;
mod redis;

#[path = "support/mod.rs"]
#[allow(dead_code, reason = "the other tests use the rest")]
mod support;

use support::{issuer, process};

/// The programs of the real clients.
const CLIENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/clients");

/// Where `make examples` puts the components.
const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../guest-examples/dist");
