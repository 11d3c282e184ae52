//! What the engine holds for one call, and the imports that a guest finds.

use std::sync::Arc;

use wasmtime::component::{Linker, Resource, ResourceTable};
use wasmtime::{Store, StoreContextMut, UpdateDeadline};
use wasmtime_wasi::filesystem::{Descriptor, WasiFilesystemView};
use wasmtime_wasi::p2::Network;
use wasmtime_wasi::p2::bindings::filesystem::{preopens, types};
use wasmtime_wasi::sockets::WasiSocketsView;
use wasmtime_wasi::{I32Exit, WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_config::WasiConfig;
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use super::dirs::{self, HasPreopens, Preopens};
use super::egress::Egress;
use super::grants::Granted;
use super::keyvalue::{self, Owner};
use super::limits::{Limits, Meter};
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
    meter: Meter,
    /// What the contract's own imports work on.
    pub contract: C,
}

impl<C> State<C> {
    /// Whether the guest was refused memory.
    pub fn memory_refused(&self) -> bool {
        self.meter.refused
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
        .allow_blocking_current_thread(false);
    sockets::allow(&mut wasi, &granted.tcp);
    let wasi = wasi.build();
    let state = State {
        wasi,
        http: WasiHttpCtx::new(),
        egress: Egress::new(granted.outgoing.clone(), limits.time),
        granted: granted.clone(),
        owner,
        table: ResourceTable::new(),
        meter: Meter::new(limits.memory_bytes),
        contract,
    };
    let mut store = Store::new(engine.wasmtime(), state);
    store.limiter(|state| &mut state.meter);
    store.set_hostcall_fuel(limits.output_bytes.saturating_add(HOSTCALL_OVERHEAD_BYTES));
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
    judge_files_and_names(&mut linker)?;
    Ok(linker)
}

/// Puts the host's own judgement before three functions of WASI.
fn judge_files_and_names<C: Send + 'static>(linker: &mut Linker<State<C>>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    preopens::add_to_linker::<_, HasPreopens>(linker, |state| Preopens {
        dirs: &state.granted.dirs,
        table: &mut state.table,
    })?;
    type OpenAt = (
        Resource<Descriptor>,
        types::PathFlags,
        String,
        types::OpenFlags,
        types::DescriptorFlags,
    );
    linker.instance(FILESYSTEM)?.func_wrap_async(
        "[method]descriptor.open-at",
        |mut store: StoreContextMut<'_, State<C>>,
         (dir, path_flags, path, open_flags, flags): OpenAt| {
            Box::new(async move {
                let files = store.data_mut().filesystem();
                Ok((dirs::open_at(files, dir, path_flags, path, open_flags, flags).await?,))
            })
        },
    )?;
    linker.instance(IP_NAME_LOOKUP)?.func_wrap(
        "resolve-addresses",
        |mut store: StoreContextMut<'_, State<C>>, (network, name): (Resource<Network>, String)| {
            let state = store.data_mut();
            let granted = state.granted.clone();
            Ok((sockets::resolve_addresses(
                state.sockets(),
                &granted.tcp,
                network,
                name,
            )?,))
        },
    )?;
    linker.allow_shadowing(false);
    Ok(())
}

/// As the engine's own crate names them. A test notices when it goes on to the next version.
const FILESYSTEM: &str = "wasi:filesystem/types@0.2.12";
const IP_NAME_LOOKUP: &str = "wasi:sockets/ip-name-lookup@0.2.12";

/// The status of a guest that ended itself through `wasi:cli/exit`.
pub fn exit_status(error: &wasmtime::Error) -> Option<i32> {
    error.downcast_ref::<I32Exit>().map(|exit| exit.0)
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
