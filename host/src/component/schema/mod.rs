//! JSON Schema: validation of arguments and structured output, with a budget.

mod budget;
mod validator;

pub use validator::Schema;
pub(super) use validator::{MAX_SCHEMA_BYTES, Root};
