//! The thread of the audit: turns entries into lines, chains them, and writes them.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant, SystemTime};

use super::arguments::HashKey;
use super::chain::Chain;
use super::config::{AuditConfig, AuditOutput};
use super::entry::{Entry, EntryKind};
use super::lines;
use super::state::State;
use super::synchronizer::Synchronizer;
use crate::telemetry::daily_file::{DailyFile, dated_files};

/// Time after which an entry that could not be written is tried again, and time from one synchronisation with the disk to the
/// next.
const INTERVAL: Duration = Duration::from_secs(1);
/// Records of refused requests without a caller per minute; further ones are counted in one record.
const MAX_ANONYMOUS_PER_MINUTE: u64 = 60;
/// Size of the lines that are written together.
const MAX_BATCH_BYTES: usize = 64 << 10;
/// Time from one batch to the next.
const BATCH_TIME: Duration = Duration::from_millis(5);
const MINUTE: Duration = Duration::from_secs(60);

/// Writes entries.
pub(super) struct Writer {
    output: Output,
    chain: Chain,
    replica: String,
    key: HashKey,
    state: Arc<State>,
    anonymous: Anonymous,
    lost: u64,
    /// Whether nothing has been written since the last synchronisation was started.
    is_synced: bool,
    last_sync: Option<Instant>,
}

enum Output {
    File(DailyFile, Synchronizer),
    Stderr,
}

/// Lines that are written together.
struct Batch {
    lines: Vec<u8>,
    records: u64,
    /// The chain that ends with the last line.
    chain: Chain,
}

impl Batch {
    fn new(chain: Chain) -> Self {
        Self {
            lines: Vec::new(),
            records: 0,
            chain,
        }
    }

    fn add(&mut self, entry: &Entry, replica: &str, key: &HashKey) {
        let record = entry.to_json(replica, key);
        self.chain = self.chain.append(&record, &mut self.lines);
        self.records += 1;
    }
}

/// Refused requests without a caller in the current minute.
struct Anonymous {
    since: Instant,
    count: u64,
}

impl Writer {
    /// Opens the output and reads the end of the chain.
    ///
    /// # Errors
    /// The file cannot be written, another process writes it, or it is not an audit file.
    pub(super) fn open(config: &AuditConfig, state: Arc<State>, key: HashKey) -> io::Result<Self> {
        let (output, chain) = match &config.output {
            AuditOutput::Stderr => (Output::Stderr, Chain::default()),
            AuditOutput::File(path) => {
                let mut file = DailyFile::open_exclusive(path, config.keep_days)?;
                let chain = last_chain(path)?;
                file.read_state()?;
                (Output::File(file, Synchronizer::start(synchronize)?), chain)
            }
        };
        Ok(Self {
            output,
            chain,
            replica: host_name(),
            key,
            state,
            anonymous: Anonymous {
                since: Instant::now(),
                count: 0,
            },
            lost: 0,
            is_synced: true,
            last_sync: None,
        })
    }

    /// Writes entries until the process ends.
    pub(super) fn run(mut self, queue: &Receiver<Entry>) {
        loop {
            let first = match queue.recv_timeout(INTERVAL) {
                Ok(entry) => Some(entry),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => break,
            };
            let mut batch = Batch::new(self.chain.clone());
            self.add_counts(&mut batch);
            let mut is_last = false;
            let mut is_full = false;
            let mut taken = 0;
            for entry in first.into_iter().chain(queue.try_iter()) {
                is_last = matches!(entry.kind, EntryKind::Stopped);
                taken += 1;
                if self.is_recorded(&entry) {
                    batch.add(&entry, &self.replica, &self.key);
                }
                is_full = batch.lines.len() >= MAX_BATCH_BYTES;
                if is_last || is_full {
                    break;
                }
            }
            self.write(batch);
            self.state.queued.fetch_sub(taken, Ordering::Relaxed);
            if is_last {
                break;
            }
            self.sync_if_due();
            if !is_full {
                // Entries that are sent meanwhile need not wake this thread.
                std::thread::sleep(BATCH_TIME);
            }
        }
        self.finish();
    }

