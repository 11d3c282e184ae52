//! A reverse proxy that adds an access token to every request, and leaves everything else as it was: the suite has none.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// The largest request that is passed on.
const MAX_BODY_BYTES: usize = 1024 * 1024;

struct Upstream {
    address: SocketAddr,
    token: String,
    client: reqwest::Client,
}

/// Serves until what it returns is dropped.
pub(super) fn start(listener: TcpListener, address: SocketAddr, token: &str) -> JoinSet<()> {
    let upstream = Upstream {
        address,
        token: token.into(),
        client: reqwest::Client::builder().no_proxy().build().unwrap(),
    };
    let app = Router::new()
        .fallback(forward)
        .with_state(Arc::new(upstream));
    let mut serving = JoinSet::new();
    serving.spawn(async move { axum::serve(listener, app).await.unwrap() });
    serving
}

async fn forward(State(upstream): State<Arc<Upstream>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, MAX_BODY_BYTES).await.unwrap();
    let path = parts.uri.path();
    let mut headers = parts.headers;
    headers.remove(CONTENT_LENGTH);
    headers.remove(CONNECTION);
    let answer = upstream
        .client
        .request(parts.method, format!("http://{}{path}", upstream.address))
        .headers(headers)
        .bearer_auth(&upstream.token)
        .body(body)
        .send()
        .await
        .unwrap();
    let mut response = Response::builder().status(answer.status());
    for (name, value) in answer.headers() {
        if name != TRANSFER_ENCODING && name != CONNECTION {
            response = response.header(name, value);
        }
    }
    response
        .body(Body::from_stream(answer.bytes_stream()))
        .unwrap()
}
