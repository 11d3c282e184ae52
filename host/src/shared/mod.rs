//! State that several hosts share through Redis: rates and tasks.
//!
//! A background task keeps the connection (`link`), so that no call connects or waits for an address that does not answer.
//! While Redis is away, `Link::run` fails at once, and each user has a rule of its own: `rates` are
//! counted by each host, `tasks` are refused. Keys are digests, and values are encrypted (`seal`), because they hold what
//! callers sent and what tools returned.

mod config;
mod error;
mod url;

mod probe;
mod seal;

mod link;

mod rates;
mod scripts;
mod tasks;

pub use config::SharedConfig;
pub use error::SharedError;
pub(crate) use error::{Away, redis_reason};
pub(crate) use link::SharedCounts;
pub(crate) use rates::SharedRates;
pub(crate) use tasks::{MAX_MESSAGE_BYTES, MAX_STATE_BYTES, Published, Sent, TaskKey, TaskStore};
pub use url::RedisUrl;

use std::fmt;
use std::sync::Arc;

use tokio::task::JoinHandle;

use link::Link;
use probe::NotConnected;
use seal::Seal;

/// The connection to the state that several hosts share. Cheap to clone; dropping the last clone ends it.
#[derive(Clone)]
pub struct Shared(Arc<Inner>);

struct Inner {
    link: Link,
    seal: Seal,
    config: SharedConfig,
    keeper: JoinHandle<()>,
}

impl Shared {
    /// Connects to Redis. If Redis is away, it is tried again in the background. `key` protects the data; it is the same on
    /// all hosts.
    ///
    /// # Errors
    /// Redis answers and cannot be used as it is set up.
    pub async fn start(config: &SharedConfig, key: &[u8]) -> Result<Self, SharedError> {
        let seal = Seal::new(key);
        let (link, connected) = Link::connect(config).await?;
        let keeper = tokio::spawn(link.clone().keep(connected));
        Ok(Self(Arc::new(Inner {
            link,
            seal,
            config: config.clone(),
            keeper,
        })))
    }

    /// Asks Redis whether it can be used, and leaves nothing there.
    ///
    /// # Errors
    /// One clause: Redis is away, or cannot be used as it is set up.
    pub(crate) async fn check(config: &SharedConfig) -> Result<(), String> {
        let mut probe = redis::cmd("SET");
        let key = format!("{}{}", config.key_prefix("check"), uuid::Uuid::new_v4());
        probe.arg(key).arg("").arg("PX").arg(1);
        match probe::connect(config, &probe).await {
            Ok(_) => Ok(()),
            Err(NotConnected::Away(reason)) => Err(reason),
            Err(NotConnected::Unusable(error)) => Err(error.reason),
        }
    }

    /// Returns the counters of rates.
    pub(crate) fn rates(&self) -> SharedRates {
        let Inner {
            link, seal, config, ..
        } = &*self.0;
        SharedRates::new(link.clone(), seal.clone(), config)
    }

    /// Returns the store of tasks.
    pub(crate) fn tasks(&self) -> TaskStore {
        let Inner {
            link, seal, config, ..
        } = &*self.0;
        TaskStore::new(link.clone(), seal.clone(), config)
    }

    /// Returns one sentence if Redis is away.
    pub(crate) fn problem(&self) -> Option<String> {
        self.0.link.problem()
    }

    /// Returns the use of Redis since the start.
    pub(crate) fn counts(&self) -> SharedCounts {
        self.0.link.counts()
    }

    /// Tells the other hosts that this one has ended, so that its running tasks end too.
    pub(crate) async fn close(&self) {
        self.0.keeper.abort();
        self.0.link.leave().await;
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Shared({})", self.0.config.url)
    }
}