    /// Adds records about records that were lost or left out.
    fn add_counts(&mut self, batch: &mut Batch) {
        let mut add = |kind| {
            let time = SystemTime::now();
            batch.add(&Entry { kind, time }, &self.replica, &self.key);
        };
        let lost = self.state.lost.load(Ordering::Relaxed);
        if lost > self.lost {
            add(EntryKind::Lost(lost - self.lost));
            self.lost = lost;
        }
        if self.anonymous.since.elapsed() >= MINUTE {
            let left_out = self
                .anonymous
                .count
                .saturating_sub(MAX_ANONYMOUS_PER_MINUTE);
            self.anonymous.count = 0;
            self.anonymous.since = Instant::now();
            if left_out > 0 {
                add(EntryKind::LeftOut(left_out));
            }
        }
    }

    /// Returns whether an entry has a record of its own.
    fn is_recorded(&mut self, entry: &Entry) -> bool {
        if !entry.is_anonymous_refusal() {
            return true;
        }
        self.anonymous.count += 1;
        self.anonymous.count <= MAX_ANONYMOUS_PER_MINUTE
    }

    /// Writes a batch, and tries again until it is written.
    fn write(&mut self, batch: Batch) {
        if batch.records == 0 {
            return;
        }
        while let Err(error) = self.write_lines(&batch.lines) {
            if !self.state.is_failing.swap(true, Ordering::Relaxed) {
                tracing::error!(%error, "audit records not written; trying again");
            }
            std::thread::sleep(INTERVAL);
        }
        if self.state.is_failing.swap(false, Ordering::Relaxed) {
            tracing::info!("audit records are written again");
        }
        self.chain = batch.chain;
        self.is_synced = false;
        let records = batch.records;
        self.state.written.fetch_add(records, Ordering::Relaxed);
    }

    fn write_lines(&mut self, lines: &[u8]) -> io::Result<()> {
        match &mut self.output {
            Output::File(file, _) => file.append(lines),
            Output::Stderr => io::stderr().write_all(lines),
        }
    }

    /// Makes what was written last through a crash of the system. Tried once in [`INTERVAL`].
    fn sync_if_due(&mut self) {
        let Output::File(file, synchronizer) = &mut self.output else {
            return;
        };
        let is_early = self.last_sync.is_some_and(|last| last.elapsed() < INTERVAL);
        if self.is_synced || is_early {
            return;
        }
        self.last_sync = Some(Instant::now());
        match file.files() {
            // Refused if the last one has not ended.
            Ok(files) => self.is_synced = synchronizer.request(files),
            Err(error) => not_synchronized(&error),
        }
        if self.is_synced {
            file.forget_renamed();
        }
    }

    /// Synchronises the rest.
    fn finish(self) {
        let Output::File(file, synchronizer) = self.output else {
            return;
        };
        synchronizer.finish();
        if !self.is_synced {
            match file.files() {
                Ok(files) => files.iter().for_each(synchronize),
                Err(error) => not_synchronized(&error),
            }
        }
    }
}

fn synchronize(file: &File) {
    match file.sync_data() {
        // Pipes and devices have nothing to synchronise.
        Err(error) if error.kind() != io::ErrorKind::InvalidInput => not_synchronized(&error),
        _ => {}
    }
}

fn not_synchronized(error: &io::Error) {
    tracing::warn!(%error, "audit file not synchronised");
}

/// Returns the end of the chain in the file, else in the file of the last day before.
fn last_chain(path: &Path) -> io::Result<Chain> {
    let earlier = dated_files(path).into_iter().rev().map(|(_, path)| path);
    for file in std::iter::once(path.to_owned()).chain(earlier) {
        if let Some(line) = lines::repair(&file)? {
            let not_a_record = || {
                io::Error::new(
                    io::ErrorKind::InvalidData,
                    "its last line is not an audit record",
                )
            };
            let (_, chain) = Chain::ending_with(&line).ok_or_else(not_a_record)?;
            return Ok(chain);
        }
    }
    Ok(Chain::default())
}

/// Returns the name of this host, which tells replicas from each other.
fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname");
    name.map(|name| name.trim().to_owned()).unwrap_or_default()
}
