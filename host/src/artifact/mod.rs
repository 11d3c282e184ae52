//! Components from web servers and registries, and the store that keeps them.
//!
//! Everything that is fetched is untrusted: each size, time and number of redirects is bounded, and each address is
//! checked before it is connected to. A component is used only if its bytes have the expected digest.

mod error;

mod body;

mod http_client;

mod download;
mod record;
mod store;

pub(crate) mod registry;

mod fetcher;
mod publish;
mod web_signatures;

mod signatures;

pub use error::FetchError;
pub(crate) use fetcher::{Artifact, Fetcher};
