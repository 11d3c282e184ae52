//! A component's own threads for blocking operations: file access and name lookups.
//!
//! A blocking operation cannot be interrupted, so its thread is lost for as long as a disk or a name server hangs, even
//! after the call has been stopped. With a pool per component, such an operation delays only its own component.

use std::future::Future;
use std::io;
use std::sync::Arc;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

/// Concurrent blocking operations of one component.
const MAX_BLOCKING_THREADS: usize = 32;

/// The threads of one component. Apart from one idle worker, they start on demand.
pub(super) struct BlockingPool {
    /// `None` only while it is dropped.
    runtime: Option<Runtime>,
    /// An empty operation that all waiting calls share: it completes when a thread is free.
    probe: Mutex<Option<JoinHandle<()>>>,
}

impl BlockingPool {
    pub(super) fn new() -> io::Result<Arc<Self>> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .max_blocking_threads(MAX_BLOCKING_THREADS)
            .thread_name("guest-blocking")
            .enable_all()
            .build()?;
        Ok(Arc::new(Self {
            runtime: Some(runtime),
            probe: Mutex::default(),
        }))
    }

    /// Waits until a thread is free. Cancel-safe: a cancelled wait leaves no operation behind.
    pub(super) async fn wait_for_free_thread(&self) {
        let mut probe = self.probe.lock().await;
        if let Some(runtime) = &self.runtime {
            let _ = probe
                .get_or_insert_with(|| runtime.spawn_blocking(|| ()))
                .await;
            *probe = None;
        }
    }

    /// Drops `value` on a thread of the pool. Dropping can block as well: closing a file may write it to disk.
    pub(super) fn drop_in_background<T: Send + 'static>(&self, value: T) {
        if let Some(runtime) = &self.runtime {
            runtime.spawn_blocking(move || drop(value));
        }
    }
}

impl Drop for BlockingPool {
    fn drop(&mut self) {
        // Dropping a `Runtime` blocks until its threads end, which panics in an async context.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Runs `guest` so that its calls of `spawn_blocking` use `pool`. The guest itself runs on the thread that polls it.
pub(super) async fn with_pool<F: Future>(pool: Option<Arc<BlockingPool>>, guest: F) -> F::Output {
    let mut guest = std::pin::pin!(guest);
    std::future::poll_fn(|cx| {
        let runtime = pool.as_ref().and_then(|pool| pool.runtime.as_ref());
        let _entered = runtime.map(Runtime::enter);
        guest.as_mut().poll(cx)
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn cancelled_waits_share_one_probe() {
        let pool = BlockingPool::new().expect("the pool starts");
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let ended = Arc::new(std::sync::Mutex::new(ended));
        let runtime = pool.runtime.as_ref().expect("the pool is alive");
        for _ in 0..MAX_BLOCKING_THREADS {
            let ended = ended.clone();
            runtime.spawn_blocking(move || ended.lock().map(|ended| ended.recv().is_ok()).ok());
        }
        let mut probes = Vec::new();
        for _ in 0..3 {
            let wait =
                tokio::time::timeout(Duration::from_millis(1), pool.wait_for_free_thread()).await;
            assert!(wait.is_err());
            let probe = pool.probe.lock().await;
            probes.push(probe.as_ref().map(JoinHandle::id));
        }
        assert!(probes[0].is_some());
        probes.dedup();
        assert_eq!(probes.len(), 1);
        drop(end);
        pool.wait_for_free_thread().await;
    }
}
