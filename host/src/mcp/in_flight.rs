//! One round of a call in flight: the guest's future and the events that it reports.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use rmcp::ErrorData;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::notifications::Listener;
use crate::component::{CallError, Event, GuestContext, Outcome};

/// Events queued for a slow client; when the queue is full, the guest waits.
const MAX_QUEUED_EVENTS: usize = 16;
/// Time for which the result waits until the last events have been sent to a slow client.
const MAX_FLUSH_TIME: Duration = Duration::from_secs(1);

/// The future of one round of a guest.
pub(super) type GuestFuture<T> = BoxFuture<'static, Result<Outcome<T>, CallError>>;

/// A started round.
pub(super) struct RunningRound<T> {
    guest: BoxFuture<'static, std::thread::Result<Result<Outcome<T>, CallError>>>,
    /// `None` if nobody listens.
    events: Option<mpsc::Receiver<Event>>,
    /// The last progress message.
    last_message: Option<String>,
    cancelled: CancellationToken,
    call_id: String,
}

/// A round that ended without an outcome.
pub(super) struct Failed {
    /// `None` if the host panicked.
    pub(super) error: Option<CallError>,
    call_id: String,
}

impl<T: 'static> RunningRound<T> {
    /// Starts a round. The guest's events are received if `reports_events`, else they are discarded at their source.
    pub(super) fn start(
        mut context: GuestContext,
        reports_events: bool,
        guest: impl FnOnce(GuestContext) -> GuestFuture<T>,
    ) -> Self {
        let channel = reports_events.then(|| mpsc::channel(MAX_QUEUED_EVENTS));
        let (sender, events) = channel.unzip();
        context.events = sender;
        let (cancelled, call_id) = (context.cancelled.clone(), context.id.clone());
        let guest = AssertUnwindSafe(guest(context)).catch_unwind().boxed();
        Self {
            guest,
            events,
            last_message: None,
            cancelled,
            call_id,
        }
    }

    /// Runs the round to its end and passes its events to `listener`, all before the outcome is returned. Stops the
    /// guest when `stop` resolves.
    ///
    /// Cancel-safe: a dropped call can be continued by another one, also with another listener.
    ///
    /// # Errors
    /// The round ended without an outcome.
    pub(super) async fn drive(
        &mut self,
        listener: &Listener,
        stop: impl Future<Output = ()>,
    ) -> Result<Outcome<T>, Failed> {
        let mut is_relayed = self.events.is_none();
        let relaying = async {
            if let Some(events) = &mut self.events {
                listener.relay_all(events, &mut self.last_message).await;
            }
        };
        let mut relaying = pin!(relaying);
        let mut stop = pin!(stop);
        let ended = loop {
            tokio::select! {
                ended = &mut self.guest => break ended,
                () = &mut relaying, if !is_relayed => is_relayed = true,
                () = &mut stop, if !self.cancelled.is_cancelled() => self.cancelled.cancel(),
            }
        };
        if !is_relayed {
            let _ = tokio::time::timeout(MAX_FLUSH_TIME, relaying).await;
        }
        let failed = |error| Failed {
            error,
            call_id: self.call_id.clone(),
        };
        match ended {
            Ok(outcome) => outcome.map_err(|error| failed(Some(error))),
            Err(_panic) => {
                tracing::error!(call.id = %self.call_id, "call panicked");
                Err(failed(None))
            }
        }
    }
}

impl Failed {
    /// Returns whether the guest crashed or the host panicked.
    pub(super) fn is_crash(&self) -> bool {
        matches!(self.error, None | Some(CallError::Crashed(_)))
    }

    /// Returns one sentence for the client.
    pub(super) fn sentence(&self) -> String {
        let id = &self.call_id;
        match &self.error {
            Some(error) if error.has_more_in_log() => {
                format!("{error}; the host's log has the cause under call {id}")
            }
            Some(error) => error.to_string(),
            None => format!("the host failed; its log has the cause under call {id}"),
        }
    }

    /// Returns the error of the protocol, for methods whose results cannot report a failure.
    pub(super) fn to_protocol_error(&self) -> ErrorData {
        match &self.error {
            Some(CallError::InvalidArguments(fault)) => {
                ErrorData::invalid_params(fault.clone(), None)
            }
            _ => ErrorData::internal_error(self.sentence(), None),
        }
    }
}
