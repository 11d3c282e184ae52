//! A request that has ended, as the log and the audit get it.

use std::time::{Duration, SystemTime};

use super::facts::Facts;
use super::outcome::Outcome;

/// A request that has ended.
pub(super) struct EndedRequest {
    pub(super) facts: Facts,
    pub(super) outcome: Outcome,
    pub(super) duration: Duration,
    /// The time of its end.
    pub(super) time: SystemTime,
}
