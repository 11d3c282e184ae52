//! Verified tokens, remembered by their hash for a short while, so that a busy client's token is verified once a minute.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::caller::Caller;
use super::key::KeyId;

/// How long a verified token is remembered, or until it expires.
pub(super) const REMEMBERED_SECONDS_MAX: u64 = 60;

/// The most tokens remembered; the oldest goes first.
pub(super) const REMEMBERED_TOKENS_MAX: usize = 10_000;

/// The most memory that they take together, in bytes; the oldest goes first.
pub(super) const REMEMBERED_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The SHA-256 of a token: the token itself is not kept.
pub(super) type TokenHash = [u8; 32];

#[derive(Default)]
pub(super) struct Memory {
    inner: Mutex<Inner>,
}

/// What was found out about a token. Whether its key still stands is for the caller to ask.
#[derive(Clone)]
pub(super) struct Verified {
    pub(super) principal: Arc<Caller>,
    /// The index of the issuer.
    pub(super) issuer: usize,
    pub(super) key: KeyId,
}

#[derive(Default)]
struct Inner {
    entries: HashMap<TokenHash, Entry>,
    /// In the order of arrival, which is the order of leaving.
    order: VecDeque<(TokenHash, u64)>,
    serial: u64,
    bytes: usize,
}

struct Entry {
    verified: Verified,
    forget_at: Instant,
    serial: u64,
    bytes: usize,
}

pub(super) fn token_hash(token: &str) -> TokenHash {
    Sha256::digest(token.as_bytes()).into()
}

impl Memory {
    pub(super) fn recall(&self, hash: &TokenHash, now: Instant) -> Option<Verified> {
        let inner = self.lock();
        let entry = inner.entries.get(hash)?;
        (now < entry.forget_at).then(|| entry.verified.clone())
    }

    /// Remembers a token that is good for `valid_for` from now on; nothing when it has expired already.
    pub(super) fn remember(
        &self,
        hash: TokenHash,
        verified: Verified,
        now: Instant,
        valid_for: Duration,
    ) {
        if valid_for.is_zero() {
            return;
        }
        let keep = valid_for.min(Duration::from_secs(REMEMBERED_SECONDS_MAX));
        self.lock().insert(hash, verified, now, now + keep);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Every change below leaves a usable state, so that a panic elsewhere does no harm.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn insert(&mut self, hash: TokenHash, verified: Verified, now: Instant, forget_at: Instant) {
        let bytes = verified.principal.bytes() + size_of::<Entry>() + 2 * size_of::<TokenHash>();
        if bytes > REMEMBERED_BYTES_MAX {
            return;
        }
        self.serial += 1;
        let entry = Entry {
            verified,
            forget_at,
            serial: self.serial,
            bytes,
        };
        if let Some(old) = self.entries.insert(hash, entry) {
            self.bytes -= old.bytes;
        }
        self.bytes += bytes;
        self.order.push_back((hash, self.serial));
        while let Some((oldest, serial)) = self.order.front() {
            let current = self
                .entries
                .get(oldest)
                .filter(|entry| entry.serial == *serial);
            let leaves = match current {
                None => true,
                Some(entry) => {
                    entry.forget_at <= now
                        || self.order.len() > REMEMBERED_TOKENS_MAX
                        || self.bytes > REMEMBERED_BYTES_MAX
                }
            };
            if !leaves {
                break;
            }
            if let Some(entry) = current {
                self.bytes -= entry.bytes;
                self.entries.remove(oldest);
            }
            self.order.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Map;
    use std::time::SystemTime;

    fn verified(subject_bytes: usize) -> Verified {
        Verified {
            principal: Arc::new(Caller {
                issuer: "https://issuer.example".to_owned(),
                subject: "s".repeat(subject_bytes),
                client_id: None,
                scopes: Vec::new(),
                claims: Map::new(),
                expires: SystemTime::UNIX_EPOCH,
            }),
            issuer: 0,
            key: [0; 32],
        }
    }

    fn hash(number: usize) -> TokenHash {
        token_hash(&number.to_string())
    }

    #[test]
    fn is_bounded_in_tokens_and_bytes() {
        for (subject_bytes, tokens) in [(1, 3 * REMEMBERED_TOKENS_MAX), (100_000, 500)] {
            let memory = Memory::default();
            let now = Instant::now();
            for number in 0..tokens {
                memory.remember(
                    hash(number),
                    verified(subject_bytes),
                    now,
                    Duration::from_secs(60),
                );
                let inner = memory.lock();
                assert!(inner.entries.len() <= REMEMBERED_TOKENS_MAX);
                assert!(inner.order.len() <= REMEMBERED_TOKENS_MAX);
                assert!(inner.bytes <= REMEMBERED_BYTES_MAX);
            }
            assert!(memory.recall(&hash(0), now).is_none());
            assert!(memory.recall(&hash(tokens - 1), now).is_some());
        }
    }

    #[test]
    fn forgets_in_time() {
        for (valid_seconds, asked_after_seconds, remembered) in [
            (0, 0, false),
            (5, 4, true),
            (5, 5, false),
            (3600, 59, true),
            (3600, 60, false),
        ] {
            let memory = Memory::default();
            let now = Instant::now();
            memory.remember(
                hash(0),
                verified(1),
                now,
                Duration::from_secs(valid_seconds),
            );
            let later = now + Duration::from_secs(asked_after_seconds);
            assert_eq!(
                memory.recall(&hash(0), later).is_some(),
                remembered,
                "valid {valid_seconds} s, asked after {asked_after_seconds} s"
            );
        }
    }

    #[test]
    fn counts_a_token_that_came_again_once() {
        let memory = Memory::default();
        let now = Instant::now();
        for _ in 0..10 {
            memory.remember(hash(0), verified(1), now, Duration::from_secs(60));
        }
        memory.remember(hash(1), verified(1), now, Duration::from_secs(60));
        let inner = memory.lock();
        assert_eq!(inner.entries.len(), 2);
        assert_eq!(
            inner.bytes,
            inner
                .entries
                .values()
                .map(|entry| entry.bytes)
                .sum::<usize>()
        );
    }
}
