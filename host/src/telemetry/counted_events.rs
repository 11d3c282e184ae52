//! Events that clients can cause at will: requests that are refused before a token has been verified, and warnings and
//! errors of libraries, such as those about HTTP/2 frames. They are counted instead of logged, unless the level is `debug`
//! or lower.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

use super::fields::LOG_TARGET;

/// The libraries that serve clients.
const LIBRARIES: [&str; 7] = [
    "h2",
    "hyper",
    "hyper_util",
    "rmcp",
    "rustls",
    "tokio_rustls",
    "tower_http",
];
/// The beginning of the target of an event about a refused request. The rest says what was refused.
const REFUSED: &str = "toolcrib::refused::";
/// Time between two summaries.
const MIN_SUMMARY_INTERVAL: Duration = Duration::from_secs(60);
/// Time in which events are counted before the first summary.
const SUMMARY_DELAY: Duration = Duration::from_secs(1);

/// Counts the events.
pub(super) struct CountedEvents {
    /// Whether they are logged too.
    pub(super) logged: Arc<AtomicBool>,
    pub(super) summary: Arc<Mutex<Summary>>,
}

#[derive(Default)]
pub(super) struct Summary {
    events: BTreeMap<Source, u64>,
    /// Whether a thread waits to write the summary.
    is_scheduled: bool,
    last_written: Option<Instant>,
}

/// The origin of an event.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Source {
    Library(&'static str),
    /// A refused request: its `Host`, `Origin` or token.
    Refused(&'static str),
}

impl<S: Subscriber> Layer<S> for CountedEvents {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        if self.logged.load(Ordering::Relaxed) {
            return true;
        }
        let Some(source) = source(event) else {
            return true;
        };
        let mut summary = lock(&self.summary);
        *summary.events.entry(source).or_default() += 1;
        if !summary.is_scheduled {
            let since_last = summary.last_written.map(|last| last.elapsed());
            let rest = since_last.and_then(|since| MIN_SUMMARY_INTERVAL.checked_sub(since));
            let delay = rest.unwrap_or_default().max(SUMMARY_DELAY);
            let summary_to_write = self.summary.clone();
            let thread = std::thread::Builder::new().name("log-summary".into());
            let scheduled = thread.spawn(move || {
                std::thread::sleep(delay);
                write(&summary_to_write);
            });
            summary.is_scheduled = scheduled.is_ok();
        }
        false
    }
}

fn write(summary: &Mutex<Summary>) {
    let events = {
        let mut summary = lock(summary);
        summary.is_scheduled = false;
        summary.last_written = Some(Instant::now());
        std::mem::take(&mut summary.events)
    };
    for (source, events) in events {
        match source {
            Source::Library(library) => tracing::info!(
                library,
                events,
                "warnings of a library not logged; the level \"debug\" logs them"
            ),
            Source::Refused(refused) => tracing::info!(
                refused,
                events,
                "requests refused; the level \"debug\" logs each"
            ),
        }
    }
}

fn lock(summary: &Mutex<Summary>) -> MutexGuard<'_, Summary> {
    summary.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the origin of an event that is counted.
fn source(event: &Event<'_>) -> Option<Source> {
    let library = |target: &str| {
        let name = target.split("::").next()?;
        LIBRARIES.into_iter().find(|library| *library == name)
    };
    match event.metadata().target() {
        // The crate `log` has the target in a field.
        "log" => {
            let mut target = LogTarget(String::new());
            event.record(&mut target);
            library(&target.0).map(Source::Library)
        }
        target => match target.strip_prefix(REFUSED) {
            Some(refused) => Some(Source::Refused(refused)),
            None => library(target).map(Source::Library),
        },
    }
}

struct LogTarget(String);

impl Visit for LogTarget {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == LOG_TARGET {
            self.0 = value.to_owned();
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
}
