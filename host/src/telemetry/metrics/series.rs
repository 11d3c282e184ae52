//! The metrics of one method and target: a histogram for each outcome and protocol revision, found without a look-up.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::histogram::{DURATIONS, Histogram, MEMORY};
use crate::telemetry::outcome::Outcome;

/// The protocol revisions, and the empty text for an unknown one.
pub(super) const REVISIONS: [&str; 6] = [
    "",
    "2024-11-05",
    "2025-03-26",
    "2025-06-18",
    "2025-11-25",
    "2026-07-28",
];

/// A place in which a catalog entry keeps the metrics of its calls.
#[derive(Debug, Default)]
pub(in crate::telemetry) struct SeriesCell(pub(super) OnceLock<Arc<TargetSeries>>);

/// The labels of a method and its target.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::telemetry) struct TargetLabels {
    /// The label of the method.
    pub(in crate::telemetry) method_label: &'static str,
    pub(in crate::telemetry) method: &'static str,
    /// The label of the target's name, and the name.
    pub(in crate::telemetry) target: Option<(&'static str, Arc<str>)>,
    pub(in crate::telemetry) component: Option<Arc<str>>,
}

/// The metrics of a method and its target.
#[derive(Debug)]
pub(in crate::telemetry) struct TargetSeries {
    pub(super) labels: TargetLabels,
    /// By outcome and revision, created when they first occur.
    durations: [[OnceLock<Box<Histogram>>; REVISIONS.len()]; Outcome::COUNT],
    pub(super) guest: GuestSeries,
    pub(super) request_bytes: AtomicU64,
    pub(super) response_bytes: AtomicU64,
}

/// The metrics of the guests that ran for a target.
#[derive(Debug)]
pub(super) struct GuestSeries {
    pub(super) cpu_nanoseconds: AtomicU64,
    pub(super) peak_memory: Histogram,
}

impl TargetSeries {
    pub(super) fn new(labels: TargetLabels) -> Arc<Self> {
        Arc::new(Self {
            labels,
            durations: Default::default(),
            guest: GuestSeries {
                cpu_nanoseconds: AtomicU64::new(0),
                peak_memory: Histogram::new(&MEMORY),
            },
            request_bytes: AtomicU64::new(0),
            response_bytes: AtomicU64::new(0),
        })
    }

    pub(super) fn observe(&self, outcome: Outcome, revision: &str, duration: Duration) {
        let revision = REVISIONS.iter().position(|known| *known == revision);
        let cell = &self.durations[outcome as usize][revision.unwrap_or_default()];
        let histogram = cell.get_or_init(|| Box::new(Histogram::new(&DURATIONS)));
        histogram.observe(nanoseconds(duration));
    }

    pub(super) fn observe_guest(&self, cpu: Duration, peak_memory: u64) {
        let guest = &self.guest;
        let cpu = nanoseconds(cpu);
        guest.cpu_nanoseconds.fetch_add(cpu, Ordering::Relaxed);
        guest.peak_memory.observe(peak_memory);
    }

    /// Returns the histograms with their outcome and revision.
    pub(super) fn durations(&self) -> impl Iterator<Item = (Outcome, &'static str, &Histogram)> {
        let outcomes = Outcome::ALL.iter().zip(&self.durations);
        outcomes.flat_map(|(outcome, of_outcome)| {
            let revisions = REVISIONS.iter().zip(of_outcome);
            revisions.filter_map(|(revision, cell)| Some((*outcome, *revision, &**cell.get()?)))
        })
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
