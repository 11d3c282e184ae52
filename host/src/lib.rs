//! Toolcrib loads WebAssembly components and serves them as MCP tools over
//! Streamable HTTP, behind an OAuth 2.1 resource-server guard, each call in a
//! sandbox of its own.
//!
//! [`App`] is the whole of it; [`auth::Guard`] stands alone in front of any axum
//! router. The modules in the order in which they may use each other, the later
//! ones the earlier:
//!
//! | module | what it is |
//! |---|---|
//! | `network` | which addresses are within reach, and names resolved to those |
//! | [`auth`] | the guard: tokens, keys, scopes, metadata; knows no MCP and no WASM |
//! | [`reference`](mod@reference) | strings that name components → bytes |
//! | [`engine`] | wasmtime's engine: pool, clock, compiled cache |
//! | [`telemetry`] | the log |
//! | [`sandbox`] | limits, grants and the store of one call |
//! | [`component`] | a compiled component: load, describe, call |
//! | [`catalog`] | name → tool, and the places for calls |
//! | [`mcp`] | the catalog as an MCP server; the only place with protocol types |
//! | [`config`] | text → types |
//! | [`http`] | routes, bodies, `Host` and `Origin`, health, serving |
//! | `app` | the composition root |
//! | [`cli`] | one file per subcommand |

mod network;
mod text;

pub mod auth;
pub mod engine;
pub mod reference;
pub mod telemetry;

pub mod sandbox;

pub mod component;

pub mod catalog;

pub mod mcp;

pub mod config;

mod reload;

pub mod http;

mod app;

pub mod cli;

pub use app::{App, BuildError, Problem};
pub use reload::ComponentProblem;
