//! An issuer's keys: fixed in the settings, or fetched at first need, kept while fresh, refreshed before that ends, and
//! kept longer through an outage.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::clock::Clock;
use super::fetch::{FetchError, Fetched, Fetcher};
use super::jwks::KeySet;
use super::key::KeyId;
use crate::text::error_chain;

/// How often at most an unknown `kid` makes the keys be fetched.
pub(super) const UNKNOWN_KID_SECONDS: u64 = 30;

/// A failed fetch is tried again after 1, 2, 4, … seconds, this many at most.
const RETRY_SECONDS_MAX: u32 = 30;

/// Where an issuer's keys come from.
pub(super) enum Keys {
    Fixed(Arc<KeySet>),
    Remote(Arc<Remote>),
}

/// No keys are known: when to ask again, and why.
#[derive(Debug, Clone)]
pub(super) struct Unavailable {
    pub(super) retry_after_seconds: u32,
    pub(super) why: String,
}

/// The keys at some time.
#[derive(Clone)]
pub(super) struct Known {
    pub(super) set: Arc<KeySet>,
    loaded_at: Instant,
    /// From here on they are refreshed in the background.
    refresh_at: Instant,
    /// From here on a refresh is waited for.
    stale_at: Instant,
    /// From here on they are not used, whatever happens.
    dead_at: Instant,
}

/// Keys that are fetched.
pub(super) struct Remote {
    issuer: String,
    fetcher: Fetcher,
    outage: Duration,
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    known: Option<Known>,
    /// The fetch under way; its sender goes when it ends.
    flight: Option<Flight>,
    failures: u32,
    retry_at: Option<Instant>,
    last_error: String,
    unknown_kid_at: Option<Instant>,
}

type Flight = watch::Receiver<()>;

impl Keys {
    /// The keys, fetched if need be.
    pub(super) async fn current(&self, clock: &Clock) -> Result<Known, Unavailable> {
        match self {
            Keys::Fixed(set) => Ok(Known::forever(set, clock)),
            Keys::Remote(remote) => remote.current().await,
        }
    }

    /// The keys after a `kid` was not among `seen`: newer ones if there are any to be had now.
    pub(super) async fn after_unknown(&self, seen: Known, asked_at: Instant) -> Known {
        match self {
            Keys::Fixed(_) => seen,
            Keys::Remote(remote) => remote.after_unknown(seen, asked_at).await,
        }
    }

    /// Whether this key stands, as far as can be said without waiting.
    pub(super) fn still_has(&self, key: &KeyId) -> bool {
        match self {
            Keys::Fixed(set) => set.contains(key),
            Keys::Remote(remote) => remote
                .at_hand(&mut remote.lock())
                .is_some_and(|known| known.set.contains(key)),
        }
    }
}

impl Known {
    fn forever(set: &Arc<KeySet>, clock: &Clock) -> Known {
        let now = clock.monotonic();
        Known {
            set: Arc::clone(set),
            loaded_at: now,
            refresh_at: now,
            stale_at: now,
            dead_at: now,
        }
    }
}

impl Remote {
    pub(super) fn new(issuer: String, fetcher: Fetcher, outage: Duration, clock: Clock) -> Remote {
        Remote {
            issuer,
            fetcher,
            outage,
            clock,
            state: Mutex::default(),
        }
    }

    async fn current(self: &Arc<Remote>) -> Result<Known, Unavailable> {
        let flight = {
            let mut state = self.lock();
            if let Some(known) = self.at_hand(&mut state) {
                return Ok(known);
            }
            self.fly(&mut state)
        };
        if let Some(flight) = flight {
            landing(flight).await;
        }
        let state = self.lock();
        let now = self.clock.monotonic();
        state.usable(now).cloned().ok_or_else(|| Unavailable {
            retry_after_seconds: state.retry_after_seconds(now),
            why: state.last_error.clone(),
        })
    }

    async fn after_unknown(self: &Arc<Remote>, seen: Known, asked_at: Instant) -> Known {
        let flight = {
            let mut state = self.lock();
            let now = self.clock.monotonic();
            if let Some(known) = state.usable(now)
                && known.loaded_at != seen.loaded_at
            {
                return known.clone();
            }
            // Keys that this very request had fetched are as new as they get.
            if seen.loaded_at >= asked_at {
                return seen;
            }
            let pause = Duration::from_secs(UNKNOWN_KID_SECONDS);
            if let Some(flight) = state.in_flight() {
                Some(flight)
            } else if state.unknown_kid_at.is_none_or(|at| now >= at + pause) {
                let flight = self.fly(&mut state);
                if flight.is_some() {
                    state.unknown_kid_at = Some(now);
                }
                flight
            } else {
                None
            }
        };
        let Some(flight) = flight else { return seen };
        landing(flight).await;
        let state = self.lock();
        state
            .usable(self.clock.monotonic())
            .cloned()
            .unwrap_or(seen)
    }

