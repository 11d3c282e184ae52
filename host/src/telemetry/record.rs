//! The record of one request: each step adds what it learns, and the observer gets all of it when the request has ended.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Instant, SystemTime};

use serde_json::Value;

use super::call_usage::CallUsage;
use super::facts::{Facts, TargetFacts};
use super::metrics::{SeriesCell, TargetSeries};
use super::observer::Observer;
use super::outcome::Outcome;
use super::traces::{RequestTrace, TraceSpan};

/// A request under way. When the last reference to it is dropped, the request has ended and the observer records it.
pub struct Record {
    observer: Observer,
    started: Instant,
    state: Mutex<State>,
    usage: Arc<CallUsage>,
}

#[derive(Default)]
struct State {
    facts: Facts,
    /// The metrics of the target.
    series: Option<Arc<TargetSeries>>,
    span: Option<TraceSpan>,
}

/// A place in which an entry of the catalog keeps what the records of its calls share.
#[derive(Debug, Default)]
pub struct TargetCell {
    facts: OnceLock<Arc<TargetFacts>>,
    series: SeriesCell,
}

impl Record {
    /// Starts the record of a request over `http` or `stdio`.
    pub fn start(observer: &Observer, transport: &'static str) -> Arc<Self> {
        let facts = Facts {
            transport,
            ..Facts::default()
        };
        Arc::new(Self {
            observer: observer.clone(),
            started: Instant::now(),
            state: Mutex::new(State {
                facts,
                series: None,
                span: None,
            }),
            usage: Arc::default(),
        })
    }

    /// Starts the span of the request, if there are traces and it has none yet.
    pub fn trace<'a>(&self, request: impl FnOnce() -> RequestTrace<'a>) {
        let Some(traces) = self.observer.traces() else {
            return;
        };
        let state = &mut *self.state();
        if state.span.is_none() {
            let started = SystemTime::now() - self.started.elapsed();
            let span = traces.begin(&request(), started);
            state.facts.trace_id = Some(span.trace_id().into());
            state.span = Some(span);
        }
    }

    /// Returns the span of the request; `None` without traces.
    pub fn span(&self) -> Option<TraceSpan> {
        self.state().span.clone()
    }

    /// Changes the facts.
    pub fn set(&self, change: impl FnOnce(&mut Facts)) {
        change(&mut self.state().facts);
    }

    /// Sets the outcome, unless an earlier step has.
    pub fn end(&self, outcome: Outcome, reason: Option<Cow<'static, str>>) {
        let facts = &mut self.state().facts;
        if facts.outcome.is_none() {
            (facts.outcome, facts.reason) = (Some(outcome), reason);
        }
    }

    /// Sets the outcome of a call that was answered before its end, because it goes on as a task.
    pub fn end_later(&self, outcome: Outcome, reason: Option<Cow<'static, str>>) {
        let facts = &mut self.state().facts;
        (facts.outcome, facts.reason) = (Some(outcome), reason);
    }

    /// Sets the target of a call. `describe` is called once for each cell.
    pub fn set_target(&self, cell: &TargetCell, describe: impl FnOnce() -> TargetFacts) {
        let target = cell.facts.get_or_init(|| describe().into()).clone();
        let state = &mut *self.state();
        state.series = self
            .observer
            .series(&cell.series, &state.facts.method, &target);
        state.facts.target = Some(target);
    }

    /// Sets the arguments of a call, if the audit wants them.
    pub fn set_arguments(&self, arguments: &Value) {
        if let Some(arguments) = self.observer.audited_arguments(arguments) {
            self.state().facts.arguments = Some(arguments);
        }
    }

    /// Returns the counters of the call's guest.
    pub fn usage(&self) -> Arc<CallUsage> {
        self.usage.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let state = self.state.get_mut();
        let State {
            mut facts,
            series,
            span,
        } = std::mem::take(state.unwrap_or_else(PoisonError::into_inner));
        facts.cpu = self.usage.cpu();
        facts.peak_memory = self.usage.peak_memory();
        (facts.grants, facts.grants_left_out) = self.usage.grants.take();
        self.observer
            .record(facts, series.as_deref(), span, self.started.elapsed());
    }
}
