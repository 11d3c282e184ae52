//! The application as one value: the MCP endpoint, health, and the metadata of the guard.

use std::sync::{Arc, PoisonError, RwLock, Weak};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::connection::Connection;
use super::endpoint::Endpoint;
use super::entry::{self, Entry};
use super::message_limits::MessageLimits;
use super::origin::Policy;
use super::page::{Page, PageSettings};
use super::sessions::Sessions;
use super::stateless::Stateless;
use super::{outgoing, responses};
use crate::auth::Guard;
use crate::catalog::LiveCatalog;
use crate::mcp::ToolServer;
use crate::shared::Shared;
use crate::telemetry::{Observer, Sample};

/// Problems listed by `/readyz`.
const MAX_LISTED_PROBLEMS: usize = 100;

/// The parts of the application that stay as they are.
pub struct Parts {
    /// The path of the MCP endpoint.
    pub path: String,
    /// Whether clients of the revisions before 2026-07-28 get sessions.
    pub sessions: bool,
    /// The beginning of the ids of sessions, by which a proxy finds the replica that has them.
    pub session_prefix: Option<String>,
    /// The catalog that is served.
    pub live: LiveCatalog,
    /// The MCP server of the catalog.
    pub server: ToolServer,
    /// Records the requests.
    pub observer: Observer,
    /// Problems of the components, one line each.
    pub problems: watch::Receiver<Vec<String>>,
    /// The state that replicas share, if there is one.
    pub shared: Option<Shared>,
    /// Cancelled when the host stops accepting connections.
    pub draining: CancellationToken,
}

/// The settings of the application, which can be replaced.
pub struct Settings {
    /// Size limit of a request body.
    pub max_body_bytes: usize,
    /// The `Host` and `Origin` values that are accepted.
    pub policy: Policy,
    /// Authenticates callers; `None` accepts everybody.
    pub guard: Option<Guard>,
    /// Serves the page to browsers; `None` serves none.
    pub page: Option<PageSettings>,
}

/// The whole application, to be served by itself or mounted in another router. Clones share its settings.
#[derive(Clone)]
pub struct Application(Arc<Inner>);

/// An [`Application`] that may be gone.
pub(crate) struct WeakApplication(Weak<Inner>);

struct Inner {
    current: RwLock<Arc<Current>>,
    problems: watch::Receiver<Vec<String>>,
    shared: Option<Shared>,
}

/// The application with its current settings.
struct Current {
    entry: Arc<Entry>,
    /// Everything but the endpoint and the page.
    other: Router,
    page: Option<Page>,
}

impl Application {
    /// Assembles the application.
    pub fn new(parts: Parts, settings: Settings) -> Self {
        let messages = MessageLimits::new(parts.live.clone(), settings.guard.is_some());
        let sessions = parts
            .sessions
            .then(|| Sessions::new(parts.server.clone(), parts.session_prefix.as_deref()));
        let endpoint = Endpoint {
            sessions: sessions.map(Arc::new),
            stateless: Arc::new(Stateless::new(parts.server.clone())),
            server: parts.server,
            messages: Arc::new(messages),
            live: parts.live,
            guard: None,
            max_body_bytes: 0,
            budgets: Arc::default(),
            draining: parts.draining,
            observer: parts.observer,
        };
        if let (Some(metrics), Some(sessions)) = (endpoint.observer.metrics(), &endpoint.sessions) {
            let sessions = Arc::downgrade(sessions);
            metrics.add_source(move |samples| {
                let open = sessions.upgrade().map_or(0, |sessions| sessions.count());
                let help = "Open sessions";
                samples.push(Sample::gauge("toolcrib_sessions", help, open as u64));
            });
        }
        let (problems, shared) = (parts.problems, parts.shared);
        let current = Current::new(endpoint, parts.path, settings, &problems, &shared);
        Self(Arc::new(Inner {
            current: RwLock::new(Arc::new(current)),
            problems,
            shared,
        }))
    }

    /// Replaces the settings. `with_these` runs while requests wait that have just arrived, so these see its effects and
    /// the settings together. Requests under way keep the settings in which they started.
    pub fn replace(&self, settings: Settings, with_these: impl FnOnce()) {
        let before = self.current();
        let (endpoint, path) = (before.entry.endpoint.clone(), before.entry.path.clone());
        let next = Arc::new(Current::new(
            endpoint,
            path,
            settings,
            &self.0.problems,
            &self.0.shared,
        ));
        let mut current = self
            .0
            .current
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        with_these();
        *current = next;
    }

    pub(crate) fn downgrade(&self) -> WeakApplication {
        WeakApplication(Arc::downgrade(&self.0))
    }

    /// Returns the number of problems of components.
    pub(crate) fn component_problems(&self) -> usize {
        self.0.problems.borrow().len()
    }

    /// Returns the guard.
    pub fn guard(&self) -> Option<Guard> {
        self.current().entry.endpoint.guard.clone()
    }

    /// Returns the application as a router, without the page. Replaced settings apply to the MCP endpoint and to mounted
    /// components only.
    pub fn router(&self) -> Router {
        let current = self.current();
        let path = &current.entry.path;
        let mut mcp = Router::new().route(path, any(handle));
        if path != "/" {
            mcp = mcp.route(&format!("{path}/"), any(handle));
        }
        let other = current.other.clone();
        let other = other.fallback_service(any(handle_other).with_state(self.clone()));
        other.merge(mcp.with_state(self.clone()))
    }

