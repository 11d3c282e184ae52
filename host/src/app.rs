//! The composition root: from a configuration to a running server.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use futures::StreamExt;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::auth::{self, Guard};
use crate::catalog::{Catalog, CatalogError, Listing, Live};
use crate::component::{Component, LoadError};
use crate::config::{self, Access, ComponentSettings, Config};
use crate::engine::{self, Engine, EngineError};
use crate::http::{self, Policy, TlsAcceptor, TlsError};
use crate::mcp::{self, ToolServer};
use crate::reference::{ReferenceError, Source};
use crate::sandbox::keyvalue::{Store, StoreError};
use crate::sandbox::{Grants, Limits};

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
/// config.access = Access::Guarded(Box::new(auth::Settings::new(
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
    live: Live,
    guard: Option<Guard>,
    tls: Option<TlsAcceptor>,
    server: ToolServer,
    store: Store,
    config: Config,
    draining: CancellationToken,
    shutdown: CancellationToken,
}

/// Everything that is wrong, at once.
#[derive(Debug)]
pub struct BuildError {
    /// Never empty.
    pub problems: Vec<Problem>,
}

/// One thing that is wrong. `Display` is one sentence that names it and the way
/// out.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// A fault of the configuration.
    #[error(transparent)]
    Config(#[from] config::Fault),
    /// A fault of `[auth]`.
    #[error(transparent)]
    Auth(#[from] auth::Fault),
    /// HTTPS is asked for and cannot be served.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Nobody said who may call.
    #[error(
        "nobody said who may call: give an [auth] section with `issuer` and `audience`, or \
         --no-auth to serve everybody on a loopback address"
    )]
    NoAccess,
    /// Everybody could call, from everywhere.
    #[error(
        "--no-auth is refused on {0}, which others can reach; listen on 127.0.0.1, or give an \
         [auth] section"
    )]
    OpenToAll(std::net::SocketAddr),
    /// Nothing is to be served.
    #[error("nothing is named to be served; name a component, a directory or a glob pattern")]
    NothingNamed,
    /// A setting that is for one component stands at many.
    #[error(
        "`{0}` names {1} components; `name`, `digest`, `tools`, `exclude` and [component.tool.…] are \
         for one, so name its file"
    )]
    NotOne(String, usize),
    /// Settings for single tools of one file stand apart.
    #[error(
        "`{0}` and `{1}` have a [[component]] each and are of one file; name the file in one of them, \
         with `tools` and [component.tool.…]"
    )]
    OneFile(String, String),
    /// Grants at a reference that others can add components to.
    #[error(
        "`{0}` names every component there, also those to come, and [component.allow] is for one; \
         name the file"
    )]
    GrantsForMany(String),
    /// Data of `wasi:keyvalue` would belong to two components.
    #[error(
        "two components that are granted `kv` are called `{0}`, and what they keep would be \
         shared; give each a `name` of its own"
    )]
    SameName(String),
    /// The data of `wasi:keyvalue` cannot be had.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A reference names nothing.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// A component cannot be served.
    #[error("`{}`: {error}", path.display())]
    Component {
        /// Its file.
        path: PathBuf,
        /// Why.
        error: LoadError,
    },
    /// Components cannot stand beside each other.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// There is no engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl Problem {
    /// Whether the configuration or the command line is at fault.
    pub fn is_configuration(&self) -> bool {
        matches!(
            self,
            Self::Config(_)
                | Self::Auth(_)
                | Self::Tls(_)
                | Self::NoAccess
                | Self::OpenToAll(_)
                | Self::NothingNamed
                | Self::NotOne(..)
                | Self::OneFile(..)
                | Self::Catalog(
                    CatalogError::UnknownTool { .. }
                        | CatalogError::SameName { .. }
                        | CatalogError::Argument { .. }
                        | CatalogError::NoTools(_)
                )
                | Self::GrantsForMany(_)
                | Self::SameName(_)
                | Self::Component {
                    error: LoadError::Grant(_),
                    ..
                }
        )
    }
}

