//! The MCP server: answers the protocol's requests from the catalog.

use std::borrow::Cow;
use std::sync::{Arc, Weak};
use std::time::Duration;

use rmcp::handler::server::ServerHandler;
use rmcp::model::{
    CacheScope, CallToolRequestParams, CallToolResponse, CancelTaskParams, CompleteRequestParams,
    CompleteResult, CustomRequest, CustomResult, DiscoverResult, ErrorCode, GetPromptRequestParams,
    GetPromptResponse, GetTaskParams, GetTaskResult, InitializeRequestParams, InitializeResult,
    JsonObject, ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult,
    ListToolsResult, PaginatedRequestParams, ProtocolVersion, ReadResourceRequestParams,
    ReadResourceResponse, ServerCapabilities, ServerConfig, SetLevelRequestMethod,
    SetLevelRequestParams, SubscribeRequestMethod, SubscribeRequestParams, SubscriptionFilter,
    Tool, UnsubscribeRequestMethod, UnsubscribeRequestParams, UpdateTaskParams,
};
use rmcp::service::{NotificationContext, RequestContext, SubscriptionContext};
use rmcp::{ErrorData, RoleServer};
use tokio_util::sync::CancellationToken;

use super::call_context::CallContext;
use super::caller::{caller, is_modern, user_client_key};
use super::calls::{self, CallRequest, GuestMethod};
use super::connection::Connection;
use super::downgrade::Downgrade;
use super::options::{ServerIdentity, ServerOptions};
use super::request_scope::RequestScope;
use super::revision::{Revision, SUPPORTED};
use super::state::ServerState;
use super::{completions, prompts, resources, subscriptions, tools};
use crate::auth::Secret;
use crate::catalog::LiveCatalog;
use crate::telemetry::Sample;

/// Time for which clients may cache what does not depend on the caller.
const CACHE_TTL: Duration = Duration::from_secs(60);

/// An MCP server over a catalog. Cheap to clone: each request is served by a clone.
#[derive(Clone)]
pub struct ToolServer {
    state: Arc<ServerState>,
    /// The client's lasting connection: a session, or standard input and output.
    connection: Option<Arc<Connection>>,
}

/// A [`ToolServer`] that may be gone.
pub(crate) struct WeakToolServer(Weak<ServerState>);

impl WeakToolServer {
    pub(crate) fn upgrade(&self) -> Option<ToolServer> {
        Some(ToolServer {
            state: self.0.upgrade()?,
            connection: None,
        })
    }
}

impl ToolServer {
    /// A server of the live catalog. It ends its event streams when `draining` is cancelled and stops running calls when
    /// `shutdown` is cancelled.
    pub fn new(
        live: LiveCatalog,
        options: ServerOptions,
        draining: CancellationToken,
        shutdown: CancellationToken,
    ) -> Self {
        let streams = subscriptions::stream_quota(options.public);
        Self {
            state: Arc::new(ServerState::new(live, options, streams, draining, shutdown)),
            connection: None,
        }
    }

    /// Returns the same server for one lasting connection, whose client can set its log level, subscribe to resources and
    /// be asked questions.
    pub fn for_connection(&self) -> Self {
        Self {
            state: self.state.clone(),
            connection: Some(Arc::new(Connection::new())),
        }
    }

    /// Resolves when other replicas know the ends of all tasks; at once if no other replica knows the tasks.
    pub(crate) async fn all_tasks_shared(&self) {
        self.state.tasks.all_shared().await;
    }

    /// Returns the token that is cancelled when running calls are stopped.
    pub(super) fn shutdown_token(&self) -> &CancellationToken {
        &self.state.shutdown
    }

    pub(crate) fn downgrade(&self) -> WeakToolServer {
        WeakToolServer(Arc::downgrade(&self.state))
    }

    /// Replaces the texts that the server announces.
    pub fn announce(&self, identity: ServerIdentity) {
        self.state.announce(identity);
    }

    /// Replaces [`ServerOptions::state_key`]. States sealed with the one before are opened as long as they are accepted.
    pub fn replace_state_key(&self, key: Option<&Secret>) {
        self.state.seal.replace(key.map(Secret::bytes));
    }

