//! Quotas with a total limit and a limit per caller: for tasks, streams, the memory of messages, and the memory kept for
//! calls that are not running.
//!
//! A running call holds a permit and is subject to the limits of a call. A call that waits for its client holds none,
//! so its memory is counted here.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value};

/// A limited amount shared by all callers. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Quota(Arc<Inner>);

struct Inner {
    max_total: usize,
    max_per_caller: usize,
    used: Mutex<Used>,
}

#[derive(Default)]
struct Used {
    total: usize,
    by_caller: HashMap<String, usize>,
}

/// The amount that one caller holds. Dropping it returns the amount.
pub(crate) struct Share {
    quota: Quota,
    caller: String,
    amount: usize,
}

impl Quota {
    /// Creates a quota with these limits for all callers together and for one caller.
    pub(crate) fn new(max_total: usize, max_per_caller: usize) -> Self {
        Self(Arc::new(Inner {
            max_total,
            max_per_caller,
            used: Mutex::default(),
        }))
    }

    /// Returns the amount that all callers hold.
    pub(super) fn in_use(&self) -> usize {
        self.used().total
    }

    /// Returns the limit of one caller.
    pub(crate) fn max_per_caller(&self) -> usize {
        self.0.max_per_caller
    }

    /// Creates an empty share.
    pub(super) fn share(&self, caller: &str) -> Share {
        Share {
            quota: self.clone(),
            caller: caller.to_owned(),
            amount: 0,
        }
    }

    /// Acquires an amount; `None` if the caller's or the total limit would be exceeded.
    pub(crate) fn take(&self, caller: &str, amount: usize) -> Option<Share> {
        let mut share = self.share(caller);
        share.resize(amount).then_some(share)
    }

    fn used(&self) -> MutexGuard<'_, Used> {
        self.0.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Share {
    /// Changes the amount held. Returns `false` and keeps the old amount if a limit would be exceeded.
    pub(super) fn resize(&mut self, amount: usize) -> bool {
        let limits = &self.quota.0;
        let mut used = self.quota.used();
        let caller_total = used
            .by_caller
            .get(&self.caller)
            .copied()
            .unwrap_or_default();
        let caller_total = caller_total - self.amount + amount;
        let total = used.total - self.amount + amount;
        if amount > self.amount
            && (caller_total > limits.max_per_caller || total > limits.max_total)
        {
            return false;
        }
        used.total = total;
        if caller_total == 0 {
            used.by_caller.remove(&self.caller);
        } else if let Some(amount) = used.by_caller.get_mut(&self.caller) {
            *amount = caller_total;
        } else {
            used.by_caller.insert(self.caller.clone(), caller_total);
        }
        drop(used);
        self.amount = amount;
        true
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if self.amount > 0 {
            self.resize(0);
        }
    }
}

/// Estimates the memory of a JSON value. Many small values take more memory than their text.
pub(super) fn json_bytes(value: &Value) -> usize {
    size_of::<Value>()
        + match value {
            Value::String(text) => text.len(),
            Value::Array(items) => items.iter().map(json_bytes).sum(),
            Value::Object(members) => object_bytes(members),
            _ => 0,
        }
}

/// Estimates the memory of a JSON object's members.
fn object_bytes(members: &Map<String, Value>) -> usize {
    // Each member has a name and an entry in an index.
    const MEMBER_BYTES: usize = size_of::<String>() + 2 * size_of::<usize>();
    let members = members.iter();
    members
        .map(|(name, value)| MEMBER_BYTES + name.len() + json_bytes(value))
        .sum()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;

    #[test]
    fn both_limits_apply() {
        let quota = Quota::new(10, 6);
        let mut a = quota.take("a", 4).unwrap();
        assert!(!a.resize(7), "above the limit of one caller");
        assert!(a.resize(6));
        assert!(quota.take("a", 1).is_none());
        assert!(quota.take("b", 5).is_none(), "above the total limit");
        let mut b = quota.take("b", 4).unwrap();
        assert!(!b.resize(5));
        // The failed resize kept the old amount.
        assert!(quota.take("c", 1).is_none());
        assert!(a.resize(5));
        assert!(b.resize(5));
        drop((a, b));
        assert!(quota.take("c", 6).is_some());
        assert!(
            quota.used().by_caller.is_empty(),
            "callers without a share are removed"
        );
    }

    #[test]
    fn small_values_and_names_are_counted() {
        let size = |text: &str| json_bytes(&serde_json::from_str(text).unwrap());
        let long = format!("[{}1]", "[],".repeat(1_000));
        assert!(size(&long) >= 1_000 * size_of::<Value>());
        let name = "n".repeat(1_000);
        assert!(size(&format!("{{\"{name}\":\"{name}\"}}")) >= 2_000);
    }
}
