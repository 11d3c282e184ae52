//! A client for OCI registries (OCI distribution specification 1.1), limited to components and their signatures.
//!
//! Every document is bounded, every digest is computed and compared, and every address is checked. Credentials and tokens
//! are sent to the registry itself, and to the token service that it names over https.

mod credentials;
mod manifest;

mod challenge;

mod repository;

mod pull;
mod push;

mod signatures;

pub(crate) use manifest::media_type;
pub(crate) use repository::{Access, Repository};
