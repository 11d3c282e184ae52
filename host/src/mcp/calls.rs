//! The requests that run a guest: tools, prompts, documents, completions.

use std::sync::Arc;
use std::time::Duration;

use rmcp::model::{
    CacheScope, CallToolRequestParams, CallToolResponse, ClientCapabilities, CompleteRequestParams,
    CompleteResult, CompletionInfo, CreateTaskResult, GetPromptRequestParams, GetPromptResponse,
    InputRequiredResult, InputResponses, LoggingLevel, ReadResourceRequestParams,
    ReadResourceResponse,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer};
use serde_json::{Value, json};

use super::caller::{is_modern, owner, principal, rate_key, shared_principal};
use super::convert;
use super::in_flight::{Failed, Round, Running};
use super::input_required::{Binding, Rounds};
use super::notifications::{Listener, Relay};
use super::rounds::{Answered, Conversation, Dialogue, Inputs};
use super::server::ToolServer;
use super::tasks::{TASK_THRESHOLD, TaskSlot};
use crate::catalog::{Admitted, CallTicket, Rejection, Target, TargetName, ToolEntry};
use crate::component::{
    Call, CallError, ClientFeatures, CompletionRequest, GuestContext, Outcome, TaskMode,
};

/// Why a call does not start.
enum NotAdmitted {
    Unknown,
    Refused(Rejection),
}

/// What of a request a conversation needs to know.
struct Asking<'a> {
    binding: Binding,
    state: Option<&'a str>,
    responses: Option<InputResponses>,
    /// What the client declared.
    client: Option<ClientCapabilities>,
}

/// Why a tool that runs only as a task does not run.
enum NoTasks {
    Undeclared,
    Full,
}

