//! JSON Schema: validation of arguments and of structured output within limits of work, depth and memory.
//!
//! Schemas come from guests and values from callers, so both are untrusted, and validators made for trusted schemas
//! recurse, repeat work and copy locations without limits. Files from the lowest layer to the highest:
//!
//! - `pattern`, `equality`, `evaluated`, `limits`: parts of an evaluation;
//! - `node`: the parsed schema;
//! - `message`, `defect`: sentences;
//! - `references`, `parser`, `keywords`: from JSON to nodes;
//! - `evaluator`, `assertions`, `applicators`: from a value to its mismatches;
//! - `lenient`, `validator`: conversion of strings, and [`Schema`].

mod equality;
mod evaluated;
mod limits;
mod pattern;

mod node;

mod message;

mod defect;

mod references;

mod parser;

mod keywords;

mod evaluator;

mod applicators;
mod assertions;

mod lenient;

mod validator;

pub(super) use lenient::parsed;
pub(super) use pattern::PatternSpace;
pub use validator::Schema;
pub(crate) use validator::Strings;
pub(super) use validator::{MAX_SCHEMA_BYTES, Root};
