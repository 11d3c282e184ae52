//! The guest's side of the contract: a linked component, and calls of the interfaces that it exports.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use tokio::sync::oneshot;
use wasmtime::component::{Component, HasSelf, Instance, InstancePre, Linker};
use wasmtime_wasi_http::WasiHttpView;
use wasmtime_wasi_http::p2::bindings::exports::wasi::http::incoming_handler;
use wasmtime_wasi_http::p2::bindings::http::types::{ErrorCode, Scheme};
use wasmtime_wasi_http::p2::body::HyperOutgoingBody;

use super::bindings::Everything;
use super::bindings::exports::toolcrib::mcp::{completions, prompts, resources, tool};
use super::bindings::toolcrib::mcp::types;
use super::host::{CallData, GuestStore};
use super::outcome::Outcome;
use super::{logging, stubs};
use crate::component::engine_error::import_mismatch;
use crate::engine::{Engine, error_summary};
use crate::sandbox::{self, MAX_HANDLES, StoreData};

/// The interface through which a component offers tools.
pub(crate) const TOOL_INTERFACE: &str = "toolcrib:mcp/tool@0.1.1";
const PROMPTS_INTERFACE: &str = "toolcrib:mcp/prompts@0.1.1";
const RESOURCES_INTERFACE: &str = "toolcrib:mcp/resources@0.1.1";
const COMPLETIONS_INTERFACE: &str = "toolcrib:mcp/completions@0.1.1";
/// The interface through which a component answers HTTP requests.
pub(crate) const HANDLER_INTERFACE: &str = "wasi:http/incoming-handler@0.2.12";

/// Returns whether an interface belongs to the contract, in any version.
pub(crate) fn is_contract_interface(id: &str) -> bool {
    id.starts_with("toolcrib:mcp/")
}

/// Returns whether the host offers an interface of the contract, or one that it serves like those of the contract, to
/// components.
pub(crate) fn is_host_interface(id: &str) -> bool {
    let is_contract = ["toolcrib:mcp/call@0.1.", "toolcrib:mcp/types@0.1."];
    is_contract.iter().any(|prefix| id.starts_with(prefix)) || logging::INTERFACES.contains(&id)
}

/// Returns whether an interface is the one through which components answer HTTP requests, in a version of WASI 0.2.
pub(crate) fn is_handler_interface(id: &str) -> bool {
    id.starts_with("wasi:http/incoming-handler@0.2.")
}

/// Returns whether this host supports the version of a contract interface.
pub(crate) fn has_supported_version(contract_interface: &str) -> bool {
    contract_interface.contains("@0.1.")
}

/// A linked component, and the interfaces of the contract that it exports.
pub(crate) struct Guest {
    pre: InstancePre<StoreData<CallData>>,
    tool: Option<tool::GuestIndices>,
    prompts: Option<prompts::GuestIndices>,
    resources: Option<resources::GuestIndices>,
    completions: Option<completions::GuestIndices>,
    handler: Option<incoming_handler::GuestIndices>,
}

/// A store for one call of a guest, and the guest's instance in it once there is one.
pub(crate) struct PreparedStore {
    pub(crate) store: GuestStore,
    instance: Option<Instance>,
}

impl PreparedStore {
    /// A store without an instance.
    pub(crate) fn new(store: GuestStore) -> Self {
        Self {
            store,
            instance: None,
        }
    }

    /// Returns the instance of the guest, which is made by the first call of this function.
    ///
    /// # Errors
    /// The engine cannot make it, or a start function traps.
    pub(crate) async fn instantiate(&mut self, guest: &Guest) -> wasmtime::Result<Instance> {
        if let Some(instance) = self.instance {
            return Ok(instance);
        }
        let instance = guest.pre.instantiate_async(&mut self.store).await?;
        self.instance = Some(instance);
        Ok(instance)
    }
}

/// The reason why a guest's call has no outcome.
pub(crate) enum GuestError {
    /// The guest rejected the arguments.
    InvalidArguments(String),
    /// The guest reported a failure.
    Failed(String),
    /// The guest does not have the requested resource.
    NotFound,
    /// The result exceeds the output limit.
    OutputTooLarge,
    /// The guest trapped, or the engine stopped it.
    Trap {
        error: wasmtime::Error,
        state: TrapState,
    },
}

