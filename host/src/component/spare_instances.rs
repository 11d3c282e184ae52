//! Spare instances: made after a call of a component that is called often, so that its next call need not wait for one.
//!
//! A spare instance has been used by no call, and one call at most uses it. Its start functions have run within the
//! limits of a call, without a caller and without a client. It does not take the place of a call: the engine's pool has
//! places for spare instances.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::contract::{CallData, Guest, GuestContext, PreparedStore};
use crate::boxed_future::boxed_future;
use crate::engine::Engine;
use crate::sandbox::keyvalue::Owner;
use crate::sandbox::{self, CpuProfile, Limits, OpenGrants};
use crate::telemetry::{CallSpan, CallUsage};

/// Time between two calls within which a component counts as called often.
const MAX_PAUSE: Duration = Duration::from_secs(1);
/// Time without a call after which the spare instances are dropped.
const MAX_IDLE_TIME: Duration = Duration::from_secs(5);

/// The spare instances of one loaded component.
pub(super) struct SpareInstances {
    /// The component's name in the log.
    component: String,
    engine: Engine,
    guest: Arc<Guest>,
    grants: Arc<OpenGrants>,
    limits: Limits,
    /// Remembers whether making an instance is CPU-heavy, as for the calls of a tool.
    cpu_profile: Arc<CpuProfile>,
    state: Mutex<State>,
}

/// The instances that wait, and when more are made.
#[derive(Default)]
struct State {
    waiting: Vec<Spare>,
    /// Number of calls so far.
    calls: u64,
    is_making: bool,
    /// Whether making one has failed. It would fail again, at the cost of a call's limits.
    has_failed: bool,
    last_call: Option<Instant>,
    /// Whether [`SpareInstances::drop_idle`] runs.
    is_watched: bool,
}

struct Spare {
    store: PreparedStore,
    _permit: OwnedSemaphorePermit,
}

impl SpareInstances {
    pub(super) fn new(
        component: &str,
        engine: &Engine,
        guest: Arc<Guest>,
        grants: Arc<OpenGrants>,
        limits: &Limits,
    ) -> Arc<Self> {
        Arc::new(Self {
            component: component.to_owned(),
            engine: engine.clone(),
            guest,
            grants,
            limits: limits.clone(),
            cpu_profile: Arc::default(),
            state: Mutex::default(),
        })
    }

    /// Returns the store for a call, with an instance if one waits.
    pub(super) fn store(
        &self,
        owner: Option<Owner>,
        usage: Arc<CallUsage>,
        data: CallData,
    ) -> PreparedStore {
        let waiting = {
            let mut state = self.state();
            state.calls += 1;
            state.waiting.pop()
        };
        match waiting {
            Some(mut spare) => {
                sandbox::start_call(&mut spare.store.store, &self.limits, owner, usage, data);
                spare.store
            }
            None => self.new_store(owner, usage, data),
        }
    }

    fn new_store(
        &self,
        owner: Option<Owner>,
        usage: Arc<CallUsage>,
        data: CallData,
    ) -> PreparedStore {
        let (limits, grants) = (&self.limits, &self.grants);
        PreparedStore::new(sandbox::new_store(
            &self.engine,
            limits,
            grants,
            owner,
            usage,
            data,
        ))
    }

    /// Makes an instance in the background, if the component is called often and has too few. Requests that have arrived
    /// come first; one of them that calls the component makes its instance itself.
    pub(super) fn refill(self: &Arc<Self>) {
        let now = Instant::now();
        let mut state = self.state();
        let last_call = state.last_call.replace(now);
        let is_hot = last_call.is_some_and(|last| now - last <= MAX_PAUSE);
        let is_full = state.waiting.len() >= self.limits.spare_instances as usize;
        if !is_hot || is_full || state.is_making || state.has_failed {
            return;
        }
        let Some(permit) = self.engine.spare_instance_permit() else {
            return;
        };
        state.is_making = true;
        let calls = state.calls;
        drop(state);
        let spares = self.clone();
        tokio::spawn(async move {
            tokio::task::yield_now().await;
            {
                let mut state = spares.state();
                if state.calls > calls {
                    state.is_making = false;
                    return;
                }
            }
            let made = boxed_future(|| spares.make()).await;
            let mut state = spares.state();
            state.is_making = false;
            match made {
                Some(store) => state.waiting.push(Spare {
                    store,
                    _permit: permit,
                }),
                None => state.has_failed = true,
            }
            if !state.is_watched {
                state.is_watched = true;
                tokio::spawn(drop_idle(Arc::downgrade(&spares)));
            }
        });
    }

    /// Makes an instance within the limits of a call. Returns `None` if it fails.
    async fn make(&self) -> Option<PreparedStore> {
        let cancelled = CancellationToken::new();
        let data = CallData::new(GuestContext::without_caller(&cancelled), self.limits.time);
        let mut store = self.new_store(None, Arc::default(), data);
        let guest = self.guest.clone();
        let instantiating = boxed_future(|| async move {
            store.instantiate(&guest).await?;
            Ok::<_, wasmtime::Error>(store)
        });
        let instantiating = self.grants.with_blocking_pool(instantiating);
        let runtime = self.engine.guest_runtime();
        let component = self.component.clone();
        let span = CallSpan::new(move || {
            tracing::info_span!("spare instance", component.name = component)
        });
        let instantiating = span.scope(instantiating);
        let made = sandbox::execute(
            &self.limits,
            runtime,
            &cancelled,
            &self.cpu_profile,
            Arc::default(),
            Box::pin(instantiating),
        )
        .await;
        match made {
            Ok(Ok(store)) => Some(store),
            Ok(Err(_)) | Err(_) => None,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Drops the spare instances of a component that is no longer called.
async fn drop_idle(spares: Weak<SpareInstances>) {
    loop {
        tokio::time::sleep(MAX_IDLE_TIME).await;
        let Some(spares) = spares.upgrade() else {
            return;
        };
        let mut state = spares.state();
        if state
            .last_call
            .is_none_or(|last| last.elapsed() >= MAX_IDLE_TIME)
        {
            state.is_watched = false;
            let waiting = std::mem::take(&mut state.waiting);
            drop(state);
            drop(waiting);
            return;
        }
    }
}
