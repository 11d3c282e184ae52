//! The wasmtime store of one call: its WASI contexts, grants and limits.

use std::sync::Arc;

use wasmtime::component::{ResourceTable, ResourceTableError};
use wasmtime::{Store, UpdateDeadline};
use wasmtime_wasi::filesystem::{WasiFilesystemCtxView, WasiFilesystemView};
use wasmtime_wasi::p2::FsResult;
use wasmtime_wasi::p2::bindings::filesystem::types::ErrorCode;
use wasmtime_wasi::{I32Exit, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use super::egress::EgressHooks;
use super::filesystem::{self, OpenFiles};
use super::keyvalue::Owner;
use super::limits::{
    Limits, MAX_COMPONENT_HANDLES, MAX_FIELDS_BYTES, MAX_FILE_STREAMS, MAX_HANDLES,
    MAX_RANDOM_BYTES, MAX_SOCKETS, MemoryMeter, host_call_bytes,
};
use super::open_grants::OpenGrants;
use super::output::GuestOutput;
use super::sockets;
use crate::engine::Engine;
use crate::telemetry::{CallUsage, in_call};
use crate::text::bounded;

/// Length of a cause's text that is searched: texts with names from a guest can have megabytes.
const MAX_SEARCHED_BYTES: usize = 1_000;

/// The data of a store. `C` is the state of the contract's own imports.
pub struct StoreData<C> {
    /// Created when the guest first uses WASI, because many guests never do.
    pub(super) wasi: Option<WasiCtx>,
    http: WasiHttpCtx,
    egress: EgressHooks,
    pub(super) grants: Arc<OpenGrants>,
    pub(super) owner: Option<Owner>,
    pub(super) table: ResourceTable,
    /// Declared after `table`, which also holds the files, so that these handles are the last ones to be dropped.
    pub(super) open_files: OpenFiles,
    sockets_used: u32,
    memory: MemoryMeter,
    /// The state of the contract's own imports.
    pub contract: C,
}

impl<C: Send> StoreData<C> {
    /// Whether the guest was refused memory.
    pub fn memory_refused(&self) -> bool {
        self.memory.has_refused
    }

    /// Opens a file stream with `open`, unless the call has [`MAX_FILE_STREAMS`] open.
    pub(super) fn open_stream<T>(
        &mut self,
        open: impl FnOnce(&mut WasiFilesystemCtxView<'_>) -> FsResult<T>,
    ) -> wasmtime::Result<Result<T, ErrorCode>> {
        if !self.open_files.has_room_for_stream() {
            in_call(|| {
                tracing::info!(limit.streams = MAX_FILE_STREAMS, "file stream not opened");
            });
            return Ok(Err(ErrorCode::InsufficientMemory));
        }
        let mut files = self.filesystem();
        let stream = open(&mut files);
        filesystem::to_guest_result(files, stream)
    }

    /// Counts a new socket or name lookup; returns `false` if the call has used up [`MAX_SOCKETS`].
    pub(super) fn count_socket(&mut self) -> bool {
        if self.sockets_used == MAX_SOCKETS {
            in_call(|| tracing::warn!(limit.sockets = MAX_SOCKETS, "socket refused"));
            return false;
        }
        self.sockets_used += 1;
        true
    }
}

/// Creates the store of one call.
///
/// `owner` owns the `@caller` parts of the buckets. The memory of the guest is counted in `usage`.
pub fn new_store<C: Send + 'static>(
    engine: &Engine,
    limits: &Limits,
    grants: &Arc<OpenGrants>,
    owner: Option<Owner>,
    usage: Arc<CallUsage>,
    contract: C,
) -> Store<StoreData<C>> {
    let mut http = WasiHttpCtx::new();
    http.set_field_size_limit(MAX_FIELDS_BYTES);
    let mut table = ResourceTable::new();
    table.set_max_capacity(MAX_HANDLES);
    let data = StoreData {
        wasi: None,
        http,
        egress: EgressHooks::new(grants.http.clone(), grants.egress.clone()),
        grants: grants.clone(),
        owner,
        table,
        open_files: OpenFiles::new(grants.blocking_pool.clone()),
        sockets_used: 0,
        memory: MemoryMeter::new(limits.memory_bytes, usage),
        contract,
    };
    let mut store = Store::new(engine.wasmtime(), data);
    store.limiter(|data| &mut data.memory);
    store.set_hostcall_fuel(host_call_bytes(limits));
    let task_handles = engine.max_task_handles();
    store.set_max_component_handles(task_handles.unwrap_or(MAX_COMPONENT_HANDLES));
    store.set_epoch_deadline(1);
    // The guest only yields at the deadline; `execute` enforces the limits.
    store.epoch_deadline_callback(|_| {
        Ok(UpdateDeadline::YieldCustom(
            1,
            Box::pin(tokio::task::yield_now()),
        ))
    });
    store
}

/// Prepares a store in which only start functions have run for a call.
pub fn start_call<C>(
    store: &mut Store<StoreData<C>>,
    limits: &Limits,
    owner: Option<Owner>,
    usage: Arc<CallUsage>,
    contract: C,
) {
    let data = store.data_mut();
    data.owner = owner;
    data.memory.usage = usage;
    data.contract = contract;
    store.set_hostcall_fuel(host_call_bytes(limits));
    // The deadline of the start functions is over.
    store.set_epoch_deadline(1);
}

/// Creates the WASI context of a guest. `change` sets what differs from that of most guests.
pub(super) fn wasi_context(
    grants: &OpenGrants,
    change: impl FnOnce(&mut WasiCtxBuilder),
) -> WasiCtx {
    // The builder's defaults deny everything. They are repeated here so that a change of a default has no effect.
    let mut wasi = WasiCtx::builder();
    wasi.stdout(GuestOutput::new("stdout"))
        .stderr(GuestOutput::new("stderr"))
        .envs(&grants.env)
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false)
        .allow_blocking_current_thread(false)
        .max_random_size(MAX_RANDOM_BYTES);
    sockets::allow_granted(&mut wasi, &grants.tcp);
    change(&mut wasi);
    wasi.build()
}

/// Returns the exit status of a guest that called `wasi:cli/exit`.
pub fn exit_status(error: &wasmtime::Error) -> Option<i32> {
    error.downcast_ref::<I32Exit>().map(|exit| exit.0)
}

/// Whether the guest trapped because it exceeded a limit on handles.
pub fn is_out_of_handles(error: &wasmtime::Error) -> bool {
    error.chain().any(|cause| {
        // wasmtime has an error type for host resources only. The limit on the component's own handles has just a text.
        matches!(cause.downcast_ref(), Some(ResourceTableError::Full))
            || bounded(cause, MAX_SEARCHED_BYTES).contains("store handle limit exceeded")
    })
}

impl<C: Send> WasiView for StoreData<C> {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: self
                .wasi
                .get_or_insert_with(|| wasi_context(&self.grants, |_| {})),
            table: &mut self.table,
        }
    }
}

impl<C: Send> WasiHttpView for StoreData<C> {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            ctx: &mut self.http,
            table: &mut self.table,
            hooks: &mut self.egress,
        }
    }
}
