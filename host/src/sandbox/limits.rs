//! How much one call may use.

use std::num::NonZeroU32;
use std::time::Duration;

use wasmtime::ResourceLimiter;

/// Lines that one call may write to the log, by `log` and by its output.
pub const MAX_LOG_LINES: u32 = 1_000;
/// Progress events that one call may send to its client.
pub const MAX_PROGRESS_EVENTS: u32 = 1_000;

/// Handles that one call may hold at a time: files, sockets, requests, streams.
pub const MAX_HANDLES: usize = 1_024;
/// Files and directories that one call may have open.
pub const MAX_OPEN_FILES: usize = 64;
/// Streams that one call may have of the files that it has opened; each holds up to 64 KiB.
pub(super) const MAX_FILE_STREAMS: usize = 128;
/// Entries in all lists of directories that one call has at a time: the engine makes a list as a whole.
pub(super) const MAX_LISTED_ENTRIES: usize = 100_000;
/// Sockets that one call may make, and names that it may look up, together.
pub(super) const MAX_SOCKETS: u32 = 64;
/// Names and values of one `fields` that a guest fills; with [`MAX_HANDLES`] it bounds what they cost the host.
pub(super) const MAX_FIELDS_BYTES: usize = 48 << 10;
/// Random bytes that a guest may ask for at once: they are made in one go.
pub(super) const MAX_RANDOM_BYTES: u64 = 1 << 20;
/// Resources of its own that a guest may have at once.
pub(super) const MAX_OWN_HANDLES: usize = 100_000;

/// Elements of all tables of one call together.
const MAX_TABLE_ELEMENTS: usize = 100_000;

/// What one call may use, and how many may run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// All linear memories of a call together, in bytes.
    pub memory_bytes: usize,
    /// From the start of the call to its end.
    pub time: Duration,
    /// Processor time.
    pub cpu: Duration,
    /// Everything the call returns, in bytes.
    pub output_bytes: usize,
    /// Everything the call is given, as JSON, in bytes.
    pub argument_bytes: usize,
    /// Calls of one component at the same time.
    pub concurrency: u32,
    /// Calls that one caller may make in a minute; `None` sets no bound.
    pub calls_per_minute: Option<NonZeroU32>,
    /// How long compiling the component may take.
    pub compile: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 128 << 20,
            time: Duration::from_secs(30),
            cpu: Duration::from_secs(10),
            output_bytes: 4 << 20,
            argument_bytes: 4 << 20,
            concurrency: 64,
            calls_per_minute: None,
            compile: Duration::from_secs(300),
        }
    }
}

/// Counts the memory of one call and refuses what goes beyond.
pub(super) struct Meter {
    max_bytes: usize,
    bytes: usize,
    table_elements: usize,
    /// Whether something was refused: the usual cause of the trap that follows.
    pub(super) refused: bool,
}

impl Meter {
    pub(super) fn new(max_bytes: usize) -> Self {
        Self {
            max_bytes,
            bytes: 0,
            table_elements: 0,
            refused: false,
        }
    }

    fn grow(&mut self, used: Used, current: usize, desired: usize) -> bool {
        let (total, max) = match used {
            Used::Bytes => (&mut self.bytes, self.max_bytes),
            Used::TableElements => (&mut self.table_elements, MAX_TABLE_ELEMENTS),
        };
        match total.checked_add(desired.saturating_sub(current)) {
            Some(sum) if sum <= max => {
                *total = sum;
                true
            }
            _ => {
                self.refused = true;
                false
            }
        }
    }
}

enum Used {
    Bytes,
    TableElements,
}

impl ResourceLimiter for Meter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(self.grow(Used::Bytes, current, desired))
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(self.grow(Used::TableElements, current, desired))
    }
}
