//! Places for calls: how many run at once, in all, of one component and of one
//! caller, how many wait, and how many a caller may make in a minute.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Catalog, Target};
use crate::component::Component;

/// How long a call waits for a place before it is refused.
const MAX_WAIT: Duration = Duration::from_secs(1);
/// Calls that wait for a place, of all components together: each has its body in
/// memory.
const MAX_WAITING: usize = 256;
/// Those of one caller among them.
const MAX_WAITING_OF_CALLER: usize = 64;
/// Callers that are remembered before those at rest are forgotten.
const MAX_CALLERS: usize = 10_000;

/// A place for one call, given back when it is dropped.
pub struct CallPermit(#[allow(dead_code)] Vec<OwnedSemaphorePermit>);

/// What a request is for, with the place for its call. It was looked up once, so
/// that what was judged is what runs.
pub struct CallTicket {
    /// What is called.
    pub found: Target,
    /// The place.
    pub permit: CallPermit,
}

/// An admission on its way through what keeps a request longer than its call
/// runs: whoever takes it has the place alone.
#[derive(Clone)]
pub struct Admitted(Arc<Mutex<Option<CallTicket>>>);

impl Admitted {
    /// Hands it on.
    pub fn new(admission: CallTicket) -> Self {
        Self(Arc::new(Mutex::new(Some(admission))))
    }

    /// `None` when somebody has taken it.
    pub fn take(&self) -> Option<CallTicket> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Why there is no place for a call now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Every place is taken.
    #[error("the server is at its limit of concurrent calls; try again in {} s", .0.as_secs())]
    Saturated(Duration),
    /// The caller has as many calls running as one may.
    #[error("you are at your limit of concurrent calls; try again in {} s", .0.as_secs())]
    Caller(Duration),
    /// The caller has made its calls of this minute.
    #[error("too many calls of this component; try again in {} s", .0.as_secs())]
    Rate(Duration),
}

/// The places for calls of all components together, which outlive the catalogs
/// that use them.
pub struct CallLimits {
    all: Arc<Semaphore>,
    waiting: Semaphore,
    /// Places of one caller; `None` where callers are not told apart.
    per_caller: Option<u32>,
    /// By what the rate is counted for.
    callers: Mutex<HashMap<String, Arc<CallerLimits>>>,
}

/// The places of one caller.
struct CallerLimits {
    calls: Arc<Semaphore>,
    waiting: Semaphore,
}

impl CallLimits {
    /// Places for so many calls, and for so many of one caller.
    pub fn new(all: u32, per_caller: Option<u32>) -> Self {
        Self {
            all: Arc::new(Semaphore::new(all as usize)),
            waiting: Semaphore::new(MAX_WAITING),
            per_caller,
            callers: Mutex::default(),
        }
    }

    fn of(&self, caller: &str) -> Option<Arc<CallerLimits>> {
        let places = self.per_caller? as usize;
        let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = callers.get(caller) {
            return Some(known.clone());
        }
        if callers.len() >= MAX_CALLERS {
            // Who holds a place, or waits for one, holds these.
            callers
                .retain(|_, of| of.calls.available_permits() < places || Arc::strong_count(of) > 1);
        }
        let of = Arc::new(CallerLimits {
            calls: Arc::new(Semaphore::new(places)),
            waiting: Semaphore::new(MAX_WAITING_OF_CALLER),
        });
        callers.insert(caller.to_owned(), of.clone());
        Some(of)
    }
}

/// The places of one component. They outlive its versions: what a caller has used
/// up stays used up, and calls that still run in the old version count.
pub struct ComponentCallLimits {
    calls: Arc<Semaphore>,
    rate: Option<DefaultKeyedRateLimiter<String>>,
}

impl ComponentCallLimits {
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
    pub async fn admit(&self, found: &Target, caller: &str) -> Result<CallPermit, Refused> {
        let component = &found.served().places;
        component.check_rate(caller)?;
        let of_caller = self.calls.of(caller);
        // The caller's place first, then the component's: a call that waits for
        // one of them must not hold a place that others could use.
        let mut places: Vec<_> = of_caller.iter().map(|of| of.calls.clone()).collect();
        places.extend([component.calls.clone(), self.calls.all.clone()]);
        let now = places.iter().map(|p| p.clone().try_acquire_owned());
        if let Ok(taken) = now.collect() {
            return Ok(CallPermit(taken));
        }
        let (full, at_caller) = (Refused::Saturated(MAX_WAIT), Refused::Caller(MAX_WAIT));
        let own = of_caller.as_ref().map(|of| of.waiting.try_acquire());
        let _own = own.transpose().map_err(|_| at_caller)?;
        let _waiting = self.calls.waiting.try_acquire().map_err(|_| full)?;
        let taking = async {
            let mut taken = Vec::with_capacity(places.len());
            for place in places {
                // The semaphores are never closed, so only the wait can end.
                taken.extend(place.acquire_owned().await.ok());
            }
            CallPermit(taken)
        };
        tokio::time::timeout(MAX_WAIT, taking).await.map_err(|_| {
            let is_at_own = |of: &Arc<CallerLimits>| of.calls.available_permits() == 0;
            match of_caller.as_ref().is_some_and(is_at_own) {
                true => at_caller,
                false => full,
            }
        })
    }
}