    /// Adds the numbers of tasks and streams to the metrics.
    pub(crate) fn add_samples(&self, samples: &mut Vec<Sample>) {
        let tasks = self.state.tasks.count() as u64;
        let streams = self.state.streams.in_use() as u64;
        samples.push(Sample::gauge(
            "toolcrib_tasks",
            "Tasks that run or whose result is kept",
            tasks,
        ));
        samples.push(Sample::gauge(
            "toolcrib_subscription_streams",
            "Streams of subscriptions/listen",
            streams,
        ));
    }

    /// Returns the input schema of a tool.
    pub(crate) fn input_schema(&self, tool: &str) -> Option<Arc<JsonObject>> {
        let view = self.state.view();
        view.tools.get(tool).map(|tool| tool.input_schema.clone())
    }

    async fn call<M: GuestMethod>(
        &self,
        request: CallRequest<M>,
        context: RequestContext<RoleServer>,
    ) -> Result<M::Response, ErrorData> {
        let (connection, observer) = (self.connection.as_ref(), &self.state.options.observer);
        let context = CallContext::new(M::NAME, context, connection, observer);
        calls::run(&self.state, context, request).await
    }

    /// Returns for how long and by whom a list may be cached. A list that depends on the caller's scopes may change with
    /// the next token.
    fn cache_hints(&self) -> (Option<u64>, Option<CacheScope>) {
        if self.state.options.public {
            (Some(CACHE_TTL.as_millis() as u64), Some(CacheScope::Public))
        } else {
            (Some(0), Some(CacheScope::Private))
        }
    }

    /// Rejects a method whose capability the current catalog does not have.
    fn require(&self, has: impl FnOnce(&ServerCapabilities) -> bool) -> Result<(), ErrorData> {
        if has(&self.state.view().config.capabilities) {
            return Ok(());
        }
        let message = "nothing here offers what this method is for";
        Err(method_not_found(message.into()))
    }

    /// Returns the lasting connection, if its client can be notified of changes.
    fn notified_connection(&self) -> Option<&Arc<Connection>> {
        self.connection
            .as_ref()
            .filter(|_| self.state.options.changes)
    }
}

/// Returns one page of a list.
macro_rules! page {
    ($server:ident, $list:ident, $Result:ident, $request:ident, $context:ident) => {{
        let cursor = $request.and_then(|request| request.cursor);
        let caller = caller(&$context).map(|caller| &**caller);
        let (mut items, next) = $server.state.view().$list.page(cursor.as_deref(), caller)?;
        let revision = Revision::of(&$context);
        for item in &mut items {
            item.downgrade(revision);
        }
        let mut result = $Result::with_all_items(items);
        result.next_cursor = next;
        if revision.is_modern() {
            (result.ttl_ms, result.cache_scope) = $server.cache_hints();
            result.meta = $server.state.with_server_info(result.meta);
        }
        Ok(result)
    }};
}

impl ServerHandler for ToolServer {
    fn get_info(&self) -> ServerConfig {
        self.state.view().config.clone()
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        Cow::Borrowed(&SUPPORTED)
    }

