//! The chain of hashes: each line has its number and the SHA-256 digest of the line before.

use std::fmt::Write;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::json::{self, DuplicateKeys};

/// The member with the digest of the line before. It is empty in the first line of all.
const PREVIOUS: &str = "previous";
/// The member with the number of the line.
const NUMBER: &str = "number";

/// The end of a chain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Chain {
    /// The number of the last line; 0 before the first one.
    pub(super) number: u64,
    /// The digest of the last line.
    pub(super) digest: String,
}

impl Chain {
    /// Returns the digest that a line has of the line before, and the chain that ends with the line; `None` if it is not a
    /// record.
    pub(super) fn ending_with(line: &[u8]) -> Option<(String, Self)> {
        let mut record = match json::parse(line, DuplicateKeys::Reject).ok()? {
            Value::Object(record) => record,
            _ => return None,
        };
        let Some(Value::String(previous)) = record.shift_remove(PREVIOUS) else {
            return None;
        };
        let chain = Self {
            number: record.get(NUMBER)?.as_u64()?,
            digest: digest(line),
        };
        Some((previous, chain))
    }

    /// Adds a record to the lines as the next one, and returns the chain that ends with it. The record is a JSON object
    /// with at least one member.
    pub(super) fn append(&self, record: &[u8], lines: &mut Vec<u8>) -> Self {
        let number = self.number + 1;
        let start = lines.len();
        let members = record
            .strip_prefix(b"{")
            .and_then(|members| members.strip_suffix(b"}"));
        lines.extend(format!("{{\"{NUMBER}\":{number},").bytes());
        lines.extend(members.unwrap_or_default());
        lines.extend(format!(",\"{PREVIOUS}\":\"{}\"}}", self.digest).bytes());
        let digest = digest(&lines[start..]);
        lines.push(b'\n');
        Self { number, digest }
    }
}

/// Returns the digest of a line without its line break.
pub(super) fn digest(line: &[u8]) -> String {
    hexadecimal(&Sha256::digest(line))
}

pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
