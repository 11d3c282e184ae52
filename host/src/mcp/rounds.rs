//! The rounds of one call: the guest runs, asks questions, and runs again with the answers.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use rmcp::ErrorData;
use rmcp::model::{ClientCapabilities, InputRequiredResult};
use tokio_util::sync::CancellationToken;

use super::ask_client::{AskClient, NotAnswered, TOO_MANY_WAITING};
use super::call_id;
use super::caller::user_key;
use super::in_flight::{Failed, GuestFuture, RunningRound};
use super::input_required::{Binding, MAX_ROUNDS, Rounds, client_features, missing_capabilities};
use super::notifications::Listener;
use super::quota::{self, Share};
use super::seal::Seal;
use crate::catalog::{CallPermit, LiveCatalog, Target};
use crate::component::{Answer, DescribeCaller, GuestContext, Outcome};
use crate::telemetry::Record;

/// The input of one round of a guest. The arguments are those of [`Binding`].
pub(super) struct RoundInput {
    pub(super) answers: Vec<Answer>,
    pub(super) state: Option<Vec<u8>>,
    pub(super) context: GuestContext,
    /// Released when the guest has ended.
    pub(super) permit: CallPermit,
}

/// Starts a round of the guest.
pub(super) type StartRound<T> =
    Box<dyn Fn(&Target, &Binding, RoundInput) -> GuestFuture<T> + Send + Sync>;

/// A call, with everything that its rounds need.
pub(super) struct GuestCall<T> {
    pub(super) start: StartRound<T>,
    pub(super) target: Target,
    /// The request, to which the sealed state of a round is bound.
    pub(super) binding: Binding,
    /// The questions and answers so far.
    pub(super) rounds: Rounds,
    /// The capabilities that the client declared; `None` if it cannot be asked.
    pub(super) client: Option<ClientCapabilities>,
    /// The record of the request, which ends with the last guest.
    pub(super) record: Arc<Record>,
    /// Whether anybody listens to the guest's events.
    pub(super) reports_events: bool,
    /// The memory of the request until the call ends or its memory counts as that of a waiting call.
    pub(super) message_memory: Option<Share>,
    /// The caller's share of the memory for calls that wait for answers.
    pub(super) memory: Share,
    pub(super) live: LiveCatalog,
    pub(super) seal: Seal,
    pub(super) shutdown: CancellationToken,
}

/// The way a call ended.
pub(super) enum Ending<T> {
    Complete(T),
    /// The guest failed.
    Failed(Failed),
    /// The host rejected a round. One sentence for the client.
    Rejected(String),
    /// The client has to repeat the request with answers.
    InputRequired(InputRequiredResult),
    /// The client cancelled or the host is shutting down.
    Cancelled,
    Protocol(ErrorData),
    /// The call has not ended within its time and can be continued as a task.
    Slow(Box<(GuestCall<T>, RunningRound<T>)>),
}

impl<T> From<NotAnswered> for Ending<T> {
    fn from(reason: NotAnswered) -> Self {
        match reason {
            NotAnswered::Rejected(sentence) => Self::Rejected(sentence),
            NotAnswered::Cancelled => Self::Cancelled,
            NotAnswered::Protocol(error) => Self::Protocol(error),
        }
    }
}

