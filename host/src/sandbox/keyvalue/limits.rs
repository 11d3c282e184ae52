//! The limits that every backend enforces.

/// Maximum length of a key.
pub const MAX_KEY_BYTES: usize = 1 << 10;
/// Maximum size of a value.
pub const MAX_VALUE_BYTES: usize = 1 << 20;
/// Keys in one batch, and in one page of a listing.
pub const MAX_KEYS: usize = 1_000;
/// Total size of the values in one batch.
pub const MAX_BATCH_BYTES: usize = 8 << 20;
/// Bytes that each entry counts towards the quota in addition to its key and value.
pub(super) const ENTRY_OVERHEAD_BYTES: usize = 64;
/// The largest value of a counter. Redis counts with signed numbers.
pub(super) const MAX_COUNT: u64 = i64::MAX as u64;
