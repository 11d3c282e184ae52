//! The composition root: builds the guard, the components and the MCP server from a configuration, and serves them.

mod problem;
mod replicas;
mod telemetry;

use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use problem::{BuildError, Problem};
pub(crate) use telemetry::observer;

use crate::auth::Guard;
use crate::catalog::Catalog;
use crate::config::{self, Access, Config, Listen};
use crate::http::{self, Listener, MetricsServer, Policy, TlsAcceptor};
use crate::mcp::{self, ToolServer};
use crate::reload::{self, ComponentProblem, ComponentRegistry};
use crate::shared::Shared;
use crate::telemetry::Observer;
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
    /// The current problems of components, one line each.
    problems: watch::Receiver<Vec<String>>,
    guard: Option<Guard>,
    tls: Option<TlsAcceptor>,
    server: ToolServer,
    observer: Observer,
    shared: Option<Shared>,
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
        // `Config::load` checks this too, but an embedder may build the configuration by hand.
        let state_key = config.server.state_key.as_ref();
        if state_key.is_some_and(|key| key.bytes().len() < config::MIN_STATE_KEY_BYTES) {
            problems.push(Problem::StateKey);
        }
        let shared = start_shared(&config).await.unwrap_or_else(|problem| {
            problems.push(problem);
            None
        });
        let tls = config.server.tls.as_ref();
        let tls = tls
            .map(|tls| http::acceptor(&tls.cert, &tls.key))
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
        telemetry::add_sources(
            &observer,
            registry.live(),
            component_problems.clone(),
            guard.clone(),
            server.clone(),
            shared.clone(),
        );
        Ok(Self {
            registry,
            problems: component_problems,
            guard,
            tls,
            server,
            observer,
            shared,
            config,
            draining,
            shutdown,
        })
    }

    /// Returns the application as a router: the MCP endpoint at `server.path`, the protected resource metadata (RFC
    /// 9728), `/healthz` and `/readyz`.
    pub fn router(&self) -> Router {
        self.application().into_router()
    }

    fn application(&self) -> http::Application {
        let server = &self.config.server;
        let mut policy = Policy::new(
            server.public_url.as_deref(),
            server.tls.is_some(),
            &server.allowed_hosts,
            &server.allowed_origins,
        );
        if let Listen::Address(address) = server.listen
            && !address.ip().is_unspecified()
        {
            policy = policy.with_host(match address.ip() {
                IpAddr::V4(ip) => ip.to_string(),
                IpAddr::V6(ip) => format!("[{ip}]"),
            });
        }
        http::Application::new(http::Parts {
            path: server.path.clone(),
            max_body_bytes: server.max_body_bytes,
            sessions: server.sessions,
            session_prefix: server.session_prefix.clone(),
            policy,
            guard: self.guard.clone(),
            live: self.registry.live(),
            server: self.server.clone(),
            observer: self.observer.clone(),
            problems: self.problems.clone(),
            shared: self.shared.clone(),
            draining: self.draining.clone(),
        })
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
        let application = self.application();
        let observer = self.observer.clone();
        let server = self.server;
        let serving = http::Serving {
            tls: self.tls,
            observer: observer.clone(),
            draining: self.draining,
            drain: self.config.server.drain,
            left_behind: Box::pin(async move { server.all_tasks_shared().await }),
            shutdown: self.shutdown,
        };
        http::serve(listener.into(), application, shutdown, serving).await;
        if let Some(shared) = self.shared {
            shared.close().await;
        }
        flush(observer).await;
    }

    /// Resolves every reference again and loads the components that have changed. A component that cannot be
    /// loaded keeps its old version, and running calls continue in the version they started in.
    ///
    /// Clients are notified unless [`Config::watch`] is [`WatchMode::Never`](config::WatchMode::Never).
    ///
    /// Returns the problems of all components that are not served as configured, which `/readyz` reports as well.
    pub async fn reload(&self) -> Vec<ComponentProblem> {
        self.registry.reload().await
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
        match &self.guard {
            Some(guard) => guard.check_keys().await,
            None => Vec::new(),
        }
    }

    /// Returns warnings about settings of the guard that are valid but questionable.
    pub fn warnings(&self) -> Vec<String> {
        self.guard.as_ref().map(Guard::warnings).unwrap_or_default()
    }
}

/// Builds the MCP server over the registry's catalog, without a transport.
pub(crate) fn tool_server(
    config: &Config,
    registry: &ComponentRegistry,
    observer: Observer,
    shared: Option<Shared>,
    draining: CancellationToken,
    shutdown: CancellationToken,
) -> ToolServer {
    let options = mcp::ServerOptions {
        name: config.server.name.clone(),
        instructions: config.server.instructions.clone(),
        public: matches!(config.access, Access::Open),
        changes: registry.can_change(),
        state_key: config.server.state_key.clone(),
        task_ttl: config.server.task_ttl,
        observer,
        shared,
    };
    ToolServer::new(registry.live(), options, draining, shutdown)
}

/// Writes what is still to be written to the audit.
pub(crate) async fn flush(observer: Observer) {
    // Fails only if the runtime shuts down.
    let _ = tokio::task::spawn_blocking(move || observer.flush()).await;
}

/// Builds the configured guard; `None` if every client may call.
///
/// # Errors
/// Every problem with the settings.
pub(crate) fn build_guard(config: &Config) -> Result<Option<Guard>, Vec<Problem>> {
    match &config.access {
        Access::Unset => Err(vec![Problem::NoAccess]),
        Access::Open if config.server.listen.is_local() || config.open_to_network => Ok(None),
        Access::Open => Err(vec![Problem::OpenToAll(config.server.listen.clone())]),
        Access::Guarded(guard) => Guard::build((**guard).clone())
            .map(Some)
            .map_err(|errors| errors.into_iter().map(Problem::Auth).collect()),
    }
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
