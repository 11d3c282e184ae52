//! The runtime for CPU-heavy guests.
//!
//! A call starts on the connection thread that received it, and most calls finish there. A guest that keeps computing
//! moves to this runtime: one low-priority thread per core, on which guests take turns every [`TICK`](super::TICK).
//! Guests that spin therefore delay each other, but not the requests.

use std::future::Future;
use std::sync::OnceLock;

use rustix::process::{getpid, getpriority_process, setpriority_process};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use tracing::Instrument;

/// Niceness of these threads relative to the process (`setpriority(2)`).
const NICENESS: i32 = 10;
/// The highest niceness that the kernel accepts.
const MAX_NICENESS: i32 = 19;
/// Stack of these threads. The deepest evaluation of a schema takes 768 KiB in a build for development.
const STACK_BYTES: usize = 2 << 20;

/// A tokio runtime with low-priority threads, started for the first guest that needs it.
#[derive(Default)]
pub struct GuestRuntime(OnceLock<Option<Runtime>>);

impl GuestRuntime {
    /// Spawns a future on this runtime, in the caller's tracing span.
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
        // Dropping a `Runtime` blocks until its threads end, which panics in an async context.
        if let Some(Some(runtime)) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// Lowers the priority of the current thread below that of the threads that serve requests.
pub(super) fn lower_thread_priority() {
    // Relative to the process, which may itself have been started with `nice`.
    let process = getpriority_process(Some(getpid())).unwrap_or(0);
    // `None` is the current thread. If the system refuses, all threads have the same priority.
    let _ = setpriority_process(None, (process + NICENESS).min(MAX_NICENESS));
}

fn start() -> Option<Runtime> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let runtime = Builder::new_multi_thread()
        .worker_threads(cores)
        .thread_name("guest")
        .thread_stack_size(STACK_BYTES)
        .on_thread_start(lower_thread_priority)
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => Some(runtime),
        Err(error) => {
            tracing::warn!(%error, "failed to start guest runtime, guests share the request threads");
            None
        }
    }
}
