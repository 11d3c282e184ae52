//! Executes a guest within its time and CPU limits, without letting it starve other calls.
//!
//! A call starts on the connection thread that received it. A guest that yields after [`INLINE_BUDGET`] moves to the
//! low-priority [`GuestRuntime`], where all CPU-heavy guests take turns. Both paths end at the first limit reached.

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

use super::limits::Limits;
use crate::engine::GuestRuntime;
use crate::telemetry::CallUsage;

/// Time a guest may compute on its connection thread before it moves to the guest runtime. Most calls finish within it.
const INLINE_BUDGET: Duration = Duration::from_millis(1);
/// CPU time of a call above which the next call of the same tool starts on the guest runtime.
const HEAVY_CALL: Duration = Duration::from_millis(20);

/// The reason the host stopped a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Stopped {
    /// [`Limits::time`] elapsed.
    #[error("the call was stopped after its time limit of {0:?}")]
    Time(Duration),
    /// [`Limits::cpu`] was used up.
    #[error("the call was stopped after its limit of {0:?} of processor time")]
    Cpu(Duration),
    /// The client disconnected or cancelled, or the host is shutting down.
    #[error("the call was cancelled")]
    Cancelled,
}

/// Remembers whether the last call of a tool was CPU-heavy.
///
/// A guest is not interrupted before its first epoch tick, so even one that moves away delays the other requests of its
/// connection thread by a tick. Starting known heavy tools on the guest runtime avoids that delay.
#[derive(Debug, Default)]
pub struct CpuProfile(AtomicBool);

impl CpuProfile {
    /// Returns whether the last call was CPU-heavy.
    pub fn is_heavy(&self) -> bool {
        self.0.load(Relaxed)
    }

    /// Records the outcome of a call. Called at every tick, so it writes only on change.
    fn record(&self, heavy: bool) {
        if self.is_heavy() != heavy {
            self.0.store(heavy, Relaxed);
        }
    }
}

/// Runs `guest` until it finishes or reaches a limit.
///
/// Its processor time is added to `usage` when it has ended. The guest yields at every [`TICK`](crate::engine::TICK) and has released its store when this returns. Dropping the
/// returned future stops the guest at its next tick.
///
/// # Errors
/// The limit that stopped the guest.
pub async fn execute<T: Send + 'static>(
    limits: &Limits,
    runtime: &GuestRuntime,
    cancelled: &CancellationToken,
    profile: &Arc<CpuProfile>,
    usage: Arc<CallUsage>,
    guest: Pin<Box<impl Future<Output = T> + Send + 'static>>,
) -> Result<T, Stopped> {
    let mut guest = Metered {
        guest,
        used: Duration::ZERO,
        cpu_limit: limits.cpu,
        profile: profile.clone(),
        usage,
    };
    let stop = async {
        tokio::select! {
            () = cancelled.cancelled() => Stopped::Cancelled,
            () = tokio::time::sleep(limits.time) => Stopped::Time(limits.time),
        }
    };
    tokio::pin!(stop);
    tokio::select! {
        // Polled first: a call that finishes immediately never arms the timer.
        biased;
        done = guest.run_inline() => if let Some(done) = done {
            return done;
        },
        stopped = &mut stop => return Err(stopped),
    }
    run_on_runtime(runtime, guest, stop).await
}

/// Moves a guest to the guest runtime and waits for it or for `stop`.
async fn run_on_runtime<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
    runtime: &GuestRuntime,
    guest: Metered<F>,
    stop: Pin<&mut impl Future<Output = Stopped>>,
) -> Result<T, Stopped> {
    let slot = Arc::new(GuestSlot {
        guest: Mutex::new(Some(guest)),
        stopped: AtomicBool::new(false),
    });
    // A plain `JoinHandle` would detach the guest when dropped.
    let mut task = AbortOnDropHandle::new(runtime.spawn(SlotFuture(slot.clone())));
    let stopped = tokio::select! {
        biased;
        done = &mut task => match resume_panic(done) {
            Some(done) => return done,
            // `GuestSlot::stop` below is the only place that empties the slot.
            None => Stopped::Cancelled,
        },
        stopped = stop => stopped,
    };
    if !slot.stop() {
        // The guest is computing. Its memory, and with it the call's permit, is held until its next tick.
        task.abort();
        let _ = task.await;
    }
    Err(stopped)
}

