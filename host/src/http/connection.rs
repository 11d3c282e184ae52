//! The state of one client connection, shared by its stream and the service that answers its requests.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::byte_budget::ConnectionAccounts;
use super::response_batches::ResponseBatches;

/// One client connection.
pub(super) struct Connection {
    pub(super) accounts: ConnectionAccounts,
    /// Those of the thread that serves it.
    pub(super) batches: Arc<ResponseBatches>,
    exchanges: Mutex<Exchanges>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Exchanges {
    /// Requests that have arrived since the connection was opened.
    pub(super) started: u64,
    /// Requests whose response has not been sent whole.
    pub(super) open: usize,
    /// Those of them whose response has a known size and is being sent.
    pub(super) sending: usize,
    /// The end of the last one, or the start of the connection.
    last_end: Instant,
    pub(super) is_http2: bool,
}

/// A request and its response. It ends when this is dropped.
pub(super) struct Exchange {
    connection: Arc<Connection>,
    is_sending: AtomicBool,
}

impl Connection {
    pub(super) fn new(batches: Arc<ResponseBatches>) -> Arc<Self> {
        Arc::new(Self {
            accounts: ConnectionAccounts::default(),
            batches,
            exchanges: Mutex::new(Exchanges {
                started: 0,
                open: 0,
                sending: 0,
                last_end: Instant::now(),
                is_http2: false,
            }),
        })
    }

    pub(super) fn start_exchange(self: &Arc<Self>, is_http2: bool) -> Exchange {
        let mut exchanges = self.lock();
        exchanges.started += 1;
        exchanges.open += 1;
        exchanges.is_http2 = is_http2;
        Exchange {
            connection: self.clone(),
            is_sending: AtomicBool::new(false),
        }
    }

    pub(super) fn exchanges(&self) -> Exchanges {
        *self.lock()
    }

    /// Resolves when the connection has had no open exchange for `time`, counted from now at the earliest.
    pub(super) async fn idle_for(&self, time: Duration) {
        let mut check = Instant::now() + time;
        loop {
            tokio::time::sleep_until(check).await;
            let Exchanges { open, last_end, .. } = self.exchanges();
            let now = Instant::now();
            match open {
                0 if last_end + time <= now => return,
                0 => check = last_end + time,
                _ => check = now + time,
            }
        }
    }

    /// Resolves when the first exchange has started, or after `time`.
    pub(super) async fn first_exchange_within(&self, time: Duration) {
        const STEP: Duration = Duration::from_millis(5);
        let end = Instant::now() + time;
        while self.exchanges().started == 0 && Instant::now() < end {
            tokio::time::sleep(STEP).await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Exchanges> {
        self.exchanges
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Exchange {
    /// Records that a response of known size is being sent.
    pub(super) fn start_sending(&self) {
        if !self.is_sending.swap(true, Ordering::Relaxed) {
            self.connection.lock().sending += 1;
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let mut exchanges = self.connection.lock();
        exchanges.open -= 1;
        exchanges.sending -= usize::from(*self.is_sending.get_mut());
        exchanges.last_end = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_connection_is_idle_some_time_after_its_last_exchange() {
        const TIME: Duration = Duration::from_millis(50);
        let connection = Connection::new(Arc::default());
        connection.idle_for(TIME).await;
        let exchange = connection.start_exchange(false);
        let mut idle = std::pin::pin!(connection.idle_for(TIME));
        let early = tokio::time::timeout(4 * TIME, &mut idle).await;
        assert!(early.is_err(), "idle during an exchange");
        let ended = Instant::now();
        drop(exchange);
        idle.await;
        assert!(ended.elapsed() >= TIME, "{:?}", ended.elapsed());
    }
}
