//! The protocol's requests, answered from the catalog.

use std::borrow::Cow;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rmcp::handler::server::ServerHandler;
use rmcp::model::{
    CacheScope, CallToolRequestParams, CallToolResponse, CancelTaskParams, CompleteRequestParams,
    CompleteResult, CustomRequest, CustomResult, DiscoverResult, ErrorCode, GetPromptRequestParams,
    GetPromptResponse, GetTaskParams, GetTaskResult, Implementation, InitializeRequestParams,
    InitializeResult, InputRequiredResult, ListPromptsResult, ListResourceTemplatesResult,
    ListResourcesResult, ListToolsResult, MetaObject, PaginatedRequestParams, ProtocolVersion,
    ReadResourceRequestParams, ReadResourceResponse, ServerCapabilities, ServerConfig,
    SetLevelRequestMethod, SetLevelRequestParams, SubscribeRequestMethod, SubscribeRequestParams,
    SubscriptionFilter, Tool, UnsubscribeRequestMethod, UnsubscribeRequestParams, UpdateTaskParams,
};
use rmcp::service::{NotificationContext, RequestContext, SubscriptionContext};
use rmcp::{ErrorData, RoleServer};
use serde_json::Value;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::caller::{is_modern, owner, principal};
use super::connection::Connection;
use super::convert;
use super::input_required::Seal;
use super::listing::View;
use super::quota::Quota;
use super::subscriptions;
use super::tasks::Tasks;
use crate::auth::Secret;
use crate::catalog::{Catalog, LiveCatalog};

/// How long clients may keep what does not depend on the caller.
const LIST_TTL: Duration = Duration::from_secs(60);

/// The memory of results that are kept, and of calls that wait for answers.
const MAX_KEPT_BYTES: usize = 1 << 30;
/// That of one caller.
const MAX_KEPT_BYTES_PER_CALLER: usize = 256 << 20;

/// What clients are told about the server.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// The server's name.
    pub name: String,
    /// What to do with it.
    pub instructions: Option<String>,
    /// Whether every caller sees the same list.
    pub public: bool,
    /// Whether the catalog can change while it is served.
    pub changes: bool,
    /// Seals what travels with clients between two rounds of a call: 32 bytes or
    /// more. `None` makes one that no replica and no later start knows.
    pub state_key: Option<Secret>,
    /// How long a task may wait for its client, and its result is kept.
    pub task_ttl: Duration,
}

/// An MCP server over a catalog. Cheap to clone: one stands for each request.
#[derive(Clone)]
pub struct ToolServer {
    pub(super) shared: Arc<Shared>,
    /// Where a client has a connection that lasts.
    pub(super) connection: Option<Arc<Connection>>,
}

pub(super) struct Shared {
    pub(super) live: LiveCatalog,
    view: RwLock<Arc<View>>,
    settings: ServerOptions,
    info: Implementation,
    server_info: Value,
    pub(super) seal: Seal,
    pub(super) tasks: Tasks,
    /// What is kept for callers while nothing runs for them, in bytes.
    pub(super) memory: Quota,
    streams: Quota,
    draining: CancellationToken,
    pub(super) shutdown: CancellationToken,
}

impl ToolServer {
    /// A server of the live catalog. When `draining` fires, streams that have no
    /// end of their own end; when `shutdown` fires, running calls are stopped.
    pub fn new(
        live: LiveCatalog,
        settings: ServerOptions,
        draining: CancellationToken,
        shutdown: CancellationToken,
    ) -> Self {
        let info = Implementation::new(settings.name.clone(), env!("CARGO_PKG_VERSION"));
        let view = View::new(live.current(), &settings, &info);
        let memory = Quota::new(MAX_KEPT_BYTES, MAX_KEPT_BYTES_PER_CALLER);
        Self {
            shared: Arc::new(Shared {
                live,
                view: RwLock::new(Arc::new(view)),
                server_info: serde_json::to_value(&info).unwrap_or_default(),
                info,
                seal: Seal::new(settings.state_key.as_ref().map(Secret::bytes)),
                tasks: Tasks::new(settings.task_ttl, memory.clone()),
                memory,
                streams: subscriptions::stream_quota(settings.public),
                settings,
                draining,
                shutdown,
            }),
            connection: None,
        }
    }

    /// The same server for one lasting connection, which may set its log level,
    /// follow documents, and be asked questions.
    pub fn for_connection(&self) -> Self {
        Self {
            shared: self.shared.clone(),
            connection: Some(Arc::new(Connection::new())),
        }
    }