    /// Answers a request of a connection. Those to the MCP endpoint and to mounted components do not need the router.
    pub(super) async fn handle(
        &self,
        mut request: Request,
        connection: &Arc<Connection>,
    ) -> Response {
        let current = self.current();
        // The path of the endpoint may be that of the page.
        if request.uri().path() == "/"
            && let Some(page) = &current.page
        {
            let (head, body) = request.into_parts();
            if let Some(response) = page.answer(&current.entry.policy, &head) {
                return outgoing::count_other(response, Some(connection));
            }
            request = Request::from_parts(head, body);
        }
        if current.entry.is_at(request.uri()) {
            return current.entry.handle(request, None, Some(connection)).await;
        }
        let endpoint = &current.entry.endpoint;
        if let Some(mounted) = endpoint.mount_at(request.uri().path()) {
            let (mounted, connection) = (Some(&mounted), Some(connection));
            return current.entry.handle(request, mounted, connection).await;
        }
        request.extensions_mut().insert(connection.clone());
        let Ok(response) = current.other.clone().oneshot(request).await;
        response
    }

    fn current(&self) -> Arc<Current> {
        let current = self
            .0
            .current
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        current.clone()
    }
}

impl WeakApplication {
    pub(crate) fn upgrade(&self) -> Option<Application> {
        self.0.upgrade().map(Application)
    }
}

impl Current {
    fn new(
        endpoint: Endpoint,
        path: String,
        settings: Settings,
        problems: &watch::Receiver<Vec<String>>,
        shared: &Option<Shared>,
    ) -> Self {
        let Settings {
            max_body_bytes,
            policy,
            guard,
            page,
        } = settings;
        let page = page.map(|page| Page::new(page, &path, guard.as_ref()));
        let readiness = Readiness {
            draining: endpoint.draining.clone(),
            problems: problems.clone(),
            shared: shared.clone(),
            guard: guard.clone(),
        };
        let mut other = Router::new()
            .route("/healthz", get(|| async { "ok\n" }))
            .route("/readyz", get(ready).with_state(readiness));
        if let Some(guard) = &guard {
            other = other
                .merge(guard.metadata_router())
                .merge(guard.authorization_server_router());
        }
        let other = other
            .fallback(not_found)
            .layer(middleware::from_fn(outgoing::count_response));
        let policy = Arc::new(policy);
        let layer = |guard: &Guard| guard.layer().with_body(responses::auth_error_body);
        let entry = Arc::new(Entry {
            path,
            cors: entry::cors(policy.clone()),
            mount_cors: entry::mount_cors(policy.clone()),
            policy,
            guard: guard.as_ref().map(layer),
            observer: endpoint.observer.clone(),
            endpoint: Endpoint {
                guard,
                max_body_bytes,
                ..endpoint
            },
        });
        Self { entry, other, page }
    }
}

/// Handles a request that a router has directed to the endpoint.
async fn handle(State(application): State<Application>, request: Request) -> Response {
    let connection = request.extensions().get::<Arc<Connection>>().cloned();
    let entry = application.current().entry.clone();
    entry.handle(request, None, connection.as_ref()).await
}

/// Handles a request that a router has directed nowhere: one to a mounted component, or to nothing.
async fn handle_other(State(application): State<Application>, request: Request) -> Response {
    let connection = request.extensions().get::<Arc<Connection>>().cloned();
    let entry = application.current().entry.clone();
    match entry.endpoint.mount_at(request.uri().path()) {
        Some(mounted) => {
            let connection = connection.as_ref();
            entry.handle(request, Some(&mounted), connection).await
        }
        None => not_found().await,
    }
}

/// The state of `/readyz`.
#[derive(Clone)]
struct Readiness {
    draining: CancellationToken,
    problems: watch::Receiver<Vec<String>>,
    shared: Option<Shared>,
    guard: Option<Guard>,
}

/// Answers `/readyz`. The problem of one component, one issuer or the shared state does not take the server out of service,
/// so problems are listed below the status.
async fn ready(State(readiness): State<Readiness>) -> Response {
    if readiness.draining.is_cancelled() {
        return (StatusCode::SERVICE_UNAVAILABLE, "shutting down\n").into_response();
    }
    let mut body = String::from("ready\n");
    if let Some(problem) = readiness.shared.as_ref().and_then(Shared::problem) {
        body.push_str(&problem);
        body.push('\n');
    }
    let key_problems = readiness.guard.as_ref().map(Guard::key_problems);
    for problem in key_problems.iter().flatten().take(MAX_LISTED_PROBLEMS) {
        body.push_str(problem);
        body.push('\n');
    }
    let problems = readiness.problems.borrow();
    for problem in problems.iter().take(MAX_LISTED_PROBLEMS) {
        body.push_str(problem);
        body.push('\n');
    }
    if problems.len() > MAX_LISTED_PROBLEMS {
        body.push_str("and more, which the log has\n");
    }
    body.into_response()
}

async fn not_found() -> Response {
    responses::plain(StatusCode::NOT_FOUND, "there is nothing at this path")
}
