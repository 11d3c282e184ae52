//! Counts of the outgoing requests of one component, for metrics.

use std::sync::atomic::{AtomicU64, Ordering};

use url::Url;

use super::http_grant::HttpGrant;

/// Outgoing requests of a component since it was loaded.
#[derive(Debug, Default)]
pub struct EgressCounts {
    /// By entry of `http`.
    allowed: Vec<(String, AtomicU64)>,
    denied: AtomicU64,
}

impl EgressCounts {
    pub(in crate::sandbox) fn new(grant: &HttpGrant) -> Self {
        let rules = grant.rules.iter();
        Self {
            allowed: rules
                .map(|rule| (rule.host_text(), AtomicU64::new(0)))
                .collect(),
            denied: AtomicU64::new(0),
        }
    }

    pub(super) fn deny(&self) {
        self.denied.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a request that the grant has authorised.
    pub(super) fn allow(&self, grant: &HttpGrant, url: &Url) {
        let rule = grant.rules.iter().position(|rule| rule.covers(url));
        if let Some((_, count)) = rule.and_then(|rule| self.allowed.get(rule)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns the number of allowed requests by the host of the entry that allowed them.
    pub fn allowed(&self) -> impl Iterator<Item = (&str, u64)> {
        let counts = self.allowed.iter();
        counts.map(|(host, count)| (host.as_str(), count.load(Ordering::Relaxed)))
    }

    /// Returns the number of denied requests.
    pub fn denied(&self) -> u64 {
        self.denied.load(Ordering::Relaxed)
    }
}
