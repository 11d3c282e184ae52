//! JSON Schema: validation of arguments and of structured output within a budget of work.

mod budget;

mod references;

mod validator;

pub use validator::Schema;
pub(super) use validator::{MAX_SCHEMA_BYTES, Root};
