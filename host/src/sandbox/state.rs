//! What the engine holds for one call, and the imports that a guest finds.

use wasmtime::component::{Linker, ResourceTable};
use wasmtime::{Store, UpdateDeadline};
use wasmtime_wasi::{I32Exit, WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_config::{WasiConfig, WasiConfigVariables};
use wasmtime_wasi_http::{
    Error as HttpError, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks,
    WasiHttpView,
};

use super::Limits;
use super::limits::Meter;
use super::output::GuestOutput;
use crate::engine::Engine;

/// The data of one call's store. `C` is what the contract adds.
pub struct State<C> {
    wasi: WasiCtx,
    http: WasiHttpCtx,
    egress: NoEgress,
    config: WasiConfigVariables,
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

/// A store for one call, with no grant. Its guest's output is logged in `span`.
pub fn store<C: Send + 'static>(
    engine: &Engine,
    limits: &Limits,
    span: &tracing::Span,
    contract: C,
) -> Store<State<C>> {
    // The builder's defaults grant nothing; they are written out all the same.
    let wasi = WasiCtx::builder()
        .stdout(GuestOutput::new("stdout", span.clone()))
        .stderr(GuestOutput::new("stderr", span.clone()))
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false)
        .build();
    let state = State {
        wasi,
        http: WasiHttpCtx::new(),
        egress: NoEgress,
        config: WasiConfigVariables::new(),
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
        WasiConfig::from(&state.config)
    })?;
    Ok(linker)
}

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

/// Refuses every outgoing request.
struct NoEgress;

type Transmission = Box<dyn Future<Output = Result<(), HttpError>> + Send>;
type Exchange =
    Box<dyn Future<Output = Result<(http::Response<WasiBody>, Transmission), HttpError>> + Send>;

impl WasiHttpHooks for NoEgress {
    fn send_request(
        &mut self,
        _request: http::Request<WasiBody>,
        _options: Option<RequestOptions>,
        _transmission: Transmission,
    ) -> Exchange {
        Box::new(async { Err(HttpError::HttpRequestDenied) })
    }
}
