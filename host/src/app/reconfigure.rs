//! Takes in another configuration while the application runs: all of it at once, or nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::{Mutex, watch};

use super::parts::{build_guard, check_state_key, http_settings, identity};
use super::problem::{BuildError, Problem};
use crate::auth::Guard;
use crate::config::{Access, Config, keys_that_need_a_restart};
use crate::http::{Application, LiveTls};
use crate::mcp::ToolServer;
use crate::reload::{ComponentRegistry, Reload};
use crate::telemetry::{self, ConfigurationRead, Observer};

/// Takes in other configurations of an application that runs. Clones share it.
#[derive(Clone)]
pub struct Reconfigurer(Arc<Inner>);

struct Inner {
    registry: Arc<ComponentRegistry>,
    application: Application,
    server: ToolServer,
    tls: Option<LiveTls>,
    drain: watch::Sender<Duration>,
    observer: Observer,
    at_start: Arc<Config>,
    /// The configuration in force. Locked while another one is taken in.
    current: Mutex<Arc<Config>>,
    outcomes: Arc<Outcomes>,
}

/// The outcomes since the start, for metrics.
pub(super) struct Outcomes {
    pub(super) succeeded: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) is_last_successful: AtomicBool,
    /// Seconds since 1970. The start is a success too.
    pub(super) last_success: AtomicU64,
}

/// The parts that change.
pub(super) struct Parts {
    pub(super) registry: Arc<ComponentRegistry>,
    pub(super) application: Application,
    pub(super) server: ToolServer,
    pub(super) tls: Option<LiveTls>,
    pub(super) drain: watch::Sender<Duration>,
    pub(super) observer: Observer,
    pub(super) config: Arc<Config>,
}

/// The reason for which a configuration is read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    /// The operator asks for it, or the configuration file has changed. Everything is looked at, also the files of the
    /// components.
    File,
    /// A file that the configuration names as a value has changed.
    Values,
}

impl Reconfigurer {
    pub(super) fn new(parts: Parts) -> Self {
        Self(Arc::new(Inner {
            registry: parts.registry,
            application: parts.application,
            server: parts.server,
            tls: parts.tls,
            drain: parts.drain,
            observer: parts.observer,
            at_start: parts.config.clone(),
            current: Mutex::new(parts.config),
            outcomes: Arc::new(Outcomes {
                succeeded: AtomicU64::new(0),
                failed: AtomicU64::new(0),
                is_last_successful: AtomicBool::new(true),
                last_success: AtomicU64::new(now()),
            }),
        }))
    }

    /// Takes in a configuration, and records that in the metrics and the audit. Requests that arrive afterwards see all of
    /// it; running calls continue as they started. `digest` is that of the configuration file.
    ///
    /// # Errors
    /// Every problem of the configuration and of its components, or every key that cannot change while the application
    /// runs. Nothing has changed then.
    pub async fn take_in(
        &self,
        config: Result<Config, BuildError>,
        trigger: Trigger,
        digest: Option<String>,
    ) -> Result<(), BuildError> {
        let taken_in = match config {
            Ok(config) => self.apply(config, trigger).await,
            Err(error) => Err(error),
        };
        let source = match trigger {
            Trigger::File => "file",
            Trigger::Values => "values",
        };
        self.record(source, digest, &taken_in);
        taken_in
    }

    /// Records in the audit the configuration of the start. `digest` is that of its file.
    pub(crate) fn record_start(&self, digest: String) {
        self.0.observer.configuration_read(ConfigurationRead {
            source: "file",
            outcome: "success",
            digest: Some(digest),
            faults: 0,
        });
    }

    async fn apply(&self, config: Config, trigger: Trigger) -> Result<(), BuildError> {
        let inner = &*self.0;
        let mut current = inner.current.lock().await;
        let config = Arc::new(config);
        let mut problems: Vec<_> = keys_that_need_a_restart(&inner.at_start, &config)
            .into_iter()
            .map(Problem::NeedsRestart)
            .collect();
        let guard = self.guard(&config).unwrap_or_else(|found| {
            problems.extend(found);
            None
        });
        problems.extend(check_state_key(&config));
        let (server, before) = (&config.server, &current.server);
        let has_tls_changed = trigger == Trigger::File || server.tls != before.tls;
        let tls = server.tls.as_ref().filter(|_| has_tls_changed);
        let tls = tls
            .map(|tls| LiveTls::read(&tls.cert, &tls.key))
            .transpose();
        let tls = tls.unwrap_or_else(|error| {
            problems.push(error.into());
            None
        });
        let reload = match trigger {
            Trigger::File => Reload::Everything,
            Trigger::Values => Reload::Settings,
        };
        let components = match inner.registry.prepare(config.clone(), reload).await {
            Ok(components) if problems.is_empty() => components,
            prepared => {
                let found = prepared.err().unwrap_or_default();
                problems.extend(found.into_iter().map(Problem::Component));
                return Err(BuildError { problems });
            }
        };
        // Nothing fails from here on.
        let settings = http_settings(&config, guard);
        inner.application.replace(settings, || {
            inner.server.announce(identity(&config));
            if server.state_key != before.state_key {
                inner.server.replace_state_key(server.state_key.as_ref());
            }
            components.commit();
        });
        if let (Some(live), Some(tls)) = (&inner.tls, tls) {
            live.replace(&tls);
        }
        inner.drain.send_replace(server.drain);
        telemetry::set_level(config.telemetry.log.level);
        *current = config;
        Ok(())
    }

    /// Reads the certificate and the key of `[server.tls]` again. Open connections keep theirs.
    ///
    /// # Errors
    /// They cannot be used. The previous ones stay.
    pub async fn reload_certificate(&self) -> Result<(), BuildError> {
        let current = self.0.current.lock().await;
        let (Some(live), Some(tls)) = (&self.0.tls, &current.server.tls) else {
            return Ok(());
        };
        let read = match LiveTls::read(&tls.cert, &tls.key) {
            Ok(read) => {
                live.replace(&read);
                Ok(())
            }
            Err(error) => Err(BuildError {
                problems: vec![error.into()],
            }),
        };
        self.record("certificate", None, &read);
        read
    }

    /// Returns the configuration in force.
    pub async fn current(&self) -> Arc<Config> {
        self.0.current.lock().await.clone()
    }

    /// Returns the guard for a configuration; `None` if every client may call.
    fn guard(&self, config: &Config) -> Result<Option<Guard>, Vec<Problem>> {
        match (&config.access, self.0.application.guard()) {
            (Access::Guarded(new), Some(guard)) => guard
                .rebuild((**new).clone())
                .map(Some)
                .map_err(|errors| errors.into_iter().map(Problem::Auth).collect()),
            _ => build_guard(config),
        }
    }

    fn record(&self, source: &'static str, digest: Option<String>, read: &Result<(), BuildError>) {
        let outcomes = &self.0.outcomes;
        outcomes
            .is_last_successful
            .store(read.is_ok(), Ordering::Relaxed);
        let faults = read.as_ref().err().map_or(0, |error| error.problems.len());
        let (counter, outcome) = match read {
            Ok(()) => {
                outcomes.last_success.store(now(), Ordering::Relaxed);
                (&outcomes.succeeded, "success")
            }
            Err(_) => (&outcomes.failed, "failure"),
        };
        counter.fetch_add(1, Ordering::Relaxed);
        self.0.observer.configuration_read(ConfigurationRead {
            source,
            outcome,
            digest,
            faults,
        });
    }

    pub(super) fn outcomes(&self) -> Arc<Outcomes> {
        self.0.outcomes.clone()
    }
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
