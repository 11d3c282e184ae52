//! Metrics for Prometheus, in the OpenMetrics text format.
//!
//! The number of series is bounded: targets are those of the catalog, at most [`MAX_TARGETS`], and methods, outcomes and
//! revisions are fixed. A caller is never a label.

mod encode;
mod histogram;
mod sample;
mod series;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;

pub use sample::{Sample, SampleKind};
use series::TargetLabels;
pub(super) use series::{SeriesCell, TargetSeries};

use super::facts::{Facts, TargetFacts};
use super::outcome::Outcome;

/// The media type of the exposed text.
pub const METRICS_MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Targets with series of their own. Further ones share those of `_other`: with histograms, 2,000 targets are some ten
/// thousand lines.
const MAX_TARGETS: usize = 2_000;
/// The label of what has no series of its own.
const OTHER: &str = "_other";
/// The methods of HTTP with series of their own, in requests to mounts. Clients can send any other.
const HTTP_METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
/// The methods with series of their own. Clients can send any other.
const METHODS: [&str; 23] = [
    "initialize",
    "ping",
    "logging/setLevel",
    "server/discover",
    "tools/list",
    "tools/call",
    "prompts/list",
    "prompts/get",
    "resources/list",
    "resources/read",
    "resources/templates/list",
    "resources/subscribe",
    "resources/unsubscribe",
    "subscriptions/listen",
    "completion/complete",
    "tasks/get",
    "tasks/update",
    "tasks/cancel",
    "notifications/initialized",
    "notifications/cancelled",
    "",
    // Sessions.
    "GET",
    "DELETE",
];

/// Reads the values of another part of the host at a scrape.
type Source = Box<dyn Fn(&mut Vec<Sample>) + Send + Sync>;

/// The metrics of the process. Clones share them.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    targets: Mutex<HashMap<TargetLabels, Arc<TargetSeries>>>,
    sources: Mutex<Vec<Source>>,
    refused: [AtomicU64; Outcome::COUNT],
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self(Arc::new(Inner {
            targets: Mutex::default(),
            sources: Mutex::default(),
            refused: Default::default(),
        }))
    }
}

impl Metrics {
    /// Adds values that are read at each scrape.
    pub fn add_source(&self, source: impl Fn(&mut Vec<Sample>) + Send + Sync + 'static) {
        let mut sources = self
            .0
            .sources
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        sources.push(Box::new(source));
    }

    /// Returns all metrics as text of [`METRICS_MEDIA_TYPE`].
    pub fn expose(&self) -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self.clone()));
        let mut exposed = String::new();
        // Writing to a string does not fail, and what the collector writes is well-formed.
        let _ = text::encode(&mut exposed, &registry);
        exposed
    }

    /// Returns the series of a method and a target, from the cell of the target if it is of the same method.
    pub(super) fn series(
        &self,
        cell: &SeriesCell,
        method: &str,
        target: &TargetFacts,
    ) -> Arc<TargetSeries> {
        let found = cell.0.get_or_init(|| self.find(method, Some(target)));
        match found.labels.method == method {
            true => found.clone(),
            false => self.find(method, Some(target)),
        }
    }

    /// Records a request that has ended.
    pub(super) fn record(
        &self,
        facts: &Facts,
        series: Option<&TargetSeries>,
        outcome: Outcome,
        duration: Duration,
    ) {
        if facts.is_stream {
            return;
        }
        if facts.method.is_empty() {
            self.0.refused[outcome as usize].fetch_add(1, Ordering::Relaxed);
            return;
        }
        let found;
        let series = match series {
            Some(series) => series,
            None => {
                found = self.find(&facts.method, None);
                &found
            }
        };
        series.observe(outcome, facts.revision, duration);
        if facts.call_id.is_some() {
            series.observe_guest(facts.cpu, facts.peak_memory);
        }
        let bytes = [
            (&series.request_bytes, facts.request_bytes),
            (&series.response_bytes, facts.response_bytes),
        ];
        for (counter, bytes) in bytes {
            counter.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    fn find(&self, method: &str, target: Option<&TargetFacts>) -> Arc<TargetSeries> {
        let is_mount = target.is_some_and(|target| target.kind == "mount");
        let (method_label, known): (_, &[&'static str]) = match is_mount {
            true => ("http_request_method", &HTTP_METHODS),
            false => ("mcp_method_name", &METHODS),
        };
        let method = known.iter().find(|known| **known == method);
        let label = |target: &TargetFacts| match target.kind {
            "tool" => "gen_ai_tool_name",
            "prompt" => "gen_ai_prompt_name",
            "mount" => "http_route",
            _ => "mcp_resource_uri",
        };
        let mut labels = TargetLabels {
            method_label,
            method: method.copied().unwrap_or(OTHER),
            target: target.map(|target| (label(target), target.name.clone())),
            component: target.map(|target| target.component.clone()),
        };
        let mut targets = self.targets();
        if targets.len() >= MAX_TARGETS && !targets.contains_key(&labels) {
            labels.target = target.map(|target| (label(target), OTHER.into()));
            labels.component = target.map(|_| OTHER.into());
        }
        let series = targets.entry(labels);
        series
            .or_insert_with_key(|labels| TargetSeries::new(labels.clone()))
            .clone()
    }

    fn targets(&self) -> MutexGuard<'_, HashMap<TargetLabels, Arc<TargetSeries>>> {
        self.0
            .targets
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;

    #[test]
    fn targets_above_the_limit_share_series() {
        let metrics = Metrics::default();
        for number in 0..MAX_TARGETS + 10 {
            let target = TargetFacts {
                kind: "tool",
                name: format!("t{number}").into(),
                component: "c".into(),
                digest: "".into(),
                scopes: Box::default(),
            };
            let series = metrics.series(&SeriesCell::default(), "tools/call", &target);
            let facts = Facts {
                method: "tools/call".into(),
                ..Facts::default()
            };
            let time = Duration::from_millis(3);
            metrics.record(&facts, Some(&series), Outcome::Ok, time);
        }
        let text = metrics.expose();
        assert_eq!(metrics.targets().len(), MAX_TARGETS + 1);
        let count = "gen_ai_tool_name=\"_other\",toolcrib_component=\"_other\",outcome=\"ok\"} 10";
        let mut lines = text.lines().filter(|line| line.contains("seconds_count"));
        assert!(lines.any(|line| line.ends_with(count)), "{text}");
    }
}
