//! Tests of the OAuth guard over real HTTP: it protects a plain axum router and trusts an issuer on loopback.

mod callers;
mod config;
mod credentials;
mod key_routes;
mod key_sources;
mod keys;
mod metadata;
mod providers;
mod rotation;
mod tokens;
mod untrusted_json;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::Request;
use axum::routing::any;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use toolcrib::auth::{Caller, Clock, Guard, GuardConfig, IssuerConfig, KeySource};

use crate::support::issuer::{AUDIENCE, Issuer, now_seconds};

const HOUR: u64 = 3600;
const METADATA_PATH: &str = "/.well-known/oauth-protected-resource";

/// A guarded application on its own loopback port. Its guard uses a clock that tests can advance.
pub(super) struct Site {
    pub(super) url: String,
    pub(super) client: Client,
    pub(super) guard: Guard,
    pub(super) clock: Clock,
}

/// An HTTP response with a JSON body.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: reqwest::header::HeaderMap,
    pub(super) body: Value,
}

impl Site {
    pub(super) async fn start(config: GuardConfig) -> Site {
        let clock = Clock::default();
        let guard = Guard::build_with_clock(config, clock.clone()).unwrap();
        Site {
            clock,
            ..Site::start_with(guard, "").await
        }
    }

    pub(super) async fn start_with(guard: Guard, path: &str) -> Site {
        let app = Router::new()
            .route(&format!("{path}/mcp"), any(echo))
            .layer(guard.layer())
            .merge(guard.metadata_router());
        Site {
            url: serve(app).await,
            client: client(),
            guard,
            clock: Clock::default(),
        }
    }

    pub(super) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }

    pub(super) async fn get(&self, token: &str) -> Answer {
        let header = format!("Bearer {token}");
        Answer::to(
            self.request(Method::GET, "/mcp")
                .header("authorization", header),
        )
        .await
    }

    /// The challenge parameter that points to the protected resource metadata.
    pub(super) fn metadata_parameter(&self) -> String {
        format!(r#"resource_metadata="{}""#, self.guard.metadata_url())
    }
}

impl Answer {
    pub(super) async fn to(request: RequestBuilder) -> Answer {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        let body = serde_json::from_str(&text)
            .unwrap_or_else(|_| panic!("status {status}, body is not JSON: {text}"));
        Answer {
            status,
            headers,
            body,
        }
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// Returns the response's only `WWW-Authenticate` header.
    pub(super) fn challenge(&self) -> &str {
        assert_eq!(
            self.headers.get_all("www-authenticate").iter().count(),
            1,
            "{self:?}"
        );
        self.header("www-authenticate")
    }
}

/// Returns the caller that the guard passed on, and whether the token was removed.
async fn echo(request: Request) -> String {
    let caller = request.extensions().get::<Arc<Caller>>().unwrap();
    json!({
        "authorization": request.headers().contains_key("authorization"),
        "issuer": caller.issuer,
        "subject": caller.subject,
        "client_id": caller.client_id,
        "scopes": caller.scopes,
        "claims": caller.claims,
        "debug_shows_claims": format!("{caller:?}").contains("tools\""),
    })
    .to_string()
}

pub(super) async fn serve(app: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    format!("http://{address}")
}

pub(super) fn client() -> Client {
    Client::builder().no_proxy().build().unwrap()
}

pub(super) fn config(issuer: &Issuer) -> GuardConfig {
    config_of([issuer])
}

pub(super) fn config_of<'a>(issuers: impl IntoIterator<Item = &'a Issuer>) -> GuardConfig {
    let mut config = GuardConfig::new(AUDIENCE, "", "");
    config.issuers = issuers.into_iter().map(trusted).collect();
    config
}

pub(super) fn trusted(issuer: &Issuer) -> IssuerConfig {
    let mut trusted = IssuerConfig::new(issuer.url(), AUDIENCE);
    trusted.keys = jwks(&issuer.jwks_uri());
    trusted
}

pub(super) fn jwks(url: &str) -> KeySource {
    KeySource::JwksUri(url.parse().unwrap())
}

/// A token that is still valid after the longest time that a test advances its clock by.
pub(super) fn long_token(issuer: &Issuer) -> String {
    issuer.token(|claims| claims["exp"] = json!(now_seconds() + 240 * HOUR))
}

pub(super) async fn join_all<T>(all: impl IntoIterator<Item = impl Future<Output = T>>) -> Vec<T> {
    futures::future::join_all(all).await
}

pub(super) async fn poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    futures::future::poll_immediate(future).await
}

/// Waits up to ten seconds for a condition that another task fulfils.
pub(super) async fn wait_until(is_fulfilled: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !is_fulfilled() {
        assert!(
            Instant::now() < deadline,
            "condition not fulfilled within 10 s"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
