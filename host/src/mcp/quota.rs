//! What all callers may have together, and what each of them: tasks, streams,
//! and the memory that is kept for them while nothing runs.
//!
//! What runs has a place and the limits of a call. What waits for a client has
//! neither, so it is counted here.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value};

/// So much of something. Cheap to clone.
#[derive(Clone)]
pub(super) struct Quota(Arc<Counted>);

struct Counted {
    all: usize,
    of_caller: usize,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    all: usize,
    of: HashMap<String, usize>,
}

/// What one caller has of it, given back when it is dropped.
pub(super) struct Share {
    quota: Quota,
    caller: String,
    amount: usize,
}

impl Quota {
    /// So much for all callers together, and so much for one.
    pub(super) fn new(all: usize, of_caller: usize) -> Self {
        Self(Arc::new(Counted {
            all,
            of_caller,
            taken: Mutex::default(),
        }))
    }

    /// The most that one caller can have.
    pub(super) fn of_caller(&self) -> usize {
        self.0.of_caller
    }

    /// Takes nothing yet.
    pub(super) fn share(&self, caller: &str) -> Share {
        Share {
            quota: self.clone(),
            caller: caller.to_owned(),
            amount: 0,
        }
    }

    /// Takes so much; `None` where there is less left, for this caller or at all.
    pub(super) fn take(&self, caller: &str, amount: usize) -> Option<Share> {
        let mut share = self.share(caller);
        share.resize(amount).then_some(share)
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.0.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Share {
    /// Has so much from now on; where there is less left, what it had.
    pub(super) fn resize(&mut self, amount: usize) -> bool {
        let counted = &self.quota.0;
        let mut taken = self.quota.taken();
        let own = taken.of.get(&self.caller).copied().unwrap_or_default();
        let own = own - self.amount + amount;
        let all = taken.all - self.amount + amount;
        if amount > self.amount && (own > counted.of_caller || all > counted.all) {
            return false;
        }
        taken.all = all;
        if own == 0 {
            taken.of.remove(&self.caller);
        } else if let Some(of) = taken.of.get_mut(&self.caller) {
            *of = own;
        } else {
            taken.of.insert(self.caller.clone(), own);
        }
        drop(taken);
        self.amount = amount;
        true
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.resize(0);
    }
}

/// The memory of a JSON value, about: many small parts cost more than their text.
pub(super) fn bytes(value: &Value) -> usize {
    size_of::<Value>()
        + match value {
            Value::String(text) => text.len(),
            Value::Array(items) => items.iter().map(bytes).sum(),
            Value::Object(members) => object_bytes(members),
            _ => 0,
        }
}

/// The same of an object.
pub(super) fn object_bytes(members: &Map<String, Value>) -> usize {
    // A member has its name, and a place in an index.
    const MEMBER_BYTES: usize = size_of::<String>() + 2 * size_of::<usize>();
    let members = members.iter();
    members
        .map(|(name, value)| MEMBER_BYTES + name.len() + bytes(value))
        .sum()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;

    #[test]
    fn for_all_and_for_one() {
        let quota = Quota::new(10, 6);
        let mut of_a = quota.take("a", 4).unwrap();
        assert!(!of_a.resize(7), "more than one may have");
        assert!(of_a.resize(6));
        assert!(quota.take("a", 1).is_none());
        assert!(quota.take("b", 5).is_none(), "more than there is");
        let mut of_b = quota.take("b", 4).unwrap();
        assert!(!of_b.resize(5));
        // Who was refused has what it had.
        assert!(quota.take("c", 1).is_none());
        assert!(of_a.resize(5));
        assert!(of_b.resize(5));
        drop((of_a, of_b));
        assert!(quota.take("c", 6).is_some());
        assert!(quota.taken().of.is_empty(), "nobody is remembered");
    }

    #[test]
    fn memory_of_values() {
        let of = |text: &str| bytes(&serde_json::from_str(text).unwrap());
        let long = format!("[{}1]", "[],".repeat(1_000));
        assert!(of(&long) >= 1_000 * size_of::<Value>());
        let name = "n".repeat(1_000);
        assert!(of(&format!("{{\"{name}\":\"{name}\"}}")) >= 2_000);
    }
}
