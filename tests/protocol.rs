//! The protocol: three revisions at one endpoint, and every fault answered in a way that each of their clients understands.

mod admission;
mod http_rules;
mod lifecycle;
mod list;
mod messages;
mod mirrored_headers;
mod places;
mod sessions;
mod shutdown;