    /// The catalog that is served now, announced.
    pub(super) fn view(&self) -> Arc<View> {
        let shared = &self.shared;
        let now = shared.live.current();
        let view = shared.view.read().unwrap_or_else(PoisonError::into_inner);
        if Arc::ptr_eq(&view.catalog, &now) {
            return view.clone();
        }
        drop(view);
        let view = Arc::new(View::new(now, &shared.settings, &shared.info));
        *shared.view.write().unwrap_or_else(PoisonError::into_inner) = view.clone();
        view
    }

    /// Hears of every change of the catalog.
    pub(super) fn swaps(&self) -> watch::Receiver<Arc<Catalog>> {
        self.shared.live.subscribe()
    }

    /// How long a list may be kept, and by whom. One that depends on the caller's
    /// scopes may grow with the next token.
    fn cache_hints(&self) -> (Option<u64>, Option<CacheScope>) {
        if self.shared.settings.public {
            (Some(LIST_TTL.as_millis() as u64), Some(CacheScope::Public))
        } else {
            (Some(0), Some(CacheScope::Private))
        }
    }

    /// Whether the catalog of now has something of this kind.
    ///
    /// # Errors
    /// The method is none of this server's.
    fn offers(&self, has: impl FnOnce(&ServerCapabilities) -> bool) -> Result<(), ErrorData> {
        if has(&self.view().config.capabilities) {
            return Ok(());
        }
        let message = "nothing here offers what this method is for";
        Err(method_not_found(message.into()))
    }

    pub(super) fn with_server_info(&self, meta: Option<MetaObject>) -> Option<MetaObject> {
        Some(convert::with_server_info(meta, &self.shared.server_info))
    }

    /// Questions for the client, as its request's result.
    pub(super) fn asking(&self, asks: InputRequiredResult) -> InputRequiredResult {
        asks.with_meta(convert::with_server_info(None, &self.shared.server_info))
    }

    fn live_connection(&self) -> Option<&Arc<Connection>> {
        self.connection
            .as_ref()
            .filter(|_| self.shared.settings.changes)
    }
}

/// Fills in a page of a list.
macro_rules! page {
    ($server:ident, $list:ident, $Result:ident, $request:ident, $context:ident) => {{
        let cursor = $request.and_then(|request| request.cursor);
        let principal = principal(&$context);
        let (items, next) = $server.view().$list.page(cursor.as_deref(), principal)?;
        let mut result = $Result::with_all_items(items);
        result.next_cursor = next;
        if is_modern(&$context) {
            (result.ttl_ms, result.cache_scope) = $server.cache_hints();
            result.meta = $server.with_server_info(result.meta);
        }
        Ok(result)
    }};
}

impl ServerHandler for ToolServer {
    fn get_info(&self) -> ServerConfig {
        self.view().config.clone()
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        // The same as `PROTOCOL_VERSIONS`, which a test of the handshake walks.
        const SERVED: [ProtocolVersion; 3] = [
            ProtocolVersion::V_2025_06_18,
            ProtocolVersion::V_2025_11_25,
            ProtocolVersion::V_2026_07_28,
        ];
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
        result.cache_scope = match self.shared.settings.public {
            true => CacheScope::Public,
            false => CacheScope::Private,
        };
        Ok(result)
    }

