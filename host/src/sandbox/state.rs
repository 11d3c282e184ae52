//! What the engine holds for one call, and the imports that a guest finds.

use std::sync::Arc;

use wasmtime::component::{Linker, Resource, ResourceTable, ResourceTableError};
use wasmtime::{Store, StoreContextMut, UpdateDeadline};
use wasmtime_wasi::filesystem::{Descriptor, WasiFilesystemCtxView as Files, WasiFilesystemView};
use wasmtime_wasi::p2::bindings::filesystem::types::{self, ErrorCode};
use wasmtime_wasi::p2::bindings::sockets::network;
use wasmtime_wasi::p2::{FsResult, Network};
use wasmtime_wasi::sockets::WasiSocketsView;
use wasmtime_wasi::{I32Exit, WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_config::WasiConfig;
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use super::dirs::{self, OpenFiles};
use super::egress::{self, Egress};
use super::grants::Granted;
use super::keyvalue::{self, Owner};
use super::limits::{
    Limits, MAX_FIELDS_BYTES, MAX_FILE_STREAMS, MAX_HANDLES, MAX_LISTED_ENTRIES, MAX_OPEN_FILES,
    MAX_OWN_HANDLES, MAX_RANDOM_BYTES, MAX_SOCKETS, Meter,
};
use super::output::GuestOutput;
use super::sockets;
use crate::engine::Engine;

/// The data of one call's store. `C` is what the contract adds.
pub struct State<C> {
    wasi: WasiCtx,
    http: WasiHttpCtx,
    egress: Egress,
    granted: Arc<Granted>,
    owner: Option<Owner>,
    table: ResourceTable,
    /// After the table, which has the files too.
    open_files: OpenFiles,
    sockets: u32,
    meter: Meter,
    /// What the contract's own imports work on.
    pub contract: C,
}

impl<C: Send> State<C> {
    /// Whether the guest was refused memory.
    pub fn memory_refused(&self) -> bool {
        self.meter.refused
    }

    /// Makes a stream of a file's content, where there may be one more.
    fn stream<T>(
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
    fn may_have_socket(&mut self) -> bool {
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
    granted: &Arc<Granted>,
    owner: Option<Owner>,
    span: &tracing::Span,
    contract: C,
) -> Store<State<C>> {
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
    let state = State {
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

/// A linker with everything that any guest may import.
///
/// # Errors
/// When two of the interfaces collide, which is a defect of the host.
pub fn linker<C: Send + 'static>(engine: &Engine) -> wasmtime::Result<Linker<State<C>>> {
    let mut linker = Linker::new(engine.wasmtime());
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    wasmtime_wasi_config::add_to_linker(&mut linker, |state: &mut State<C>| {
        WasiConfig::from(&state.granted.config)
    })?;
    keyvalue::add_to_linker(&mut linker, |state: &mut State<C>| keyvalue::View {
        kv: state.granted.kv.as_ref(),
        owner: state.owner.as_ref(),
        table: &mut state.table,
    })?;
    linker.allow_shadowing(true);
    judge_files_and_sockets(&mut linker)?;
    egress::bound(&mut linker)?;
    linker.allow_shadowing(false);
    Ok(linker)
}

/// Puts the host's own judgement before what WASI has of files and sockets.
fn judge_files_and_sockets<C: Send + 'static>(
    linker: &mut Linker<State<C>>,
) -> wasmtime::Result<()> {
    linker.instance(PREOPENS)?.func_wrap_async(
        "get-directories",
        |mut store: StoreContextMut<'_, State<C>>, (): ()| {
            Box::new(async move {
                let granted = store.data().granted.clone();
                // Whoever uses files comes by here first.
                if let Some(threads) = &granted.threads
                    && !granted.dirs.is_empty()
                {
                    threads.one_is_free().await;
                }
                let table = &mut store.data_mut().table;
                Ok((dirs::directories(&granted.dirs, table)?,))
            })
        },
    )?;
    judge_files(linker)?;
    linker.instance(IP_NAME_LOOKUP)?.func_wrap(
        "resolve-addresses",
        |mut store: StoreContextMut<'_, State<C>>, (network, name): (Resource<Network>, String)| {
            let state = store.data_mut();
            if !state.may_have_socket() {
                return Ok((Err(network::ErrorCode::OutOfMemory),));
            }
            let granted = state.granted.clone();
            Ok((sockets::resolve_addresses(
                state.sockets(),
                &granted.tcp,
                network,
                name,
            )?,))
        },
    )?;
    linker.instance(TCP_CREATE_SOCKET)?.func_wrap(
        "create-tcp-socket",
        |mut store: StoreContextMut<'_, State<C>>, (family,): (network::IpAddressFamily,)| {
            let state = store.data_mut();
            if !state.may_have_socket() {
                return Ok((Err(network::ErrorCode::NewSocketLimit),));
            }
            Ok((sockets::create_tcp_socket(state.sockets(), family)?,))
        },
    )
}