impl ToolServer {
    /// `tools/call`
    pub(super) async fn tool(
        &self,
        request: CallToolRequestParams,
        context: &RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let modern = is_modern(context);
        let subject = TargetName::Tool(request.name.to_string());
        let (entry, admission) = match self.admission(subject, context).await {
            Ok(admission) => match &admission.target {
                Target::Tool(entry) => (entry.clone(), admission),
                _ => return Err(unknown("tool", &request.name)),
            },
            Err(NotAdmitted::Unknown) => return Err(unknown("tool", &request.name)),
            Err(NotAdmitted::Refused(refused)) => {
                return Ok(convert::failure(refused.to_string()).into());
            }
        };
        let client = context.client_capabilities();
        let knows_tasks = modern
            && client
                .as_ref()
                .is_some_and(|client| client.supports_tasks());
        let (patience, room) = match self.patience(&entry, knows_tasks, context) {
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
                let sentence = "there are too many tasks already, or their results are too large; \
                                try again when the first ones have expired";
                return Ok(convert::failure(sentence).into());
            }
        };
        let arguments = Arc::new(request.arguments.unwrap_or_default());
        let asking = Asking {
            binding: Binding {
                method: "tools/call",
                name: request.name.into_owned(),
                arguments: arguments.clone(),
                caller: shared_principal(context).cloned(),
            },
            state: request.request_state.as_deref(),
            responses: request.input_responses,
            client,
        };
        let start = move |inputs: Inputs| -> Round<_> {
            let entry = entry.clone();
            let call = Call {
                arguments: (*arguments).clone(),
                answers: inputs.answers,
                state: inputs.state,
                context: inputs.context,
            };
            Box::pin(async move { entry.call(call, inputs.permit).await })
        };
        let answered = self
            .converse(asking, admission, context, patience, start)
            .await?;
        let mut result = match answered {
            Answered::Done(output) => convert::result(output),
            Answered::Failed(failed) => convert::failure(failed.sentence()),
            Answered::Refused(sentence) => convert::failure(sentence),
            Answered::Asks(asks) => return Ok(self.asking(asks).into()),
            Answered::Long(long) => {
                let (conversation, running) = *long;
                // There was no patience without a room.
                let Some(room) = room else {
                    return Err(ErrorData::internal_error(
                        "there is no room for a task",
                        None,
                    ));
                };
                let task = room.spawn(|task| Box::pin(conversation.run_as_task(running, task)));
                let mut created = CreateTaskResult::new(task);
                created.meta = self.with_server_info(None);
                return Ok(created.into());
            }
        };
        if modern {
            result.meta = self.with_server_info(result.meta);
        }
        Ok(result.into())
    }

    /// `prompts/get`
    pub(super) async fn prompt(
        &self,
        request: GetPromptRequestParams,
        context: &RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let subject = TargetName::Prompt(request.name.clone());
        let (offer, admission) = match self.admission(subject, context).await {
            Ok(admission) => match &admission.target {
                Target::Prompt(offer) => (offer.clone(), admission),
                _ => return Err(unknown("prompt", &request.name)),
            },
            Err(NotAdmitted::Unknown) => return Err(unknown("prompt", &request.name)),
            Err(NotAdmitted::Refused(refused)) => return Err(busy(refused)),
        };
        let given = Arc::new(request.arguments.unwrap_or_default());
        let mut arguments = Vec::new();
        for (name, value) in given.iter() {
            match value {
                Value::String(value) => arguments.push((name.clone(), value.clone())),
                _ => {
                    let message =
                        format!("`/arguments/{}` must be a string", convert::pointer(name));
                    return Err(ErrorData::invalid_params(message, None));
                }
            }
        }
        let asking = Asking {
            binding: Binding {
                method: "prompts/get",
                name: request.name,
                arguments: given,
                caller: shared_principal(context).cloned(),
            },
            state: request.request_state.as_deref(),
            responses: request.input_responses,
            client: context.client_capabilities(),
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
        let answered = self.converse(asking, admission, context, None, start);
        let mut result = match complete(answered.await?)? {
            Ok(filled) => convert::prompt_result(filled),
            Err(asks) => return Ok(self.asking(asks).into()),
        };
        if is_modern(context) {
            result.meta = self.with_server_info(result.meta);
        }
        Ok(result.into())
    }

    /// `resources/read`
    pub(super) async fn document(
        &self,
        request: ReadResourceRequestParams,
        context: &RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let subject = TargetName::Resource(request.uri.clone());
        let admission = match self.admission(subject, context).await {
            Ok(admission) => admission,
            Err(NotAdmitted::Unknown) => return Err(no_resource(&request.uri)),
            Err(NotAdmitted::Refused(refused)) => return Err(busy(refused)),
        };
        let asking = Asking {
            binding: Binding {
                method: "resources/read",
                name: request.uri.clone(),
                arguments: Arc::default(),
                caller: shared_principal(context).cloned(),
            },
            state: request.request_state.as_deref(),
            responses: request.input_responses,
            client: context.client_capabilities(),
        };
        let (found, uri) = (admission.target.clone(), request.uri.clone());
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
        let answered = self.converse(asking, admission, context, None, start);
        let mut result = match answered.await? {
            Answered::Failed(Failed {
                error: Some(CallError::NotFound),
                ..
            }) => return Err(no_resource(&request.uri)),
            answered => match complete(answered)? {
                Ok(parts) => convert::resource_result(parts),
                Err(asks) => return Ok(self.asking(asks).into()),
            },
        };
        if is_modern(context) {
            // What a document says may depend on the caller and on the moment.
            (result.ttl_ms, result.cache_scope) = (Some(0), Some(CacheScope::Private));
            result.meta = self.with_server_info(result.meta);
        }
        Ok(result.into())
    }

    /// `completion/complete`
    pub(super) async fn completion(
        &self,
        request: CompleteRequestParams,
        context: &RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        let Some((subject, name)) = convert::completion_target(&request.r#ref) else {
            return Err(ErrorData::invalid_params("unknown kind of `ref`", None));
        };
        let CallTicket {
            target: found,
            permit,
        } = match self.admission(subject, context).await {
            Ok(admission) => admission,
            Err(NotAdmitted::Unknown) => return Err(unknown("prompt or template", name)),
            Err(NotAdmitted::Refused(refused)) => return Err(busy(refused)),
        };
        let Some(subject) = convert::completion_subject(&found).filter(|_| found.completes())
        else {
            return Ok(self.completed(CompleteResult::new(CompletionInfo::default()), context));
        };
        let others = request.context.and_then(|context| context.arguments);
        let request = CompletionRequest {
            subject,
            argument: request.argument.name,
            value: request.argument.value,
            others: others.unwrap_or_default().into_iter().collect(),
        };
        let caller = principal(context).map(|principal| Arc::new(convert::guest_caller(principal)));
        let guest = GuestContext {
            id: uuid::Uuid::new_v4().simple().to_string(),
            client_features: ClientFeatures::default(),
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
        let result = match running
            .drive(&Listener::Nobody, context.ct.cancelled())
            .await
        {
            Ok(Outcome::Complete(completion)) => convert::completion(completion),
            // Completing has no questions.
            Ok(Outcome::InputRequired(_)) => CompleteResult::new(CompletionInfo::default()),
            Err(failed) => return Err(failure(&failed)),
        };
        Ok(self.completed(result, context))
    }

    fn completed(
        &self,
        mut result: CompleteResult,
        context: &RequestContext<RoleServer>,
    ) -> CompleteResult {
        if is_modern(context) {
            result.meta = self.with_server_info(result.meta);
        }
        result
    }

    /// What the request is for, with a place for its call.
    async fn admission(
        &self,
        subject: TargetName,
        context: &RequestContext<RoleServer>,
    ) -> Result<CallTicket, NotAdmitted> {
        // Over HTTP it was judged where a refusal still has a status code: what was
        // not found there must not be found here, in a catalog that is newer.
        if let Some(parts) = context.extensions.get::<http::request::Parts>() {
            let admitted = parts.extensions.get::<Admitted>();
            let admission = admitted.and_then(Admitted::take);
            return admission.ok_or(NotAdmitted::Unknown);
        }
        let catalog = self.shared.live.current();
        let found = catalog.find(&subject).ok_or(NotAdmitted::Unknown)?;
        match catalog.admit(&found, &rate_key(None)).await {
            Ok(permit) => Ok(CallTicket {
                target: found,
                permit,
            }),
            Err(refused) => Err(NotAdmitted::Refused(refused)),
        }
    }

    /// Talks with the client about one call.
    async fn converse<T: Send + 'static>(
        &self,
        request: Asking<'_>,
        admission: CallTicket,
        context: &RequestContext<RoleServer>,
        patience: Option<Duration>,
        start: impl Fn(Inputs) -> Round<T> + Send + Sync + 'static,
    ) -> Result<Answered<T>, ErrorData> {
        let shared = &self.shared;
        let principal = principal(context);
        let modern = is_modern(context);
        let binding = request.binding;
        let rounds = match modern {
            true => Rounds::open(&shared.seal, &binding, request.state, request.responses)?,
            false => Rounds::default(),
        };
        // Without a connection that lasts, no question reaches a client of the older
        // revisions.
        let can_be_asked = modern || self.connection.is_some();
        let conversation = Conversation {
            start: Box::new(start),
            found: admission.target,
            live: shared.live.clone(),
            rounds,
            seal: shared.seal.clone(),
            binding,
            client: request.client.filter(|_| can_be_asked),
            caller: principal.map(|principal| Arc::new(convert::guest_caller(principal))),
            rate_key: rate_key(principal),
            memory: shared.memory.share(&owner(principal)),
            shutdown: shared.shutdown.clone(),
        };
        let dialogue = match modern {
            true => Dialogue::ByRounds,
            false => Dialogue::Waiting {
                peer: context.peer.clone(),
                places: self.connection.as_ref().map(|c| c.waiting.clone()),
            },
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
            Some(connection) => Some(connection.level()),
            None => Some(LoggingLevel::Info),
        }
    }

    /// How long a call may take before it becomes a task; `None` for ever.
    ///
    /// # Errors
    /// The tool runs only as a task, and the client does not know tasks.
    fn patience(
        &self,
        entry: &ToolEntry,
        knows: bool,
        context: &RequestContext<RoleServer>,
    ) -> Result<Option<(Duration, TaskSlot)>, NoTasks> {
        let room = || {
            let (tasks, limits) = (&self.shared.tasks, &entry.component().limits);
            let owner = owner(principal(context));
            tasks.reserve(&owner, limits.time, limits.output_bytes)
        };
        match entry.tool().task {
            TaskMode::Never => Ok(None),
            TaskMode::Auto if knows => Ok(room().map(|room| (TASK_THRESHOLD, room))),
            TaskMode::Auto => Ok(None),
            TaskMode::Required if !knows => Err(NoTasks::Undeclared),
            TaskMode::Required => match room() {
                Some(room) => Ok(Some((Duration::ZERO, room))),
                None => Err(NoTasks::Full),
            },
        }
    }
}

/// A prompt or a document, or the questions that come before it; failures are
/// errors of the protocol there.
fn complete<T>(answered: Answered<T>) -> Result<Result<T, InputRequiredResult>, ErrorData> {
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

fn busy(refused: Rejection) -> ErrorData {
    ErrorData::internal_error(refused.to_string(), None)
}
