//! Counts of tokens and of fetches of keys, for metrics.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Reasons that are counted by themselves. There are fewer, since they do not depend on the token.
const MAX_REASONS: usize = 64;

/// The counts of one guard.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) verified: AtomicU64,
    pub(super) remembered: AtomicU64,
    refused: Mutex<BTreeMap<String, u64>>,
}

/// The counts of a guard since it was built.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GuardCounts {
    /// Tokens whose signature and claims were verified and accepted.
    pub verified: u64,
    /// Tokens that were accepted because they had been verified shortly before.
    pub remembered: u64,
    /// Refused requests by the sentence that the client gets.
    pub refused: Vec<(String, u64)>,
    /// Fetches of keys that succeeded.
    pub key_fetches: u64,
    /// Fetches of keys that failed.
    pub failed_key_fetches: u64,
}

impl Counts {
    pub(super) fn refuse(&self, reason: &str) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = refused.get_mut(reason) {
            *count += 1;
        } else if refused.len() < MAX_REASONS {
            refused.insert(reason.to_owned(), 1);
        }
    }

    /// Returns the counts, without those of the issuers.
    pub(super) fn get(&self) -> GuardCounts {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        GuardCounts {
            verified: self.verified.load(Ordering::Relaxed),
            remembered: self.remembered.load(Ordering::Relaxed),
            refused: refused.clone().into_iter().collect(),
            ..GuardCounts::default()
        }
    }
}