/// The state of the store in which a guest trapped.
pub(crate) struct TrapState {
    /// Whether the guest was refused memory before, which is the usual cause of a trap.
    pub(crate) memory_refused: bool,
    /// The bytes that the guest could pass to one function of the host.
    pub(crate) max_host_call_bytes: usize,
    /// The handles that the guest could have.
    pub(crate) max_handles: usize,
}

impl From<types::Error> for GuestError {
    fn from(error: types::Error) -> Self {
        match error {
            types::Error::InvalidArguments(text) => Self::InvalidArguments(text),
            types::Error::Failed(text) => Self::Failed(text),
        }
    }
}

impl From<resources::Error> for GuestError {
    fn from(error: resources::Error) -> Self {
        match error {
            resources::Error::NotFound => Self::NotFound,
            resources::Error::Failed(text) => Self::Failed(text),
        }
    }
}

/// Creates a [`GuestError`] from an error of the engine during a call in `store`.
pub(crate) fn trap(error: wasmtime::Error, store: &GuestStore) -> GuestError {
    GuestError::Trap {
        error,
        state: TrapState {
            memory_refused: store.data().memory_refused(),
            max_host_call_bytes: store.hostcall_fuel(),
            max_handles: store.max_component_handles().min(MAX_HANDLES),
        },
    }
}

/// Instantiates the guest in `$store` and calls one function of one of its interfaces.
macro_rules! call_guest {
    ($guest:ident.$interface:ident.$function:ident, $store:ident $(, $argument:expr)*) => {{
        let call = async {
            let instance = $store.instantiate(&$guest).await?;
            let indices = $guest.$interface.as_ref();
            let indices = indices.ok_or_else(|| wasmtime::Error::msg("it is not exported"))?;
            let interface = indices.load(&mut $store.store, &instance)?;
            interface.$function(&mut $store.store $(, $argument)*).await
        };
        call.await.map_err(|error| trap(error, &$store.store))
    }};
}

impl Guest {
    /// Links the component with the host's imports. `stubs` tells for each other import whether it is the host's, so
    /// that a stub takes its place if it is not.
    ///
    /// # Errors
    /// One sentence: the import that the host lacks, or how an export differs from the contract.
    pub(crate) fn new(
        engine: &Engine,
        component: &Component,
        stubs: Option<fn(&str) -> bool>,
    ) -> Result<Self, String> {
        let mut linker = new_linker(engine).map_err(|e| format!("the host cannot link it: {e}"))?;
        if let Some(is_offered) = stubs {
            stubs::define(&mut linker, engine, component, is_offered)?;
        }
        let pre = linker.instantiate_pre(component).map_err(|e| {
            let cause = error_summary(&e);
            import_mismatch(&cause)
                .unwrap_or_else(|| format!("it imports what the host does not have: {cause}"))
        })?;
        Ok(Self {
            tool: find_interface(component, TOOL_INTERFACE, || tool::GuestIndices::new(&pre))?,
            prompts: find_interface(component, PROMPTS_INTERFACE, || {
                prompts::GuestIndices::new(&pre)
            })?,
            resources: find_interface(component, RESOURCES_INTERFACE, || {
                resources::GuestIndices::new(&pre)
            })?,
            completions: find_interface(component, COMPLETIONS_INTERFACE, || {
                completions::GuestIndices::new(&pre)
            })?,
            handler: find_interface(component, HANDLER_INTERFACE, || {
                incoming_handler::GuestIndices::new(&pre)
            })?,
            pre,
        })
    }

    /// Returns whether the component exports an interface that defines tools, prompts or resources.
    pub(crate) fn has_definitions(&self) -> bool {
        self.tool.is_some() || self.prompts.is_some() || self.resources.is_some()
    }

    /// Returns whether the component answers HTTP requests.
    pub(crate) fn has_handler(&self) -> bool {
        self.handler.is_some()
    }

    /// Returns whether the component completes the arguments of its prompts and resource templates.
    pub(crate) fn has_completions(&self) -> bool {
        self.completions.is_some()
    }

    /// Asks the component for its tools. Empty without the interface, as for the functions below.
    pub(crate) async fn tools(
        self: Arc<Self>,
        mut store: PreparedStore,
    ) -> Result<Vec<types::Definition>, GuestError> {
        if self.tool.is_none() {
            return Ok(Vec::new());
        }
        call_guest!(self.tool.call_definitions, store)
    }

