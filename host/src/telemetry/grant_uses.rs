//! The grants that a call used or was refused, for the audit.

use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use crate::text::truncate;

/// Different uses that one call has a record of; those beyond are counted together.
const MAX_USES: usize = 32;
/// Length of a resource, which the guest may have chosen.
const MAX_RESOURCE_BYTES: usize = 256;

/// Equal uses of a grant by one call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GrantUse {
    /// The key of the grant, such as `http`.
    pub capability: &'static str,
    /// The host, address, bucket or directory. Never a path, a query, a key or a value.
    pub resource: String,
    /// `allow` or `deny`.
    pub decision: &'static str,
    /// Number of these uses.
    pub count: u32,
}

/// The uses of a call, which its guest adds to while it runs.
#[derive(Debug, Default)]
pub(super) struct GrantUses(Mutex<Uses>);

#[derive(Debug, Default)]
struct Uses {
    uses: Vec<GrantUse>,
    left_out: u32,
}

impl GrantUses {
    pub(super) fn add(&self, capability: &'static str, resource: &str, is_allowed: bool) {
        let resource = truncate(resource, MAX_RESOURCE_BYTES);
        let decision = if is_allowed { "allow" } else { "deny" };
        let uses = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let same = uses.uses.iter().position(|use_| {
            (use_.capability, &*use_.resource, use_.decision) == (capability, resource, decision)
        });
        match same {
            Some(same) => uses.uses[same].count = uses.uses[same].count.saturating_add(1),
            None if uses.uses.len() < MAX_USES => uses.uses.push(GrantUse {
                capability,
                resource: resource.to_owned(),
                decision,
                count: 1,
            }),
            None => uses.left_out = uses.left_out.saturating_add(1),
        }
    }

    /// Returns the uses and the number of those that were left out.
    pub(super) fn take(&self) -> (Vec<GrantUse>, u32) {
        let uses = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (std::mem::take(&mut uses.uses), uses.left_out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_uses_are_counted_and_different_ones_bounded() {
        let uses = GrantUses::default();
        for _ in 0..3 {
            uses.add("kv", "notes", true);
        }
        uses.add("kv", "notes", false);
        for host in 0..MAX_USES {
            uses.add("http", &format!("{host}.{}", "x".repeat(1_000)), true);
        }
        let (uses, left_out) = uses.take();
        assert_eq!((uses.len(), left_out), (MAX_USES, 2));
        assert_eq!((uses[0].count, uses[0].decision), (3, "allow"));
        assert_eq!((uses[1].count, uses[1].decision), (1, "deny"));
        assert!(
            uses.iter()
                .all(|use_| use_.resource.len() <= MAX_RESOURCE_BYTES)
        );
    }
}
