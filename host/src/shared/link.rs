//! The connection to Redis, kept by a background task.
//!
//! This is also the circuit breaker: an operation that fails or takes too long takes the connection away, so that the next
//! ones fail at once, until the background task has made a new connection and checked it.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Cmd, RedisResult};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::config::SharedConfig;
use super::error::{Away, SharedError, short_reason};
use super::probe::{self, NotConnected};

/// Time after which a host that does not renew its presence counts as dead.
pub(super) const PRESENCE_TIME: Duration = Duration::from_secs(15);
/// Time between two renewals. A host may miss some of them.
const RENEWAL_INTERVAL: Duration = Duration::from_secs(3);
/// Time for a renewal.
const MAX_RENEWAL_TIME: Duration = Duration::from_secs(1);
/// Pauses between attempts to connect.
const MIN_RETRY_DELAY: Duration = Duration::from_millis(50);
const MAX_RETRY_DELAY: Duration = Duration::from_secs(1);
/// A connection that lasted this long is followed by a new one without a longer pause.
const STABLE_TIME: Duration = Duration::from_secs(5);
/// Time between two log lines about the same problem.
const MIN_LOG_INTERVAL: Duration = Duration::from_secs(60);

/// The connection to Redis. Cheap to clone.
#[derive(Clone)]
pub(super) struct Link(Arc<Inner>);

struct Inner {
    config: SharedConfig,
    /// The id of this host.
    replica: String,
    state: RwLock<State>,
    /// Notified when a connection is taken away.
    lost: Notify,
    /// The number of connections so far.
    connections: watch::Sender<u64>,
    answered: AtomicU64,
    failed: AtomicU64,
}

#[derive(Default)]
struct State {
    connection: Option<Connected>,
    /// The reason there is no connection, as a clause.
    problem: String,
}

/// A connection that can be used.
#[derive(Clone)]
pub(super) struct Connected {
    connection: MultiplexedConnection,
    number: u64,
    since: Instant,
}

/// The use of Redis since the start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SharedCounts {
    /// Whether Redis can be used now.
    pub(crate) is_available: bool,
    /// Operations that were answered.
    pub(crate) answered: u64,
    /// Operations that failed, without those that were not tried because Redis is away.
    pub(crate) failed: u64,
}

/// A receiver that changes each time the connection has been made anew.
pub(crate) type Reconnections = watch::Receiver<u64>;

impl Link {
    /// Connects once.
    ///
    /// # Errors
    /// Redis answers and cannot be used as it is set up.
    pub(super) async fn connect(
        config: &SharedConfig,
    ) -> Result<(Self, Option<Connected>), SharedError> {
        let link = Self(Arc::new(Inner {
            config: config.clone(),
            replica: uuid::Uuid::new_v4().simple().to_string(),
            state: RwLock::default(),
            lost: Notify::new(),
            connections: watch::Sender::new(0),
            answered: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        }));
        let connected = match link.connect_once().await {
            Ok(connected) => Some(connected),
            Err(NotConnected::Unusable(error)) => return Err(error),
            Err(NotConnected::Away(reason)) => {
                link.set_problem(reason);
                None
            }
        };
        Ok((link, connected))
    }

    /// Keeps the connection until it is aborted.
    pub(super) async fn keep(self, mut connected: Option<Connected>) {
        let mut delay = MIN_RETRY_DELAY;
        let mut logged: Option<(String, Instant)> = None;
        loop {
            if let Some(connected) = connected.take() {
                if logged.take().is_some() || connected.number > 1 {
                    tracing::info!(redis.url = %self.0.config.url, "shared state connected");
                }
                self.renew_until_lost().await;
                if connected.since.elapsed() >= STABLE_TIME {
                    delay = MIN_RETRY_DELAY;
                }
            }
            let is_new = |(text, at): &(String, Instant), reason: &str| {
                text != reason || at.elapsed() >= MIN_LOG_INTERVAL
            };
            if let Some(reason) = self.problem_clause()
                && logged.as_ref().is_none_or(|last| is_new(last, &reason))
            {
                self.log_problem(&reason);
                logged = Some((reason, Instant::now()));
            }
            tokio::time::sleep(delay).await;
            delay = (delay * 2).min(MAX_RETRY_DELAY);
            match self.connect_once().await {
                Ok(new) => connected = Some(new),
                Err(NotConnected::Away(reason)) => self.set_problem(reason),
                Err(NotConnected::Unusable(error)) => self.set_problem(error.reason),
            }
        }
    }

    async fn connect_once(&self) -> Result<Connected, NotConnected> {
        let connection = probe::connect(&self.0.config, &self.presence()).await?;
        let connected = Connected {
            connection,
            number: *self.0.connections.borrow() + 1,
            since: Instant::now(),
        };
        self.write_state(|state| state.connection = Some(connected.clone()));
        self.0.connections.send_replace(connected.number);
        Ok(connected)
    }

