//! A call over all its rounds: the guest runs, asks, and runs again with the
//! answers.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{join_all, try_join_all};
use rmcp::model::{CallToolResult, ClientCapabilities, InputRequiredResult};
use rmcp::task_manager::{TaskContext, TaskExit};
use rmcp::{ErrorData, Peer, RoleServer};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::convert;
use super::in_flight::{Failed, Round, Running};
use super::input_required::{
    Binding, MAX_ROUNDS, PendingRequest, Rounds, Seal, client_features, missing_capabilities,
};
use super::notifications::{Listener, Relay};
use super::quota::{self, Share};
use crate::catalog::{CallPermit, LiveCatalog, Rejection, Target};
use crate::component::{Answer, GuestContext, Outcome, Output, Principal, TargetKind};

const CANCELLED: &str = "the call was cancelled";
const TOO_MUCH_WAITS: &str = "too many calls wait for answers already; answer those first";

/// What a round of a call starts with.
pub(super) struct Inputs {
    pub(super) answers: Vec<Answer>,
    pub(super) state: Option<Vec<u8>>,
    pub(super) context: GuestContext,
    pub(super) permit: CallPermit,
}

/// A call, and everything that a further round of it needs.
pub(super) struct Conversation<T> {
    /// Starts a round.
    pub(super) start: Box<dyn Fn(Inputs) -> Round<T> + Send + Sync>,
    pub(super) found: Target,
    pub(super) live: LiveCatalog,
    pub(super) rounds: Rounds,
    pub(super) seal: Seal,
    /// What a sealed state is good for.
    pub(super) binding: Binding,
    /// What the client declared, where it can be asked at all.
    pub(super) client: Option<ClientCapabilities>,
    pub(super) caller: Option<Arc<Principal>>,
    /// Whom the rate is counted for.
    pub(super) rate_key: String,
    /// The caller's part of the memory that is kept while calls wait for answers.
    pub(super) memory: Share,
    pub(super) shutdown: CancellationToken,
}

/// How the client is talked to.
pub(super) enum Dialogue {
    /// It calls again with its answers (2026-07-28).
    ByRounds,
    /// It answers while the call waits (the older revisions).
    Waiting {
        peer: Peer<RoleServer>,
        /// Places for calls that wait; `None` where no question reaches it.
        places: Option<Arc<Semaphore>>,
    },
}

/// What came of it.
pub(super) enum Answered<T> {
    Done(T),
    Failed(Failed),
    /// One sentence.
    Refused(String),
    Asks(InputRequiredResult),
    /// It takes longer than the patience it was given.
    Long(Box<(Conversation<T>, Running<T>)>),
}

impl<T: Send + 'static> Conversation<T> {
    /// Talks until there is a result, a question for the client, or no more
    /// patience. Stops the guest when the client is `gone`.
    ///
    /// # Errors
    /// The client lacks a capability that a question needs.
    pub(super) async fn run(
        mut self,
        mut permit: CallPermit,
        dialogue: Dialogue,
        relay: Relay,
        patience: Option<Duration>,
        gone: &CancellationToken,
    ) -> Result<Answered<T>, ErrorData> {
        if matches!(dialogue, Dialogue::ByRounds) && self.rounds.missing().next().is_some() {
            // Every request declares anew what its client can be asked.
            return match missing_capabilities(&self.rounds, self.client.as_ref()) {
                Some(needed) => Err(ErrorData::missing_required_client_capability(needed)),
                None => Ok(self.asks()),
            };
        }
        let heard = relay.is_wanted() || patience.is_some();
        let listener = Listener::Client(relay);
        for round in 0..=MAX_ROUNDS {
            let mut running = self.begin(permit, heard);
            if patience == Some(Duration::ZERO) {
                return Ok(Answered::Long(Box::new((self, running))));
            }
            let driving = running.drive(&listener, gone.cancelled());
            let ended = match patience {
                None => driving.await,
                Some(patience) => match tokio::time::timeout(patience, driving).await {
                    Ok(ended) => ended,
                    Err(_) => return Ok(Answered::Long(Box::new((self, running)))),
                },
            };
            match ended {
                Err(failed) => return Ok(Answered::Failed(failed)),
                Ok(Outcome::Complete(done)) => return Ok(Answered::Done(done)),
                Ok(Outcome::InputRequired(questions)) => self.rounds.ask(questions),
            }
            let missing_capabilities = missing_capabilities(&self.rounds, self.client.as_ref());
            let (peer, places) = match (&dialogue, missing_capabilities) {
                (Dialogue::ByRounds, Some(needed)) => {
                    return Err(ErrorData::missing_required_client_capability(needed));
                }
                (Dialogue::ByRounds, None) => return Ok(self.asks()),
                (Dialogue::Waiting { .. }, Some(_)) => {
                    let methods: Vec<_> =
                        self.rounds.missing().map(PendingRequest::method).collect();
                    return Ok(Answered::Refused(format!(
                        "the {} asks a question back ({}), which this client cannot answer",
                        self.found.called(),
                        methods.join(", ")
                    )));
                }
                (Dialogue::Waiting { peer, places }, None) => (peer, places),
            };
            if round == MAX_ROUNDS {
                break;
            }
            // The place of the call itself went with its round.
            let place = places.as_ref().map(|places| places.try_acquire());
            if matches!(place, Some(Err(_))) || !self.takes_memory() {
                return Ok(Answered::Refused(TOO_MUCH_WAITS.into()));
            }
            let missing: Vec<_> = self.rounds.missing().cloned().collect();
            let called = self.found.called();
            let answers = tokio::select! {
                answers = join_all(missing.iter().map(|asked| asked.ask(peer, called))) => answers,
                () = gone.cancelled() => return Ok(Answered::Refused(CANCELLED.into())),
                () = self.shutdown.cancelled() => return Ok(Answered::Refused(CANCELLED.into())),
            };
            for (asked, answer) in missing.iter().zip(answers) {
                let taken = answer.and_then(|answer| self.take(asked, answer));
                if let Err(sentence) = taken {
                    return Ok(Answered::Refused(sentence));
                }
            }
            permit = match self.admit().await {
                Ok(permit) => permit,
                Err(refused) => return Ok(Answered::Refused(refused.to_string())),
            };
        }
        Ok(Answered::Refused(too_many_rounds(self.found.called())))
    }

    /// Starts a round.
    fn begin(&self, permit: CallPermit, heard: bool) -> Running<T> {
        let (answers, state) = self.rounds.guest_input();
        let context = GuestContext {
            id: uuid::Uuid::new_v4().simple().to_string(),
            client_features: client_features(self.client.as_ref()),
            caller: self.caller.clone(),
            events: None,
            cancelled: self.shutdown.child_token(),
        };
        Running::start(context, heard, |context| {
            (self.start)(Inputs {
                answers,
                state,
                context,
                permit,
            })
        })
    }

    /// Takes the memory of a call that waits for answers: its place does not stand
    /// for it meanwhile.
    fn takes_memory(&mut self) -> bool {
        let arguments = quota::object_bytes(&self.binding.arguments);
        self.memory.resize(arguments + self.rounds.waiting_bytes())
    }

    /// What the client gets for the questions that are open.
    fn asks(&self) -> Answered<T> {
        let called = self.found.called();
        match self.rounds.seal(&self.seal, &self.binding, called) {
            Ok(asks) => Answered::Asks(asks),
            Err(sentence) => Answered::Refused(sentence),
        }
    }

    fn take(&mut self, asked: &PendingRequest, answer: serde_json::Value) -> Result<(), String> {
        let key = asked.key.clone();
        self.rounds
            .answer(asked, answer)
            .map_err(|what| format!("the client's answer to the question `{key}` {what}"))
    }

    /// A place for the next round; the one before gave its place back.
    async fn admit(&self) -> Result<CallPermit, Rejection> {
        self.live.current().admit(&self.found, &self.rate_key).await
    }
}

