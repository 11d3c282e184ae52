//! The keys of an issuer: static from the configuration, or fetched on first use, refreshed before they become stale,
//! and kept through an outage.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::clock::Clock;
use super::fetch::{FetchError, Fetched, Fetcher};
use super::jwks::{KeySet, MAX_KEYS};
use super::key::KeyId;
use crate::text::error_chain;

/// The minimum interval between two fetches caused by unknown `kid`s.
pub(super) const MIN_UNKNOWN_KID_INTERVAL_SECONDS: u64 = 30;

/// The longest delay before a failed fetch is retried; the delays are 1, 2, 4, … seconds.
const MAX_RETRY_SECONDS: u32 = 30;

/// The keys of an issuer.
pub(super) enum IssuerKeys {
    Static(Arc<KeySet>),
    Remote(Arc<RemoteKeys>),
}

/// The error for an issuer without known keys.
#[derive(Debug, Clone)]
pub(super) struct KeysUnavailable {
    pub(super) retry_after_seconds: u32,
    pub(super) reason: String,
}

/// A set of keys and the times that govern its use.
#[derive(Clone)]
pub(super) struct KnownKeys {
    pub(super) set: Arc<KeySet>,
    loaded_at: Instant,
    /// Time from which a background refresh is started.
    refresh_at: Instant,
    /// Time from which requests wait for a refresh.
    stale_at: Instant,
    /// Time from which the keys are not used at all.
    discard_at: Instant,
}

/// The cached keys of an issuer and the fetching of new ones.
pub(super) struct RemoteKeys {
    issuer: String,
    fetcher: Fetcher,
    outage: Duration,
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    known: Option<KnownKeys>,
    /// The fetch in progress; its sender is dropped when the fetch ends.
    fetch: Option<PendingFetch>,
    failures: u32,
    retry_at: Option<Instant>,
    last_error: String,
    unknown_kid_at: Option<Instant>,
    /// Fetches that succeeded and that failed.
    fetches: (u64, u64),
}

/// Closed when the fetch ends.
type PendingFetch = watch::Receiver<()>;

impl IssuerKeys {
    /// Returns the keys, waiting for a fetch if necessary.
    pub(super) async fn current(&self, clock: &Clock) -> Result<KnownKeys, KeysUnavailable> {
        match self {
            IssuerKeys::Static(set) => Ok(KnownKeys::from_static(set, clock)),
            IssuerKeys::Remote(remote) => remote.current().await,
        }
    }

    /// Returns newer keys after `seen` did not contain a token's `kid`, or `seen` if none can be fetched now.
    pub(super) async fn refresh_for_unknown_kid(
        &self,
        seen: KnownKeys,
        requested_at: Instant,
    ) -> KnownKeys {
        match self {
            IssuerKeys::Static(_) => seen,
            IssuerKeys::Remote(remote) => remote.refresh_for_unknown_kid(seen, requested_at).await,
        }
    }

    /// Returns whether the keys come from a server.
    pub(super) fn are_fetched(&self) -> bool {
        matches!(self, IssuerKeys::Remote(_))
    }

    /// Starts a fetch in the background if no keys are known and none is delayed after a failure.
    pub(super) fn prepare(&self) {
        if let IssuerKeys::Remote(remote) = self {
            let mut state = remote.lock();
            if state.not_discarded(remote.clock.monotonic()).is_none() {
                remote.start_fetch(&mut state);
            }
        }
    }

    /// Returns one sentence if the last fetch failed or its keys cannot all be used.
    pub(super) fn problem(&self) -> Option<String> {
        match self {
            IssuerKeys::Static(_) => None,
            IssuerKeys::Remote(remote) => remote.problem(),
        }
    }

    /// Returns the numbers of fetches that succeeded and that failed.
    pub(super) fn fetches(&self) -> (u64, u64) {
        match self {
            IssuerKeys::Static(_) => (0, 0),
            IssuerKeys::Remote(remote) => remote.lock().fetches,
        }
    }

    /// Returns whether this key is still valid, without waiting for a fetch.
    pub(super) fn contains(&self, key: &KeyId) -> bool {
        match self {
            IssuerKeys::Static(set) => set.contains(key),
            IssuerKeys::Remote(remote) => remote
                .usable_now(&mut remote.lock())
                .is_some_and(|known| known.set.contains(key)),
        }
    }
}

