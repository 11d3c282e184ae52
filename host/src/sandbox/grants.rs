//! What a component may use of the world: nothing that is not granted, and each grant exactly as it is written.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::Arc;

use wasmtime_wasi_config::WasiConfigVariables;

use super::blocking_pool::{Threads, waiting_on};
use super::dirs::{self, DirGrant, OpenDir};
use super::egress::{HttpGrant, Outgoing};
use super::keyvalue::{self, BucketGrant, KeyValue};
use super::sockets::{TcpGrant, TcpRule};

/// `[component.allow]`. The default grants nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants {
    /// `http` and `private-network`: outgoing requests.
    pub http: HttpGrant,
    /// `tcp`: connections; `private-network` of [`HttpGrant`] holds for them too.
    pub tcp: Vec<TcpRule>,
    /// `dirs`
    pub dirs: Vec<DirGrant>,
    /// `env`: environment variables.
    pub env: Variables,
    /// `config`: what `wasi:config` tells.
    pub config: Variables,
    /// `kv`: buckets of `wasi:keyvalue`.
    pub kv: Vec<BucketGrant>,
}

/// Names and values; values may be secrets and are not shown.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Variables(pub BTreeMap<String, String>);

/// A grant that cannot be kept as it is written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`allow.{key}` {what}")]
pub struct GrantError {
    /// The key in `[component.allow]`.
    pub key: &'static str,
    /// The rest of the sentence.
    pub what: String,
}

impl Grants {
    /// Whether nothing is granted.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The keys with which something is granted.
    pub fn keys(&self) -> Vec<&'static str> {
        let keys = [
            ("http", !self.http.rules.is_empty()),
            ("tcp", !self.tcp.is_empty()),
            ("private-network", self.http.private_network),
            ("dirs", !self.dirs.is_empty()),
            ("env", !self.env.0.is_empty()),
            ("config", !self.config.0.is_empty()),
            ("kv", !self.kv.is_empty()),
        ];
        let granted = keys.into_iter().filter(|(_, is_granted)| *is_granted);
        granted.map(|(key, _)| key).collect()
    }

    /// What cannot be kept, as far as the words themselves tell.
    pub fn faults(&self) -> Vec<GrantError> {
        let mut faults = Vec::new();
        let mut fault = |key, what| faults.push(GrantError { key, what });
        let lacks_leave = |what: &dyn fmt::Display| {
            format!("has \"{what}\", which is private; it needs `private-network = true` beside it")
        };
        if let Some(rule) = self.http.contradiction() {
            fault("http", lacks_leave(rule));
        }
        if let Some(rule) = self.tcp().contradiction() {
            fault("tcp", lacks_leave(rule));
        }
        for what in DirGrant::faults(&self.dirs) {
            fault("dirs", what);
        }
        for (name, value) in &self.env.0 {
            if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
                fault(
                    "env",
                    format!("has {name:?}, which no environment variable can be"),
                );
            }
        }
        faults
    }

    fn tcp(&self) -> TcpGrant {
        TcpGrant {
            rules: self.tcp.clone(),
            private_network: self.http.private_network,
        }
    }
}

impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Grants made ready for a component's calls: directories opened, clients built.
pub struct OpenGrants {
    pub(super) outgoing: Option<Arc<Outgoing>>,
    pub(super) tcp: Arc<TcpGrant>,
    pub(super) dirs: Arc<[OpenDir]>,
    pub(super) env: Vec<(String, String)>,
    pub(super) config: WasiConfigVariables,
    pub(super) kv: Option<Arc<KeyValue>>,
    /// `None` where nothing is granted that could keep a call waiting.
    pub(super) threads: Option<Arc<Threads>>,
}

impl OpenGrants {
    /// What a guest without a grant has.
    pub fn nothing() -> Self {
        Self {
            outgoing: None,
            tcp: Arc::default(),
            dirs: Arc::new([]),
            env: Vec::new(),
            config: WasiConfigVariables::new(),
            kv: None,
            threads: None,
        }
    }

    /// Makes ready what is granted to the component of this name.
    ///
    /// # Errors
    /// Every grant that cannot be kept as it is written.
    pub fn open(
        grants: &Grants,
        component: &str,
        store: &keyvalue::Store,
    ) -> Result<Self, Vec<GrantError>> {
        let mut faults = grants.faults();
        let dirs = dirs::open(&grants.dirs).unwrap_or_else(|found| {
            faults.extend(
                found
                    .into_iter()
                    .map(|what| GrantError { key: "dirs", what }),
            );
            Vec::new()
        });
        let kv = if grants.kv.is_empty() {
            None
        } else if store.is_nowhere() {
            faults.push(GrantError {
                key: "kv",
                what: "needs a place for the data: there is no home directory, so name a file \
                       with `url` in [kv]"
                    .into(),
            });
            None
        } else {
            Some(Arc::new(KeyValue::new(
                store.clone(),
                component,
                &grants.kv,
            )))
        };
        if !faults.is_empty() {
            return Err(faults);
        }
        let http = &grants.http;
        let keys = [
            ("dirs", grants.dirs.is_empty()),
            ("http", http.rules.is_empty()),
            ("tcp", grants.tcp.is_empty()),
        ];
        let waits = keys.into_iter().find(|(_, is_empty)| !is_empty);
        let threads = match waits.map(|(key, _)| (key, Threads::new())) {
            None => None,
            Some((_, Ok(threads))) => Some(threads),
            Some((key, Err(error))) => {
                let what = format!("needs threads, and there are none: {error}");
                return Err(vec![GrantError { key, what }]);
            }
        };
        Ok(Self {
            outgoing: (!http.rules.is_empty()).then(|| Arc::new(Outgoing::new(http.clone()))),
            tcp: Arc::new(grants.tcp()),
            dirs: dirs.into(),
            env: grants.env.0.clone().into_iter().collect(),
            config: grants.config.0.clone().into_iter().collect(),
            kv,
            threads,
        })
    }

    /// A guest of this component, which nobody else's operations keep waiting, nor its own anybody else.
    pub fn alone<F: Future>(&self, guest: F) -> impl Future<Output = F::Output> + use<F> {
        waiting_on(self.threads.clone(), guest)
    }

    /// Whether any call keeps something for its caller.
    pub fn keeps_for_callers(&self) -> bool {
        self.kv.is_some()
    }
}
