//! Runs a guest's future within its limits and fairly beside the others.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::task::JoinError;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::Limits;
use crate::engine::GuestRuntime;

/// Processor time that a call may use on the thread that serves its request.
/// Most calls end within it; the others move to the [`GuestRuntime`].
const LIGHT: Duration = Duration::from_millis(1);
/// Processor time after which a call is expected to be followed by others like it.
const HEAVY: Duration = Duration::from_millis(20);

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

/// What the last call of a kind has cost.
///
/// Whatever it is, a guest that is not interrupted before its first tick takes that time from those whose requests the
/// same thread serves. Many calls that spin would add up there; so where the last one was heavy, the next one starts
/// on the [`GuestRuntime`].
#[derive(Debug, Default)]
pub struct CpuProfile(AtomicBool);

impl CpuProfile {
    fn is_heavy(&self) -> bool {
        self.0.load(Relaxed)
    }

    /// Called at every tick: it is written only when it changes.
    fn learn(&self, heavy: bool) {
        if self.is_heavy() != heavy {
            self.0.store(heavy, Relaxed);
        }
    }
}

/// Runs `guest` to its end or to the first limit it meets. The guest comes back
/// to the host at every [`TICK`](crate::engine::TICK), and has ended when this
/// returns.
///
/// # Errors
/// What stopped it.
pub async fn run<T: Send + 'static>(
    limits: &Limits,
    guest_runtime: &GuestRuntime,
    cancelled: &CancellationToken,
    cpu_profile: &Arc<CpuProfile>,
    guest: impl Future<Output = T> + Send + 'static,
) -> Result<T, Stopped> {
    let mut guest = Metered {
        guest: Box::pin(guest),
        used: Duration::ZERO,
        cpu: limits.cpu,
        cpu_profile: cpu_profile.clone(),
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
        done = guest.while_light(cpu_profile.is_heavy()) => if let Some(done) = done {
            return done;
        },
        stopped = &mut stop => return Err(stopped),
    }
    let shared = Arc::new(Shared {
        guest: Mutex::new(Some(guest)),
        stopped: AtomicBool::new(false),
    });
    // Dropping a plain handle would let the guest go on.
    let mut task = AbortOnDropHandle::new(guest_runtime.spawn(Turns(shared.clone())));
    let stopped = tokio::select! {
        biased;
        done = &mut task => match joined(done) {
            Some(done) => return done,
            // Only this function stops it.
            None => Stopped::Cancelled,
        },
        stopped = &mut stop => stopped,
    };
    if !shared.end() {
        // Until its next tick it holds its memory, and so the call its place.
        task.abort();
        let _ = task.await;
    }
    Err(stopped)
}

/// A panic goes on where the call was started.
fn joined<T>(done: Result<T, JoinError>) -> T {
    match done {
        Ok(done) => done,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// A guest on the crew, whose end can come from outside too.
struct Shared<F> {
    guest: Mutex<Option<Metered<F>>>,
    stopped: AtomicBool,
}

impl<F> Shared<F> {
    /// Ends the guest here where it waits for its turn, which many others may have
    /// before it. Where it has it, it ends after it.
    fn end(&self) -> bool {
        self.stopped.store(true, SeqCst);
        match self.guest.try_lock() {
            Ok(mut guest) => {
                drop(guest.take());
                true
            }
            Err(_) => false,
        }
    }
}

/// Its turns there; `None` when it was stopped.
struct Turns<F>(Arc<Shared<F>>);

impl<F: Future> Future for Turns<F> {
    type Output = Option<Result<F::Output, Stopped>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let shared = &self.0;
        // Held by whoever stops it, for as long as that takes.
        let mut slot = shared.guest.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(guest) = slot.as_mut() else {
            return Poll::Ready(None);
        };
        let polled = guest.turn(cx, ClockId::ThreadCPUTime);
        if polled.is_ready() || shared.stopped.load(SeqCst) {
            *slot = None;
        }
        match polled {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending if slot.is_none() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    }
}

/// A guest, and the processor time that it has used: all of it is spent in its turns.
struct Metered<F> {
    guest: Pin<Box<F>>,
    used: Duration,
    cpu: Duration,
    cpu_profile: Arc<CpuProfile>,
}

impl<F: Future> Metered<F> {
    /// Its end, or `None` when it is no light call, or not expected to be one.
    ///
    /// Here every call pays for the clock, so it is the cheap one: what counts is how long the thread is held.
    async fn while_light(&mut self, heavy: bool) -> Option<Result<F::Output, Stopped>> {
        if heavy {
            return None;
        }
        std::future::poll_fn(|cx| match self.turn(cx, ClockId::Monotonic) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending if self.used >= LIGHT => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        })
        .await
    }

    fn turn(&mut self, cx: &mut Context<'_>, clock: ClockId) -> Poll<Result<F::Output, Stopped>> {
        let started = now(clock);
        let polled = self.guest.as_mut().poll(cx);
        self.used += now(clock).saturating_sub(started);
        if polled.is_ready() || self.used >= HEAVY {
            self.cpu_profile.learn(self.used >= HEAVY);
        }
        match polled {
            Poll::Ready(done) => Poll::Ready(Ok(done)),
            Poll::Pending if self.used >= self.cpu => Poll::Ready(Err(Stopped::Cpu(self.cpu))),
            Poll::Pending => Poll::Pending,
        }
    }
}

/// What a clock shows. A thread's processor time leaves out what it waited for a core.
fn now(clock: ClockId) -> Duration {
    // These two start at nought and only go on.
    clock_gettime(clock).try_into().unwrap_or_default()
}