/// The part of [`judge_files_and_sockets`] below the directories.
fn judge_files<C: Send + 'static>(linker: &mut Linker<State<C>>) -> wasmtime::Result<()> {
    use types::HostDescriptor;

    type OpenAt = (
        Resource<Descriptor>,
        types::PathFlags,
        String,
        types::OpenFlags,
        types::DescriptorFlags,
    );
    let mut files = linker.instance(FILESYSTEM)?;
    files.func_wrap_async(
        "[method]descriptor.open-at",
        |mut store: StoreContextMut<'_, State<C>>,
         (dir, path_flags, path, open_flags, flags): OpenAt| {
            Box::new(async move {
                if !store.data_mut().open_files.have_room() {
                    tracing::info!(limit.files = MAX_OPEN_FILES, "file not opened");
                    // There is no code for too many open files.
                    return Ok((Err(ErrorCode::InsufficientMemory),));
                }
                let files = store.data_mut().filesystem();
                let how = (path_flags, open_flags, flags);
                let opened = dirs::open_at(files, dir, path, how).await?;
                if let Ok(opened) = &opened {
                    let state = store.data_mut();
                    state.open_files.add(state.table.get(opened)?);
                }
                Ok((opened,))
            })
        },
    )?;
    files.func_wrap_async(
        "[method]descriptor.read-directory",
        |mut store: StoreContextMut<'_, State<C>>, (dir,): (Resource<Descriptor>,)| {
            Box::new(async move {
                let state = store.data_mut();
                let entries = match dirs::entries(state.table.get(&dir)?).await {
                    Ok(entries) => entries,
                    Err(error) => return Ok((Err(error),)),
                };
                if !state.open_files.may_list(&state.table, entries) {
                    tracing::info!(limit.entries = MAX_LISTED_ENTRIES, "directory not listed");
                    return Ok((Err(ErrorCode::InsufficientMemory),));
                }
                let mut files = state.filesystem();
                let list = files.read_directory(dir).await;
                let list = dirs::told(files, list)?;
                if let Ok(list) = &list {
                    store.data_mut().open_files.list(list.rep(), entries);
                }
                Ok((list,))
            })
        },
    )?;
    files.func_wrap(
        "[method]descriptor.read-via-stream",
        |mut store: StoreContextMut<'_, State<C>>, (file, from): (Resource<Descriptor>, u64)| {
            let stream = |files: &mut Files<'_>| files.read_via_stream(file, from);
            Ok((store.data_mut().stream(stream)?,))
        },
    )?;
    files.func_wrap(
        "[method]descriptor.write-via-stream",
        |mut store: StoreContextMut<'_, State<C>>, (file, from): (Resource<Descriptor>, u64)| {
            let stream = |files: &mut Files<'_>| files.write_via_stream(file, from);
            Ok((store.data_mut().stream(stream)?,))
        },
    )?;
    files.func_wrap(
        "[method]descriptor.append-via-stream",
        |mut store: StoreContextMut<'_, State<C>>, (file,): (Resource<Descriptor>,)| {
            let stream = |files: &mut Files<'_>| files.append_via_stream(file);
            Ok((store.data_mut().stream(stream)?,))
        },
    )
}

/// As the engine's own crate names them. A test notices when it goes on to the next version.
const PREOPENS: &str = "wasi:filesystem/preopens@0.2.12";
const FILESYSTEM: &str = "wasi:filesystem/types@0.2.12";
const IP_NAME_LOOKUP: &str = "wasi:sockets/ip-name-lookup@0.2.12";
const TCP_CREATE_SOCKET: &str = "wasi:sockets/tcp-create-socket@0.2.12";

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

impl<C: Send> WasiView for State<C> {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl<C: Send> WasiHttpView for State<C> {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            ctx: &mut self.http,
            table: &mut self.table,
            hooks: &mut self.egress,
        }
    }
}
