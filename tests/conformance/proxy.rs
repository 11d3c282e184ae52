//! A reverse proxy that adds an access token to every request, because the conformance suite cannot send one.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// Limit on request bodies.
const MAX_BODY_BYTES: usize = 1024 * 1024;

struct Upstream {
    address: SocketAddr,
    token: String,
    client: reqwest::Client,
}

/// Starts the proxy. It stops when the returned set is dropped.
pub(super) fn start(listener: TcpListener, address: SocketAddr, token: &str) -> JoinSet<()> {
    let upstream = Upstream {
        address,
        token: token.into(),
        client: reqwest::Client::builder().no_proxy().build().unwrap(),
    };
    let app = Router::new()
        .fallback(forward)
        .with_state(Arc::new(upstream));
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { axum::serve(listener, app).await.unwrap() });
    tasks
}

async fn forward(State(upstream): State<Arc<Upstream>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, MAX_BODY_BYTES).await.unwrap();
    let path = parts.uri.path();
    let mut headers = parts.headers;
    headers.remove(CONTENT_LENGTH);
    headers.remove(CONNECTION);
    let upstream_response = upstream
        .client
        .request(parts.method, format!("http://{}{path}", upstream.address))
        .headers(headers)
        .bearer_auth(&upstream.token)
        .body(body)
        .send()
        .await
        .unwrap();
    let mut response = Response::builder().status(upstream_response.status());
    for (name, value) in upstream_response.headers() {
        if name != TRANSFER_ENCODING && name != CONNECTION {
            response = response.header(name, value);
        }
    }
    response
        .body(Body::from_stream(upstream_response.bytes_stream()))
        .unwrap()
}
