//! The threads of guests that compute for long.
//!
//! A call starts on the thread that serves its request, where a light one ends
//! without ever changing threads. One that goes on computing is moved here: as
//! many threads as there are cores, at a lower priority, taking turns every
//! [`TICK`](super::TICK). So guests that spin wait for each other, and requests
//! do not wait for them.

use std::future::Future;
use std::sync::OnceLock;

use rustix::process::{getpid, getpriority_process, setpriority_process};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use tracing::Instrument;

/// What these threads cede to those that serve requests (`setpriority(2)`).
const NICENESS: i32 = 10;
/// The most that there is.
const NICEST: i32 = 19;

/// The threads; there are none before the first guest needs them.
#[derive(Default)]
pub struct GuestRuntime(OnceLock<Option<Runtime>>);

impl GuestRuntime {
    /// Runs a future on these threads, in the caller's span.
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let future = future.in_current_span();
        match self.0.get_or_init(start) {
            Some(runtime) => runtime.spawn(future),
            None => tokio::spawn(future),
        }
    }
}

impl Drop for GuestRuntime {
    fn drop(&mut self) {
        // A runtime that is dropped waits for its threads, which a task must not.
        if let Some(Some(runtime)) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// Lets the threads that serve requests go before this one.
pub(super) fn yield_to_others() {
    // Against the process as it was started, by its first thread: a service may be nice itself.
    let own = getpriority_process(Some(getpid())).unwrap_or(0);
    // Of this thread alone. A system that refuses leaves them equal.
    let _ = setpriority_process(None, (own + NICENESS).min(NICEST));
}

fn start() -> Option<Runtime> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let started = Builder::new_multi_thread()
        .worker_threads(cores)
        .thread_name("guest")
        .on_thread_start(yield_to_others)
        .enable_all()
        .build();
    match started {
        Ok(runtime) => Some(runtime),
        Err(error) => {
            tracing::warn!(%error, "guests share the threads that serve requests");
            None
        }
    }
}
