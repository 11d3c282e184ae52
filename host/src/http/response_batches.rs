//! Batches of responses. Where many requests arrive together on one connection thread, each waits with its response until
//! the others have been handled.
//!
//! The code that sends a response and the code of a call displace each other in the processor's caches, and each response
//! wakes a client, which may take the processor. In batches, both happen once for several calls.

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

/// Size from which batches gain more than they cost: the first client waits, while it could prepare its next request.
const MIN_BATCH: usize = 3;
/// Of so many responses, one waits for others although the last batch was smaller.
const PROBE_INTERVAL: usize = 16;

/// The responses of one connection thread.
#[derive(Default)]
pub(super) struct ResponseBatches {
    /// Responses so far.
    started: AtomicUsize,
    /// Responses that wait for others.
    waiting: AtomicUsize,
    /// Size of the last batch.
    last_batch: AtomicUsize,
}

impl ResponseBatches {
    /// Waits until the requests that have arrived on this thread have been handled, or wait for something.
    pub(super) async fn wait(&self) {
        let number = self.started.fetch_add(1, Relaxed);
        let earlier = self.waiting.load(Relaxed);
        let is_probe = number.is_multiple_of(PROBE_INTERVAL);
        if !is_probe && earlier == 0 && self.last_batch.load(Relaxed) < MIN_BATCH {
            return;
        }
        let waiting = Waiting::new(&self.waiting);
        // On a runtime of one thread, all tasks that are ready run first, and those for which data has arrived.
        tokio::task::yield_now().await;
        drop(waiting);
        let with_later = self.started.load(Relaxed).wrapping_sub(number);
        self.last_batch.store(earlier + with_later, Relaxed);
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
        const REQUESTS: usize = MIN_BATCH;
        let (batches, log) = (Arc::new(ResponseBatches::default()), Arc::default());
        for round in 0..3 {
            let requests = (0..REQUESTS).map(|_| {
                let (batches, log): (_, Arc<Mutex<Vec<_>>>) = (batches.clone(), Arc::clone(&log));
                tokio::spawn(async move {
                    log.lock().expect("not poisoned").push("handled");
                    batches.wait().await;
                    log.lock().expect("not poisoned").push("sent");
                })
            });
            join_all(requests).await;
            let log = std::mem::take(&mut *log.lock().expect("not poisoned"));
            assert_eq!(
                log,
                [["handled"; REQUESTS], ["sent"; REQUESTS]].concat(),
                "round {round}"
            );
        }
    }

    #[tokio::test]
    async fn the_first_of_a_few_responses_does_not_wait() {
        let batches = ResponseBatches::default();
        join_all((1..MIN_BATCH).map(|_| batches.wait())).await;
        assert!(batches.wait().now_or_never().is_some());
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
