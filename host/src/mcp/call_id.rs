//! Ids of calls, which connect a failure that the client sees with the lines of the log.

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use data_encoding::HEXLOWER;

/// Random keys of this process.
static KEYS: LazyLock<[RandomState; 2]> = LazyLock::new(Default::default);
static CALLS: AtomicU64 = AtomicU64::new(0);

/// Returns a new id: 128 bits in hexadecimal, the keyed hash of the number of the call. Unlike a random number it needs
/// no system call, and it does not reveal how many calls there were.
pub(super) fn next() -> String {
    let number = CALLS.fetch_add(1, Ordering::Relaxed);
    let [high, low] = &*KEYS;
    let bits = u128::from(high.hash_one(number)) << 64 | u128::from(low.hash_one(number));
    HEXLOWER.encode(&bits.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_are_distinct_and_of_one_length() {
        let ids: HashSet<_> = (0..10_000).map(|_| next()).collect();
        assert_eq!(ids.len(), 10_000);
        assert!(ids.iter().all(|id| id.len() == 32));
    }
}
