//! Rates of callers, counted by all hosts together in one round trip for each call.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use redis::Script;

use super::config::SharedConfig;
use super::error::Away;
use super::link::Link;
use super::scripts;
use super::seal::Seal;

const MINUTE_MICROS: f64 = 60e6;

/// The counters of rates. Cheap to clone.
#[derive(Clone)]
pub(crate) struct SharedRates {
    link: Link,
    seal: Seal,
    key_prefix: String,
    timeout: Duration,
    script: Arc<Script>,
}

impl SharedRates {
    pub(super) fn new(link: Link, seal: Seal, config: &SharedConfig) -> Self {
        Self {
            link,
            seal,
            key_prefix: config.key_prefix("rate"),
            timeout: config.timeout,
            script: Arc::new(Script::new(scripts::RATE)),
        }
    }

    /// Counts a call. Returns the time until the next one is allowed if this one is not.
    ///
    /// # Errors
    /// Redis is away; the call may have been counted.
    pub(crate) async fn count(
        &self,
        component: &str,
        caller: &str,
        calls_per_minute: NonZeroU32,
    ) -> Result<Option<Duration>, Away> {
        let key = self.key_prefix.clone() + &self.seal.name(&[component, caller]);
        let calls = calls_per_minute.get();
        let interval = MINUTE_MICROS / f64::from(calls);
        let wait_micros: u64 = self
            .link
            .run(self.timeout, async move |mut connection| {
                let mut call = self.script.key(key);
                call.arg(interval).arg(calls);
                call.invoke_async(&mut connection).await
            })
            .await?;
        // The whole window is a minute.
        let wait = Duration::from_micros(wait_micros.min(MINUTE_MICROS as u64));
        Ok((!wait.is_zero()).then_some(wait))
    }
}
