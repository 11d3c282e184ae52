//! The arguments of a call in its record: their keyed hash, since a plain hash of small arguments can be guessed.

use aws_lc_rs::hmac::{self, HMAC_SHA256};
use data_encoding::HEXLOWER;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

/// The arguments of a call, as they wait to be recorded.
#[derive(Debug)]
pub(crate) enum Arguments {
    /// To be recorded.
    Whole(Value),
    /// Their JSON, of which the thread of the audit records the hash.
    Text(String),
    /// The hash.
    Hash(String),
}

/// The arguments in a record.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum ArgumentMembers<'a> {
    Whole(&'a Value),
    Hash(String),
}

/// The key of the hashes.
#[derive(Clone)]
pub(super) struct HashKey(hmac::Key);

impl HashKey {
    pub(super) fn new(key: &[u8]) -> Self {
        Self(hmac::Key::new(HMAC_SHA256, key))
    }

    /// Returns a key that differs at each start.
    pub(super) fn random() -> Self {
        let halves = [Uuid::new_v4(), Uuid::new_v4()];
        Self::new(halves.map(Uuid::into_bytes).as_flattened())
    }

    /// Returns the hash of a text in its form for a record.
    pub(super) fn hash(&self, text: &str) -> String {
        let hash = hmac::sign(&self.0, text.as_bytes());
        format!("hmac-sha256:{}", HEXLOWER.encode(hash.as_ref()))
    }
}

impl Arguments {
    pub(super) fn members(&self, key: &HashKey) -> ArgumentMembers<'_> {
        match self {
            Self::Whole(arguments) => ArgumentMembers::Whole(arguments),
            Self::Text(text) => ArgumentMembers::Hash(key.hash(text)),
            Self::Hash(hash) => ArgumentMembers::Hash(hash.clone()),
        }
    }
}
