//! The composition root: from a configuration to a running server.

mod problem;

use std::future::Future;
use std::sync::Arc;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use problem::{BuildError, Problem};

use crate::auth::Guard;
use crate::catalog::Catalog;
use crate::config::{self, Access, Config};
use crate::http::{self, Policy, TlsAcceptor};
use crate::mcp::{self, ToolServer};
use crate::reload::{self, ComponentProblem, ComponentRegistry};

/// A built application: mount its [`router`](App::router) in a server of your
/// own, or let it [`serve`](App::serve).
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
/// // … or all by itself, until ctrl-c.
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
/// app.serve(listener, async {
///     let _ = tokio::signal::ctrl_c().await;
/// })
/// .await;
/// # Ok(())
/// # }
/// ```
pub struct App {
    registry: Arc<ComponentRegistry>,
    problems: watch::Receiver<Vec<String>>,
    guard: Option<Guard>,
    tls: Option<TlsAcceptor>,
    server: ToolServer,
    config: Arc<Config>,
    draining: CancellationToken,
    shutdown: CancellationToken,
}

impl App {
    /// Builds everything: the guard, the components, the catalog. Nothing is
    /// fetched over the network.
    ///
    /// # Errors
    /// Every fault that can be found, not only the first.
    pub async fn build(config: Config) -> Result<Self, BuildError> {
        let mut problems = Vec::new();
        let guard = guard(&config).unwrap_or_else(|found| {
            problems.extend(found);
            None
        });
        let key = config.server.state_key.as_ref();
        if key.is_some_and(|key| key.bytes().len() < config::MIN_STATE_KEY_BYTES) {
            problems.push(Problem::StateKey);
        }
        let tls = config.server.tls.as_ref();
        let tls = tls
            .map(|tls| http::acceptor(&tls.cert, &tls.key))
            .transpose();
        let tls = tls.unwrap_or_else(|error| {
            problems.push(error.into());
            None
        });
        let config = Arc::new(config);
        let (draining, shutdown) = (CancellationToken::new(), CancellationToken::new());
        let (registry, found) = match reload::start(&config).await {
            Ok(started) => started,
            Err(found) => {
                problems.extend(found.into_iter().map(Problem::Component));
                return Err(BuildError { problems });
            }
        };
        if !problems.is_empty() {
            return Err(BuildError { problems });
        }
        let server = tool_server(&config, &registry, draining.clone(), shutdown.clone());
        Ok(Self {
            registry,
            problems: found,
            guard,
            tls,
            server,
            config,
            draining,
            shutdown,
        })
    }

    /// The application as a router, to be mounted anywhere: the MCP endpoint at
    /// `server.path`, the metadata of RFC 9728, `/healthz` and `/readyz`.
    pub fn router(&self) -> Router {
        let server = &self.config.server;
        let policy = Policy::new(
            server.public_url.as_deref(),
            &server.allowed_hosts,
            &server.allowed_origins,
        );
        let ip = server.listen.ip();
        let policy = if ip.is_unspecified() {
            policy
        } else {
            policy.with_host(match ip {
                std::net::IpAddr::V4(ip) => ip.to_string(),
                std::net::IpAddr::V6(ip) => format!("[{ip}]"),
            })
        };
        http::router(http::Parts {
            path: server.path.clone(),
            max_body_bytes: server.max_body_bytes,
            sessions: server.sessions,
            policy,
            guard: self.guard.clone(),
            live: self.registry.live(),
            server: self.server.clone(),
            problems: self.problems.clone(),
            draining: self.draining.clone(),
        })
    }

    /// Serves until `shutdown` resolves, then lets running calls end for at most
    /// `server.drain` and stops the rest.
    pub async fn serve(self, listener: TcpListener, shutdown: impl Future<Output = ()>) {
        let router = self.router();
        let serving = http::Serving {
            tls: self.tls,
            draining: self.draining,
            drain: self.config.server.drain,
            shutdown: self.shutdown,
        };
        http::serve(listener, router, shutdown, serving).await;
    }

    /// Looks at every reference again and takes in what has changed. What is the
    /// same stays as it is, and calls that run end in what they began in. Where
    /// something is broken, its old version stays, and the rest of the change
    /// happens.
    ///
    /// Clients hear of it unless [`Config::changes`] says that nothing changes.
    ///
    /// What is returned is everything that is not served as its file is; `/readyz`
    /// says it too.
    pub async fn reload(&self) -> Vec<ComponentProblem> {
        self.registry.reload().await
    }

    /// Opens the data of `wasi:keyvalue` where a component is granted a bucket, or
    /// connects to it. Without this it happens when the first guest needs it.
    ///
    /// # Errors
    /// When it cannot be had.
    pub async fn open_store(&self) -> Result<(), BuildError> {
        Ok(self.registry.open_store().await?)
    }

    /// What is served now.
    pub fn catalog(&self) -> Arc<Catalog> {
        self.registry.live().now()
    }

    /// What the operator should know about the guard, though it is no fault.
    pub fn warnings(&self) -> Vec<String> {
        self.guard.as_ref().map(Guard::warnings).unwrap_or_default()
    }
}

/// The MCP server over a catalog, without HTTP.
pub(crate) fn tool_server(
    config: &Config,
    registry: &ComponentRegistry,
    draining: CancellationToken,
    shutdown: CancellationToken,
) -> ToolServer {
    let settings = mcp::ServerOptions {
        name: config.server.name.clone(),
        instructions: config.server.instructions.clone(),
        public: matches!(config.access, Access::Open),
        changes: registry.can_change(),
        state_key: config.server.state_key.clone(),
        task_ttl: config.server.task_ttl,
    };
    ToolServer::new(registry.live(), settings, draining, shutdown)
}

/// The guard that the configuration asks for; `None` where everybody may call.
///
/// # Errors
/// What is wrong with the settings.
pub(crate) fn guard(config: &Config) -> Result<Option<Guard>, Vec<Problem>> {
    match &config.access {
        Access::Unset => Err(vec![Problem::NoAccess]),
        Access::Open if config.server.listen.ip().is_loopback() => Ok(None),
        Access::Open => Err(vec![Problem::OpenToAll(config.server.listen)]),
        Access::Guarded(settings) => Guard::build((**settings).clone())
            .map(Some)
            .map_err(|faults| faults.into_iter().map(Problem::Auth).collect()),
    }
}

/// Loads the configured components once, without following changes.
///
/// # Errors
/// Every problem of every reference and component.
pub(crate) async fn load(config: &Config) -> Result<Arc<Catalog>, BuildError> {
    Ok(reload::load_once(config).await?.live().now())
}

/// Like [`load`], and opens the key-value store if a component is granted a bucket.
///
/// # Errors
/// Like [`load`], and that the store cannot be opened.
pub(crate) async fn load_to_call(config: &Config) -> Result<Arc<Catalog>, BuildError> {
    let registry = reload::load_once(config).await?;
    registry.open_store().await?;
    Ok(registry.live().now())
}
