//! Toolcrib loads WebAssembly components and serves them as MCP tools over Streamable HTTP, behind an OAuth 2.1
//! resource-server guard. Each call runs in a sandbox of its own.
//!
//! [`App`] is the whole application; [`auth::Guard`] can be used alone in front of any axum router. A module may use
//! only the modules above it in this table:
//!
//! | module | purpose |
//! |---|---|
//! | `boxed_future` | futures on the heap that are not copied there |
//! | `cache` | the directory of compiled and fetched components |
//! | `files` | regular files, read up to a size |
//! | `json` | untrusted JSON, bounded in depth |
//! | `network` | addresses that may be connected to, and name resolution limited to them |
//! | `text` | truncation, escaping of untrusted text, error chains |
//! | [`auth`] | the guard: access tokens, keys, scopes, metadata; independent of MCP and WebAssembly |
//! | [`engine`] | wasmtime's engine: instance pool, epochs, compilation cache |
//! | [`reference`](mod@reference) | strings that name components, and the files they resolve to |
//! | [`telemetry`] | the log, the metrics, the audit |
//! | [`trust`] | signatures of components and the keys that are trusted |
//! | [`artifact`] | components from web servers and registries |
//! | [`shared`] | state that several replicas share through Redis |
//! | [`sandbox`] | limits, grants and the store of one call |
//! | [`component`] | a compiled component: load, describe, call |
//! | [`catalog`] | lookup of tools, prompts and resources by name, and limits on calls |
//! | [`mcp`] | the catalog as an MCP server |
//! | [`config`] | the configuration file and the command line as types |
//! | `reload` | loading the configured components and replacing those that change |
//! | [`http`] | routes, request bodies, `Host` and `Origin`, health, serving |
//! | `app` | the composition root |
//! | `fuzzing` | entry points of the fuzz targets |
//! | [`cli`] | the command line, one file per subcommand |

mod boxed_future;
mod cache;
mod files;
mod json;
mod network;
mod text;

pub mod auth;
pub mod engine;
pub mod reference;
pub mod telemetry;
pub mod trust;

pub mod artifact;

pub mod shared;

pub mod sandbox;

pub mod component;

pub mod catalog;

pub mod mcp;

pub mod config;

mod reload;

pub mod http;

mod app;

#[doc(hidden)]
pub mod fuzzing;

pub mod cli;

pub use app::{App, BuildError, Problem, Reconfigurer, Trigger};
pub use reload::ComponentProblem;