    async fn initialize(
        &self,
        request: InitializeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<InitializeResult, ErrorData> {
        context.peer.set_peer_info(request.clone());
        let mut result = self.negotiate_initialize(&request)?;
        // Tasks came with the newest revision, which has no handshake.
        result.capabilities.extensions = None;
        if self.connection.is_none() {
            // Nothing could bring a notification to this client.
            let can = &mut result.capabilities;
            can.tools.iter_mut().for_each(|c| c.list_changed = None);
            can.prompts.iter_mut().for_each(|c| c.list_changed = None);
            can.resources
                .iter_mut()
                .for_each(|c| (c.list_changed, c.subscribe) = (None, None));
        }
        Ok(result)
    }

    async fn on_initialized(&self, context: NotificationContext<RoleServer>) {
        let connection = self.live_connection();
        if let Some(connection) = connection.filter(|c| c.start_notifying()) {
            // Without its own hold on the connection, or that would never end.
            let server = Self {
                shared: self.shared.clone(),
                connection: None,
            };
            // A session has one caller, whatever tokens they come with.
            let parts = context.extensions.get::<http::request::Parts>();
            let caller = parts.and_then(|parts| parts.extensions.get()).cloned();
            tokio::spawn(subscriptions::notify(
                server,
                context.peer,
                caller,
                connection.subscribed.clone(),
                connection.ended.clone(),
            ));
        }
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
        if let Some(connection) = &self.connection {
            connection.set_level(request.level);
        }
        Ok(())
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        page!(self, tools, ListToolsResult, request, context)
    }

    async fn list_prompts(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        self.offers(|can| can.prompts.is_some())?;
        page!(self, prompts, ListPromptsResult, request, context)
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        self.offers(|can| can.resources.is_some())?;
        page!(self, resources, ListResourcesResult, request, context)
    }

    async fn list_resource_templates(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        self.offers(|can| can.resources.is_some())?;
        page!(
            self,
            templates,
            ListResourceTemplatesResult,
            request,
            context
        )
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        self.tool(request, &context).await
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        self.offers(|can| can.prompts.is_some())?;
        self.prompt(request, &context).await
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        self.offers(|can| can.resources.is_some())?;
        self.document(request, &context).await
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        self.offers(|can| can.completions.is_some())?;
        self.completion(request, &context).await
    }

    fn accepted_subscription_filter(
        &self,
        requested: &SubscriptionFilter,
    ) -> Option<SubscriptionFilter> {
        let changes = self.shared.settings.changes;
        changes.then(|| subscriptions::accepted_filter(requested.clone()))
    }

    async fn listen(&self, stream: SubscriptionContext) -> Result<(), ErrorData> {
        let caller = owner(principal(stream.request_context()));
        let Some(_place) = self.shared.streams.take(&caller, 1) else {
            let message = "there are too many open streams already; close one, or try again later";
            return Err(ErrorData::internal_error(message, None));
        };
        subscriptions::listen(self, stream, self.shared.draining.clone()).await
    }

    async fn subscribe(
        &self,
        request: SubscribeRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        match self.live_connection() {
            Some(connection) => connection.subscribed.add(request.uri),
            None => Err(ErrorData::method_not_found::<SubscribeRequestMethod>()),
        }
    }

    async fn unsubscribe(
        &self,
        request: UnsubscribeRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        match self.live_connection() {
            Some(connection) => {
                connection.subscribed.remove(&request.uri);
                Ok(())
            }
            None => Err(ErrorData::method_not_found::<UnsubscribeRequestMethod>()),
        }
    }

    async fn get_task(
        &self,
        request: GetTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetTaskResult, ErrorData> {
        let owner = owner(principal(&context));
        let task = self.shared.tasks.state(&request.task_id, &owner)?;
        let mut result = GetTaskResult::new(task);
        result.meta = self.with_server_info(result.meta);
        Ok(result)
    }

    async fn update_task(
        &self,
        request: UpdateTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let owner = owner(principal(&context));
        let (id, answers) = (&request.task_id, request.input_responses);
        self.shared.tasks.answer(id, &owner, answers)
    }

    async fn cancel_task(
        &self,
        request: CancelTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let owner = owner(principal(&context));
        self.shared.tasks.cancel(&request.task_id, &owner)
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.view().tools.get(name).cloned()
    }

    /// Unknown methods end here, and known ones whose parameters do not parse.
    async fn on_custom_request(
        &self,
        request: CustomRequest,
        context: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        let modern = is_modern(&context);
        let can = &self.view().config.capabilities;
        let known = match request.method.as_str() {
            "initialize" | "logging/setLevel" | "ping" => !modern,
            "server/discover" | "tasks/cancel" | "tasks/get" | "tasks/update" => modern,
            "tools/call" | "tools/list" => true,
            "prompts/get" | "prompts/list" => can.prompts.is_some(),
            "resources/list" | "resources/read" | "resources/templates/list" => {
                can.resources.is_some()
            }
            "resources/subscribe" | "resources/unsubscribe" => {
                !modern && self.live_connection().is_some()
            }
            "subscriptions/listen" => modern && self.shared.settings.changes,
            "completion/complete" => can.completions.is_some(),
            _ => false,
        };
        Err(if known {
            let message = format!(
                "the parameters of `{}` are missing or malformed",
                request.method
            );
            ErrorData::invalid_params(message, None)
        } else {
            method_not_found(format!("unknown method `{}`", request.method))
        })
    }
}

fn method_not_found(message: String) -> ErrorData {
    ErrorData::new(ErrorCode::METHOD_NOT_FOUND, message, None)
}
