//! Batches of responses. Of the requests that are there at the same time on one connection thread, each waits with its
//! response until the others have been handled.
//!
//! Sending a response wakes its client, and its code and that of a call displace each other in the processor's caches. In
//! batches, both happen once for several calls. A request that is alone on its thread does not wait.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicUsize};

/// Of so many responses, one waits for others although the last one that waited found none.
const PROBE_INTERVAL: usize = 16;

/// The responses of one connection thread.
#[derive(Default)]
pub(super) struct ResponseBatches {
    /// Responses so far.
    started: AtomicUsize,
    /// Responses that wait for others.
    waiting: AtomicUsize,
    /// Whether the last response that waited found another one.
    last_found_others: AtomicBool,
}

impl ResponseBatches {
    /// Waits until the requests that have arrived on this thread have been handled, or wait for something.
    pub(super) async fn wait(&self) {
        let number = self.started.fetch_add(1, Relaxed);
        let others = self.waiting.load(Relaxed);
        let is_probe = number.is_multiple_of(PROBE_INTERVAL);
        if !is_probe && others == 0 && !self.last_found_others.load(Relaxed) {
            return;
        }
        let waiting = Waiting::new(&self.waiting);
        // On a runtime of one thread, all tasks that are ready run first, and those for which data has arrived.
        tokio::task::yield_now().await;
        drop(waiting);
        let is_last = self.started.load(Relaxed) == number.wrapping_add(1);
        self.last_found_others
            .store(others > 0 || !is_last, Relaxed);
    }
}

/// One response that waits.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, Relaxed);
        Self(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use futures::FutureExt;
    use futures::future::join_all;

    use super::*;

    #[tokio::test]
    async fn responses_are_sent_when_all_requests_are_handled() {
        let (batches, log) = (Arc::new(ResponseBatches::default()), Arc::default());
        for round in 0..3 {
            let requests = (0..4).map(|_| {
                let (batches, log): (_, Arc<Mutex<Vec<_>>>) = (batches.clone(), Arc::clone(&log));
                tokio::spawn(async move {
                    log.lock().expect("not poisoned").push("handled");
                    batches.wait().await;
                    log.lock().expect("not poisoned").push("sent");
                })
            });
            join_all(requests).await;
            let log = std::mem::take(&mut *log.lock().expect("not poisoned"));
            assert_eq!(log, [["handled"; 4], ["sent"; 4]].concat(), "round {round}");
        }
    }

    #[tokio::test]
    async fn a_response_that_is_alone_does_not_wait() {
        let batches = ResponseBatches::default();
        let mut waits = 0;
        for _ in 0..2 * PROBE_INTERVAL {
            if batches.wait().now_or_never().is_none() {
                waits += 1;
            }
        }
        assert_eq!(waits, 2);
    }

    #[tokio::test]
    async fn a_response_that_is_dropped_is_not_waited_for() {
        let batches = ResponseBatches::default();
        assert!(
            batches.wait().now_or_never().is_none(),
            "the first one waits"
        );
        assert!(batches.wait().now_or_never().is_some());
    }
}
