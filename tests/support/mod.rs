//! What the tests stand on: guests, hosts, clients, the binary, and an issuer of tokens.

pub(crate) mod client;
pub(crate) mod command;
pub(crate) mod guest;
pub(crate) mod issuer;
pub(crate) mod kept;
pub(crate) mod pipes;
#[allow(dead_code, reason = "the benchmark uses the rest")]
pub(crate) mod process;
pub(crate) mod server;
pub(crate) mod session;
pub(crate) mod upstream;