    /// Renews the presence of this host until the connection is taken away.
    async fn renew_until_lost(&self) {
        loop {
            tokio::select! {
                () = self.0.lost.notified() => {}
                () = tokio::time::sleep(RENEWAL_INTERVAL) => {
                    let presence = self.presence();
                    let renewed = self.run(MAX_RENEWAL_TIME, async move |mut connection| {
                        presence.exec_async(&mut connection).await
                    });
                    let _ = renewed.await;
                }
            }
            if self.connected().is_none() {
                return;
            }
        }
    }

    /// Runs an operation within `time`.
    ///
    /// # Errors
    /// Redis is away, or the operation failed.
    pub(super) async fn run<T, F: Future<Output = RedisResult<T>>>(
        &self,
        time: Duration,
        operation: impl FnOnce(MultiplexedConnection) -> F,
    ) -> Result<T, Away> {
        let Some(connected) = self.connected() else {
            return Err(Away);
        };
        let number = connected.number;
        let reason = match tokio::time::timeout(time, operation(connected.connection)).await {
            Ok(Ok(answer)) => {
                self.0.answered.fetch_add(1, Ordering::Relaxed);
                return Ok(answer);
            }
            Ok(Err(error)) => short_reason(&error, time),
            Err(_) => format!("no answer within {} s", time.as_secs_f64()),
        };
        self.0.failed.fetch_add(1, Ordering::Relaxed);
        self.write_state(|state| {
            // Another operation may have failed before, and a new connection may have been made.
            if state
                .connection
                .as_ref()
                .is_some_and(|c| c.number == number)
            {
                state.connection = None;
                state.problem = reason;
                self.0.lost.notify_one();
            }
        });
        Err(Away)
    }

    /// Removes the presence of this host.
    pub(super) async fn leave(&self) {
        let key = self.presence_key(self.replica());
        let removed = self.run(MAX_RENEWAL_TIME, async move |mut connection| {
            Cmd::del(key).exec_async(&mut connection).await
        });
        let _ = removed.await;
    }

    /// Returns the id of this host.
    pub(super) fn replica(&self) -> &str {
        &self.0.replica
    }

    /// Returns the beginning of the keys of presences.
    pub(super) fn presence_prefix(&self) -> String {
        self.0.config.key_prefix("replica")
    }

    /// Returns whether every host has had the time to renew its presence since this one connected. Before, an absent
    /// presence does not mean that its host is dead: all of them may have lost the connection.
    pub(super) fn sees_presences(&self) -> bool {
        self.connected()
            .is_some_and(|connected| connected.since.elapsed() >= PRESENCE_TIME)
    }

    /// Returns a receiver that changes with each new connection.
    pub(super) fn reconnections(&self) -> Reconnections {
        self.0.connections.subscribe()
    }

    /// Returns one sentence if there is no connection.
    pub(super) fn problem(&self) -> Option<String> {
        let reason = self.problem_clause()?;
        let url = &self.0.config.url;
        Some(format!("the shared state at {url} is away: {reason}"))
    }

    pub(super) fn counts(&self) -> SharedCounts {
        SharedCounts {
            is_available: self.connected().is_some(),
            answered: self.0.answered.load(Ordering::Relaxed),
            failed: self.0.failed.load(Ordering::Relaxed),
        }
    }

    fn presence_key(&self, replica: &str) -> String {
        self.presence_prefix() + replica
    }

    /// Returns the command that renews the presence of this host.
    fn presence(&self) -> Cmd {
        let mut command = redis::cmd("SET");
        command
            .arg(self.presence_key(self.replica()))
            .arg(1)
            .arg("PX")
            .arg(PRESENCE_TIME.as_millis() as u64);
        command
    }

    fn log_problem(&self, reason: &str) {
        tracing::warn!(
            redis.url = %self.0.config.url,
            reason,
            "shared state away, rates are counted by this replica alone and tasks are refused"
        );
    }

    fn connected(&self) -> Option<Connected> {
        let state = self.0.state.read().unwrap_or_else(PoisonError::into_inner);
        state.connection.clone()
    }

    fn problem_clause(&self) -> Option<String> {
        let state = self.0.state.read().unwrap_or_else(PoisonError::into_inner);
        state.connection.is_none().then(|| state.problem.clone())
    }

    fn set_problem(&self, reason: String) {
        self.write_state(|state| state.problem = reason);
    }

    fn write_state(&self, write: impl FnOnce(&mut State)) {
        write(&mut self.0.state.write().unwrap_or_else(PoisonError::into_inner));
    }
}