impl<T: Send + 'static> GuestCall<T> {
    /// Returns the ending of a repeated request that still lacks answers; `None` if the guest can run.
    pub(super) fn still_unanswered(&self, ask: &AskClient) -> Option<Ending<T>> {
        let is_retry = matches!(ask, AskClient::ByRetry);
        (is_retry && self.rounds.missing().next().is_some()).then(|| self.require_input(ask))
    }

    fn caller(&self) -> Option<Arc<dyn DescribeCaller>> {
        let caller = self.binding.caller.clone()?;
        Some(caller)
    }

    /// Starts a round.
    pub(super) fn begin(&self, permit: CallPermit) -> RunningRound<T> {
        let (answers, state) = self.rounds.guest_input();
        let id = call_id::next();
        self.record
            .set(|facts| facts.call_id = Some(id.as_str().into()));
        let context = GuestContext {
            id,
            client_features: client_features(self.client.as_ref()),
            caller: self.caller(),
            events: None,
            cancelled: self.shutdown.child_token(),
            held: Some(Arc::new((permit.held(), self.record.clone()))),
            usage: self.record.usage(),
            span: self.record.span(),
        };
        RunningRound::start(context, self.reports_events, |context| {
            let input = RoundInput {
                answers,
                state,
                context,
                permit,
            };
            (self.start)(&self.target, &self.binding, input)
        })
    }

    /// Runs rounds until the call ends or has taken `time_limit` in one round. Stops the guest when `stop` resolves.
    pub(super) async fn run<S: Future<Output = ()>>(
        mut self,
        mut round: RunningRound<T>,
        listener: &Listener,
        ask: &mut AskClient,
        time_limit: Option<Duration>,
        stop: impl Fn() -> S,
    ) -> Ending<T> {
        if time_limit == Some(Duration::ZERO) {
            return Ending::Slow(Box::new((self, round)));
        }
        for round_number in 0..=MAX_ROUNDS {
            let driving = round.drive(listener, stop());
            let ended = match time_limit {
                None => driving.await,
                Some(limit) => match tokio::time::timeout(limit, driving).await {
                    Ok(ended) => ended,
                    Err(_) => return Ending::Slow(Box::new((self, round))),
                },
            };
            match ended {
                Err(failed) => return Ending::Failed(failed),
                Ok(Outcome::Complete(output)) => return Ending::Complete(output),
                Ok(Outcome::InputRequired(questions)) => self.rounds.ask(questions),
            }
            let target = self.target.called();
            if matches!(ask, AskClient::ByRetry) {
                return self.require_input(ask);
            }
            if let Some(needed) = missing_capabilities(&self.rounds, self.client.as_ref()) {
                return ask.undeclared(needed, self.rounds.missing(), target).into();
            }
            if round_number == MAX_ROUNDS {
                break;
            }
            if !self.reserve_memory() {
                return Ending::Rejected(TOO_MANY_WAITING.into());
            }
            self.message_memory = None;
            let questions: Vec<_> = self.rounds.missing().cloned().collect();
            let answers = tokio::select! {
                answers = Box::pin(ask.ask(&questions, target, round_number)) => answers,
                () = self.shutdown.cancelled() => Err(NotAnswered::Cancelled),
            };
            let answers = match answers {
                Ok(answers) => answers,
                Err(reason) => return reason.into(),
            };
            for (question, answer) in questions.iter().zip(answers) {
                if let Err(fault) = self.rounds.answer(question, answer) {
                    let key = &question.key;
                    return Ending::Rejected(format!(
                        "the client's answer to the question `{key}` {fault}"
                    ));
                }
            }
            // The permit of the previous round was released with it.
            let catalog = self.live.current();
            let caller = self.binding.caller.as_deref();
            round = match catalog.admit(&self.target, user_key(caller)).await {
                Ok(permit) => self.begin(permit),
                Err(limit) => return Ending::Rejected(limit.to_string()),
            };
        }
        Ending::Rejected(format!(
            "the {} asked its questions in more than {MAX_ROUNDS} rounds",
            self.target.called()
        ))
    }

    /// Returns the open questions as the result of the request.
    fn require_input(&self, ask: &AskClient) -> Ending<T> {
        let target = self.target.called();
        if let Some(needed) = missing_capabilities(&self.rounds, self.client.as_ref()) {
            return ask.undeclared(needed, self.rounds.missing(), target).into();
        }
        match self.rounds.seal(&self.seal, &self.binding, target) {
            Ok(result) => Ending::InputRequired(result),
            Err(sentence) => Ending::Rejected(sentence),
        }
    }

    /// Reserves the memory of a call that waits for answers, since the permit of a running call no longer limits it.
    fn reserve_memory(&mut self) -> bool {
        let arguments = quota::json_bytes(&self.binding.arguments);
        self.memory.resize(arguments + self.rounds.waiting_bytes())
    }
}