/// Propagates a panic of the guest's task to the caller.
fn resume_panic<T>(done: Result<T, JoinError>) -> T {
    match done {
        Ok(done) => done,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// A guest on the runtime that another thread can stop.
struct GuestSlot<F> {
    guest: Mutex<Option<Metered<F>>>,
    stopped: AtomicBool,
}

impl<F> GuestSlot<F> {
    /// Drops the guest if it is waiting for its turn and returns `true`. If it is computing, marks it to be dropped
    /// after this turn and returns `false`.
    fn stop(&self) -> bool {
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

/// Polls the guest of a slot; completes with `None` if the guest was stopped.
struct SlotFuture<F>(Arc<GuestSlot<F>>);

impl<F: Future> Future for SlotFuture<F> {
    type Output = Option<Result<F::Output, Stopped>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // Blocks only while `GuestSlot::stop` drops the guest.
        let mut slot = self.0.guest.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(guest) = slot.as_mut() else {
            return Poll::Ready(None);
        };
        let polled = guest.poll_metered(cx, ClockId::ThreadCPUTime);
        if polled.is_ready() || self.0.stopped.load(SeqCst) {
            *slot = None;
        }
        match polled {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending if slot.is_none() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    }
}

/// A guest and the CPU time that it has used. A guest computes only while it is polled.
struct Metered<F> {
    guest: Pin<Box<F>>,
    used: Duration,
    cpu_limit: Duration,
    profile: Arc<CpuProfile>,
    usage: Arc<CallUsage>,
}

impl<F> Drop for Metered<F> {
    fn drop(&mut self) {
        self.usage.add_cpu(self.used);
    }
}

impl<F: Future> Metered<F> {
    /// Runs the guest on the current thread until it finishes or has used [`INLINE_BUDGET`]; returns `None` in the
    /// second case, and at once if its profile is heavy.
    ///
    /// Every call pays for reading the clock, so this reads the cheap monotonic clock. It measures how long the guest
    /// occupies the thread, which the budget is about.
    async fn run_inline(&mut self) -> Option<Result<F::Output, Stopped>> {
        if self.profile.is_heavy() {
            return None;
        }
        std::future::poll_fn(|cx| match self.poll_metered(cx, ClockId::Monotonic) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending if self.used >= INLINE_BUDGET => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        })
        .await
    }

    /// Polls the guest once and adds the time to [`Metered::used`]. Fails if the guest has used up its CPU limit.
    fn poll_metered(
        &mut self,
        cx: &mut Context<'_>,
        clock: ClockId,
    ) -> Poll<Result<F::Output, Stopped>> {
        let started = now(clock);
        let polled = self.guest.as_mut().poll(cx);
        self.used += now(clock).saturating_sub(started);
        let is_heavy = self.used >= HEAVY_CALL;
        if polled.is_ready() || is_heavy {
            self.profile.record(is_heavy);
        }
        match polled {
            Poll::Ready(done) => Poll::Ready(Ok(done)),
            Poll::Pending if self.used >= self.cpu_limit => {
                Poll::Ready(Err(Stopped::Cpu(self.cpu_limit)))
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

/// Returns the reading of a clock.
fn now(clock: ClockId) -> Duration {
    // The conversion fails only for negative values, which neither clock returns.
    clock_gettime(clock).try_into().unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// The place of a call among the concurrent ones is held by the guest.
    #[tokio::test]
    async fn a_dropped_call_keeps_what_its_guest_holds_until_it_yields() {
        let (held, profile) = (Arc::new(()), Arc::new(CpuProfile::default()));
        // Starts on the guest runtime.
        profile.record(true);
        let (started, has_started) = tokio::sync::oneshot::channel();
        let (release, released) = mpsc::channel::<()>();
        let released = Mutex::new(released);
        let guest = {
            let held = held.clone();
            async move {
                started.send(()).unwrap();
                // Computes.
                let _ = released.lock().unwrap().recv();
                tokio::task::yield_now().await;
                std::future::pending::<()>().await;
                drop(held);
            }
        };
        let runtime = Arc::new(GuestRuntime::default());
        let runtime_of_call = runtime.clone();
        let call = tokio::spawn(async move {
            let (limits, cancelled) = (Limits::default(), CancellationToken::new());
            let runtime = runtime_of_call;
            execute(
                &limits,
                &runtime,
                &cancelled,
                &profile,
                Arc::default(),
                Box::pin(guest),
            )
            .await
        });
        has_started.await.unwrap();
        call.abort();
        assert!(call.await.unwrap_err().is_cancelled());
        assert_eq!(
            Arc::strong_count(&held),
            2,
            "released before the guest yields"
        );
        release.send(()).unwrap();
        let released = async {
            while Arc::strong_count(&held) > 1 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let timeout = Duration::from_secs(20);
        let released = tokio::time::timeout(timeout, released).await;
        assert!(released.is_ok(), "not released after the guest yields");
    }
}
