//! Threads that serve connections: one per core, each with a single-threaded runtime.
//!
//! Answering a request takes several short tasks. On a multi-threaded runtime each of them may wake another thread,
//! which costs more than the request itself; here they all run on the thread of their connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::runtime::{Builder, Handle};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::listener::{Stream, attach, detach};
use super::response_batches::ResponseBatches;

/// The connection threads. Dropping this ends them.
pub(super) struct ConnectionThreads {
    threads: Vec<(Handle, Arc<ResponseBatches>)>,
    next: AtomicUsize,
    _stop_on_drop: DropGuard,
}

impl ConnectionThreads {
    /// Starts the threads. If none can be started, connections are served on the current runtime.
    pub(super) fn start() -> Self {
        let stop = CancellationToken::new();
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let mut runtimes: Vec<_> = (0..cores)
            .filter_map(|_| start_thread(stop.clone()))
            .collect();
        if runtimes.is_empty() {
            runtimes.push(Handle::current());
        }
        let threads = runtimes.into_iter();
        Self {
            threads: threads.map(|runtime| (runtime, Arc::default())).collect(),
            next: AtomicUsize::new(0),
            _stop_on_drop: stop.drop_guard(),
        }
    }

    /// Serves a connection on the next thread (round robin).
    pub(super) fn spawn<F, S>(&self, stream: Stream, serve: S)
    where
        S: FnOnce(Stream, Arc<ResponseBatches>) -> F + Send + 'static,
        F: Future<Output = ()> + Send,
    {
        let index = self.next.fetch_add(1, Ordering::Relaxed) % self.threads.len();
        // Registers the socket with the I/O driver of its own thread instead of the accepting one.
        let stream = match detach(stream) {
            Ok(stream) => stream,
            Err(error) => {
                tracing::warn!(%error, "connection not served");
                return;
            }
        };
        let (runtime, batches) = &self.threads[index];
        let batches = batches.clone();
        runtime.spawn(async move {
            match attach(stream) {
                Ok(stream) => serve(stream, batches).await,
                Err(error) => tracing::warn!(%error, "connection not served"),
            }
        });
    }
}

/// Starts one thread and returns its runtime; `None` after a failure, which is logged.
fn start_thread(stop: CancellationToken) -> Option<Handle> {
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime
        .inspect_err(|error| tracing::warn!(%error, "failed to start connection thread"))
        .ok()?;
    let handle = runtime.handle().clone();
    std::thread::Builder::new()
        .name("connections".into())
        .spawn(move || runtime.block_on(stop.cancelled_owned()))
        .inspect_err(|error| tracing::warn!(%error, "failed to start connection thread"))
        .ok()?;
    Some(handle)
}