    async fn discover(
        &self,
        _context: RequestContext<RoleServer>,
    ) -> Result<DiscoverResult, ErrorData> {
        let mut result = DiscoverResult::from_server_info(
            self.supported_protocol_versions().into_owned(),
            self.get_info(),
        );
        result.ttl_ms = CACHE_TTL.as_millis() as u64;
        result.cache_scope = match self.state.options.public {
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
        if self.connection.is_some() {
            context.peer.set_peer_info(request.clone());
        }
        let mut result = self.negotiate_initialize(&request)?;
        // 2026-07-28 introduced tasks and has no `initialize`.
        result.capabilities.extensions = None;
        result.downgrade(Revision::at(&result.protocol_version));
        if self.connection.is_none() {
            // No notification can reach a client without a lasting connection.
            let capabilities = &mut result.capabilities;
            if let Some(tools) = &mut capabilities.tools {
                tools.list_changed = None;
            }
            if let Some(prompts) = &mut capabilities.prompts {
                prompts.list_changed = None;
            }
            if let Some(resources) = &mut capabilities.resources {
                (resources.list_changed, resources.subscribe) = (None, None);
            }
        }
        Ok(result)
    }

    async fn on_initialized(&self, context: NotificationContext<RoleServer>) {
        let connection = self.notified_connection();
        if let Some(connection) = connection.filter(|connection| connection.start_notifying()) {
            // All requests of a session come from the caller of this notification.
            let scope = RequestScope::of(&context.extensions);
            let caller = scope.and_then(RequestScope::caller).cloned();
            // The task must not hold the connection: it ends when the connection is dropped.
            tokio::spawn(subscriptions::notify(
                self.state.clone(),
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
        // 2026-07-28 has the level in each request.
        if is_modern(&context) {
            return Err(ErrorData::method_not_found::<SetLevelRequestMethod>());
        }
        // Without a lasting connection there is nothing that keeps the level.
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
        self.require(|has| has.prompts.is_some())?;
        page!(self, prompts, ListPromptsResult, request, context)
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        self.require(|has| has.resources.is_some())?;
        page!(self, resources, ListResourcesResult, request, context)
    }

    async fn list_resource_templates(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        self.require(|has| has.resources.is_some())?;
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
        let request = tools::request(request);
        self.call(request, context).await
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        self.require(|has| has.prompts.is_some())?;
        let request = prompts::request(request);
        self.call(request, context).await
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        self.require(|has| has.resources.is_some())?;
        let request = resources::request(request);
        self.call(request, context).await
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        self.require(|has| has.completions.is_some())?;
        let request = completions::request(request)?;
        self.call(request, context).await
    }

    fn accepted_subscription_filter(
        &self,
        requested: &SubscriptionFilter,
    ) -> Option<SubscriptionFilter> {
        let changes = self.state.options.changes;
        changes.then(|| subscriptions::accepted_filter(requested.clone()))
    }

    async fn listen(&self, stream: SubscriptionContext) -> Result<(), ErrorData> {
        let caller = caller(stream.request_context()).map(|caller| &**caller);
        let streams = &self.state.streams;
        let Some(_place) = streams.take(user_client_key(caller), 1) else {
            let message = "there are too many open streams already; close one, or try again later";
            return Err(ErrorData::internal_error(message, None));
        };
        subscriptions::listen(&self.state, stream, self.state.draining.clone()).await
    }

    async fn subscribe(
        &self,
        request: SubscribeRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        match self.notified_connection() {
            Some(connection) => connection.subscribed.add(request.uri),
            None => Err(ErrorData::method_not_found::<SubscribeRequestMethod>()),
        }
    }

    async fn unsubscribe(
        &self,
        request: UnsubscribeRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        match self.notified_connection() {
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
        let owner = owner(&context);
        let task = self.state.tasks.state(&request.task_id, owner).await?;
        let mut result = GetTaskResult::new(task);
        result.meta = self.state.with_server_info(result.meta);
        Ok(result)
    }

    async fn update_task(
        &self,
        request: UpdateTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let owner = owner(&context);
        let (id, answers) = (&request.task_id, request.input_responses);
        self.state.tasks.answer(id, owner, answers).await
    }

    async fn cancel_task(
        &self,
        request: CancelTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let owner = owner(&context);
        self.state.tasks.cancel(&request.task_id, owner).await
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.state.view().tools.get(name).cloned()
    }

    /// Rejects unknown methods, and known methods whose parameters are malformed.
    async fn on_custom_request(
        &self,
        request: CustomRequest,
        context: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        let modern = is_modern(&context);
        let view = self.state.view();
        let capabilities = &view.config.capabilities;
        let is_known = match request.method.as_str() {
            "initialize" | "logging/setLevel" | "ping" => !modern,
            "server/discover" | "tasks/cancel" | "tasks/get" | "tasks/update" => modern,
            "tools/call" | "tools/list" => true,
            "prompts/get" | "prompts/list" => capabilities.prompts.is_some(),
            "resources/list" | "resources/read" | "resources/templates/list" => {
                capabilities.resources.is_some()
            }
            "resources/subscribe" | "resources/unsubscribe" => {
                !modern && self.notified_connection().is_some()
            }
            "subscriptions/listen" => modern && self.state.options.changes,
            "completion/complete" => capabilities.completions.is_some(),
            _ => false,
        };
        Err(if is_known {
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

/// Returns the key of the owner of a task.
fn owner(context: &RequestContext<RoleServer>) -> &str {
    user_client_key(caller(context).map(|caller| &**caller))
}

fn method_not_found(message: String) -> ErrorData {
    ErrorData::new(ErrorCode::METHOD_NOT_FOUND, message, None)
}
