//! The grants of a loaded component, prepared for its calls: directories opened, HTTP client and threads created.

use std::future::Future;
use std::sync::Arc;

use wasmtime_wasi_config::WasiConfigVariables;

use super::blocking_pool::{BlockingPool, with_pool};
use super::egress::{EgressClient, EgressCounts};
use super::filesystem::{self, OpenDir};
use super::grants::{GrantError, Grants};
use super::keyvalue::{self, ComponentBuckets};
use super::sockets::TcpGrant;

/// Grants prepared for a component's calls.
pub struct OpenGrants {
    /// `None` if no request is granted.
    pub(super) http: Option<Arc<EgressClient>>,
    /// Counts outgoing requests.
    pub egress: Arc<EgressCounts>,
    pub(super) tcp: Arc<TcpGrant>,
    pub(super) dirs: Vec<OpenDir>,
    pub(super) env: Vec<(String, String)>,
    pub(super) config: WasiConfigVariables,
    /// `None` if no bucket is granted.
    pub(super) buckets: Option<ComponentBuckets>,
    /// `None` if nothing is granted that uses blocking operations.
    pub(super) blocking_pool: Option<Arc<BlockingPool>>,
}

impl OpenGrants {
    /// Returns grants that permit nothing.
    pub fn nothing() -> Self {
        Self {
            http: None,
            egress: Arc::default(),
            tcp: Arc::default(),
            dirs: Vec::new(),
            env: Vec::new(),
            config: WasiConfigVariables::new(),
            buckets: None,
            blocking_pool: None,
        }
    }

    /// Prepares the grants of the component named `component`.
    ///
    /// # Errors
    /// Every grant that cannot be enforced as it is written.
    pub fn open(
        grants: &Grants,
        component: &str,
        store: &keyvalue::Store,
    ) -> Result<Self, Vec<GrantError>> {
        let mut errors = grants.validate();
        let dirs = filesystem::open_dirs(&grants.dirs).unwrap_or_else(|reasons| {
            errors.extend(reasons.into_iter().map(|reason| GrantError {
                key: "dirs",
                reason,
            }));
            Vec::new()
        });
        let mut buckets = None;
        if !grants.kv.is_empty() {
            buckets = store.component_buckets(component, &grants.kv);
            if buckets.is_none() {
                errors.push(GrantError {
                    key: "kv",
                    reason: "needs a place for the data: there is no home directory, so name a \
                             file with `url` in [kv]"
                        .into(),
                });
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let http = &grants.http;
        Ok(Self {
            http: (!http.rules.is_empty()).then(|| Arc::new(EgressClient::new(http.clone()))),
            egress: Arc::new(EgressCounts::new(http)),
            tcp: Arc::new(grants.tcp()),
            dirs,
            env: grants.env.0.clone().into_iter().collect(),
            config: grants.config.0.clone().into_iter().collect(),
            buckets,
            blocking_pool: start_blocking_pool(grants).map_err(|error| vec![error])?,
        })
    }

    /// Runs `guest` so that its blocking operations use the component's own threads.
    pub fn with_blocking_pool<F: Future>(
        &self,
        guest: F,
    ) -> impl Future<Output = F::Output> + use<F> {
        with_pool(self.blocking_pool.clone(), guest)
    }

    /// Whether a bucket of `wasi:keyvalue` is granted.
    pub fn has_buckets(&self) -> bool {
        self.buckets.is_some()
    }
}

/// Creates the blocking pool if a grant uses blocking operations.
fn start_blocking_pool(grants: &Grants) -> Result<Option<Arc<BlockingPool>>, GrantError> {
    let blocking_grants = [
        ("dirs", !grants.dirs.is_empty()),
        ("http", !grants.http.rules.is_empty()),
        ("tcp", !grants.tcp.is_empty()),
    ];
    let Some((key, _)) = blocking_grants.into_iter().find(|(_, granted)| *granted) else {
        return Ok(None);
    };
    BlockingPool::new().map(Some).map_err(|error| GrantError {
        key,
        reason: format!("needs threads, and there are none: {error}"),
    })
}
