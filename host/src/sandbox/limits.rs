//! The limits of one call, and the meter that enforces its memory limit.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use wasmtime::ResourceLimiter;

use super::keyvalue::MAX_BATCH_BYTES;
use crate::telemetry::CallUsage;

/// Lines that one call may write to the log through `log`, and through each of its output streams.
pub const MAX_LOG_LINES: u32 = 1_000;
/// Progress events that one call may send to its client.
pub const MAX_PROGRESS_EVENTS: u32 = 1_000;

/// Host resources that one call may hold at a time: files, sockets, requests, streams.
pub const MAX_HANDLES: usize = 1_024;
/// Files and directories that one call may have open.
pub const MAX_OPEN_FILES: usize = 64;
/// Open file streams of one call. Each buffers up to 64 KiB.
pub(super) const MAX_FILE_STREAMS: usize = 128;
/// Entries in all open directory listings of one call. wasmtime reads a whole listing into memory.
pub(super) const MAX_LISTED_ENTRIES: usize = 100_000;
/// Sockets created and names resolved by one call, together.
pub(super) const MAX_SOCKETS: u32 = 64;
/// Size of the names and values in one `fields` resource of `wasi:http`. Together with [`MAX_HANDLES`] this bounds the
/// memory of all of them.
pub(super) const MAX_FIELDS_BYTES: usize = 48 << 10;
/// Random bytes per request. The host generates them without yielding.
pub(super) const MAX_RANDOM_BYTES: u64 = 1 << 20;
/// Handles in the component's own tables (wasmtime's `set_max_component_handles`).
pub(super) const MAX_COMPONENT_HANDLES: usize = 100_000;

/// Bytes that one call of a host function may transfer beyond the largest batch of `wasi:keyvalue`: its keys, records.
const HOST_CALL_OVERHEAD_BYTES: usize = 2 << 20;

/// Elements of all tables of one call together.
const MAX_TABLE_ELEMENTS: usize = 100_000;

/// The limits of a component's calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// All linear memories of a call together, in bytes.
    pub memory_bytes: usize,
    /// Wall-clock time of a call.
    pub time: Duration,
    /// CPU time of a call.
    pub cpu: Duration,
    /// Size of a call's result, in bytes.
    pub output_bytes: usize,
    /// Size of a call's arguments as JSON, in bytes.
    pub argument_bytes: usize,
    /// Concurrent calls of the component.
    pub concurrency: u32,
    /// Concurrent calls of the component by one caller; `None` means half of [`concurrency`](Self::concurrency).
    /// Without authentication callers cannot be distinguished, and the limit does not apply.
    pub concurrency_per_caller: Option<u32>,
    /// Calls per caller and minute; `None` means unlimited.
    pub calls_per_minute: Option<NonZeroU32>,
    /// Instances that wait for the next call of a component that is called often.
    pub spare_instances: u32,
    /// Time for compiling the component.
    pub compile: Duration,
    /// Memory for compiling the component: the address space of the compiler process, in bytes.
    pub compile_memory_bytes: usize,
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
            concurrency_per_caller: None,
            calls_per_minute: None,
            spare_instances: 1,
            compile: Duration::from_secs(300),
            compile_memory_bytes: 2 << 30,
        }
    }
}

/// Returns the bytes that a guest may pass to one function of the host, such as a batch of `wasi:keyvalue`. The engine
/// has one limit for these and for the result, so it is at least the output limit.
pub(super) fn host_call_bytes(limits: &Limits) -> usize {
    let largest = limits.output_bytes.max(MAX_BATCH_BYTES);
    largest.saturating_add(HOST_CALL_OVERHEAD_BYTES)
}

impl Limits {
    /// Returns the concurrent calls of the component by one caller.
    pub fn concurrency_per_caller(&self) -> u32 {
        self.concurrency_per_caller
            .unwrap_or(self.concurrency.div_ceil(2))
    }
}

/// Counts the linear memory and table elements of one call, and refuses growth beyond the limits.
pub(super) struct MemoryMeter {
    max_bytes: usize,
    bytes: usize,
    table_elements: usize,
    /// Whether growth has been refused, which is the usual cause of a later trap.
    pub(super) has_refused: bool,
    pub(super) usage: Arc<CallUsage>,
}

impl MemoryMeter {
    pub(super) fn new(max_bytes: usize, usage: Arc<CallUsage>) -> Self {
        Self {
            max_bytes,
            bytes: 0,
            table_elements: 0,
            has_refused: false,
            usage,
        }
    }

    fn grow(&mut self, kind: Growth, current: usize, desired: usize) -> bool {
        let (total, max) = match kind {
            Growth::MemoryBytes => (&mut self.bytes, self.max_bytes),
            Growth::TableElements => (&mut self.table_elements, MAX_TABLE_ELEMENTS),
        };
        match total.checked_add(desired.saturating_sub(current)) {
            Some(sum) if sum <= max => {
                *total = sum;
                true
            }
            _ => {
                self.has_refused = true;
                false
            }
        }
    }
}

impl Drop for MemoryMeter {
    fn drop(&mut self) {
        // Linear memories never shrink.
        self.usage.add_memory(self.bytes as u64);
    }
}

enum Growth {
    MemoryBytes,
    TableElements,
}

impl ResourceLimiter for MemoryMeter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(self.grow(Growth::MemoryBytes, current, desired))
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(self.grow(Growth::TableElements, current, desired))
    }
}
