//! The threads that serve connections, one for each core, each with a runtime of
//! its own.
//!
//! `rmcp` answers a request with several tasks. On a shared runtime each of them
//! may wake another thread, which costs more than the request; here they stay on
//! the thread of their connection.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::net::TcpStream;
use tokio::runtime::{Builder, Handle};
use tokio_util::sync::{CancellationToken, DropGuard};

/// The threads; they end when this is dropped.
pub(super) struct Workers {
    threads: Vec<Handle>,
    next: AtomicUsize,
    _end: DropGuard,
}

impl Workers {
    /// Starts them. Where none can be had, the caller's runtime serves.
    pub(super) fn start() -> Self {
        let end = CancellationToken::new();
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let mut threads: Vec<_> = (0..cores).filter_map(|_| thread(end.clone())).collect();
        if threads.is_empty() {
            threads.push(Handle::current());
        }
        Self {
            threads,
            next: AtomicUsize::new(0),
            _end: end.drop_guard(),
        }
    }

    /// Serves a connection on one of them, taking turns.
    pub(super) fn spawn<F, S>(&self, stream: TcpStream, serve: S)
    where
        S: FnOnce(TcpStream) -> F + Send + 'static,
        F: Future<Output = ()> + Send,
    {
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.threads.len();
        // It must wake its own thread, not the one that accepted it.
        let stream = match stream.into_std() {
            Ok(stream) => stream,
            Err(error) => {
                tracing::warn!(%error, "connection not served");
                return;
            }
        };
        self.threads[turn].spawn(async move {
            match TcpStream::from_std(stream) {
                Ok(stream) => serve(stream).await,
                Err(error) => tracing::warn!(%error, "connection not served"),
            }
        });
    }
}

fn thread(end: CancellationToken) -> Option<Handle> {
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime
        .inspect_err(|error| tracing::warn!(%error, "a thread less serves connections"))
        .ok()?;
    let handle = runtime.handle().clone();
    std::thread::Builder::new()
        .name("connections".into())
        .spawn(move || runtime.block_on(end.cancelled_owned()))
        .inspect_err(|error| tracing::warn!(%error, "a thread less serves connections"))
        .ok()?;
    Some(handle)
}
