//! `wasi:keyvalue` (0.2.0-draft): data that a component keeps between calls.
//!
//! A bucket belongs to a component. A guest opens it under the granted name, such as `cache`, for the data that all
//! callers share, or as `cache@caller` for the data of the current caller, identified by the issuer and subject of its
//! access token. A guest cannot address the data of another component or another caller, because neither the component
//! nor the caller is part of any name that it supplies.

mod backend;
mod bindings;
mod bucket;
mod bucket_grant;
mod error;
mod file_backend;
mod file_database;
mod limits;
mod location;
mod redis_backend;
mod redis_scripts;
mod store;

pub(super) use bindings::{KeyValueView, add_to_linker};
pub(super) use bucket::ComponentBuckets;
pub use bucket::{Bucket, Owner};
pub use bucket_grant::BucketGrant;
pub use error::StoreError;
pub use limits::{MAX_BATCH_BYTES, MAX_KEY_BYTES, MAX_KEYS, MAX_VALUE_BYTES};
pub use location::StoreLocation;
pub use store::{KeyValueConfig, Store};
