//! A call on its way: the guest's future, what it reports, and who listens.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::notifications::Listener;
use crate::component::{CallError, Event, GuestContext, Outcome};

/// Events that wait for a slow client before the guest waits too.
const QUEUE_EVENTS: usize = 16;
/// How long the last events of a call may take to reach a slow client.
const MAX_FLUSH: Duration = Duration::from_secs(1);

/// The future of one round of a call.
pub(super) type Round<T> = BoxFuture<'static, Result<Outcome<T>, CallError>>;

/// One round of a call.
pub(super) struct Running<T> {
    round: BoxFuture<'static, std::thread::Result<Result<Outcome<T>, CallError>>>,
    queue: mpsc::Receiver<Event>,
    /// The last message of its progress.
    reported: Option<String>,
    cancelled: CancellationToken,
    id: String,
}

/// Why a call gave no result, as the client may know it.
pub(super) struct Failed {
    /// `None` where the host itself failed.
    pub(super) error: Option<CallError>,
    id: String,
}

impl<T: 'static> Running<T> {
    /// Starts a round. `context` comes without a listener, and gets one when
    /// `heard`.
    pub(super) fn start(
        mut context: GuestContext,
        heard: bool,
        round: impl FnOnce(GuestContext) -> Round<T>,
    ) -> Self {
        let (events, queue) = mpsc::channel(QUEUE_EVENTS);
        context.events = heard.then_some(events);
        let (cancelled, id) = (context.cancelled.clone(), context.id.clone());
        let round = AssertUnwindSafe(round(context)).catch_unwind().boxed();
        Self {
            round,
            queue,
            reported: None,
            cancelled,
            id,
        }
    }

    /// Runs it to its end; stops it when `gone` resolves. What the guest reported
    /// before its result arrives before its result. Dropped before its end, this
    /// can be called again.
    ///
    /// # Errors
    /// Why there is no outcome.
    pub(super) async fn drive(
        &mut self,
        listener: &Listener,
        gone: impl Future<Output = ()>,
    ) -> Result<Outcome<T>, Failed> {
        let mut relaying = pin!(listener.hear_all(&mut self.queue, &mut self.reported));
        let mut gone = pin!(gone);
        let mut relayed = false;
        let ended = loop {
            tokio::select! {
                ended = &mut self.round => break ended,
                () = &mut relaying, if !relayed => relayed = true,
                () = &mut gone, if !self.cancelled.is_cancelled() => self.cancelled.cancel(),
            }
        };
        if !relayed {
            let _ = tokio::time::timeout(MAX_FLUSH, relaying).await;
        }
        let failed = |error| Failed {
            error,
            id: self.id.clone(),
        };
        match ended {
            Ok(outcome) => outcome.map_err(|error| failed(Some(error))),
            Err(_panic) => {
                tracing::error!(call.id = %self.id, "call panicked");
                Err(failed(None))
            }
        }
    }
}

impl Failed {
    /// Whether the guest crashed, or the host.
    pub(super) fn is_crash(&self) -> bool {
        matches!(self.error, None | Some(CallError::Crashed(_)))
    }

    /// One sentence for the client.
    pub(super) fn sentence(&self) -> String {
        let id = &self.id;
        match &self.error {
            Some(error) if error.has_more_in_log() => {
                format!("{error}; the host's log has the cause under call {id}")
            }
            Some(error) => error.to_string(),
            None => format!("the host failed; its log has the cause under call {id}"),
        }
    }
}
