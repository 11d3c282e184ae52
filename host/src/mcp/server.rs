//! The protocol's requests, answered from the catalog.

use std::borrow::Cow;
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use rmcp::handler::server::ServerHandler;
use rmcp::model::{
    CacheScope, CallToolRequestParams, CallToolResponse, CallToolResult, CustomRequest,
    CustomResult, DiscoverResult, Implementation, ListToolsResult, LoggingLevel,
    PaginatedRequestParams, ProtocolVersion, ServerCapabilities, ServerConfig,
    SetLevelRequestMethod, SetLevelRequestParams, Tool,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::relay::Relay;
use super::{PROTOCOL_VERSIONS, convert};
use crate::auth::Principal;
use crate::catalog::{Catalog, Permit};
use crate::component::{Call, CallError, Outcome};

/// Tools on one page of `tools/list`; many clients read only the first page.
const PAGE_TOOLS: usize = 1_000;
/// How long clients may keep a list.
const LIST_TTL: Duration = Duration::from_secs(60);
/// How long the last events of a call may take to reach a slow client.
const MAX_FLUSH: Duration = Duration::from_secs(1);

/// What clients are told about the server.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The server's name.
    pub name: String,
    /// What to do with it.
    pub instructions: Option<String>,
    /// Whether every caller sees the same list.
    pub public: bool,
}

/// An MCP server over a catalog. Cheap to clone: one stands for each request.
#[derive(Clone)]
pub struct ToolServer {
    shared: Arc<Shared>,
    /// The log level that the client of a lasting connection has set.
    level: Option<Arc<Mutex<LoggingLevel>>>,
}

struct Shared {
    catalog: Arc<Catalog>,
    /// The catalog as it is announced, in name order.
    tools: Vec<Tool>,
    /// Where each tool stands in `tools`.
    places: HashMap<String, usize>,
    config: ServerConfig,
    server_info: Value,
    cache_scope: CacheScope,
    shutdown: CancellationToken,
}

impl ToolServer {
    /// A server of `catalog`. When `shutdown` fires, running calls are stopped.
    pub fn new(catalog: Arc<Catalog>, settings: Settings, shutdown: CancellationToken) -> Self {
        let tools: Vec<_> = catalog.tools().map(convert::tool).collect();
        let places = tools
            .iter()
            .enumerate()
            .map(|(place, tool)| (tool.name.to_string(), place))
            .collect();
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_logging()
            .build();
        let implementation = Implementation::new(settings.name, env!("CARGO_PKG_VERSION"));
        let server_info = serde_json::to_value(&implementation).unwrap_or_default();
        let mut config = ServerConfig::new(capabilities).with_server_info(implementation);
        config.instructions = settings.instructions;
        Self {
            shared: Arc::new(Shared {
                catalog,
                tools,
                places,
                config,
                server_info,
                cache_scope: if settings.public {
                    CacheScope::Public
                } else {
                    CacheScope::Private
                },
                shutdown,
            }),
            level: None,
        }
    }

    /// The same server for one lasting connection, which may set its log level.
    pub fn for_connection(&self) -> Self {
        Self {
            shared: self.shared.clone(),
            level: Some(Arc::new(Mutex::new(LoggingLevel::Info))),
        }
    }

    async fn call(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResult, ErrorData> {
        let shared = &self.shared;
        let Some(entry) = shared.catalog.tool(&request.name) else {
            let message = format!(
                "unknown tool `{}`; tools/list names those there are",
                request.name
            );
            return Err(ErrorData::invalid_params(message, None));
        };
        let parts = context.extensions.get::<http::request::Parts>();
        let principal = principal(&context);
        // Over HTTP the place was taken where a refusal still has a status code.
        let permit = match parts.and_then(|p| p.extensions.get::<Permit>()) {
            Some(permit) => permit.clone(),
            None => match shared.catalog.admit(entry, "local").await {
                Ok(permit) => permit,
                Err(refused) => return Ok(convert::failure(refused.to_string())),
            },
        };
        let modern = is_modern(&context);
        let relay = Relay::new(
            context.peer.clone(),
            context.meta.get_progress_token(),
            self.log_level(modern, &context),
        );
        let (events, queue) = relay.queue();
        let cancelled = shared.shutdown.child_token();
        let call = Call {
            id: uuid::Uuid::new_v4().simple().to_string(),
            arguments: request.arguments.unwrap_or_default(),
            answers: Vec::new(),
            state: None,
            askable: &[],
            caller: principal.map(|principal| Arc::new(convert::caller(principal))),
            events,
            cancelled: cancelled.clone(),
        };
        let id = call.id.clone();
        let mut running = pin!(AssertUnwindSafe(entry.call(call, permit)).catch_unwind());
        let mut relaying = pin!(relay.run(queue));
        let mut relayed = false;
        let outcome = loop {
            tokio::select! {
                outcome = &mut running => break outcome,
                () = &mut relaying, if !relayed => relayed = true,
                () = context.ct.cancelled(), if !cancelled.is_cancelled() => cancelled.cancel(),
            }
        };
        // What the guest reported before its result arrives before its result.
        if !relayed {
            let _ = tokio::time::timeout(MAX_FLUSH, relaying).await;
        }
        Ok(match outcome {
            Ok(Err(error)) if error.has_more_in_log() => convert::failure(format!(
                "{error}; the host's log has the cause under call {id}"
            )),
            Ok(outcome) => result(outcome),
            Err(_panic) => {
                tracing::error!(call.id = %id, tool.name = %entry.name, "call panicked");
                convert::failure(format!(
                    "the host failed; its log has the cause under call {id}"
                ))
            }
        })
    }

    /// What the client wants to hear: in the newest revision what the request
    /// says, before that what the connection has set, or `info` and above where
    /// no connection lasts (MCP 2025-11-25, logging).
    fn log_level(
        &self,
        modern: bool,
        context: &RequestContext<RoleServer>,
    ) -> Option<LoggingLevel> {
        match &self.level {
            _ if modern => context.meta.log_level(),
            Some(level) => Some(*level.lock().unwrap_or_else(PoisonError::into_inner)),
            None => Some(LoggingLevel::Info),
        }
    }

    /// The tools that this caller may call, from the cursor on: the last name of
    /// the page before.
    fn page(
        &self,
        cursor: Option<&str>,
        principal: Option<&Principal>,
    ) -> Result<ListToolsResult, ErrorData> {
        let start = match cursor {
            None => 0,
            Some(name) => match self.shared.places.get(name) {
                Some(place) => place + 1,
                None => return Err(ErrorData::invalid_params("invalid cursor", None)),
            },
        };
        let entries = self.shared.catalog.tools().zip(&self.shared.tools);
        let mut visible = entries
            .skip(start)
            .filter(|(entry, _)| principal.is_none_or(|p| p.has_scopes(&entry.scopes)))
            .map(|(_, tool)| tool);
        let tools: Vec<_> = visible.by_ref().take(PAGE_TOOLS).cloned().collect();
        let next = visible
            .next()
            .and(tools.last())
            .map(|tool| tool.name.to_string());
        let mut result = ListToolsResult::with_all_items(tools);
        result.next_cursor = next;
        Ok(result)
    }
}

impl ServerHandler for ToolServer {
    fn get_info(&self) -> ServerConfig {
        self.shared.config.clone()
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        const SERVED: [ProtocolVersion; 3] = [
            ProtocolVersion::V_2025_06_18,
            ProtocolVersion::V_2025_11_25,
            ProtocolVersion::V_2026_07_28,
        ];
        debug_assert!(
            SERVED
                .iter()
                .map(ProtocolVersion::as_str)
                .eq(PROTOCOL_VERSIONS)
        );
        Cow::Borrowed(&SERVED)
    }

