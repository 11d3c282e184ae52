//! Test fixtures: guests, in-process hosts, MCP clients, the binary, and an authorization server.

pub(crate) mod client;
pub(crate) mod command;
pub(crate) mod dev;
pub(crate) mod guest;
pub(crate) mod http2;
pub(crate) mod issuer;
pub(crate) mod keyvalue_suite;
#[allow(dead_code, reason = "the benchmarks use the rest")]
pub(crate) mod process;
#[allow(dead_code, reason = "the `complete` tests use it")]
pub(crate) mod redis;
#[allow(dead_code, reason = "the `complete` tests use it")]
pub(crate) mod registry;
pub(crate) mod rng;
pub(crate) mod server;
pub(crate) mod session;
pub(crate) mod signer;
pub(crate) mod stdio_client;
pub(crate) mod task_client;
pub(crate) mod upstream;
pub(crate) mod web;
