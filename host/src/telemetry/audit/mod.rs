//! The audit: one JSON line for each decision, in which each line has the hash of the one before.
//!
//! Requests hand their facts to a bounded queue; one thread turns them into lines and writes them.

mod arguments;
mod chain;
mod config;
mod entry;
mod lines;
mod state;
mod synchronizer;
mod usage;
mod verify;
mod writer;

use std::fmt;
use std::io;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Builder;
use std::time::{Duration, SystemTime};

use serde_json::Value;

pub(super) use arguments::Arguments;
use arguments::HashKey;
pub use config::{AuditConfig, AuditOutput};
pub use entry::{ComponentChange, ConfigurationRead};
pub use usage::{GroupBy, Usage, usage};
pub use verify::{Fault, Verified, verify};

use super::ended_request::EndedRequest;
use super::facts::Facts;
use super::outcome::Outcome;
use entry::{Entry, EntryKind};
use state::State;
use writer::Writer;

/// Entries that wait to be written. With arguments recorded whole, these are bounded by [`MAX_ARGUMENT_BYTES`].
const MAX_QUEUED: usize = 8_192;
/// Entries above which no further call is accepted if the audit is required: the rest is for the calls that run.
const MAX_QUEUED_BEFORE_CALLS: usize = MAX_QUEUED / 2;
/// Bytes of arguments that are recorded whole; longer ones are recorded as their hash.
const MAX_ARGUMENT_BYTES: usize = 16 << 10;
/// Bytes of arguments that are hashed by the thread, where it costs less; longer ones would take memory while they wait.
const MAX_HASHED_LATER_BYTES: usize = 1 << 10;
/// Time for what is still to be written when the process ends.
const MAX_FLUSH_TIME: Duration = Duration::from_secs(5);

/// The audit. Clones share it.
#[derive(Clone)]
pub struct Audit(Arc<Shared>);

struct Shared {
    entries: SyncSender<Entry>,
    state: Arc<State>,
    key: HashKey,
    has_whole_arguments: bool,
    is_required: bool,
    /// Signals that the thread has ended. Taken by the first flush.
    ended: Mutex<Option<Receiver<()>>>,
}

impl fmt::Debug for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Audit").finish_non_exhaustive()
    }
}

impl Audit {
    /// Opens the audit and starts its thread. The chain of the file goes on.
    ///
    /// # Errors
    /// The file cannot be written, another process writes it, or it is not an audit file.
    pub fn start(config: &AuditConfig) -> io::Result<Self> {
        let key = match &config.key {
            Some(key) => HashKey::new(key.bytes()),
            None => HashKey::random(),
        };
        let state = Arc::new(State::default());
        let writer = Writer::open(config, state.clone(), key.clone())?;
        let (entries, queue) = sync_channel(MAX_QUEUED);
        let (end, ended) = sync_channel(1);
        Builder::new().name("audit".into()).spawn(move || {
            writer.run(&queue);
            let _ = end.send(());
        })?;
        let audit = Self(Arc::new(Shared {
            entries,
            state,
            key,
            has_whole_arguments: config.has_whole_arguments,
            is_required: config.is_required,
            ended: Mutex::new(Some(ended)),
        }));
        audit.send(EntryKind::Started, SystemTime::now());
        Ok(audit)
    }

    /// Returns the numbers of written and of lost records.
    pub fn counts(&self) -> (u64, u64) {
        let state = &self.0.state;
        (
            state.written.load(Ordering::Relaxed),
            state.lost.load(Ordering::Relaxed),
        )
    }

    pub(super) fn accepts_calls(&self) -> bool {
        let state = &self.0.state;
        !self.0.is_required
            || !state.is_failing.load(Ordering::Relaxed)
                && state.queued.load(Ordering::Relaxed) < MAX_QUEUED_BEFORE_CALLS
    }

    /// Returns the arguments for a record.
    pub(super) fn arguments(&self, arguments: &Value) -> Arguments {
        let text = arguments.to_string();
        if self.0.has_whole_arguments && text.len() <= MAX_ARGUMENT_BYTES {
            Arguments::Whole(arguments.clone())
        } else if text.len() <= MAX_HASHED_LATER_BYTES {
            Arguments::Text(text)
        } else {
            Arguments::Hash(self.0.key.hash(&text))
        }
    }

    pub(super) fn component_changed(&self, change: ComponentChange) {
        self.send(EntryKind::Component(change), SystemTime::now());
    }

    pub(super) fn configuration_read(&self, read: ConfigurationRead) {
        self.send(EntryKind::Configuration(read), SystemTime::now());
    }

    /// Returns whether a request has a record. Those that run nothing and decide nothing, such as `tools/list`, have none.
    pub(super) fn has_record(facts: &Facts, outcome: Outcome) -> bool {
        facts.target.is_some() || entry::is_denial(outcome)
    }

    pub(super) fn request_ended(&self, request: Arc<EndedRequest>) {
        let time = request.time;
        self.send(EntryKind::Request(request), time);
    }

    /// Waits until everything is written that was sent before, and ends the thread.
    pub(super) fn flush(&self) {
        let mut ended = self.0.ended.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(ended) = ended.take() else {
            return;
        };
        self.send(EntryKind::Stopped, SystemTime::now());
        if ended.recv_timeout(MAX_FLUSH_TIME) == Err(RecvTimeoutError::Timeout) {
            tracing::error!("audit records not written before the end of the process");
        }
    }

    fn send(&self, kind: EntryKind, time: SystemTime) {
        let state = &self.0.state;
        state.queued.fetch_add(1, Ordering::Relaxed);
        if self.0.entries.try_send(Entry { kind, time }).is_err() {
            state.queued.fetch_sub(1, Ordering::Relaxed);
            state.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}