impl Conversation<Output> {
    /// Goes on as a task, whose client is asked through the task.
    ///
    /// # Errors
    /// It was cancelled, or the client lacks a capability that a question needs.
    pub(super) async fn run_as_task(
        mut self,
        mut running: Running<Output>,
        task: TaskContext,
    ) -> Result<CallToolResult, TaskExit> {
        let listener = Listener::Task(task.clone());
        let mut used = HashSet::new();
        for round in 0..=MAX_ROUNDS {
            match running.drive(&listener, task.cancelled()).await {
                Ok(Outcome::Complete(output)) => return Ok(convert::result(output)),
                Ok(Outcome::InputRequired(questions)) => self.rounds.ask(questions),
                Err(_) if task.is_cancel_requested() => return Err(TaskExit::Cancelled),
                // A task fails where nobody decided that it should.
                Err(failed) if failed.is_crash() => {
                    return Err(ErrorData::internal_error(failed.sentence(), None).into());
                }
                Err(failed) => return Ok(convert::failure(failed.sentence())),
            }
            if let Some(needed) = missing_capabilities(&self.rounds, self.client.as_ref()) {
                return Err(ErrorData::missing_required_client_capability(needed).into());
            }
            if round == MAX_ROUNDS {
                break;
            }
            if !self.takes_memory() {
                return Ok(convert::failure(TOO_MUCH_WAITS));
            }
            let missing: Vec<_> = self.rounds.missing().cloned().collect();
            let mut asking = Vec::new();
            for asked in &missing {
                let request = match asked.request(self.found.called()) {
                    Ok(request) => request,
                    Err(sentence) => return Ok(convert::failure(sentence)),
                };
                // A key stands once in the life of a task.
                let key = match used.insert(asked.key.clone()) {
                    true => asked.key.clone(),
                    false => format!("{}#{}", asked.key, round + 1),
                };
                asking.push(task.request_input(key, request));
            }
            let answers = tokio::select! {
                answers = try_join_all(asking) => answers?,
                () = self.shutdown.cancelled() => return Err(TaskExit::Cancelled),
            };
            for (asked, answer) in missing.iter().zip(answers) {
                if let Err(sentence) = self.take(asked, answer) {
                    return Ok(convert::failure(sentence));
                }
            }
            running = match self.admit().await {
                Ok(permit) => self.begin(permit, true),
                Err(refused) => return Ok(convert::failure(refused.to_string())),
            };
        }
        Ok(convert::failure(too_many_rounds(self.found.called())))
    }
}

fn too_many_rounds(called: TargetKind) -> String {
    format!("the {called} asked its questions in more than {MAX_ROUNDS} rounds")
}
