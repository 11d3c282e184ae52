//! Threads on which one component's calls wait for what cannot be interrupted: a file system, a look-up of a name.
//!
//! The thread of an operation that does not come back is lost, also after its call has been stopped. So that a disk that
//! hangs, or servers of names that are silent, take them from nobody else, each component has a few of its own.

use std::future::Future;
use std::io;
use std::sync::Arc;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

/// Operations of one component that wait at a time.
pub(super) const MAX_WAITING: usize = 32;

/// The threads of one component; but for one that idles, there are none before they are needed.
pub(super) struct Threads {
    /// Taken out only to end it.
    runtime: Option<Runtime>,
    /// Whether one is free: an operation that does nothing, which all who wait for a thread have in common.
    free: Mutex<Option<JoinHandle<()>>>,
}

impl Threads {
    pub(super) fn new() -> io::Result<Arc<Self>> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .max_blocking_threads(MAX_WAITING)
            .thread_name("guest-waits")
            .enable_all()
            .build()?;
        Ok(Arc::new(Self {
            runtime: Some(runtime),
            free: Mutex::default(),
        }))
    }

    /// Waits until a thread is free. Who stops waiting leaves nothing behind, however often that happens.
    pub(super) async fn one_is_free(&self) {
        let mut free = self.free.lock().await;
        if let Some(runtime) = &self.runtime {
            let _ = free
                .get_or_insert_with(|| runtime.spawn_blocking(|| ()))
                .await;
            *free = None;
        }
    }

    /// Drops something there, since that may wait too: to close a file can mean to write it.
    pub(super) fn drop_there<T: Send + 'static>(&self, what: T) {
        if let Some(runtime) = &self.runtime {
            runtime.spawn_blocking(move || drop(what));
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        // A runtime that is dropped waits for its threads, which a task must not.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// A guest whose operations wait on these threads; it itself runs where it is polled.
pub(super) async fn waiting_on<F: Future>(threads: Option<Arc<Threads>>, guest: F) -> F::Output {
    let mut guest = std::pin::pin!(guest);
    std::future::poll_fn(|cx| {
        let runtime = threads
            .as_ref()
            .and_then(|threads| threads.runtime.as_ref());
        let _entered = runtime.map(Runtime::enter);
        guest.as_mut().poll(cx)
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// However many give up waiting, one operation is left.
    #[tokio::test]
    async fn who_gives_up_leaves_nothing() {
        let threads = Threads::new().expect("threads");
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let ended = Arc::new(std::sync::Mutex::new(ended));
        let runtime = threads.runtime.as_ref().expect("it is not dropped");
        for _ in 0..MAX_WAITING {
            let ended = ended.clone();
            runtime.spawn_blocking(move || ended.lock().map(|ended| ended.recv().is_ok()).ok());
        }
        let mut left = Vec::new();
        for _ in 0..3 {
            let waited = tokio::time::timeout(Duration::from_millis(1), threads.one_is_free());
            assert!(waited.await.is_err());
            let free = threads.free.lock().await;
            left.push(free.as_ref().map(JoinHandle::id));
        }
        assert!(left[0].is_some());
        left.dedup();
        assert_eq!(left.len(), 1);
        drop(end);
        threads.one_is_free().await;
    }
}
