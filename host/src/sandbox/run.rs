//! Runs a guest's future within its limits and fairly beside the others.

use std::future::Future;
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::Limits;
use crate::engine::TICK;

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

/// Runs `guest` to its end or to the first limit it meets. Dropping the future
/// ends the guest: it comes back to the host every [`TICK`], so it is never
/// inside a poll for longer.
///
/// # Errors
/// What stopped it.
pub async fn run<T>(
    limits: &Limits,
    turnstile: &Semaphore,
    cancelled: &CancellationToken,
    guest: impl Future<Output = T>,
) -> Result<T, Stopped> {
    tokio::select! {
        biased;
        // First, so that a call which ends within its first slice sets no timer.
        done = metered(limits.cpu, turnstile, guest) => done,
        () = cancelled.cancelled() => Err(Stopped::Cancelled),
        () = tokio::time::sleep(limits.time) => Err(Stopped::Time(limits.time)),
    }
}

/// Polls the guest, adding up the time it spends inside. After its first
/// [`TICK`] it takes a turn for every further slice.
async fn metered<T>(
    cpu: Duration,
    turnstile: &Semaphore,
    guest: impl Future<Output = T>,
) -> Result<T, Stopped> {
    let mut guest = pin!(guest);
    let mut used = Duration::ZERO;
    loop {
        let turn = if used < TICK {
            None
        } else {
            // The semaphore is never closed; without a turn the slice runs all the same.
            turnstile.acquire().await.ok()
        };
        let mut polled = false;
        let slice = std::future::poll_fn(|cx| {
            if polled {
                return Poll::Ready(None);
            }
            polled = true;
            let started = Instant::now();
            let done = guest.as_mut().poll(cx);
            used += started.elapsed();
            match done {
                Poll::Ready(value) => Poll::Ready(Some(value)),
                Poll::Pending if used >= cpu => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            }
        });
        // The turn is given back before waiting, not after.
        let done = end_turn_when_pending(slice, turn).await;
        match done {
            Some(value) => return Ok(value),
            None if used >= cpu => return Err(Stopped::Cpu(cpu)),
            None => {}
        }
    }
}

async fn end_turn_when_pending<T, Turn>(future: impl Future<Output = T>, turn: Turn) -> T {
    let mut future = pin!(future);
    let mut turn = Some(turn);
    std::future::poll_fn(|cx| {
        let polled = future.as_mut().poll(cx);
        turn = None;
        polled
    })
    .await
}
