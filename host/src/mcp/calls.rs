//! The driver of the four methods that run a guest: admission, rounds, and the result.

use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use rmcp::ErrorData;
use rmcp::model::{InputRequiredResult, InputResponses, MetaObject};
use serde_json::Value;

use super::admission::AdmissionError;
use super::call_context::CallContext;
use super::call_outcome;
use super::caller::user_client_key;
use super::downgrade::Downgrade;
use super::in_flight::{Failed, GuestFuture, RunningRound};
use super::input_required::{Binding, Rounds};
use super::notifications::Listener;
use super::rounds::{Ending, GuestCall, RoundInput};
use super::state::ServerState;
use super::tasks::TaskSlot;
use crate::catalog::{Target, TargetName};
use crate::telemetry::Outcome;

/// One of the four methods: what it runs, and how it reports results and failures.
pub(super) trait GuestMethod: Sized + Send + Sync + 'static {
    /// The method in JSON-RPC.
    const NAME: &'static str;
    /// Whether the client is notified of the guest's progress and log messages.
    const REPORTS_EVENTS: bool = true;
    /// The output of the guest.
    type Output: Send + 'static;
    /// The complete result of the method.
    type Result: Into<Self::Response> + Downgrade;
    /// Everything that the method can be answered with.
    type Response: Send;

    /// Starts a round of the guest.
    fn start(
        &self,
        target: &Target,
        binding: &Binding,
        input: RoundInput,
    ) -> GuestFuture<Self::Output>;

    /// Checks the request against its target. Returns a result if there is nothing to run.
    ///
    /// # Errors
    /// The arguments are not those of the method.
    fn check(&self, _: &Target, _: &Value) -> Result<Option<Self::Result>, ErrorData> {
        Ok(None)
    }

    /// Decides whether the call may become a task. Only tools can.
    ///
    /// # Errors
    /// The client lacks a capability that the tool needs.
    fn task_plan(
        _: &ServerState,
        _: &CallContext,
        _: &Target,
    ) -> Result<TaskPlan<Self::Result>, ErrorData> {
        Ok(TaskPlan::Never)
    }

    /// Continues a slow call as a task.
    ///
    /// # Errors
    /// The method has no tasks.
    fn continue_as_task(
        _: &ServerState,
        _: TaskSlot,
        _: GuestCall<Self::Output>,
        _: RunningRound<Self::Output>,
    ) -> impl Future<Output = Result<Self::Response, ErrorData>> + Send {
        let message = "only tools become tasks";
        ready(Err(ErrorData::internal_error(message, None)))
    }

    /// Converts the guest's output.
    fn result(output: Self::Output, is_modern: bool) -> Self::Result;

    /// Returns whether the guest's output reports a failure.
    fn is_error(_: &Self::Output) -> bool {
        false
    }

    /// Returns the `_meta` of a result.
    fn meta(result: &mut Self::Result) -> &mut Option<MetaObject>;

    /// Converts questions to the client.
    ///
    /// # Errors
    /// The method has no questions.
    fn input_required(questions: InputRequiredResult) -> Result<Self::Response, ErrorData>;

    /// Returns the error for an unknown target.
    fn unknown_target(name: &str) -> ErrorData;

    /// Converts the failure of a guest.
    ///
    /// # Errors
    /// The method reports failures as errors of the protocol.
    fn failed(failed: &Failed, _name: &str) -> Result<Self::Result, ErrorData> {
        Err(failed.to_protocol_error())
    }

    /// Converts a sentence of the host about a call that it did not start or did not continue.
    ///
    /// # Errors
    /// The method reports failures as errors of the protocol.
    fn rejected(sentence: String) -> Result<Self::Result, ErrorData> {
        Err(ErrorData::internal_error(sentence, None))
    }
}

/// Whether and when a call becomes a task.
pub(super) enum TaskPlan<R> {
    Never,
    /// After this time, with the reserved place.
    After(Duration, TaskSlot),
    /// The call is answered with this result instead of being run.
    Reject(R),
}

/// A request of one of the four methods.
pub(super) struct CallRequest<M> {
    pub(super) method: M,
    pub(super) target: TargetName,
    /// The target as the client names it.
    pub(super) name: String,
    /// A JSON object.
    pub(super) arguments: Arc<Value>,
    /// The sealed state of an earlier round.
    pub(super) state: Option<String>,
    pub(super) responses: Option<InputResponses>,
}

