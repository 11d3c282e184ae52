//! The chain of hashes: each line has its number and the SHA-256 digest of the line before.

use std::io::Write;

use data_encoding::HEXLOWER;
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
        // Writing to memory does not fail.
        let _ = write!(lines, "{{\"{NUMBER}\":{number},");
        lines.extend_from_slice(members.unwrap_or_default());
        let _ = write!(lines, ",\"{PREVIOUS}\":\"{}\"}}", self.digest);
        let digest = digest(&lines[start..]);
        lines.push(b'\n');
        Self { number, digest }
    }
}

/// Returns the digest of a line without its line break.
pub(super) fn digest(line: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(line))
}
