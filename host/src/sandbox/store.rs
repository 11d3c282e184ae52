//! What the engine holds for one call.

use std::sync::Arc;

use wasmtime::component::{ResourceTable, ResourceTableError};
use wasmtime::{Store, UpdateDeadline};
use wasmtime_wasi::filesystem::{WasiFilesystemCtxView as Files, WasiFilesystemView};
use wasmtime_wasi::p2::FsResult;
use wasmtime_wasi::p2::bindings::filesystem::types::ErrorCode;
use wasmtime_wasi::{I32Exit, WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use super::dirs::{self, OpenFiles};
use super::egress::Egress;
use super::grants::OpenGrants;
use super::keyvalue::Owner;
use super::limits::{
    Limits, MAX_FIELDS_BYTES, MAX_FILE_STREAMS, MAX_HANDLES, MAX_OWN_HANDLES, MAX_RANDOM_BYTES,
    MAX_SOCKETS, Meter,
};
use super::output::GuestOutput;
use super::sockets;
use crate::engine::Engine;

/// The data of one call's store. `C` is what the contract adds.
pub struct StoreData<C> {
    wasi: WasiCtx,
    http: WasiHttpCtx,
    egress: Egress,
    pub(super) granted: Arc<OpenGrants>,
    pub(super) owner: Option<Owner>,
    pub(super) table: ResourceTable,
    /// After the table, which has the files too.
    pub(super) open_files: OpenFiles,
    sockets: u32,
    meter: Meter,
    /// What the contract's own imports work on.
    pub contract: C,
}

impl<C: Send> StoreData<C> {
    /// Whether the guest was refused memory.
    pub fn memory_refused(&self) -> bool {
        self.meter.refused
    }

    /// Makes a stream of a file's content, where there may be one more.
    pub(super) fn stream<T>(
        &mut self,
        make: impl FnOnce(&mut Files<'_>) -> FsResult<T>,
    ) -> wasmtime::Result<Result<T, ErrorCode>> {
        if !self.open_files.may_stream() {
            tracing::info!(limit.streams = MAX_FILE_STREAMS, "no stream of the file");
            return Ok(Err(ErrorCode::InsufficientMemory));
        }
        let mut files = self.filesystem();
        let stream = make(&mut files);
        dirs::told(files, stream)
    }

    /// Counts one more socket, or lookup of a name, which costs as much.
    pub(super) fn may_have_socket(&mut self) -> bool {
        if self.sockets == MAX_SOCKETS {
            tracing::warn!(limit.sockets = MAX_SOCKETS, "socket refused");
            return false;
        }
        self.sockets += 1;
        true
    }
}

/// A store for one call, with what is granted. Its guest's output is logged in `span`. What the guest keeps for its
/// caller belongs to `owner`.
pub fn store<C: Send + 'static>(
    engine: &Engine,
    limits: &Limits,
    granted: &Arc<OpenGrants>,
    owner: Option<Owner>,
    span: &tracing::Span,
    contract: C,
) -> Store<StoreData<C>> {
    // The builder's defaults grant nothing; they are written out all the same.
    let mut wasi = WasiCtx::builder();
    wasi.stdout(GuestOutput::new("stdout", span.clone()))
        .stderr(GuestOutput::new("stderr", span.clone()))
        .envs(&granted.env)
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false)
        .allow_blocking_current_thread(false)
        .max_random_size(MAX_RANDOM_BYTES);
    sockets::allow(&mut wasi, &granted.tcp);
    let wasi = wasi.build();
    let mut http = WasiHttpCtx::new();
    http.set_field_size_limit(MAX_FIELDS_BYTES);
    let mut table = ResourceTable::new();
    table.set_max_capacity(MAX_HANDLES);
    let state = StoreData {
        wasi,
        http,
        egress: Egress::new(granted.outgoing.clone()),
        granted: granted.clone(),
        owner,
        table,
        open_files: OpenFiles::new(granted.threads.clone()),
        sockets: 0,
        meter: Meter::new(limits.memory_bytes),
        contract,
    };
    let mut store = Store::new(engine.wasmtime(), state);
    store.limiter(|state| &mut state.meter);
    store.set_hostcall_fuel(limits.output_bytes.saturating_add(HOSTCALL_OVERHEAD_BYTES));
    store.set_max_component_handles(MAX_OWN_HANDLES);
    store.set_epoch_deadline(1);
    // The guest only yields here; `run` decides whether it goes on.
    store.epoch_deadline_callback(|_| {
        Ok(UpdateDeadline::YieldCustom(
            1,
            Box::pin(tokio::task::yield_now()),
        ))
    });
    store
}

/// What one host call may carry beyond the output limit: records, log lines.
const HOSTCALL_OVERHEAD_BYTES: usize = 1 << 20;

/// The status of a guest that ended itself through `wasi:cli/exit`.
pub fn exit_status(error: &wasmtime::Error) -> Option<i32> {
    error.downcast_ref::<I32Exit>().map(|exit| exit.0)
}

/// Whether the guest held more than the host keeps for one call.
pub fn is_out_of_handles(error: &wasmtime::Error) -> bool {
    error.chain().any(|cause| {
        let full = cause.downcast_ref::<ResourceTableError>();
        // For the guest's own resources the engine has no type.
        matches!(full, Some(ResourceTableError::Full))
            || cause.to_string().contains("store handle limit exceeded")
    })
}

impl<C: Send> WasiView for StoreData<C> {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
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
