//! The one place that records requests which have ended: in the log, the metrics, the audit and the traces.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::audit::{Arguments, Audit, ComponentChange, ConfigurationRead};
use super::ended_request::EndedRequest;
use super::facts::{Facts, TargetFacts};
use super::log_writer;
use super::metrics::{Metrics, SeriesCell, TargetSeries};
use super::outcome::Outcome;
use super::request_log;
use super::traces::{TraceSpan, Traces};

/// Gets each request that has ended, instead of the log.
pub type OnRequest = fn(&Facts, Outcome, Duration);

/// Records requests. Clones share what they record to.
#[derive(Clone, Default)]
pub struct Observer(Arc<Sinks>);

#[derive(Default)]
struct Sinks {
    metrics: Option<Metrics>,
    audit: Option<Audit>,
    traces: Option<Traces>,
    on_request: Option<OnRequest>,
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observer").finish_non_exhaustive()
    }
}

impl Observer {
    /// An observer that logs, and records to those of the three that are configured. With `on_request`, that function
    /// gets the requests instead of the log.
    pub fn new(
        metrics: Option<Metrics>,
        audit: Option<Audit>,
        traces: Option<Traces>,
        on_request: Option<OnRequest>,
    ) -> Self {
        Self(Arc::new(Sinks {
            metrics,
            audit,
            traces,
            on_request,
        }))
    }

    pub(super) fn traces(&self) -> Option<&Traces> {
        self.0.traces.as_ref()
    }

    /// Returns the metrics, if they are configured.
    pub fn metrics(&self) -> Option<&Metrics> {
        self.0.metrics.as_ref()
    }

    /// Returns a function that tells the numbers of written and of lost records of the audit, if it is configured.
    pub fn audit_counts(&self) -> Option<impl Fn() -> (u64, u64) + Send + Sync + use<>> {
        let audit = self.0.audit.clone()?;
        Some(move || audit.counts())
    }

    /// Returns whether calls may run: not while the audit is required and cannot be written.
    pub fn accepts_calls(&self) -> bool {
        self.0.audit.as_ref().is_none_or(Audit::accepts_calls)
    }

    /// Records a change of the served components in the audit.
    pub fn component_changed(&self, change: ComponentChange) {
        if let Some(audit) = &self.0.audit {
            audit.component_changed(change);
        }
    }

    /// Records in the audit that a configuration was read.
    pub fn configuration_read(&self, read: ConfigurationRead) {
        if let Some(audit) = &self.0.audit {
            audit.configuration_read(read);
        }
    }

    /// Writes what is still to be written, within a few seconds. To be called before the process ends.
    pub fn flush(&self) {
        if let Some(audit) = &self.0.audit {
            audit.flush();
        }
        if let Some(traces) = &self.0.traces {
            traces.stop();
        }
    }

    pub(super) fn series(
        &self,
        cell: &SeriesCell,
        method: &str,
        target: &TargetFacts,
    ) -> Option<Arc<TargetSeries>> {
        let metrics = self.0.metrics.as_ref()?;
        Some(metrics.series(cell, method, target))
    }

    pub(super) fn audited_arguments(&self, arguments: &Value) -> Option<Arguments> {
        Some(self.0.audit.as_ref()?.arguments(arguments))
    }

    pub(super) fn record(
        &self,
        facts: Facts,
        series: Option<&TargetSeries>,
        span: Option<TraceSpan>,
        duration: Duration,
    ) {
        let outcome = outcome(&facts);
        let sinks = &*self.0;
        if let Some(traces) = &sinks.traces {
            traces.end(span, &facts, outcome, SystemTime::now() - duration);
        }
        if let Some(metrics) = &sinks.metrics {
            metrics.record(&facts, series, outcome, duration);
        }
        if let Some(on_request) = sinks.on_request {
            on_request(&facts, outcome, duration);
        }
        let is_logged = sinks.on_request.is_none() && request_log::is_logged(&facts);
        let audit = sinks.audit.as_ref();
        let audit = audit.filter(|_| Audit::has_record(&facts, outcome));
        if !is_logged && audit.is_none() {
            return;
        }
        let request = Arc::new(EndedRequest {
            facts,
            outcome,
            duration,
            time: SystemTime::now(),
        });
        if let Some(audit) = audit {
            audit.request_ended(request.clone());
        }
        if is_logged {
            log_writer::log_request(request);
        }
    }
}

/// Returns the outcome that a step has set, else the one that the HTTP status tells.
fn outcome(facts: &Facts) -> Outcome {
    match (facts.outcome, facts.status) {
        (Some(outcome), _) => outcome,
        (None, 401) => Outcome::Unauthenticated,
        (None, 403) if facts.caller.is_some() => Outcome::Denied,
        (None, 429 | 503) => Outcome::Limited,
        (None, 400..500) => Outcome::Refused,
        (None, 500..) => Outcome::Failed,
        // The call was dropped before its end.
        (None, _) if facts.target.is_some() => Outcome::Cancelled,
        (None, 0) => Outcome::Cancelled,
        (None, _) => Outcome::Ok,
    }
}
