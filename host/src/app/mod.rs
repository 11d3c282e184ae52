//! The composition root: builds the guard, the components and the MCP server from a configuration, and serves them.

mod parts;
mod problem;
mod reconfigure;
mod replicas;
mod telemetry;

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub(crate) use parts::{build_guard, online_checks, tool_server};
pub use problem::{BuildError, Problem};
pub use reconfigure::{Reconfigurer, Trigger};
pub(crate) use telemetry::observer;

use crate::auth::Guard;
use crate::catalog::Catalog;
use crate::config::{Config, Listen};
use crate::http::{self, Listener, LiveTls, MetricsServer};
use crate::mcp::ToolServer;
use crate::reload::{self, ComponentProblem, ComponentRegistry};
use crate::shared::Shared;
use crate::telemetry::Observer;
use parts::{check_state_key, http_settings};
use replicas::start_shared;

/// An application built from a configuration. Mount its [`router`](App::router) in a server of your own, or let it
/// [`serve`](App::serve).
///
/// ```no_run
/// use toolcrib::App;
/// use toolcrib::auth;
/// use toolcrib::config::{Access, Config};
/// use toolcrib::reference::Reference;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let mut config = Config::default();
/// config.server.public_url = Some("https://tools.example.com".into());
/// config.access = Access::Guarded(Box::new(auth::GuardConfig::new(
///     config.server.resource(),
///     "https://login.example.com",
///     "https://tools.example.com/mcp",
/// )));
/// config.references.push(Reference::parse("tools/", ".".as_ref())?);
///
/// let app = App::build(config).await?;
///
/// // In a server of your own …
/// let router: axum::Router = app.router();
/// # drop(router);
///
/// // … or as a server, until Ctrl-C.
/// let listener = app.listen().await?;
/// app.serve(listener, async {
///     let _ = tokio::signal::ctrl_c().await;
/// })
/// .await;
/// # Ok(())
/// # }
/// ```
pub struct App {
    registry: Arc<ComponentRegistry>,
    application: http::Application,
    server: ToolServer,
    reconfigurer: Reconfigurer,
    tls: Option<LiveTls>,
    drain: watch::Receiver<Duration>,
    observer: Observer,
    shared: Option<Shared>,
    /// The configuration at the start.
    config: Arc<Config>,
    draining: CancellationToken,
    shutdown: CancellationToken,
}

impl App {
    /// Builds the guard, the components and the catalog. The network is used for remote components and the shared state
    /// only.
    ///
    /// # Errors
    /// Every problem that can be found, not only the first.
    pub async fn build(config: Config) -> Result<Self, BuildError> {
        let mut problems = Vec::new();
        let guard = build_guard(&config).unwrap_or_else(|found| {
            problems.extend(found);
            None
        });
        problems.extend(check_state_key(&config));
        let shared = start_shared(&config).await.unwrap_or_else(|problem| {
            problems.push(problem);
            None
        });
        let tls = config.server.tls.as_ref();
        let tls = tls
            .map(|tls| LiveTls::read(&tls.cert, &tls.key))
            .transpose();
        let tls = tls.unwrap_or_else(|error| {
            problems.push(error.into());
            None
        });
        let observer = telemetry::observer(&config).unwrap_or_else(|problem| {
            problems.push(problem);
            Observer::default()
        });
        let config = Arc::new(config);
        let (draining, shutdown) = (CancellationToken::new(), CancellationToken::new());
        let (registry, component_problems) =
            match reload::start(&config, &observer, shared.as_ref()).await {
                Ok(started) => started,
                Err(found) => {
                    problems.extend(found.into_iter().map(Problem::Component));
                    return Err(BuildError { problems });
                }
            };
        if !problems.is_empty() {
            return Err(BuildError { problems });
        }
        let server = tool_server(
            &config,
            &registry,
            observer.clone(),
            shared.clone(),
            draining.clone(),
            shutdown.clone(),
        );
        let parts = http::Parts {
            path: config.server.path.clone(),
            sessions: config.server.sessions,
            session_prefix: config.server.session_prefix.clone(),
            live: registry.live(),
            server: server.clone(),
            observer: observer.clone(),
            problems: component_problems.clone(),
            shared: shared.clone(),
            draining: draining.clone(),
        };
        let application = http::Application::new(parts, http_settings(&config, guard));
        let (sender, drain) = watch::channel(config.server.drain);
        let reconfigurer = Reconfigurer::new(reconfigure::Parts {
            registry: registry.clone(),
            application: application.clone(),
            server: server.clone(),
            tls: tls.clone(),
            drain: sender,
            observer: observer.clone(),
            config: config.clone(),
        });
        telemetry::add_sources(
            &observer,
            &registry,
            &application,
            &server,
            reconfigurer.outcomes(),
            shared.clone(),
        );
        Ok(Self {
            registry,
            application,
            server,
            reconfigurer,
            tls,
            drain,
            observer,
            shared,
            config,
            draining,
            shutdown,
        })
    }

    /// Returns the application as a router: the MCP endpoint at `server.path`, the protected resource metadata (RFC
    /// 9728), `/healthz` and `/readyz`. A configuration that is [taken in](Self::reconfigurer) later changes the endpoint,
    /// and not the metadata.
    pub fn router(&self) -> Router {
        self.application.router()
    }

