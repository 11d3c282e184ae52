//! The protocol's requests, answered from the catalog.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use rmcp::handler::server::ServerHandler;
use rmcp::model::{
    CacheScope, CallToolRequestParams, CallToolResponse, CancelTaskParams, ClientCapabilities,
    CompleteRequestParams, CompleteResult, CompletionInfo, CreateTaskResult, CustomRequest,
    CustomResult, DiscoverResult, GetPromptRequestParams, GetPromptResponse, GetTaskParams,
    GetTaskResult, Implementation, InitializeRequestParams, InitializeResult,
    ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult, ListToolsResult,
    LoggingLevel, MetaObject, PaginatedRequestParams, ProtocolVersion, ReadResourceRequestParams,
    ReadResourceResponse, ServerConfig, SetLevelRequestMethod, SetLevelRequestParams,
    SubscribeRequestMethod, SubscribeRequestParams, SubscriptionFilter, Tool,
    UnsubscribeRequestMethod, UnsubscribeRequestParams, UpdateTaskParams,
};
use rmcp::service::{NotificationContext, RequestContext, SubscriptionContext};
use rmcp::{ErrorData, RoleServer};
use serde_json::{Value, json};
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

use super::changes::{self, Followed};
use super::conversation::{Answered, Conversation, Dialogue, Inputs};
use super::questions::{self, Rounds, Seal};
use super::relay::{Listener, Relay};
use super::running::{Failed, Round, Running};
use super::tasks::{PATIENCE, Room, Tasks};
use super::view::View;
use super::{PROTOCOL_VERSIONS, convert};
use crate::auth::Principal;
use crate::catalog::{Admission, Catalog, Found, Live, Refused, Subject};
use crate::component::{Askable, Call, CallError, CompletionRequest, Context, Outcome, TaskMode};

/// How long clients may keep what does not depend on the caller.
const LIST_TTL: Duration = Duration::from_secs(60);

/// What clients are told about the server.
#[derive(Debug, Clone)]
pub struct Settings {
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
    pub state_key: Option<Vec<u8>>,
}

/// An MCP server over a catalog. Cheap to clone: one stands for each request.
#[derive(Clone)]
pub struct ToolServer {
    shared: Arc<Shared>,
    /// Where a client has a connection that lasts.
    connection: Option<Arc<Connection>>,
}

struct Shared {
    live: Live,
    view: RwLock<Arc<View>>,
    settings: Settings,
    info: Implementation,
    server_info: Value,
    seal: Seal,
    tasks: Tasks,
    streams: Arc<Semaphore>,
    draining: CancellationToken,
    shutdown: CancellationToken,
}

/// What a client of an older revision has set for its connection.
struct Connection {
    level: Mutex<LoggingLevel>,
    followed: Arc<Followed>,
    ended: CancellationToken,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.ended.cancel();
    }
}

/// Why a call does not start.
enum NotAdmitted {
    Unknown,
    Refused(Refused),
}

