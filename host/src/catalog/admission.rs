//! Places for calls: how many run at once, in all and of one component, and how
//! many a caller may make in a minute.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Catalog, Found};
use crate::component::Component;

/// How long a call waits for a place before it is refused.
const MAX_WAIT: Duration = Duration::from_secs(1);
/// Callers that the rate limits remember before those at rest are forgotten.
const MAX_CALLERS: usize = 10_000;

/// A place for one call, given back when it is dropped.
pub struct Permit(#[allow(dead_code)] [OwnedSemaphorePermit; 2]);

/// What a request is for, with the place for its call. It was looked up once, so
/// that what was judged is what runs.
pub struct Admission {
    /// What is called.
    pub found: Found,
    /// The place.
    pub permit: Permit,
}

/// An admission on its way through what keeps a request longer than its call
/// runs: whoever takes it has the place alone.
#[derive(Clone)]
pub struct Admitted(Arc<Mutex<Option<Admission>>>);

impl Admitted {
    /// Hands it on.
    pub fn new(admission: Admission) -> Self {
        Self(Arc::new(Mutex::new(Some(admission))))
    }

    /// `None` when somebody has taken it.
    pub fn take(&self) -> Option<Admission> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Why there is no place for a call now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Every place is taken.
    #[error("the server is at its limit of concurrent calls; try again in {} s", .0.as_secs())]
    Saturated(Duration),
    /// The caller has made its calls of this minute.
    #[error("too many calls of this component; try again in {} s", .0.as_secs())]
    Rate(Duration),
}

/// The places of one component. They outlive its versions: what a caller has used
/// up stays used up, and calls that still run in the old version count.
pub struct Places {
    calls: Arc<Semaphore>,
    rate: Option<DefaultKeyedRateLimiter<String>>,
}

impl Places {
    /// As many as the component's limits say.
    pub fn new(component: &Component) -> Self {
        let limits = &component.limits;
        let per_minute = limits.calls_per_minute;
        Self {
            calls: Arc::new(Semaphore::new(limits.concurrency as usize)),
            rate: per_minute.map(|calls: NonZeroU32| RateLimiter::keyed(Quota::per_minute(calls))),
        }
    }

    fn check_rate(&self, caller: &str) -> Result<(), Refused> {
        let Some(rate) = &self.rate else {
            return Ok(());
        };
        if rate.len() > MAX_CALLERS {
            rate.retain_recent();
        }
        rate.check_key(&caller.to_owned()).map_err(|until| {
            let wait = until.wait_time_from(DefaultClock::default().now());
            Refused::Rate(Duration::from_secs(wait.as_secs() + 1))
        })
    }
}

impl Catalog {
    /// Takes a place for one call of what was found, waiting for a moment where
    /// all are taken. `caller` is who the rate is counted for.
    ///
    /// # Errors
    /// When there is none, with the time after which to try again.
    pub async fn admit(&self, found: &Found, caller: &str) -> Result<Permit, Refused> {
        let own = &found.served().places;
        own.check_rate(caller)?;
        let places = async {
            // The component's place first: a call that waits for its component
            // must not hold a place that another component could use.
            let own = own.calls.clone().acquire_owned().await.ok()?;
            let shared = self.calls.clone().acquire_owned().await.ok()?;
            Some(Permit([own, shared]))
        };
        match tokio::time::timeout(MAX_WAIT, places).await {
            Ok(Some(permit)) => Ok(permit),
            // The semaphores are never closed, so only the wait can end.
            Ok(None) | Err(_) => Err(Refused::Saturated(MAX_WAIT)),
        }
    }
}
