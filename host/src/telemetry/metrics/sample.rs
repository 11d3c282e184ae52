//! A value that its owner reads at a scrape.

/// The kind of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SampleKind {
    /// A number that only grows.
    Counter,
    /// A number that may shrink.
    Gauge,
}

/// A value of a metric.
#[derive(Debug, Clone)]
pub struct Sample {
    /// The name of the metric, without the suffix of counters.
    pub name: &'static str,
    /// One sentence for people, without a full stop.
    pub help: &'static str,
    /// The kind of the metric.
    pub kind: SampleKind,
    /// Names and values of the labels.
    pub labels: Vec<(&'static str, String)>,
    /// The value.
    pub value: u64,
}

impl Sample {
    /// A gauge without labels.
    pub fn gauge(name: &'static str, help: &'static str, value: u64) -> Self {
        Self {
            name,
            help,
            kind: SampleKind::Gauge,
            labels: Vec::new(),
            value,
        }
    }

    /// A counter without labels.
    pub fn counter(name: &'static str, help: &'static str, value: u64) -> Self {
        Self {
            kind: SampleKind::Counter,
            ..Self::gauge(name, help, value)
        }
    }

    /// Adds a label.
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.labels.push((name, value.into()));
        self
    }
}