    pub(crate) async fn prompts(
        self: Arc<Self>,
        mut store: PreparedStore,
    ) -> Result<Vec<prompts::Definition>, GuestError> {
        if self.prompts.is_none() {
            return Ok(Vec::new());
        }
        call_guest!(self.prompts.call_definitions, store)
    }

    pub(crate) async fn resources(
        self: Arc<Self>,
        mut store: PreparedStore,
    ) -> Result<Vec<resources::Resource>, GuestError> {
        if self.resources.is_none() {
            return Ok(Vec::new());
        }
        call_guest!(self.resources.call_resources, store)
    }

    pub(crate) async fn templates(
        self: Arc<Self>,
        mut store: PreparedStore,
    ) -> Result<Vec<resources::Template>, GuestError> {
        if self.resources.is_none() {
            return Ok(Vec::new());
        }
        call_guest!(self.resources.call_templates, store)
    }

    /// Answers an HTTP request. The response is sent when the guest has its head; the guest may run on.
    pub(crate) async fn handle(
        self: Arc<Self>,
        mut store: PreparedStore,
        request: Request<Full<Bytes>>,
        response: oneshot::Sender<Result<Response<HyperOutgoingBody>, ErrorCode>>,
    ) -> Result<(), GuestError> {
        let mut view = store.store.data_mut().http();
        // A body of bytes has no errors.
        let to_error = |never: Infallible| -> wasmtime_wasi_http::Error { match never {} };
        let request = request.map(|body| body.map_err(to_error));
        let is_https = request.uri().scheme() == Some(&http::uri::Scheme::HTTPS);
        let scheme = if is_https {
            Scheme::Https
        } else {
            Scheme::Http
        };
        let handles = view
            .new_incoming_request(scheme, request)
            .and_then(|request| Ok((request, view.new_response_outparam(response)?)));
        let (request, outparam) = handles.map_err(|error| trap(error, &store.store))?;
        call_guest!(self.handler.call_handle, store, request, outparam)
    }

    pub(crate) async fn call_tool(
        self: Arc<Self>,
        mut store: PreparedStore,
        request: types::Request,
    ) -> Result<Outcome<types::Output>, GuestError> {
        Ok(call_guest!(self.tool.call_call, store, &request)??.into())
    }

    pub(crate) async fn get_prompt(
        self: Arc<Self>,
        mut store: PreparedStore,
        request: prompts::Request,
    ) -> Result<Outcome<prompts::Prompt>, GuestError> {
        Ok(call_guest!(self.prompts.call_get, store, &request)??.into())
    }

    pub(crate) async fn read_resource(
        self: Arc<Self>,
        mut store: PreparedStore,
        request: resources::Request,
    ) -> Result<Outcome<Vec<types::Embedded>>, GuestError> {
        Ok(call_guest!(self.resources.call_read, store, &request)??.into())
    }

    pub(crate) async fn complete(
        self: Arc<Self>,
        mut store: PreparedStore,
        request: completions::Request,
    ) -> Result<completions::Completion, GuestError> {
        Ok(call_guest!(
            self.completions.call_complete,
            store,
            &request
        )??)
    }
}

/// Creates a linker with every import that the host offers to components.
fn new_linker(engine: &Engine) -> wasmtime::Result<Linker<StoreData<CallData>>> {
    let mut linker = sandbox::new_linker(engine)?;
    Everything::add_to_linker::<_, HasSelf<CallData>>(
        &mut linker,
        |data: &mut StoreData<CallData>| &mut data.contract,
    )?;
    logging::add_to_linker(&mut linker)?;
    Ok(linker)
}

/// Looks up an interface of the contract; `None` if the component does not export it.
fn find_interface<T>(
    component: &Component,
    interface: &str,
    find: impl FnOnce() -> wasmtime::Result<T>,
) -> Result<Option<T>, String> {
    if component.get_export_index(None, interface).is_none() {
        return Ok(None);
    }
    find().map(Some).map_err(|e| {
        let cause = error_summary(&e);
        format!("its `{interface}` is not the one of `wit/`: {cause}")
    })
}