impl std::fmt::Display for BuildError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for BuildError {}

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
        let tls = config.server.tls.as_ref();
        let tls = tls
            .map(|tls| http::acceptor(&tls.cert, &tls.key))
            .transpose();
        let tls = tls.unwrap_or_else(|error| {
            problems.push(error.into());
            None
        });
        let store = Store::new(&config.kv);
        let catalog = match load_with(&config, &store).await {
            Ok(catalog) => catalog,
            Err(error) => {
                problems.extend(error.problems);
                return Err(BuildError { problems });
            }
        };
        if !problems.is_empty() {
            return Err(BuildError { problems });
        }
        let live = Live::new(catalog);
        let (draining, shutdown) = (CancellationToken::new(), CancellationToken::new());
        let server = tool_server(&config, live.clone(), draining.clone(), shutdown.clone());
        Ok(Self {
            live,
            guard,
            tls,
            server,
            store,
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
            live: self.live.clone(),
            server: self.server.clone(),
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

    /// Opens the data of `wasi:keyvalue` where a component is granted a bucket, or
    /// connects to it. Without this it happens when the first guest needs it.
    ///
    /// # Errors
    /// When it cannot be had.
    pub async fn open_store(&self) -> Result<(), BuildError> {
        open_store(&self.catalog(), &self.store).await
    }

    /// What is served now.
    pub fn catalog(&self) -> Arc<Catalog> {
        self.live.now()
    }

    /// What the operator should know about the guard, though it is no fault.
    pub fn warnings(&self) -> Vec<String> {
        self.guard.as_ref().map(Guard::warnings).unwrap_or_default()
    }
}

/// The MCP server over a catalog, without HTTP.
pub(crate) fn tool_server(
    config: &Config,
    live: Live,
    draining: CancellationToken,
    shutdown: CancellationToken,
) -> ToolServer {
    let settings = mcp::Settings {
        name: config.server.name.clone(),
        instructions: config.server.instructions.clone(),
        public: matches!(config.access, Access::Open),
        changes: false,
        state_key: config.server.state_key.clone(),
    };
    ToolServer::new(live, settings, draining, shutdown)
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

/// Loads every component that the configuration names, several at once.
///
/// # Errors
/// Every fault of every reference and component.
pub(crate) async fn load(config: &Config) -> Result<Catalog, BuildError> {
    load_with(config, &Store::new(&config.kv)).await
}

/// As [`load`], to be called, so that the data of `wasi:keyvalue` is opened too.
pub(crate) async fn load_to_call(config: &Config) -> Result<Catalog, BuildError> {
    let store = Store::new(&config.kv);
    let catalog = load_with(config, &store).await?;
    open_store(&catalog, &store).await?;
    Ok(catalog)
}

async fn open_store(catalog: &Catalog, store: &Store) -> Result<(), BuildError> {
    let components = catalog.components();
    if components
        .iter()
        .all(|served| served.component.grants.kv.is_empty())
    {
        return Ok(());
    }
    store.open().await.map_err(|error| BuildError {
        problems: vec![error.into()],
    })
}

async fn load_with(config: &Config, store: &Store) -> Result<Catalog, BuildError> {
    let (sources, mut problems) = sources(config);
    let memory_bytes = sources
        .iter()
        .map(|(_, settings)| settings.map_or(&config.limits, |s| &s.limits).memory_bytes)
        .max()
        .unwrap_or(config.limits.memory_bytes);
    let engine = Engine::new(&engine::Settings {
        slots: config.server.max_concurrent_calls,
        memory_bytes,
        cache: config.cache.clone(),
    })
    .map_err(|error| BuildError {
        problems: vec![error.into()],
    })?;

    let at_once = std::thread::available_parallelism().map_or(1, usize::from);
    let loading = sources.into_iter().map(|(source, settings)| {
        let engine = &engine;
        async move { load_one(engine, source, settings, &config.limits, store).await }
    });
    let mut loaded = Vec::new();
    let mut results = futures::stream::iter(loading).buffered(at_once);
    while let Some(result) = results.next().await {
        match result {
            Ok(component) => loaded.push(component),
            Err(found) => problems.extend(found),
        }
    }
    drop(results);
    let mut keepers = HashSet::new();
    for listing in &loaded {
        let component: &Component = &listing.component;
        if !component.grants.kv.is_empty() && !keepers.insert(&component.name) {
            problems.push(Problem::SameName(component.name.clone()));
        }
    }
    let calls = Semaphore::new(config.server.max_concurrent_calls as usize);
    match Catalog::build(loaded, Arc::new(calls)) {
        Ok(catalog) if problems.is_empty() => Ok(catalog),
        Ok(_) => Err(BuildError { problems }),
        Err(errors) => {
            problems.extend(errors.into_iter().map(Problem::Catalog));
            Err(BuildError { problems })
        }
    }
}

async fn load_one(
    engine: &Engine,
    source: Source,
    settings: Option<&ComponentSettings>,
    limits: &Limits,
    store: &Store,
) -> Result<Listing, Vec<Problem>> {
    let bytes = source.read().map_err(|e| vec![e.into()])?;
    let name = settings
        .and_then(|s| s.name.as_deref())
        .unwrap_or(&source.stem);
    let limits = settings.map_or(limits, |s| &s.limits).clone();
    let pinned = settings.and_then(|s| s.digest.as_deref());
    let grants = settings.map_or_else(Grants::default, |s| s.allow.clone());
    let component = Component::load(engine, name, bytes, pinned, limits, (grants, store))
        .await
        .map_err(|errors| {
            let problem = |error| Problem::Component {
                path: source.path.clone(),
                error,
            };
            errors.into_iter().map(problem).collect::<Vec<_>>()
        })?;
    Ok(match settings {
        Some(settings) => Listing {
            component: Arc::new(component),
            prefix: settings.prefix.clone(),
            scopes: settings.scopes.clone(),
            selected: source.tools,
            only: settings.only.clone(),
            exclude: settings.exclude.clone(),
            tools: settings.tools.clone(),
        },
        None => Listing {
            component: Arc::new(component),
            prefix: String::new(),
            scopes: Vec::new(),
            selected: source.tools,
            only: None,
            exclude: Vec::new(),
            tools: BTreeMap::new(),
        },
    })
}

/// The files to load, each once, with the settings of the `[[component]]` that
/// names it.
fn sources(config: &Config) -> (Vec<(Source, Option<&ComponentSettings>)>, Vec<Problem>) {
    let mut problems = Vec::new();
    let mut settings: HashMap<PathBuf, &ComponentSettings> = HashMap::new();
    for component in &config.components {
        // A reference that names nothing is reported below, where it is served.
        let found = component.reference.resolve().unwrap_or_default();
        if found.len() > 1 && component.is_for_one() {
            problems.push(Problem::NotOne(
                component.reference.to_string(),
                found.len(),
            ));
            continue;
        }
        if !component.allow.is_empty() && !component.reference.is_one() {
            problems.push(Problem::GrantsForMany(component.reference.to_string()));
        }
        for source in found {
            let selects = |settings: &ComponentSettings| settings.reference.tool().is_some();
            let other = settings.insert(canonical(&source), component);
            if let Some(other) = other.filter(|other| selects(other) || selects(component)) {
                let (first, second) = (&other.reference, &component.reference);
                problems.push(Problem::OneFile(first.to_string(), second.to_string()));
            }
        }
    }
    let mut places = HashMap::new();
    let mut sources: Vec<(Source, _)> = Vec::new();
    if config.references.is_empty() {
        problems.push(Problem::NothingNamed);
    }
    for reference in &config.references {
        let found = reference.resolve().unwrap_or_else(|error| {
            problems.push(error.into());
            Vec::new()
        });
        for source in found {
            let path = canonical(&source);
            match places.get(&path) {
                Some(place) => {
                    let (first, _): &mut (Source, _) = &mut sources[*place];
                    first.join(source);
                }
                None => {
                    let settings = settings.get(&path).copied();
                    places.insert(path, sources.len());
                    sources.push((source, settings));
                }
            }
        }
    }
    (sources, problems)
}

/// One file has one canonical path, however it was named.
fn canonical(source: &Source) -> PathBuf {
    source
        .path
        .canonicalize()
        .unwrap_or_else(|_| source.path.clone())
}