impl KnownKeys {
    /// Static keys have no times: nothing reads them.
    fn from_static(set: &Arc<KeySet>, clock: &Clock) -> KnownKeys {
        let now = clock.monotonic();
        KnownKeys {
            set: Arc::clone(set),
            loaded_at: now,
            refresh_at: now,
            stale_at: now,
            discard_at: now,
        }
    }
}

impl RemoteKeys {
    pub(super) fn new(
        issuer: String,
        fetcher: Fetcher,
        outage: Duration,
        clock: Clock,
    ) -> RemoteKeys {
        RemoteKeys {
            issuer,
            fetcher,
            outage,
            clock,
            state: Mutex::default(),
        }
    }

    /// Returns the keys, waiting for a fetch unless they can be used now.
    async fn current(self: &Arc<RemoteKeys>) -> Result<KnownKeys, KeysUnavailable> {
        let fetch = {
            let mut state = self.lock();
            if let Some(known) = self.usable_now(&mut state) {
                return Ok(known);
            }
            self.start_fetch(&mut state)
        };
        if let Some(fetch) = fetch {
            wait_for_fetch(fetch).await;
        }
        let state = self.lock();
        let now = self.clock.monotonic();
        state
            .not_discarded(now)
            .cloned()
            .ok_or_else(|| KeysUnavailable {
                retry_after_seconds: state.retry_after_seconds(now),
                reason: state.last_error.clone(),
            })
    }

    fn problem(&self) -> Option<String> {
        let state = self.lock();
        let known = state.not_discarded(self.clock.monotonic());
        let issuer = &self.issuer;
        if state.failures > 0 {
            let reason = &state.last_error;
            let consequence = match known {
                Some(_) => "the keys fetched before are still used",
                None => "its tokens are answered with 503",
            };
            return Some(format!(
                "the keys of the issuer {issuer} cannot be fetched: {reason}; {consequence}"
            ));
        }
        let set = &known?.set;
        if set.keys.is_empty() {
            let reasons = set.unusable_reasons();
            return Some(format!(
                "the key set of the issuer {issuer} has no usable key: {reasons}"
            ));
        }
        (set.ignored > 0).then(|| {
            format!(
                "the key set of the issuer {issuer} has more than {MAX_KEYS} keys; {} are ignored",
                set.ignored
            )
        })
    }

    /// Fetches again, unless another request has done so or an unknown `kid` caused a fetch recently.
    async fn refresh_for_unknown_kid(
        self: &Arc<RemoteKeys>,
        seen: KnownKeys,
        requested_at: Instant,
    ) -> KnownKeys {
        let fetch = {
            let mut state = self.lock();
            let now = self.clock.monotonic();
            if let Some(known) = state.not_discarded(now)
                && known.loaded_at != seen.loaded_at
            {
                return known.clone();
            }
            // These keys were fetched for this very request, so a second fetch would not find newer ones.
            if seen.loaded_at >= requested_at {
                return seen;
            }
            let min_interval = Duration::from_secs(MIN_UNKNOWN_KID_INTERVAL_SECONDS);
            if let Some(fetch) = state.pending_fetch() {
                Some(fetch)
            } else if state
                .unknown_kid_at
                .is_none_or(|at| now >= at + min_interval)
            {
                let fetch = self.start_fetch(&mut state);
                if fetch.is_some() {
                    state.unknown_kid_at = Some(now);
                }
                fetch
            } else {
                None
            }
        };
        let Some(fetch) = fetch else { return seen };
        wait_for_fetch(fetch).await;
        let state = self.lock();
        state
            .not_discarded(self.clock.monotonic())
            .cloned()
            .unwrap_or(seen)
    }

    /// Returns the keys if no fetch must be awaited, and starts a background refresh if one is due.
    fn usable_now(self: &Arc<RemoteKeys>, state: &mut State) -> Option<KnownKeys> {
        let now = self.clock.monotonic();
        let known = state.not_discarded(now)?.clone();
        if now >= known.refresh_at {
            // Requests wait for stale keys to be refreshed, but not while fetching fails.
            let is_failing = state.is_failing(now);
            if now >= known.stale_at && !is_failing {
                return None;
            }
            self.start_fetch(state);
        }
        Some(known)
    }

