//! Limits on calls: concurrent calls in total, per component and per caller, calls that wait, and calls per minute.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::component::Component;
use crate::shared::SharedRates;

/// Time a call waits for a permit before it is rejected.
const MAX_WAIT: Duration = Duration::from_secs(1);
/// Upper limit of waiting calls of all components. Each holds its request body in memory.
const MAX_WAITING: usize = 256;
/// Upper limit of waiting calls of one caller.
const MAX_WAITING_PER_CALLER: usize = 64;
/// Number of remembered callers above which idle ones are forgotten.
const MAX_CALLERS: usize = 10_000;

/// Permission to run one call. Dropping the last clone admits another call.
#[derive(Clone)]
pub struct CallPermit(Arc<Vec<OwnedSemaphorePermit>>);

impl CallPermit {
    /// Returns what keeps the permit until the guest has released its memory, which may be later than the call ends.
    pub fn held(&self) -> Arc<dyn Send + Sync> {
        self.0.clone()
    }
}

/// The places for calls at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Places {
    /// Calls that run.
    pub in_use: u64,
    /// Calls that may run at the same time.
    pub max: u64,
    /// Calls that wait.
    pub waiting: u64,
}

/// The limit that a call was rejected for, with the time after which to retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// Concurrent calls of the server or of the component.
    #[error("the server is at its limit of concurrent calls; try again in {} s", .0.as_secs())]
    Saturated(Duration),
    /// Concurrent calls of the caller.
    #[error("you are at your limit of concurrent calls; try again in {} s", .0.as_secs())]
    Caller(Duration),
    /// Calls per minute of the caller.
    #[error("too many calls of this component; try again in {} s", .0.as_secs())]
    Rate(Duration),
}

/// Limits shared by all components. They outlive the catalogs that use them.
pub struct CallLimits {
    max: u64,
    total: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    /// `None` if callers cannot be distinguished.
    callers: Option<CallerLimits>,
    /// Counts rates together with other replicas; `None` counts them here.
    shared_rates: Option<SharedRates>,
}

/// The same limits for each caller.
struct CallerLimits {
    /// Concurrent calls of one caller.
    calls: u32,
    /// By rate key.
    callers: Mutex<HashMap<String, Arc<Caller>>>,
}

/// Permits of one caller.
struct Caller {
    calls: Arc<Semaphore>,
    waiting: Semaphore,
}

impl CallerLimits {
    fn new(calls: u32) -> Self {
        Self {
            calls,
            callers: Mutex::default(),
        }
    }

    /// Returns the permits of one caller.
    fn get(&self, rate_key: &str) -> Arc<Caller> {
        let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(caller) = callers.get(rate_key) {
            return caller.clone();
        }
        let calls = self.calls as usize;
        if callers.len() >= MAX_CALLERS {
            // A caller is idle if no call of it is running or waiting.
            callers.retain(|_, caller| {
                caller.calls.available_permits() < calls || Arc::strong_count(caller) > 1
            });
        }
        let caller = Arc::new(Caller {
            calls: Arc::new(Semaphore::new(calls)),
            waiting: Semaphore::new(MAX_WAITING_PER_CALLER),
        });
        callers.insert(rate_key.to_owned(), caller.clone());
        caller
    }
}

/// Limits of one component.
///
/// They are kept when a new version of the component is loaded, so that a reload does not reset a caller's rate and
/// calls still running in the old version count.
pub struct ComponentCallLimits {
    calls: Arc<Semaphore>,
    callers: CallerLimits,
    rate: Option<Rate>,
}

/// Calls per minute of each caller.
struct Rate {
    /// The name of the component.
    component: String,
    calls_per_minute: NonZeroU32,
    /// Counts the calls of this replica alone.
    local: DefaultKeyedRateLimiter<String>,
}

impl ComponentCallLimits {
    /// Creates the limits that the component is configured with. `replicas` share its rates; while this one has to count
    /// alone, it allows its part of them.
    pub fn new(component: &Component, replicas: NonZeroU32) -> Self {
        let limits = &component.limits;
        let rate = limits.calls_per_minute.map(|calls_per_minute| {
            let part = calls_per_minute.get() / replicas;
            let part = NonZeroU32::new(part).unwrap_or(NonZeroU32::MIN);
            Rate {
                component: component.name.clone(),
                calls_per_minute,
                local: RateLimiter::keyed(Quota::per_minute(part)),
            }
        });
        Self {
            calls: Arc::new(Semaphore::new(limits.concurrency as usize)),
            callers: CallerLimits::new(limits.concurrency_per_caller()),
            rate,
        }
    }
}

