//! `tools/call`, whose failures are results for the model and whose slow calls become tasks.

use std::sync::Arc;
use std::time::Duration;

use rmcp::ErrorData;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ClientCapabilities, CreateTaskResult,
    InputRequiredResult, MetaObject,
};
use rmcp::task_manager::TaskExit;
use serde_json::Value;

use super::ask_client::AskClient;
use super::call_context::CallContext;
use super::call_outcome;
use super::caller::user_client_key;
use super::calls::{CallRequest, GuestMethod, TaskPlan};
use super::convert;
use super::in_flight::{Failed, GuestFuture, RunningRound};
use super::input_required::Binding;
use super::notifications::Listener;
use super::rounds::{Ending, GuestCall, RoundInput};
use super::state::ServerState;
use super::task_handle::TaskHandle;
use super::tasks::{TASK_THRESHOLD, TaskSlot};
use crate::boxed_future::boxed_future;
use crate::catalog::{Target, TargetName};
use crate::component::{Call, CallError, TaskMode, ToolResult};

/// The method `tools/call`.
pub(super) struct ToolsCall;

/// Returns the request in the form of the driver.
pub(super) fn request(params: CallToolRequestParams) -> CallRequest<ToolsCall> {
    CallRequest {
        method: ToolsCall,
        target: TargetName::Tool(params.name.to_string()),
        name: params.name.into_owned(),
        arguments: Arc::new(Value::Object(params.arguments.unwrap_or_default())),
        state: params.request_state,
        responses: params.input_responses,
    }
}

impl GuestMethod for ToolsCall {
    const NAME: &'static str = "tools/call";
    type Output = ToolResult;
    type Result = CallToolResult;
    type Response = CallToolResponse;

    fn start(
        &self,
        target: &Target,
        binding: &Binding,
        input: RoundInput,
    ) -> GuestFuture<ToolResult> {
        let Target::Tool(tool) = target.clone() else {
            return Box::pin(async { Err(CallError::NotFound) });
        };
        let call = Call {
            arguments: binding.arguments.clone(),
            answers: input.answers,
            state: input.state,
            context: input.context,
        };
        boxed_future(|| async move { tool.call(call, input.permit).await })
    }

    fn task_plan(
        server: &ServerState,
        context: &CallContext,
        target: &Target,
    ) -> Result<TaskPlan<CallToolResult>, ErrorData> {
        let Target::Tool(tool) = target else {
            return Ok(TaskPlan::Never);
        };
        let supports_tasks = context.revision.is_modern()
            && context
                .client
                .as_ref()
                .is_some_and(ClientCapabilities::supports_tasks);
        let reserve = || {
            let limits = &tool.component().limits;
            let caller = user_client_key(context.caller.as_deref());
            let tasks = &server.tasks;
            tasks.reserve(caller, limits.time, limits.output_bytes)
        };
        let reject = |sentence: &str| Ok(TaskPlan::Reject(convert::failure(sentence)));
        match tool.tool().task {
            TaskMode::Auto if supports_tasks => Ok(match reserve() {
                Ok(task) => TaskPlan::After(TASK_THRESHOLD, task),
                Err(_) => TaskPlan::Never,
            }),
            TaskMode::Never | TaskMode::Auto => Ok(TaskPlan::Never),
            TaskMode::Required if supports_tasks => match reserve() {
                Ok(task) => Ok(TaskPlan::After(Duration::ZERO, task)),
                Err(reason) => reject(&reason.to_string()),
            },
            TaskMode::Required if context.revision.is_modern() => {
                let needed = ClientCapabilities::builder().enable_tasks().build();
                Err(ErrorData::missing_required_client_capability(needed))
            }
            TaskMode::Required => {
                reject("the tool runs only as a task, which this client does not support")
            }
        }
    }

    async fn continue_as_task(
        server: &ServerState,
        task: TaskSlot,
        call: GuestCall<ToolResult>,
        round: RunningRound<ToolResult>,
    ) -> Result<CallToolResponse, ErrorData> {
        let started = task.start(|task| Box::pin(run_as_task(call, round, task)));
        let task = match started.await {
            Ok(task) => task,
            Err(reason) => return Self::rejected(reason.to_string()).map(Into::into),
        };
        let mut created = CreateTaskResult::new(task);
        created.meta = server.with_server_info(None);
        Ok(created.into())
    }

    fn result(output: ToolResult, _: bool) -> CallToolResult {
        convert::result(output)
    }

    fn is_error(output: &ToolResult) -> bool {
        output.is_error
    }

    fn meta(result: &mut CallToolResult) -> &mut Option<MetaObject> {
        &mut result.meta
    }

    fn input_required(questions: InputRequiredResult) -> Result<CallToolResponse, ErrorData> {
        Ok(questions.into())
    }

    fn unknown_target(name: &str) -> ErrorData {
        let message = format!("unknown tool `{name}`; tools/list names those there are");
        ErrorData::invalid_params(message, None)
    }

    fn failed(failed: &Failed, _: &str) -> Result<CallToolResult, ErrorData> {
        Ok(convert::failure(failed.sentence()))
    }

    fn rejected(sentence: String) -> Result<CallToolResult, ErrorData> {
        Ok(convert::failure(sentence))
    }
}

/// Runs the rest of a call as a task.
///
/// # Errors
/// The task was cancelled, the guest crashed, or the client lacks a capability that a question needs.
async fn run_as_task(
    call: GuestCall<ToolResult>,
    round: RunningRound<ToolResult>,
    task: TaskHandle,
) -> Result<CallToolResult, TaskExit> {
    let listener = Listener::Task(task.clone());
    let mut ask = AskClient::through(task.clone());
    let stop = || task.cancelled();
    let record = call.record.clone();
    let ending = call.run(round, &listener, &mut ask, None, stop).await;
    let (outcome, reason) = call_outcome::of_ending(&ending, ToolsCall::is_error);
    record.end_later(outcome, reason);
    match ending {
        Ending::Complete(output) => Ok(convert::result(output)),
        Ending::Failed(_) if task.is_cancel_requested() => Err(TaskExit::Cancelled),
        // A task is `failed` only if the tool could not report the failure itself.
        Ending::Failed(failed) if failed.is_crash() => {
            Err(ErrorData::internal_error(failed.sentence(), None).into())
        }
        Ending::Failed(failed) => Ok(convert::failure(failed.sentence())),
        Ending::Rejected(sentence) => Ok(convert::failure(sentence)),
        Ending::Cancelled => Err(TaskExit::Cancelled),
        Ending::Protocol(error) => Err(error.into()),
        // A task has no time limit here and asks its client while it runs.
        Ending::InputRequired(_) | Ending::Slow(_) => {
            Err(ErrorData::internal_error("the task cannot continue", None).into())
        }
    }
}
