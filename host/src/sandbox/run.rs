//! Runs a guest's future within its limits and fairly beside the others.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::Limits;
use crate::engine::Crew;

/// Processor time that a call may use on the thread that serves its request.
/// Most calls end within it; the others move to the [`Crew`].
const LIGHT: Duration = Duration::from_millis(1);

/// Why the host stopped a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Stopped {
    /// [`Limits::time`] has passed.
    #[error("the call was stopped after its time limit of {0:?}")]
    Time(Duration),
    /// [`Limits::cpu`] is used up.
    #[error("the call was stopped after its limit of {0:?} of processor time")]
    Cpu(Duration),
    /// The client has gone, or the host is shutting down.
    #[error("the call was cancelled")]
    Cancelled,
}

/// Runs `guest` to its end or to the first limit it meets. The guest comes back
/// to the host at every [`TICK`](crate::engine::TICK), and has ended when this
/// returns.
///
/// # Errors
/// What stopped it.
pub async fn run<T: Send + 'static>(
    limits: &Limits,
    crew: &Crew,
    cancelled: &CancellationToken,
    guest: impl Future<Output = T> + Send + 'static,
) -> Result<T, Stopped> {
    let mut guest = Metered {
        guest: Box::pin(guest),
        used: Duration::ZERO,
        cpu: limits.cpu,
    };
    let time = async {
        tokio::time::sleep(limits.time).await;
        Stopped::Time(limits.time)
    };
    let stop = async {
        tokio::select! {
            () = cancelled.cancelled() => Stopped::Cancelled,
            stopped = time => stopped,
        }
    };
    tokio::pin!(stop);
    tokio::select! {
        biased;
        // First, so that a call which ends at once sets no timer.
        done = guest.while_light() => if let Some(done) = done {
            return done;
        },
        stopped = &mut stop => return Err(stopped),
    }
    // Dropping a plain handle would let the guest go on.
    let mut task = AbortOnDropHandle::new(crew.spawn(guest));
    let stopped = tokio::select! {
        biased;
        done = &mut task => return joined(done),
        stopped = &mut stop => stopped,
    };
    task.abort();
    // Until its next tick it holds its memory, and so the call its place.
    let _ = task.await;
    Err(stopped)
}

/// A panic goes on where the call was started.
fn joined<T>(done: Result<T, tokio::task::JoinError>) -> T {
    match done {
        Ok(done) => done,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// A guest, and the processor time that it has used: all of it is spent inside
/// `poll`.
struct Metered<F> {
    guest: Pin<Box<F>>,
    used: Duration,
    cpu: Duration,
}

impl<F: Future> Metered<F> {
    /// Its end, or `None` when it is no light call.
    async fn while_light(&mut self) -> Option<Result<F::Output, Stopped>> {
        std::future::poll_fn(|cx| match Pin::new(&mut *self).poll(cx) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending if self.used >= LIGHT => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        })
        .await
    }
}

impl<F: Future> Future for Metered<F> {
    type Output = Result<F::Output, Stopped>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let started = Instant::now();
        let polled = self.guest.as_mut().poll(cx);
        self.used += started.elapsed();
        match polled {
            Poll::Ready(done) => Poll::Ready(Ok(done)),
            Poll::Pending if self.used >= self.cpu => Poll::Ready(Err(Stopped::Cpu(self.cpu))),
            Poll::Pending => Poll::Pending,
        }
    }
}