impl Rate {
    /// Counts a call.
    async fn check(&self, caller: &str, shared: Option<&SharedRates>) -> Result<(), Rejection> {
        let wait = match shared {
            None => self.wait_here(caller),
            Some(shared) => shared
                .count(&self.component, caller, self.calls_per_minute)
                .await
                .unwrap_or_else(|_away| self.wait_here(caller)),
        };
        let rejected = wait.map(|wait| Rejection::Rate(Duration::from_secs(wait.as_secs() + 1)));
        rejected.map_or(Ok(()), Err)
    }

    /// Counts a call here. Returns the time until the next one is allowed if this one is not.
    fn wait_here(&self, caller: &str) -> Option<Duration> {
        if self.local.len() > MAX_CALLERS {
            self.local.retain_recent();
        }
        let until = self.local.check_key(&caller.to_owned()).err()?;
        Some(until.wait_time_from(DefaultClock::default().now()))
    }
}

impl CallLimits {
    /// Creates limits of `total` concurrent calls and, if callers can be distinguished, `per_caller` for each of them.
    pub fn new(total: u32, per_caller: Option<u32>) -> Self {
        Self {
            max: total.into(),
            total: Arc::new(Semaphore::new(total as usize)),
            waiting: Arc::new(Semaphore::new(MAX_WAITING)),
            callers: per_caller.map(CallerLimits::new),
            shared_rates: None,
        }
    }

    /// Counts rates together with other replicas.
    pub(crate) fn with_shared_rates(self, rates: Option<SharedRates>) -> Self {
        Self {
            shared_rates: rates,
            ..self
        }
    }

    /// Returns the same limits with another one for each caller. Calls under way count in all limits but that.
    pub fn with_calls_per_caller(self: &Arc<Self>, per_caller: Option<u32>) -> Arc<Self> {
        if self.callers.as_ref().map(|callers| callers.calls) == per_caller {
            return self.clone();
        }
        Arc::new(Self {
            max: self.max,
            total: self.total.clone(),
            waiting: self.waiting.clone(),
            callers: per_caller.map(CallerLimits::new),
            shared_rates: self.shared_rates.clone(),
        })
    }

    /// Returns the places of all components and how many of them are used.
    pub(super) fn places(&self) -> Places {
        let free = |semaphore: &Semaphore| semaphore.available_permits();
        Places {
            in_use: self.max.saturating_sub(free(&self.total) as u64),
            max: self.max,
            waiting: MAX_WAITING.saturating_sub(free(&self.waiting)) as u64,
        }
    }

    /// Admits one call, waiting up to [`MAX_WAIT`] for a permit. `caller` is the caller's rate key.
    ///
    /// # Errors
    /// The limit that was reached.
    pub(super) async fn admit(
        &self,
        component: &ComponentCallLimits,
        caller: &str,
    ) -> Result<CallPermit, Rejection> {
        if let Some(rate) = &component.rate {
            rate.check(caller, self.shared_rates.as_ref()).await?;
        }
        let of_all = self.callers.as_ref().map(|callers| callers.get(caller));
        let of_component = of_all.is_some().then(|| component.callers.get(caller));
        // Ordered from narrow to wide: a call that waits for one permit must not hold another that more calls compete
        // for.
        let caller_permits: Vec<_> = of_component
            .iter()
            .chain(&of_all)
            .map(|of| of.calls.clone())
            .collect();
        let mut semaphores = caller_permits.clone();
        semaphores.extend([component.calls.clone(), self.total.clone()]);
        let free = semaphores.iter().map(|s| s.clone().try_acquire_owned());
        if let Ok(permits) = free.collect() {
            return Ok(CallPermit(Arc::new(permits)));
        }
        let saturated = Rejection::Saturated(MAX_WAIT);
        let caller_saturated = Rejection::Caller(MAX_WAIT);
        let waiting_of_caller = of_all.as_ref().map(|of| of.waiting.try_acquire());
        let _waiting_of_caller = waiting_of_caller
            .transpose()
            .map_err(|_| caller_saturated)?;
        let _waiting = self.waiting.try_acquire().map_err(|_| saturated)?;
        let acquire_all = async {
            let mut permits = Vec::with_capacity(semaphores.len());
            for semaphore in semaphores {
                // The semaphores are never closed, so `acquire_owned` does not fail.
                permits.extend(semaphore.acquire_owned().await.ok());
            }
            CallPermit(Arc::new(permits))
        };
        tokio::time::timeout(MAX_WAIT, acquire_all)
            .await
            .map_err(|_| {
                let mut permits = caller_permits.iter();
                match permits.any(|of_caller| of_caller.available_permits() == 0) {
                    true => caller_saturated,
                    false => saturated,
                }
            })
    }
}
