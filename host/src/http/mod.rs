//! HTTP: routes, bodies, `Host` and `Origin`, health, and the serving loop.
//!
//! A request passes, in this order: `Host` and `Origin`, CORS, the guard, the
//! body's limit, the JSON-RPC envelope, a place for the call, MCP.

mod connection_threads;
mod endpoint;
mod jsonrpc;
mod lingering_body;
mod origin;
mod responses;
mod serve;
mod sessions;
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
use endpoint::Endpoint;
pub use origin::Policy;
pub use serve::{Serving, serve};
pub use tls::{TlsAcceptor, TlsError, acceptor};

/// Problems that `/readyz` names.
const MAX_PROBLEMS: usize = 100;

/// What the routes are made of.
pub struct Parts {
    /// The path of the MCP endpoint.
    pub path: String,
    /// The largest request body, in bytes.
    pub max_body_bytes: usize,
    /// Whether clients of the older revisions get sessions.
    pub sessions: bool,
    /// Which `Host` and `Origin` values are answered.
    pub policy: Policy,
    /// Who may call; `None` lets everybody.
    pub guard: Option<Guard>,
    /// What is served.
    pub live: LiveCatalog,
    /// The MCP server over it.
    pub server: ToolServer,
    /// What of the components is not served as it should be, one line each.
    pub problems: watch::Receiver<Vec<String>>,
    /// Fires when the host stops accepting.
    pub draining: CancellationToken,
}

/// The whole application, to be mounted anywhere or served by itself.
pub fn router(parts: Parts) -> Router {
    let endpoint = Arc::new(Endpoint::new(&parts));
    let policy = Arc::new(parts.policy);
    let mut mcp = Router::new()
        .route(&parts.path, any(endpoint::handle))
        .route(&format!("{}/", parts.path), any(endpoint::handle))
        .with_state(endpoint);
    let mut open = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route(
            "/readyz",
            get(ready).with_state((parts.draining, parts.problems)),
        );
    if let Some(guard) = &parts.guard {
        mcp = mcp.layer(guard.layer().with_body(responses::refusal_body));
        open = open.merge(guard.metadata_router());
    }
    mcp = mcp
        .layer(CatchPanicLayer::custom(responses::panicked))
        .layer(cors(policy.clone()))
        .layer(middleware::from_fn_with_state(policy, origin::check))
        .layer(middleware::from_fn(lingering_body::drain));
    open.merge(mcp).fallback(not_found)
}

/// Origins were judged before; what is left is told apart from nothing else.
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
        // `Mcp-Param-*` names are the tools' own.
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers(EXPOSED)
        .max_age(std::time::Duration::from_secs(3600))
}

/// What goes wrong with one component is no reason to take the server out of
/// service, so the problems stand below the word.
async fn ready(
    State((draining, problems)): State<(CancellationToken, watch::Receiver<Vec<String>>)>,
) -> Response {
    if draining.is_cancelled() {
        return (StatusCode::SERVICE_UNAVAILABLE, "shutting down\n").into_response();
    }
    let mut body = String::from("ready\n");
    let problems = problems.borrow();
    for problem in problems.iter().take(MAX_PROBLEMS) {
        body.push_str(problem);
        body.push('\n');
    }
    if problems.len() > MAX_PROBLEMS {
        body.push_str("and more, which the log has\n");
    }
    body.into_response()
}

async fn not_found() -> Response {
    responses::plain(StatusCode::NOT_FOUND, "there is nothing at this path")
}