    async fn discover(
        &self,
        _context: RequestContext<RoleServer>,
    ) -> Result<DiscoverResult, ErrorData> {
        let mut result = DiscoverResult::from_server_info(
            self.supported_protocol_versions().into_owned(),
            self.get_info(),
        );
        result.ttl_ms = LIST_TTL.as_millis() as u64;
        result.cache_scope = self.shared.cache_scope;
        Ok(result)
    }

    async fn set_level(
        &self,
        request: SetLevelRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        // The newest revision says it in each request instead.
        if is_modern(&context) {
            return Err(ErrorData::method_not_found::<SetLevelRequestMethod>());
        }
        // Without a lasting connection there is nothing to set it on.
        if let Some(level) = &self.level {
            *level.lock().unwrap_or_else(PoisonError::into_inner) = request.level;
        }
        Ok(())
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let cursor = request.and_then(|request| request.cursor);
        let mut result = self.page(cursor.as_deref(), principal(&context).map(|p| &**p))?;
        if is_modern(&context) {
            // A list that depends on the caller's scopes may grow with the next token.
            let ttl = match self.shared.cache_scope {
                CacheScope::Public => LIST_TTL.as_millis() as u64,
                _ => 0,
            };
            result.ttl_ms = Some(ttl);
            result.cache_scope = Some(self.shared.cache_scope);
            result.meta = convert::with_server_info(result.meta, &self.shared.server_info);
        }
        Ok(result)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let modern = is_modern(&context);
        let mut result = self.call(request, context).await?;
        if modern {
            result.meta = convert::with_server_info(result.meta, &self.shared.server_info);
        }
        Ok(result.into())
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        let place = self.shared.places.get(name)?;
        Some(self.shared.tools[*place].clone())
    }

    /// Unknown methods end here, and known ones whose parameters do not parse.
    async fn on_custom_request(
        &self,
        request: CustomRequest,
        _context: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        const KNOWN: [&str; 6] = [
            "initialize",
            "logging/setLevel",
            "ping",
            "server/discover",
            "tools/call",
            "tools/list",
        ];
        Err(if KNOWN.contains(&request.method.as_str()) {
            let message = format!(
                "the parameters of `{}` are missing or malformed",
                request.method
            );
            ErrorData::invalid_params(message, None)
        } else {
            ErrorData::new(
                rmcp::model::ErrorCode::METHOD_NOT_FOUND,
                format!("unknown method `{}`", request.method),
                None,
            )
        })
    }
}

/// An outcome as the client gets it.
pub(super) fn result(outcome: Result<Outcome, CallError>) -> CallToolResult {
    match outcome {
        Ok(Outcome::Complete(output)) => convert::result(output),
        Ok(Outcome::InputRequired(_)) => {
            convert::failure("the tool asks a question back, which is not supported by this client")
        }
        Err(error) => convert::failure(error.to_string()),
    }
}

/// Whom the guard let in; `None` without a guard.
fn principal(context: &RequestContext<RoleServer>) -> Option<&Arc<Principal>> {
    let parts = context.extensions.get::<http::request::Parts>()?;
    parts.extensions.get()
}

/// ISO dates compare as text.
fn is_modern(context: &RequestContext<RoleServer>) -> bool {
    context
        .protocol_version()
        .is_some_and(|version| version.as_str() >= ProtocolVersion::V_2026_07_28.as_str())
}
