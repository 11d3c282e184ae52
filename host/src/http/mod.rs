//! HTTP: routes, request bodies, `Host` and `Origin`, sessions, health, and the accept loop.
//!
//! A request passes, in this order: `Host` and `Origin`, CORS, the guard, and the endpoint.

mod accept;
mod body;
mod byte_budget;
mod connection;
mod connection_threads;
mod detached_peers;
mod endpoint;
mod envelope;
mod event_stream;
mod header_checks;
mod jsonrpc;
mod lingering_body;
mod listener;
mod message_limits;
mod message_scan;
mod mirrored_headers;
mod origin;
mod outgoing;
mod responses;
mod sending;
mod serve;
mod session_errors;
mod session_owners;
mod session_requests;
mod sessions;
mod socket;
mod stateless;
mod strict_json;
mod timed_stream;
mod tls;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderName, Method, StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

use crate::auth::Guard;
use crate::catalog::LiveCatalog;
use crate::mcp::ToolServer;
use byte_budget::ByteBudgets;
use endpoint::Endpoint;
pub use listener::Listener;
use message_limits::MessageLimits;
pub use origin::Policy;
pub use serve::{Serving, serve};
use sessions::Sessions;
use stateless::Stateless;
pub use tls::{TlsAcceptor, TlsError, acceptor};

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
    /// The `Host` and `Origin` values that are accepted.
    pub policy: Policy,
    /// Authenticates callers; `None` accepts everybody.
    pub guard: Option<Guard>,
    /// The catalog that is served.
    pub live: LiveCatalog,
    /// The MCP server of the catalog.
    pub server: ToolServer,
    /// Problems of the components, one line each.
    pub problems: watch::Receiver<Vec<String>>,
    /// Cancelled when the host stops accepting connections.
    pub draining: CancellationToken,
}

/// Returns the whole application, to be served by itself or mounted in another router.
pub fn router(parts: Parts) -> Router {
    let endpoint = Arc::new(Endpoint {
        sessions: parts.sessions.then(|| Sessions::new(parts.server.clone())),
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
    });
    let policy = Arc::new(parts.policy);
    let mut mcp = Router::new().route(&parts.path, any(endpoint::handle));
    if parts.path != "/" {
        mcp = mcp.route(&format!("{}/", parts.path), any(endpoint::handle));
    }
    let mut mcp = mcp.with_state(endpoint);
    let mut public = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route(
            "/readyz",
            get(ready).with_state(Readiness {
                draining: parts.draining,
                problems: parts.problems,
                guard: parts.guard.clone(),
            }),
        );
    if let Some(guard) = &parts.guard {
        mcp = mcp.layer(guard.layer().with_body(responses::auth_error_body));
        public = public
            .merge(guard.metadata_router())
            .merge(guard.authorization_server_router());
    }
    mcp = mcp
        .layer(CatchPanicLayer::custom(responses::panicked))
        .layer(cors(policy.clone()))
        .layer(middleware::from_fn_with_state(policy, origin::check))
        .layer(middleware::from_fn(lingering_body::discard));
    public
        .merge(mcp)
        .fallback(not_found)
        .layer(middleware::from_fn(outgoing::count_other))
}

/// Returns the CORS layer. `origin::check` has rejected other origins before.
fn cors(policy: Arc<Policy>) -> CorsLayer {
    const EXPOSED: [HeaderName; 3] = [
        header::RETRY_AFTER,
        header::WWW_AUTHENTICATE,
        HeaderName::from_static("mcp-session-id"),
    ];
    CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(move |origin, parts| {
            policy.allows_origin(origin, &parts.uri, &parts.headers)
        }))
        .allow_methods([Method::POST, Method::GET, Method::DELETE])
        // Tools define the names of `Mcp-Param-*` headers.
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers(EXPOSED)
        .max_age(std::time::Duration::from_secs(3600))
}

/// The state of `/readyz`.
#[derive(Clone)]
struct Readiness {
    draining: CancellationToken,
    problems: watch::Receiver<Vec<String>>,
    guard: Option<Guard>,
}

/// Answers `/readyz`. The problem of one component or one issuer does not take the server out of service, so problems
/// are listed below the status.
async fn ready(State(readiness): State<Readiness>) -> Response {
    if readiness.draining.is_cancelled() {
        return (StatusCode::SERVICE_UNAVAILABLE, "shutting down\n").into_response();
    }
    let mut body = String::from("ready\n");
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
