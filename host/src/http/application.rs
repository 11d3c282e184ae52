//! The application as one value: the MCP endpoint, health, and the metadata of the guard.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::byte_budget::ByteBudgets;
use super::connection::Connection;
use super::endpoint::Endpoint;
use super::entry::{self, Entry};
use super::message_limits::MessageLimits;
use super::origin::Policy;
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

/// The parts of the application.
pub struct Parts {
    /// The path of the MCP endpoint.
    pub path: String,
    /// Size limit of a request body.
    pub max_body_bytes: usize,
    /// Whether clients of the revisions before 2026-07-28 get sessions.
    pub sessions: bool,
    /// The beginning of the ids of sessions, by which a proxy finds the replica that has them.
    pub session_prefix: Option<String>,
    /// The `Host` and `Origin` values that are accepted.
    pub policy: Policy,
    /// Authenticates callers; `None` accepts everybody.
    pub guard: Option<Guard>,
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

/// The whole application, to be served by itself or mounted in another router.
#[derive(Clone)]
pub struct Application {
    entry: Arc<Entry>,
    router: Router,
}

impl Application {
    /// Assembles the application.
    pub fn new(parts: Parts) -> Self {
        let endpoint = Endpoint {
            sessions: parts
                .sessions
                .then(|| Sessions::new(parts.server.clone(), parts.session_prefix.as_deref())),
            stateless: Stateless::new(parts.server.clone()),
            server: parts.server,
            messages: Arc::new(MessageLimits::new(
                parts.live.clone(),
                parts.guard.is_some(),
            )),
            live: parts.live,
            guard: parts.guard.clone(),
            max_body_bytes: parts.max_body_bytes,
            budgets: ByteBudgets::default(),
            draining: parts.draining.clone(),
            observer: parts.observer.clone(),
        };
        let policy = Arc::new(parts.policy);
        let guard_layer = |guard: &Guard| guard.layer().with_body(responses::auth_error_body);
        let entry = Arc::new(Entry {
            path: parts.path,
            cors: entry::cors(policy.clone()),
            policy,
            guard: parts.guard.as_ref().map(guard_layer),
            observer: parts.observer.clone(),
            endpoint,
        });
        if let Some(metrics) = parts.observer.metrics() {
            let entry = Arc::downgrade(&entry);
            metrics.add_source(move |samples| {
                let Some(entry) = entry.upgrade() else {
                    return;
                };
                let sessions = entry.endpoint.sessions.as_ref();
                let open = sessions.map_or(0, Sessions::count) as u64;
                samples.push(Sample::gauge("toolcrib_sessions", "Open sessions", open));
            });
        }
        let readiness = Readiness {
            draining: parts.draining,
            problems: parts.problems,
            shared: parts.shared,
            guard: parts.guard.clone(),
        };
        let mut other = Router::new()
            .route("/healthz", get(|| async { "ok\n" }))
            .route("/readyz", get(ready).with_state(readiness));
        if let Some(guard) = &parts.guard {
            other = other
                .merge(guard.metadata_router())
                .merge(guard.authorization_server_router());
        }
        let other = other
            .fallback(not_found)
            .layer(middleware::from_fn(outgoing::count_response));
        let mut mcp = Router::new().route(&entry.path, any(entry::handle));
        if entry.path != "/" {
            mcp = mcp.route(&format!("{}/", entry.path), any(entry::handle));
        }
        let router = other.merge(mcp.with_state(entry.clone()));
        Self { entry, router }
    }

    /// Returns the application as a router.
    pub fn into_router(self) -> Router {
        self.router
    }

    /// Answers a request of a connection. Those to the MCP endpoint do not need the router.
    pub(super) async fn handle(
        &self,
        mut request: Request,
        connection: &Arc<Connection>,
    ) -> Response {
        if self.entry.is_at(request.uri()) {
            return self.entry.handle(request, Some(connection)).await;
        }
        request.extensions_mut().insert(connection.clone());
        let Ok(response) = self.router.clone().oneshot(request).await;
        response
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