    /// Returns what takes in other configurations while the application is served.
    pub fn reconfigurer(&self) -> Reconfigurer {
        self.reconfigurer.clone()
    }

    /// Returns a token that is cancelled when the application stops accepting connections.
    pub(crate) fn draining(&self) -> CancellationToken {
        self.draining.clone()
    }

    /// Listens on `server.listen`.
    ///
    /// # Errors
    /// The place cannot be used.
    pub async fn listen(&self) -> io::Result<Listener> {
        match &self.config.server.listen {
            Listen::Address(address) => Listener::tcp(*address).await,
            Listen::Localhost(port) => Listener::localhost(*port).await,
            Listen::Unix(path) => Listener::unix(path).await,
        }
    }

    /// Listens on `telemetry.metrics`; `None` if it is not configured. [`App::serve`] does not serve the metrics.
    ///
    /// # Errors
    /// The address cannot be used.
    pub async fn listen_metrics(&self) -> io::Result<Option<MetricsServer>> {
        let (address, metrics) = (self.config.telemetry.metrics, self.observer.metrics());
        match (address, metrics) {
            (Some(address), Some(metrics)) => {
                Ok(Some(MetricsServer::bind(address, metrics.clone()).await?))
            }
            _ => Ok(None),
        }
    }

    /// Serves until `shutdown` resolves. Running calls then get `server.drain` to finish before they are stopped, and so do
    /// tasks that other replicas know.
    pub async fn serve(self, listener: impl Into<Listener>, shutdown: impl Future<Output = ()>) {
        let observer = self.observer.clone();
        let server = self.server;
        let serving = http::Serving {
            tls: self.tls,
            observer: observer.clone(),
            draining: self.draining,
            drain: self.drain,
            keep_alive: self.config.server.keep_alive,
            left_behind: Box::pin(async move { server.all_tasks_shared().await }),
            shutdown: self.shutdown,
        };
        http::serve(listener.into(), self.application, shutdown, serving).await;
        if let Some(shared) = self.shared {
            shared.close().await;
        }
        flush(observer).await;
    }

    /// Resolves every reference again and loads the components that have changed. A component that cannot be
    /// loaded keeps its old version, and running calls continue in the version they started in.
    ///
    /// Clients are notified unless [`Config::watch`] is [`WatchMode::Never`](crate::config::WatchMode::Never).
    ///
    /// Returns the problems of all components that are not served as configured, which `/readyz` reports as well.
    pub async fn reload(&self) -> Vec<ComponentProblem> {
        self.registry.reload().await
    }

    /// Writes what is still to be written to the audit, and ends it. [`App::serve`] does so before it returns; call it when a
    /// server of your own has ended.
    pub async fn flush(&self) {
        flush(self.observer.clone()).await;
    }

    /// Opens the key-value store if a component is granted a bucket. Otherwise the first guest that needs the store
    /// opens it.
    ///
    /// # Errors
    /// The store cannot be opened.
    pub async fn open_store(&self) -> Result<(), BuildError> {
        Ok(self.registry.open_store().await?)
    }

    /// Returns the catalog that is served now.
    pub fn catalog(&self) -> Arc<Catalog> {
        self.registry.live().current()
    }

    /// Fetches the keys of all issuers that have none yet. Returns one sentence for each whose keys cannot be had.
    pub async fn check_keys(&self) -> Vec<String> {
        match self.application.guard() {
            Some(guard) => guard.check_keys().await,
            None => Vec::new(),
        }
    }

    /// Returns the catalogs that are served, the current one first.
    pub(crate) fn catalogs(&self) -> watch::Receiver<Arc<Catalog>> {
        self.registry.live().subscribe()
    }

    /// Returns warnings about settings of the guard that are valid but questionable.
    pub fn warnings(&self) -> Vec<String> {
        let guard = self.application.guard();
        guard.as_ref().map(Guard::warnings).unwrap_or_default()
    }
}

/// Writes what is still to be written to the audit.
pub(crate) async fn flush(observer: Observer) {
    // Fails only if the runtime shuts down.
    let _ = tokio::task::spawn_blocking(move || observer.flush()).await;
}

/// Loads the configured components once, without following changes, each for itself: of components with the same names, all are
/// returned. Also returns the problems of the others, and the conflicts.
///
/// # Errors
/// Every problem, if one of them is not about a single component.
pub(crate) async fn load_apart(
    config: &Config,
) -> Result<(Vec<Catalog>, Option<BuildError>), BuildError> {
    let (catalogs, problems) = reload::load_apart(config).await?;
    let problems = (!problems.is_empty()).then(|| problems.into());
    Ok((catalogs, problems))
}

/// Loads the configured components once, without following changes.
///
/// # Errors
/// Every problem of every reference and component.
pub(crate) async fn load(config: &Config) -> Result<Arc<Catalog>, BuildError> {
    Ok(reload::load_once(config).await?.live().current())
}

/// Loads the configured components once and opens the key-value store if a component is granted a bucket.
///
/// # Errors
/// Every problem of every reference and component, or the store cannot be opened.
pub(crate) async fn load_to_call(config: &Config) -> Result<Arc<Catalog>, BuildError> {
    let registry = reload::load_once(config).await?;
    registry.open_store().await?;
    Ok(registry.live().current())
}
