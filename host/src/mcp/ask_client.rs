//! The three ways to ask a client a guest's questions.

use std::collections::HashSet;
use std::sync::Arc;

use futures::future::{join_all, try_join_all};
use rmcp::model::ClientCapabilities;
use rmcp::task_manager::TaskExit;
use rmcp::{ErrorData, Peer, RoleServer};
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::input_required::PendingRequest;
use super::task_handle::TaskHandle;
use crate::component::TargetKind;

/// Sentence for a call that cannot wait for answers because too many calls do.
pub(super) const TOO_MANY_WAITING: &str =
    "too many calls wait for answers already; answer those first";

/// A way to ask the client.
pub(super) enum AskClient {
    /// The client repeats its request with the answers (multi round-trip requests, 2026-07-28).
    ByRetry,
    /// The call waits while the client answers requests of the server (older revisions).
    Waiting {
        peer: Peer<RoleServer>,
        /// Permits for waiting calls of the connection; `None` if no question can reach the client.
        permits: Option<Arc<Semaphore>>,
        /// Cancelled when the client cancels its request or disconnects.
        cancelled: CancellationToken,
    },
    /// The client answers through the task that the call has become.
    Task {
        task: TaskHandle,
        /// Keys of earlier questions: a key must be unique within a task.
        used_keys: HashSet<String>,
    },
}

/// The reason there are no answers.
pub(super) enum NotAnswered {
    /// One sentence for the client.
    Rejected(String),
    Cancelled,
    Protocol(ErrorData),
}

impl AskClient {
    /// Asks through a task.
    pub(super) fn through(task: TaskHandle) -> Self {
        Self::Task {
            task,
            used_keys: HashSet::new(),
        }
    }

    /// Returns the error for questions that need a capability which the client has not declared.
    pub(super) fn undeclared<'a>(
        &self,
        needed: ClientCapabilities,
        questions: impl Iterator<Item = &'a PendingRequest>,
        target: TargetKind,
    ) -> NotAnswered {
        if !matches!(self, Self::Waiting { .. }) {
            return NotAnswered::Protocol(ErrorData::missing_required_client_capability(needed));
        }
        let methods: Vec<_> = questions.map(PendingRequest::method).collect();
        NotAnswered::Rejected(format!(
            "the {target} asks a question back ({}), which this client cannot answer",
            methods.join(", ")
        ))
    }

    /// Asks all questions of a round and returns the answers in the same order.
    ///
    /// # Errors
    /// A question is not answered. With [`ByRetry`](Self::ByRetry) nothing can be asked here: the result of the request
    /// carries the questions.
    pub(super) async fn ask(
        &mut self,
        questions: &[PendingRequest],
        target: TargetKind,
        round: usize,
    ) -> Result<Vec<Value>, NotAnswered> {
        match self {
            Self::ByRetry => Err(NotAnswered::Cancelled),
            Self::Waiting {
                peer,
                permits,
                cancelled,
            } => {
                // The call's own permit was released with its round.
                let permit = permits.as_ref().map(|permits| permits.try_acquire());
                let _permit = permit
                    .transpose()
                    .map_err(|_| NotAnswered::Rejected(TOO_MANY_WAITING.into()))?;
                let asking = questions.iter().map(|question| question.ask(peer, target));
                let answers = tokio::select! {
                    answers = join_all(asking) => answers,
                    () = cancelled.cancelled() => return Err(NotAnswered::Cancelled),
                };
                let answers: Result<_, _> = answers.into_iter().collect();
                answers.map_err(NotAnswered::Rejected)
            }
            Self::Task { task, used_keys } => {
                let mut asking = Vec::new();
                for question in questions {
                    let request = question.request(target).map_err(NotAnswered::Rejected)?;
                    let key = match used_keys.insert(question.key.clone()) {
                        true => question.key.clone(),
                        false => format!("{}#{}", question.key, round + 1),
                    };
                    asking.push(task.request_input(key, request));
                }
                try_join_all(asking).await.map_err(|exit| match exit {
                    TaskExit::Cancelled => NotAnswered::Cancelled,
                    TaskExit::Error(error) => NotAnswered::Protocol(error),
                })
            }
        }
    }
}