    /// Joins the fetch in progress or starts one. Returns `None` while the delay after a failure has not elapsed.
    fn start_fetch(self: &Arc<RemoteKeys>, state: &mut State) -> Option<PendingFetch> {
        if let Some(fetch) = state.pending_fetch() {
            return Some(fetch);
        }
        if state.retry_at.is_some_and(|at| self.clock.monotonic() < at) {
            return None;
        }
        let (done, fetch) = watch::channel(());
        state.fetch = Some(fetch.clone());
        let remote = Arc::clone(self);
        // A separate task, because other requests wait for the fetch even if the request that started it is dropped.
        tokio::spawn(async move {
            let outcome = remote.fetcher.fetch().await;
            remote.finish_fetch(outcome);
            drop(done);
        });
        Some(fetch)
    }

    /// Records the outcome of a fetch.
    fn finish_fetch(&self, outcome: Result<Fetched, FetchError>) {
        let mut state = self.lock();
        let now = self.clock.monotonic();
        state.fetch = None;
        match outcome {
            Ok(fetched) => {
                tracing::info!(
                    auth.issuer = %self.issuer,
                    auth.keys.usable = fetched.keys.keys.len(),
                    auth.keys.unusable = fetched.keys.unusable.len(),
                    auth.keys.fresh_seconds = fetched.fresh_for.as_secs(),
                    "keys loaded"
                );
                if fetched.keys.keys.is_empty() {
                    tracing::warn!(
                        auth.issuer = %self.issuer,
                        auth.reason = %fetched.keys.unusable_reasons(),
                        "fetched keys are all unusable"
                    );
                }
                if fetched.keys.ignored > 0 {
                    tracing::warn!(
                        auth.issuer = %self.issuer,
                        auth.keys.ignored = fetched.keys.ignored,
                        "key set has too many keys"
                    );
                }
                let stale_at = now + fetched.fresh_for;
                state.known = Some(KnownKeys {
                    set: Arc::new(fetched.keys),
                    loaded_at: now,
                    refresh_at: now + fetched.fresh_for * 4 / 5,
                    stale_at,
                    discard_at: stale_at + self.outage,
                });
                state.failures = 0;
                state.fetches.0 += 1;
                state.retry_at = None;
            }
            Err(error) => {
                let seconds = MAX_RETRY_SECONDS.min(1 << state.failures.min(5));
                state.failures = state.failures.saturating_add(1);
                state.fetches.1 += 1;
                state.retry_at = Some(now + Duration::from_secs(seconds.into()));
                // The failed fetch did not show whether the `kid` exists, so the next request may try again.
                state.unknown_kid_at = None;
                state.last_error = error_chain(&error);
                tracing::warn!(
                    auth.issuer = %self.issuer,
                    auth.keys.known = state.not_discarded(now).is_some(),
                    auth.retry_seconds = seconds,
                    auth.reason = %state.last_error,
                    "key fetch failed"
                );
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Safe after a panic: every change leaves the state consistent.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Returns the known keys, unless they are too old to be used at all.
    fn not_discarded(&self, now: Instant) -> Option<&KnownKeys> {
        self.known.as_ref().filter(|known| now < known.discard_at)
    }

    /// Returns the fetch in progress.
    fn pending_fetch(&self) -> Option<PendingFetch> {
        // The sender of a fetch that panicked is dropped, so the channel is closed.
        self.fetch
            .clone()
            .filter(|fetch| fetch.has_changed().is_ok())
    }

    /// Returns whether fetching currently fails. An old failure does not count, because nothing has tried to fetch
    /// since.
    fn is_failing(&self, now: Instant) -> bool {
        let recent = Duration::from_secs(MAX_RETRY_SECONDS.into());
        self.retry_at.is_some_and(|at| now < at + recent)
    }

    /// Returns the time until the next fetch may start, for the `Retry-After` header.
    fn retry_after_seconds(&self, now: Instant) -> u32 {
        let wait = self
            .retry_at
            .map_or(Duration::ZERO, |at| at.saturating_duration_since(now));
        let seconds = wait.as_millis().div_ceil(1000);
        u32::try_from(seconds).map_or(MAX_RETRY_SECONDS, |seconds| {
            seconds.clamp(1, MAX_RETRY_SECONDS)
        })
    }
}

/// Waits until the fetch has ended, successfully or not.
async fn wait_for_fetch(mut fetch: PendingFetch) {
    // The sender never sends; `changed` returns an error when it is dropped.
    let _ = fetch.changed().await;
}
