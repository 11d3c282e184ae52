//! A histogram without a lock: a counter for each bucket.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::encoding::{MetricEncoder, NoLabelSet};

/// The buckets of a histogram, in a unit of its own.
#[derive(Debug)]
pub(super) struct Buckets {
    /// Upper bounds, ascending.
    pub(super) bounds: &'static [u64],
    /// The size of the histogram's unit in that of the metric.
    pub(super) unit: f64,
}

/// Durations in nanoseconds, exposed in seconds: the bounds of the conventions of OpenTelemetry for MCP, and shorter ones,
/// since most calls take less than the first of these.
pub(super) const DURATIONS: Buckets = Buckets {
    bounds: &[
        500_000,
        1_000_000,
        2_000_000,
        5_000_000,
        10_000_000,
        20_000_000,
        50_000_000,
        100_000_000,
        200_000_000,
        500_000_000,
        1_000_000_000,
        2_000_000_000,
        5_000_000_000,
        10_000_000_000,
        30_000_000_000,
        60_000_000_000,
        120_000_000_000,
        300_000_000_000,
    ],
    unit: 1e-9,
};

/// Sizes of memory in bytes.
pub(super) const MEMORY: Buckets = Buckets {
    bounds: &[
        64 << 10,
        256 << 10,
        1 << 20,
        4 << 20,
        16 << 20,
        64 << 20,
        128 << 20,
        256 << 20,
        1 << 30,
        4 << 30,
    ],
    unit: 1.0,
};

/// Counts values by bucket.
#[derive(Debug)]
pub(super) struct Histogram {
    buckets: &'static Buckets,
    /// One for each bound, and one for larger values.
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
}

impl Histogram {
    pub(super) fn new(buckets: &'static Buckets) -> Self {
        Self {
            buckets,
            counts: (0..=buckets.bounds.len())
                .map(|_| AtomicU64::new(0))
                .collect(),
            sum: AtomicU64::new(0),
        }
    }

    pub(super) fn observe(&self, value: u64) {
        let bucket = self.buckets.bounds.partition_point(|bound| *bound < value);
        self.counts[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    pub(super) fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        let unit = self.buckets.unit;
        let bounds = self.buckets.bounds.iter();
        let bounds = bounds.map(|bound| *bound as f64 * unit).chain([f64::MAX]);
        let counts = self
            .counts
            .iter()
            .map(|count| count.load(Ordering::Relaxed));
        let buckets: Vec<_> = bounds.zip(counts).collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        let sum = self.sum.load(Ordering::Relaxed) as f64 * unit;
        encoder.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;

    #[test]
    fn values_count_in_the_first_bucket_that_has_room() {
        let histogram = Histogram::new(&MEMORY);
        for value in [0, 64 << 10, (64 << 10) + 1, 5 << 30] {
            histogram.observe(value);
        }
        let counts: Vec<_> = histogram
            .counts
            .iter()
            .map(|n| n.load(Ordering::Relaxed))
            .collect();
        assert_eq!(counts, [2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    }
}
