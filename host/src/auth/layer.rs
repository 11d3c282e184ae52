//! The guard as a tower layer: takes the token off the request and puts the principal on it.

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::response::Response;
use http::header::AUTHORIZATION;
use http::{HeaderMap, Request};
use serde_json::Value;
use tower::{Layer, Service};

use super::caller::Caller;
use super::challenge::{AuthError, BadRequest};
use super::guard::Guard;

/// The longest `Authorization` header that is looked at. Tokens with many groups in them reach half of it.
pub const AUTHORIZATION_BYTES_MAX: usize = 16 * 1024;

/// Puts a [`Guard`] in front of a service. See [`Guard::layer`].
///
/// A request goes on with an `Arc<Caller>` among its extensions and without its `Authorization` header. It is refused
/// with
///
/// | status | when |
/// |---|---|
/// | 401 | there is no token, or it is not good |
/// | 403 | the token lacks a scope that every request needs |
/// | 400 | there are two `Authorization` headers, or another scheme than Bearer, or no token after it |
/// | 431 | the header is longer than [`AUTHORIZATION_BYTES_MAX`] |
/// | 503 | the issuer's keys cannot be fetched and none are known |
///
/// A CORS preflight has no credentials: the layer that answers it stands before this one.
#[derive(Debug, Clone)]
pub struct GuardLayer {
    guard: Guard,
    body: fn(&AuthError) -> Value,
}

/// The service that [`GuardLayer`] makes.
#[derive(Debug, Clone)]
pub struct GuardService<S> {
    inner: S,
    layer: GuardLayer,
}

impl Guard {
    /// The tower layer that lets through only requests with a good token, for any axum router.
    pub fn layer(&self) -> GuardLayer {
        GuardLayer {
            guard: self.clone(),
            body: AuthError::body,
        }
    }
}

impl GuardLayer {
    /// Gives refusals another JSON body than [`AuthError::body`], for a protocol that has its own.
    pub fn with_body(self, body: fn(&AuthError) -> Value) -> GuardLayer {
        GuardLayer { body, ..self }
    }
}

impl<S> Layer<S> for GuardLayer {
    type Service = GuardService<S>;

    fn layer(&self, inner: S) -> GuardService<S> {
        GuardService {
            inner,
            layer: self.clone(),
        }
    }
}

impl<S, B> Service<Request<B>> for GuardService<S>
where
    S: Service<Request<B>, Response = Response> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
{
    type Response = Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        // The clone that was polled ready is the one to call.
        let clone = self.inner.clone();
        let mut inner = mem::replace(&mut self.inner, clone);
        let layer = self.layer.clone();
        Box::pin(async move {
            match authorize(&layer.guard, request.headers_mut()).await {
                Ok(principal) => {
                    request.extensions_mut().insert(principal);
                    inner.call(request).await
                }
                Err(refusal) => {
                    tracing::info!(
                        auth.status = refusal.status().as_u16(),
                        auth.error = refusal.error(),
                        auth.reason = refusal.description(),
                        auth.detail = refusal.detail(),
                        "request refused"
                    );
                    let body = (layer.body)(&refusal);
                    Ok(refusal.into_response_with(&body))
                }
            }
        })
    }
}

async fn authorize(guard: &Guard, headers: &mut HeaderMap) -> Result<Arc<Caller>, AuthError> {
    let token = take_token(guard, headers)?;
    guard.verify(&token).await
}

/// Takes the bearer token off the request (RFC 6750 §2.1). A token in the query or in the body is not looked at.
fn take_token(guard: &Guard, headers: &mut HeaderMap) -> Result<String, AuthError> {
    let challenger = guard.challenger();
    let several = headers.get_all(AUTHORIZATION).iter().nth(1).is_some();
    let value = headers.remove(AUTHORIZATION);
    if several {
        return Err(challenger.invalid_request(BadRequest::TwoHeaders));
    }
    let value = value.ok_or_else(|| challenger.no_credentials())?;
    if value.len() > AUTHORIZATION_BYTES_MAX {
        return Err(challenger.header_too_long(AUTHORIZATION_BYTES_MAX));
    }
    let syntax = || challenger.invalid_request(BadRequest::Syntax);
    let value = value.to_str().map_err(|_| syntax())?;
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(challenger.invalid_request(BadRequest::Scheme));
    }
    let token = token.trim_matches(' ');
    if !is_b64token(token) {
        return Err(syntax());
    }
    Ok(token.to_owned())
}

/// `b64token` of RFC 6750 §2.1. A comma is not in it, so two headers joined into one are refused as well.
fn is_b64token(token: &str) -> bool {
    let body = token.trim_end_matches('=');
    !body.is_empty()
        && body
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte))
}