impl ToolServer {
    /// A server of the live catalog. When `draining` fires, streams that have no
    /// end of their own end; when `shutdown` fires, running calls are stopped.
    pub fn new(
        live: Live,
        settings: Settings,
        draining: CancellationToken,
        shutdown: CancellationToken,
    ) -> Self {
        let info = Implementation::new(settings.name.clone(), env!("CARGO_PKG_VERSION"));
        let view = View::new(live.now(), &settings, &info);
        Self {
            shared: Arc::new(Shared {
                live,
                view: RwLock::new(Arc::new(view)),
                server_info: serde_json::to_value(&info).unwrap_or_default(),
                info,
                seal: Seal::new(settings.state_key.as_deref()),
                settings,
                tasks: Tasks::default(),
                streams: Arc::new(Semaphore::new(changes::MAX_STREAMS)),
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
            connection: Some(Arc::new(Connection {
                level: Mutex::new(LoggingLevel::Info),
                followed: Arc::default(),
                ended: CancellationToken::new(),
            })),
        }
    }

    /// The catalog that is served now, announced.
    pub(super) fn view(&self) -> Arc<View> {
        let shared = &self.shared;
        let now = shared.live.now();
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
        self.shared.live.changes()
    }

    /// What the request is for, with a place for its call.
    async fn admission(
        &self,
        subject: Subject,
        context: &RequestContext<RoleServer>,
    ) -> Result<Admission, NotAdmitted> {
        // Over HTTP it was judged where a refusal still has a status code: what was
        // not found there must not be found here, in a catalog that is newer.
        if let Some(parts) = context.extensions.get::<http::request::Parts>() {
            let admission = parts.extensions.get::<Admission>();
            return admission.cloned().ok_or(NotAdmitted::Unknown);
        }
        let catalog = self.shared.live.now();
        let found = catalog.find(&subject).ok_or(NotAdmitted::Unknown)?;
        match catalog.admit(&found, LOCAL).await {
            Ok(permit) => Ok(Admission { found, permit }),
            Err(refused) => Err(NotAdmitted::Refused(refused)),
        }
    }

    /// Talks with the client about one call.
    async fn converse<T: Send + 'static>(
        &self,
        request: Asking<'_>,
        admission: Admission,
        context: &RequestContext<RoleServer>,
        patience: Option<Duration>,
        start: impl Fn(Inputs) -> Round<T> + Send + Sync + 'static,
    ) -> Result<Answered<T>, ErrorData> {
        let shared = &self.shared;
        let principal = principal(context);
        let modern = is_modern(context);
        let binding = match modern {
            true => questions::binding(
                request.method,
                request.name,
                &request.arguments,
                principal,
            ),
            false => Vec::new(),
        };
        let rounds = match modern {
            true => Rounds::open(&shared.seal, &binding, request.state, request.responses)?,
            false => Rounds::default(),
        };
        let conversation = Conversation {
            start: Box::new(start),
            found: admission.found,
            live: shared.live.clone(),
            rounds,
            seal: shared.seal.clone(),
            binding,
            client: self.askable_client(modern, context),
            caller: principal.map(|principal| Arc::new(convert::caller(principal))),
            rate_key: rate_key(principal),
            shutdown: shared.shutdown.clone(),
        };
        let dialogue = match modern {
            true => Dialogue::ByRounds,
            false => Dialogue::Waiting(context.peer.clone()),
        };
        let relay = Relay {
            peer: context.peer.clone(),
            progress: context.meta.get_progress_token(),
            level: self.log_level(modern, context),
        };
        conversation
            .run(admission.permit, dialogue, relay, patience, &context.ct)
            .await
    }

    /// What the client declared, where a question can reach it: without a
    /// connection that lasts, clients of the older revisions hear none.
    fn askable_client(
        &self,
        modern: bool,
        context: &RequestContext<RoleServer>,
    ) -> Option<ClientCapabilities> {
        if modern || self.connection.is_some() {
            context.client_capabilities()
        } else {
            None
        }
    }

    /// What the client wants to hear: in the newest revision what the request
    /// says, before that what the connection has set, or `info` and above where
    /// no connection lasts (MCP 2025-11-25, logging).
    fn log_level(
        &self,
        modern: bool,
        context: &RequestContext<RoleServer>,
    ) -> Option<LoggingLevel> {
        match &self.connection {
            _ if modern => context.meta.log_level(),
            Some(connection) => {
                let level = connection.level.lock();
                Some(*level.unwrap_or_else(PoisonError::into_inner))
            }
            None => Some(LoggingLevel::Info),
        }
    }

    /// How long a call may take before it becomes a task; `None` for ever.
    ///
    /// # Errors
    /// The tool runs only as a task, and the client does not know tasks.
    fn patience(
        &self,
        mode: TaskMode,
        context: &RequestContext<RoleServer>,
    ) -> Result<Option<(Duration, Room)>, NoTasks> {
        let client = context.client_capabilities();
        let knows = is_modern(context) && client.is_some_and(|client| client.supports_tasks());
        let room = || self.shared.tasks.reserve(&owner(principal(context)));
        match mode {
            TaskMode::Never => Ok(None),
            TaskMode::Auto if knows => Ok(room().map(|room| (PATIENCE, room))),
            TaskMode::Auto => Ok(None),
            TaskMode::Required if !knows => Err(NoTasks::Undeclared),
            TaskMode::Required => match room() {
                Some(room) => Ok(Some((Duration::ZERO, room))),
                None => Err(NoTasks::Full),
            },
        }
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

    fn with_server_info(&self, meta: Option<MetaObject>) -> Option<MetaObject> {
        convert::with_server_info(meta, &self.shared.server_info)
    }

    fn live_connection(&self) -> Option<&Arc<Connection>> {
        self.connection
            .as_ref()
            .filter(|_| self.shared.settings.changes)
    }
}

/// What of a request a conversation needs to know.
struct Asking<'a> {
    method: &'static str,
    name: &'a str,
    arguments: Value,
    state: Option<&'a str>,
    responses: Option<rmcp::model::InputResponses>,
}

/// Why a tool that runs only as a task does not run.
enum NoTasks {
    Undeclared,
    Full,
}

/// Whom calls without HTTP are counted for.
const LOCAL: &str = "local";

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
        if let Some(connection) = self.live_connection() {
            // Without its own hold on the connection, or that would never end.
            let server = Self {
                shared: self.shared.clone(),
                connection: None,
            };
            tokio::spawn(changes::notify(
                server,
                context.peer,
                connection.followed.clone(),
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
            let mut level = connection
                .level
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            *level = request.level;
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
        page!(self, prompts, ListPromptsResult, request, context)
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        page!(self, resources, ListResourcesResult, request, context)
    }

    async fn list_resource_templates(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        page!(self, templates, ListResourceTemplatesResult, request, context)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let modern = is_modern(&context);
        let subject = Subject::Tool(request.name.to_string());
        let (entry, admission) = match self.admission(subject, &context).await {
            Ok(admission) => match &admission.found {
                Found::Tool(entry) => (entry.clone(), admission),
                _ => return Err(unknown("tool", &request.name)),
            },
            Err(NotAdmitted::Unknown) => return Err(unknown("tool", &request.name)),
            Err(NotAdmitted::Refused(refused)) => {
                return Ok(convert::failure(refused.to_string()).into());
            }
        };
        let (patience, room) = match self.patience(entry.tool().task, &context) {
            Ok(task) => task.unzip(),
            Err(NoTasks::Undeclared) if modern => {
                let needed = ClientCapabilities::builder().enable_tasks().build();
                return Err(ErrorData::missing_required_client_capability(needed));
            }
            Err(NoTasks::Undeclared) => {
                let sentence = "the tool runs only as a task, which this client does not support";
                return Ok(convert::failure(sentence).into());
            }
            Err(NoTasks::Full) => {
                let sentence = "there are too many tasks already; try again later";
                return Ok(convert::failure(sentence).into());
            }
        };
        let arguments = request.arguments.unwrap_or_default();
        let asking = Asking {
            method: "tools/call",
            name: &request.name,
            arguments: match modern {
                true => Value::Object(arguments.clone()),
                false => Value::Null,
            },
            state: request.request_state.as_deref(),
            responses: request.input_responses,
        };
        let start = move |inputs: Inputs| -> Round<_> {
            let entry = entry.clone();
            let call = Call {
                arguments: arguments.clone(),
                answers: inputs.answers,
                state: inputs.state,
                context: inputs.context,
            };
            Box::pin(async move { entry.call(call, inputs.permit).await })
        };
        let answered = self
            .converse(asking, admission, &context, patience, start)
            .await?;
        let mut result = match answered {
            Answered::Done(output) => convert::result(output),
            Answered::Failed(failed) => convert::failure(failed.sentence()),
            Answered::Refused(sentence) => convert::failure(sentence),
            Answered::Asks(asks) => {
                let meta = self.with_server_info(None).unwrap_or_default();
                return Ok(asks.with_meta(meta).into());
            }
            Answered::Long(long) => {
                let (conversation, running) = *long;
                // There was no patience without a room.
                let Some(room) = room else {
                    return Err(ErrorData::internal_error("there is no room for a task", None));
                };
                let task = room.spawn(|task| Box::pin(conversation.run_as_task(running, task)));
                return Ok(CreateTaskResult::new(task).into());
            }
        };
        if modern {
            result.meta = self.with_server_info(result.meta);
        }
        Ok(result.into())
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let subject = Subject::Prompt(request.name.clone());
        let (offer, admission) = match self.admission(subject, &context).await {
            Ok(admission) => match &admission.found {
                Found::Prompt(offer) => (offer.clone(), admission),
                _ => return Err(unknown("prompt", &request.name)),
            },
            Err(NotAdmitted::Unknown) => return Err(unknown("prompt", &request.name)),
            Err(NotAdmitted::Refused(refused)) => return Err(busy(refused)),
        };
        let mut arguments = Vec::new();
        for (name, value) in request.arguments.unwrap_or_default() {
            match value {
                Value::String(value) => arguments.push((name, value)),
                _ => {
                    let message = format!("`/arguments/{name}` must be a string");
                    return Err(ErrorData::invalid_params(message, None));
                }
            }
        }
        let asking = Asking {
            method: "prompts/get",
            name: &request.name,
            arguments: json!(arguments),
            state: request.request_state.as_deref(),
            responses: request.input_responses,
        };
        let start = move |inputs: Inputs| -> Round<_> {
            let offer = offer.clone();
            let call = Call {
                arguments: arguments.clone(),
                answers: inputs.answers,
                state: inputs.state,
                context: inputs.context,
            };
            Box::pin(async move { offer.fill(call, inputs.permit).await })
        };
        let answered = self.converse(asking, admission, &context, None, start);
        let mut result = match complete(answered.await?)? {
            Ok(filled) => convert::filled(filled),
            Err(asks) => {
                let meta = self.with_server_info(None).unwrap_or_default();
                return Ok(asks.with_meta(meta).into());
            }
        };
        if is_modern(&context) {
            result.meta = self.with_server_info(result.meta);
        }
        Ok(result.into())
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let subject = Subject::Resource(request.uri.clone());
        let admission = match self.admission(subject, &context).await {
            Ok(admission) => admission,
            Err(NotAdmitted::Unknown) => return Err(no_resource(&request.uri)),
            Err(NotAdmitted::Refused(refused)) => return Err(busy(refused)),
        };
        let asking = Asking {
            method: "resources/read",
            name: &request.uri,
            arguments: Value::Null,
            state: request.request_state.as_deref(),
            responses: request.input_responses,
        };
        let (found, uri) = (admission.found.clone(), request.uri.clone());
        let start = move |inputs: Inputs| -> Round<_> {
            let found = found.clone();
            let call = Call {
                arguments: uri.clone(),
                answers: inputs.answers,
                state: inputs.state,
                context: inputs.context,
            };
            Box::pin(async move { found.read(call, inputs.permit).await })
        };
        let answered = self.converse(asking, admission, &context, None, start);
        let mut result = match answered.await? {
            Answered::Failed(Failed {
                error: Some(CallError::NotFound),
                ..
            }) => return Err(no_resource(&request.uri)),
            answered => match complete(answered)? {
                Ok(parts) => convert::document(parts),
                Err(asks) => {
                    let meta = self.with_server_info(None).unwrap_or_default();
                    return Ok(asks.with_meta(meta).into());
                }
            },
        };
        if is_modern(&context) {
            // What a document says may depend on the caller and on the moment.
            (result.ttl_ms, result.cache_scope) = (Some(0), Some(CacheScope::Private));
            result.meta = self.with_server_info(result.meta);
        }
        Ok(result.into())
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        let Some((subject, name)) = convert::subject(&request.r#ref) else {
            return Err(ErrorData::invalid_params("unknown kind of `ref`", None));
        };
        let Admission { found, permit } = match self.admission(subject, &context).await {
            Ok(admission) => admission,
            Err(NotAdmitted::Unknown) => return Err(unknown("prompt or template", name)),
            Err(NotAdmitted::Refused(refused)) => return Err(busy(refused)),
        };
        let Some(subject) = convert::completed(&found).filter(|_| found.completes()) else {
            let nothing = CompletionInfo::default();
            return Ok(CompleteResult::new(nothing));
        };
        let others = request.context.and_then(|context| context.arguments);
        let request = CompletionRequest {
            subject,
            argument: request.argument.name,
            value: request.argument.value,
            others: others.unwrap_or_default().into_iter().collect(),
        };
        let caller = principal(&context).map(|principal| Arc::new(convert::caller(principal)));
        let guest = Context {
            id: uuid::Uuid::new_v4().simple().to_string(),
            askable: Askable::default(),
            caller,
            events: None,
            cancelled: self.shared.shutdown.child_token(),
        };
        let mut running = Running::start(guest, false, |guest| {
            Box::pin(async move {
                let completion = found.complete(request, guest, permit).await?;
                Ok(Outcome::Complete(completion))
            })
        });
        let mut result = match running.drive(&Listener::Nobody, context.ct.cancelled()).await {
            Ok(Outcome::Complete(completion)) => convert::completion(completion),
            // Completing has no questions.
            Ok(Outcome::InputRequired(_)) => CompleteResult::new(CompletionInfo::default()),
            Err(failed) => return Err(failure(&failed)),
        };
        if is_modern(&context) {
            result.meta = self.with_server_info(result.meta);
        }
        Ok(result)
    }

    fn accepted_subscription_filter(
        &self,
        requested: &SubscriptionFilter,
    ) -> Option<SubscriptionFilter> {
        let followed = requested.resource_subscriptions.as_ref();
        let in_bounds = followed.is_none_or(|uris| uris.len() <= changes::MAX_FOLLOWED);
        (self.shared.settings.changes && in_bounds).then(|| requested.clone())
    }

    async fn listen(&self, stream: SubscriptionContext) -> Result<(), ErrorData> {
        let Ok(_place) = self.shared.streams.clone().try_acquire_owned() else {
            let message = "the server has too many open streams; try again later";
            return Err(ErrorData::internal_error(message, None));
        };
        changes::listen(self, stream, self.shared.draining.clone()).await
    }

    async fn subscribe(
        &self,
        request: SubscribeRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        match self.live_connection() {
            Some(connection) => connection.followed.add(request.uri),
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
                connection.followed.remove(&request.uri);
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
        _context: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        const KNOWN: [&str; 18] = [
            "completion/complete",
            "initialize",
            "logging/setLevel",
            "ping",
            "prompts/get",
            "prompts/list",
            "resources/list",
            "resources/read",
            "resources/subscribe",
            "resources/templates/list",
            "resources/unsubscribe",
            "server/discover",
            "subscriptions/listen",
            "tasks/cancel",
            "tasks/get",
            "tasks/update",
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

/// A prompt or a document, or the questions that come before it; failures are
/// errors of the protocol there.
fn complete<T>(
    answered: Answered<T>,
) -> Result<Result<T, rmcp::model::InputRequiredResult>, ErrorData> {
    match answered {
        Answered::Done(done) => Ok(Ok(done)),
        Answered::Asks(asks) => Ok(Err(asks)),
        Answered::Failed(failed) => Err(failure(&failed)),
        Answered::Refused(sentence) => Err(ErrorData::internal_error(sentence, None)),
        Answered::Long(_) => Err(ErrorData::internal_error("only tools become tasks", None)),
    }
}

fn failure(failed: &Failed) -> ErrorData {
    match &failed.error {
        Some(CallError::InvalidArguments(what)) => ErrorData::invalid_params(what.clone(), None),
        _ => ErrorData::internal_error(failed.sentence(), None),
    }
}

fn unknown(kind: &str, name: &str) -> ErrorData {
    let list = match kind {
        "tool" => "tools/list names those there are",
        "prompt" => "prompts/list names those there are",
        _ => "prompts/list and resources/templates/list name those there are",
    };
    ErrorData::invalid_params(format!("unknown {kind} `{name}`; {list}"), None)
}

fn no_resource(uri: &str) -> ErrorData {
    ErrorData::resource_not_found("there is no such resource", Some(json!({ "uri": uri })))
}

fn busy(refused: Refused) -> ErrorData {
    ErrorData::internal_error(refused.to_string(), None)
}

/// Whom the guard let in; `None` without a guard.
fn principal(context: &RequestContext<RoleServer>) -> Option<&Principal> {
    let parts = context.extensions.get::<http::request::Parts>()?;
    parts.extensions.get::<Arc<Principal>>().map(|p| &**p)
}

/// Whom a rate is counted for.
pub(crate) fn rate_key(principal: Option<&Principal>) -> String {
    match principal {
        Some(principal) => format!("{}\n{}", principal.issuer, principal.subject),
        None => "anonymous".into(),
    }
}

/// Whose a task is: issuer, subject and client, as with sessions.
fn owner(principal: Option<&Principal>) -> String {
    principal.map_or_else(String::new, |p| json!([p.issuer, p.subject, p.client_id]).to_string())
}

/// ISO dates compare as text.
fn is_modern(context: &RequestContext<RoleServer>) -> bool {
    context
        .protocol_version()
        .is_some_and(|version| version.as_str() >= ProtocolVersion::V_2026_07_28.as_str())
}