    /// The keys that can be used without waiting. Starts a refresh in the background where one is due.
    fn at_hand(self: &Arc<Remote>, state: &mut State) -> Option<Known> {
        let now = self.clock.monotonic();
        let known = state.usable(now)?.clone();
        if now >= known.refresh_at {
            // Stale keys are waited for once. While fetching fails, nobody waits for what will fail again.
            let outage = state.is_outage(now);
            if now >= known.stale_at && !outage {
                return None;
            }
            self.fly(state);
        }
        Some(known)
    }

    /// The fetch under way, or a new one, or nothing while the last failure is too recent.
    fn fly(self: &Arc<Remote>, state: &mut State) -> Option<Flight> {
        if let Some(flight) = state.in_flight() {
            return Some(flight);
        }
        if state.retry_at.is_some_and(|at| self.clock.monotonic() < at) {
            return None;
        }
        let (landed, flight) = watch::channel(());
        state.flight = Some(flight.clone());
        let remote = Arc::clone(self);
        // A task of its own: the request that began it may be gone before it ends, and others wait for it.
        tokio::spawn(async move {
            let outcome = remote.fetcher.fetch().await;
            remote.land(outcome);
            drop(landed);
        });
        Some(flight)
    }

    fn land(&self, outcome: Result<Fetched, FetchError>) {
        let mut state = self.lock();
        let now = self.clock.monotonic();
        state.flight = None;
        match outcome {
            Ok(fetched) => {
                tracing::info!(
                    auth.issuer = %self.issuer,
                    auth.keys.usable = fetched.keys.keys.len(),
                    auth.keys.unusable = fetched.keys.unusable.len(),
                    auth.keys.fresh_seconds = fetched.fresh.as_secs(),
                    "keys loaded"
                );
                if fetched.keys.keys.is_empty() {
                    tracing::warn!(
                        auth.issuer = %self.issuer,
                        auth.reason = %fetched.keys.why_unusable(),
                        "no key is usable"
                    );
                }
                let stale_at = now + fetched.fresh;
                state.known = Some(Known {
                    set: Arc::new(fetched.keys),
                    loaded_at: now,
                    refresh_at: now + fetched.fresh * 4 / 5,
                    stale_at,
                    dead_at: stale_at + self.outage,
                });
                state.failures = 0;
                state.retry_at = None;
            }
            Err(error) => {
                let seconds = RETRY_SECONDS_MAX.min(1 << state.failures.min(5));
                state.failures = state.failures.saturating_add(1);
                state.retry_at = Some(now + Duration::from_secs(seconds.into()));
                // It told nothing of unknown keys, so the next one may ask again.
                state.unknown_kid_at = None;
                state.last_error = error_chain(&error);
                tracing::warn!(
                    auth.issuer = %self.issuer,
                    auth.keys.known = state.usable(now).is_some(),
                    auth.retry_seconds = seconds,
                    auth.reason = %state.last_error,
                    "keys not fetched"
                );
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Each change is a whole one, so that a panic elsewhere leaves nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn usable(&self, now: Instant) -> Option<&Known> {
        self.known.as_ref().filter(|known| now < known.dead_at)
    }

    fn in_flight(&self) -> Option<Flight> {
        // A fetch that panicked has dropped its sender and counts as none.
        self.flight
            .clone()
            .filter(|flight| flight.has_changed().is_ok())
    }

    /// Whether fetching fails at this time. A failure of long ago says nothing, since nobody has asked after it.
    fn is_outage(&self, now: Instant) -> bool {
        let recent = Duration::from_secs(RETRY_SECONDS_MAX.into());
        self.retry_at.is_some_and(|at| now < at + recent)
    }

    fn retry_after_seconds(&self, now: Instant) -> u32 {
        let wait = self
            .retry_at
            .map_or(Duration::ZERO, |at| at.saturating_duration_since(now));
        let seconds = wait.as_millis().div_ceil(1000);
        u32::try_from(seconds).map_or(RETRY_SECONDS_MAX, |seconds| {
            seconds.clamp(1, RETRY_SECONDS_MAX)
        })
    }
}

/// Waits until the fetch has ended, well or not.
async fn landing(mut flight: Flight) {
    // Nothing is ever sent: the error says that the sender is gone.
    let _ = flight.changed().await;
}
