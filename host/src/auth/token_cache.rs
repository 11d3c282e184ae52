//! A cache of verified tokens by their hash, so that the token of a busy client is verified once a minute.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::caller::Caller;
use super::key::KeyId;

/// How long a verified token is cached, unless it expires earlier.
pub(super) const MAX_CACHED_SECONDS: u64 = 60;

/// The maximum number of cached tokens; the oldest is evicted first.
pub(super) const MAX_CACHED_TOKENS: usize = 10_000;

/// The maximum memory of all cached tokens; the oldest is evicted first.
pub(super) const MAX_CACHE_BYTES: usize = 8 * 1024 * 1024;

/// The SHA-256 of a token. The token itself is not kept.
pub(super) type TokenHash = [u8; 32];

/// A cache of verified tokens, bounded in time, number and memory.
#[derive(Default)]
pub(super) struct TokenCache {
    inner: Mutex<Inner>,
}

/// The result of a verification. The reader must check that the key is still valid.
#[derive(Clone)]
pub(super) struct VerifiedToken {
    pub(super) caller: Arc<Caller>,
    /// The position of the token's issuer in the verifier.
    pub(super) issuer_index: usize,
    pub(super) key_id: KeyId,
}

#[derive(Default)]
struct Inner {
    entries: HashMap<TokenHash, Entry>,
    /// The hashes and generations in insertion order, which is also the order of eviction.
    insertion_order: VecDeque<(TokenHash, u64)>,
    /// Numbers the insertions, so that a replaced entry is not taken for the current one.
    generation: u64,
    bytes: usize,
}

struct Entry {
    verified: VerifiedToken,
    expires_at: Instant,
    generation: u64,
    bytes: usize,
}

/// Hashes a token.
pub(super) fn token_hash(token: &str) -> TokenHash {
    Sha256::digest(token.as_bytes()).into()
}

impl TokenCache {
    /// Returns a cached token that has not expired.
    pub(super) fn get(&self, hash: &TokenHash, now: Instant) -> Option<VerifiedToken> {
        let inner = self.lock();
        let entry = inner.entries.get(hash)?;
        (now < entry.expires_at).then(|| entry.verified.clone())
    }

    /// Caches a token that expires after `valid_for`. An expired token is not cached.
    pub(super) fn insert(
        &self,
        hash: TokenHash,
        verified: VerifiedToken,
        now: Instant,
        valid_for: Duration,
    ) {
        if valid_for.is_zero() {
            return;
        }
        let lifetime = valid_for.min(Duration::from_secs(MAX_CACHED_SECONDS));
        self.lock().insert(hash, verified, now, now + lifetime);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Safe after a panic: every change leaves the state usable.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Inserts or replaces a token, then evicts the oldest ones that expired or exceed a limit.
    fn insert(
        &mut self,
        hash: TokenHash,
        verified: VerifiedToken,
        now: Instant,
        expires_at: Instant,
    ) {
        let bytes = verified.caller.size_bytes() + size_of::<Entry>() + 2 * size_of::<TokenHash>();
        if bytes > MAX_CACHE_BYTES {
            return;
        }
        self.generation += 1;
        let entry = Entry {
            verified,
            expires_at,
            generation: self.generation,
            bytes,
        };
        if let Some(old) = self.entries.insert(hash, entry) {
            self.bytes -= old.bytes;
        }
        self.bytes += bytes;
        self.insertion_order.push_back((hash, self.generation));
        while let Some((oldest, generation)) = self.insertion_order.front() {
            let current = self
                .entries
                .get(oldest)
                .filter(|entry| entry.generation == *generation);
            let evict = match current {
                None => true,
                Some(entry) => {
                    entry.expires_at <= now
                        || self.insertion_order.len() > MAX_CACHED_TOKENS
                        || self.bytes > MAX_CACHE_BYTES
                }
            };
            if !evict {
                break;
            }
            if let Some(entry) = current {
                self.bytes -= entry.bytes;
                self.entries.remove(oldest);
            }
            self.insertion_order.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::caller::Keys;
    use super::*;
    use serde_json::Map;
    use std::time::SystemTime;

    fn verified(subject_bytes: usize) -> VerifiedToken {
        VerifiedToken {
            caller: Arc::new(Caller {
                keys: Keys::new("https://issuer.example", "", None),
                issuer: "https://issuer.example".to_owned(),
                subject: "s".repeat(subject_bytes),
                client_id: None,
                scopes: Vec::new(),
                claims: Map::new(),
                expires: SystemTime::UNIX_EPOCH,
                accepted_until: SystemTime::UNIX_EPOCH,
            }),
            issuer_index: 0,
            key_id: [0; 32],
        }
    }

    fn hash(number: usize) -> TokenHash {
        token_hash(&number.to_string())
    }

    #[test]
    fn cache_is_bounded_in_tokens_and_bytes() {
        for (subject_bytes, tokens) in [(1, 3 * MAX_CACHED_TOKENS), (100_000, 500)] {
            let cache = TokenCache::default();
            let now = Instant::now();
            for number in 0..tokens {
                cache.insert(
                    hash(number),
                    verified(subject_bytes),
                    now,
                    Duration::from_secs(60),
                );
                let inner = cache.lock();
                assert!(inner.entries.len() <= MAX_CACHED_TOKENS);
                assert!(inner.insertion_order.len() <= MAX_CACHED_TOKENS);
                assert!(inner.bytes <= MAX_CACHE_BYTES);
            }
            assert!(cache.get(&hash(0), now).is_none());
            assert!(cache.get(&hash(tokens - 1), now).is_some());
        }
    }

    #[test]
    fn tokens_expire() {
        for (valid_seconds, elapsed_seconds, is_cached) in [
            (0, 0, false),
            (5, 4, true),
            (5, 5, false),
            (3600, 59, true),
            (3600, 60, false),
        ] {
            let cache = TokenCache::default();
            let now = Instant::now();
            cache.insert(
                hash(0),
                verified(1),
                now,
                Duration::from_secs(valid_seconds),
            );
            let later = now + Duration::from_secs(elapsed_seconds);
            assert_eq!(
                cache.get(&hash(0), later).is_some(),
                is_cached,
                "valid {valid_seconds} s, after {elapsed_seconds} s"
            );
        }
    }

    #[test]
    fn a_token_inserted_twice_is_counted_once() {
        let cache = TokenCache::default();
        let now = Instant::now();
        for _ in 0..10 {
            cache.insert(hash(0), verified(1), now, Duration::from_secs(60));
        }
        cache.insert(hash(1), verified(1), now, Duration::from_secs(60));
        let inner = cache.lock();
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