/// Answers a request: admits it, runs its rounds, and converts the result.
///
/// # Errors
/// The error of the protocol to answer with.
pub(super) async fn run<M: GuestMethod>(
    server: &ServerState,
    mut context: CallContext,
    request: CallRequest<M>,
) -> Result<M::Response, ErrorData> {
    let revision = context.revision;
    let is_modern = revision.is_modern();
    let complete = |mut result: M::Result| -> M::Response {
        result.downgrade(revision);
        if is_modern {
            let meta = M::meta(&mut result);
            *meta = server.with_server_info(meta.take());
        }
        result.into()
    };
    let observer = &server.options.observer;
    let record = context.record.clone();
    let ticket = context
        .take_ticket(&server.live, &request.target, observer)
        .await;
    let ticket = match ticket {
        Ok(ticket) => ticket,
        Err(error) => {
            let (outcome, reason) = call_outcome::of_rejection(&error);
            record.end(outcome, reason);
            return match error {
                AdmissionError::UnknownTarget => Err(M::unknown_target(&request.name)),
                error => M::rejected(error.to_string()).map(Into::into),
            };
        }
    };
    ticket.target.record_in(&record);
    record.set_arguments(&request.arguments);
    record.set(|facts| facts.caller = context.caller.clone());
    let checked = request.method.check(&ticket.target, &request.arguments);
    if let Some(result) = checked.inspect_err(|_| record.end(Outcome::Invalid, None))? {
        record.end(Outcome::Ok, None);
        return Ok(complete(result));
    }
    let (time_limit, task) = match M::task_plan(server, &context, &ticket.target)? {
        TaskPlan::Never => (None, None),
        TaskPlan::After(time, task) => (Some(time), Some(task)),
        TaskPlan::Reject(result) => {
            record.end(Outcome::Refused, Some("needs a task".into()));
            return Ok(result.into());
        }
    };
    let name = request.name.clone();
    let listener = if M::REPORTS_EVENTS {
        Listener::Client(context.relay)
    } else {
        Listener::Nobody
    };
    let caller = context.caller.as_deref();
    let binding = Binding {
        method: M::NAME,
        name: request.name,
        arguments: request.arguments,
        caller: context.caller.clone(),
    };
    let rounds = if is_modern {
        let state = request.state.as_deref();
        Rounds::open(&server.seal, &binding, state, request.responses)?
    } else {
        Rounds::default()
    };
    let method = request.method;
    let call = GuestCall {
        start: Box::new(move |target, binding, input| method.start(target, binding, input)),
        target: ticket.target,
        binding,
        rounds,
        client: context.client,
        record: record.clone(),
        // The status of a task shows progress even if the client asked for no notifications.
        reports_events: time_limit.is_some() || listener.is_wanted(),
        message_memory: context.memory,
        memory: server.memory.share(user_client_key(caller)),
        live: server.live.clone(),
        seal: server.seal.clone(),
        shutdown: server.shutdown.clone(),
    };
    let mut ask = context.ask;
    let ending = match call.still_unanswered(&ask) {
        Some(ending) => ending,
        None => {
            let round = call.begin(ticket.permit);
            let stop = || context.cancelled.cancelled();
            let ending = call.run(round, &listener, &mut ask, time_limit, stop).await;
            match ending {
                // A tool that need not be a task answers its client instead.
                Ending::Slow(slow)
                    if time_limit != Some(Duration::ZERO)
                        && task.as_ref().is_some_and(TaskSlot::is_away) =>
                {
                    let (call, round) = *slow;
                    // Boxed, like everything rare, so that the future of a usual call stays small.
                    Box::pin(call.run(round, &listener, &mut ask, None, stop)).await
                }
                ending => ending,
            }
        }
    };
    let (outcome, reason) = call_outcome::of_ending(&ending, M::is_error);
    record.end(outcome, reason);
    match ending {
        Ending::Complete(output) => Ok(complete(M::result(output, is_modern))),
        Ending::Failed(failed) => M::failed(&failed, &name).map(complete),
        Ending::Rejected(sentence) => M::rejected(sentence).map(complete),
        Ending::Cancelled => M::rejected("the call was cancelled".into()).map(complete),
        Ending::Protocol(error) => Err(error),
        Ending::InputRequired(questions) => {
            // The server info that `with_server_info` returns is always present.
            let meta = server.with_server_info(None).unwrap_or_default();
            M::input_required(questions.with_meta(meta))
        }
        Ending::Slow(slow) => {
            let (call, round) = *slow;
            // Only a call with a reserved task has a time limit.
            let Some(task) = task else {
                return Err(ErrorData::internal_error(
                    "there is no room for a task",
                    None,
                ));
            };
            Box::pin(M::continue_as_task(server, task, call, round)).await
        }
    }
}
