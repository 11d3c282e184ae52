//! The guard as a tower layer: replaces the access token of a request by its verified caller.

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
use super::challenge::{AuthError, HeaderError};
use super::guard::Guard;

/// The longest accepted `Authorization` header. Tokens with many groups reach about half of it.
pub const MAX_AUTHORIZATION_BYTES: usize = 16 * 1024;

/// A tower layer that protects a service with a [`Guard`]. See [`Guard::layer`].
///
/// An accepted request continues with an `Arc<Caller>` in its extensions and without its `Authorization` header. Other
/// requests are rejected:
///
/// | status | condition |
/// |---|---|
/// | 401 | the token is missing or invalid, or the scheme is not Bearer |
/// | 403 | the token lacks a scope that every request needs |
/// | 400 | there are several `Authorization` headers, or the token is not of the characters of a token |
/// | 431 | the header is longer than [`MAX_AUTHORIZATION_BYTES`] |
/// | 503 | the issuer's keys are unknown and cannot be fetched |
///
/// The response to a rejected request has the [`AuthError`] in its extensions.
///
/// A CORS preflight has no credentials, so the CORS layer must wrap this one.
#[derive(Debug, Clone)]
pub struct GuardLayer {
    guard: Guard,
    body: fn(&AuthError) -> Value,
}

/// The service that [`GuardLayer`] creates.
#[derive(Debug, Clone)]
pub struct GuardService<S> {
    inner: S,
    layer: GuardLayer,
}

impl Guard {
    /// Returns the tower layer that accepts only requests with a valid token, for any axum router.
    pub fn layer(&self) -> GuardLayer {
        GuardLayer {
            guard: self.clone(),
            body: AuthError::body,
        }
    }
}

impl GuardLayer {
    /// Sets the JSON body of error responses in place of [`AuthError::body`], for protocols with their own format.
    pub fn with_body(self, body: fn(&AuthError) -> Value) -> GuardLayer {
        GuardLayer { body, ..self }
    }

    /// Removes the access token from the headers of a request and verifies it.
    ///
    /// # Errors
    /// The response that rejects the request.
    pub(crate) async fn authorize(
        &self,
        headers: &mut HeaderMap,
    ) -> Result<Arc<Caller>, Box<Response>> {
        let error = match authorize(&self.guard, headers).await {
            Ok(caller) => return Ok(caller),
            Err(error) => error,
        };
        self.guard.count_refusal(&error);
        tracing::info!(
            target: "toolcrib::refused::token",
            {
                auth.status = error.status().as_u16(),
                auth.error = error.error(),
                auth.reason = error.description(),
                auth.detail = error.detail(),
            },
            "request refused"
        );
        let body = (self.body)(&error);
        let mut response = error.clone().into_response_with(&body);
        response.extensions_mut().insert(error);
        Err(Box::new(response))
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
        // Tower requires that the polled service is the one called.
        let clone = self.inner.clone();
        let mut inner = mem::replace(&mut self.inner, clone);
        let layer = self.layer.clone();
        Box::pin(async move {
            match layer.authorize(request.headers_mut()).await {
                Ok(caller) => {
                    request.extensions_mut().insert(caller);
                    inner.call(request).await
                }
                Err(rejected) => Ok(*rejected),
            }
        })
    }
}

async fn authorize(guard: &Guard, headers: &mut HeaderMap) -> Result<Arc<Caller>, AuthError> {
    let token = take_token(guard, headers)?;
    guard.verify(&token).await
}

/// Removes the bearer token from the request (RFC 6750 §2.1). Tokens in the query or the body are ignored.
///
/// Credentials of another scheme, and a scheme without a token, count as no credentials: only the 401 for these makes a
/// client start its sign-in.
fn take_token(guard: &Guard, headers: &mut HeaderMap) -> Result<String, AuthError> {
    let challenge_builder = guard.challenge_builder();
    let several = headers.get_all(AUTHORIZATION).iter().nth(1).is_some();
    let value = headers.remove(AUTHORIZATION);
    if several {
        return Err(challenge_builder.invalid_request(HeaderError::MultipleHeaders));
    }
    let token = value
        .as_ref()
        .and_then(|value| bearer_credentials(value.as_bytes()))
        .ok_or_else(|| challenge_builder.no_credentials())?;
    if value
        .as_ref()
        .is_some_and(|value| value.len() > MAX_AUTHORIZATION_BYTES)
    {
        return Err(challenge_builder.header_too_long(MAX_AUTHORIZATION_BYTES));
    }
    std::str::from_utf8(token)
        .ok()
        .filter(|token| is_b64token(token))
        .map(str::to_owned)
        .ok_or_else(|| challenge_builder.invalid_request(HeaderError::Syntax))
}

/// Returns the credentials of the Bearer scheme, or `None` if there are none or the scheme is another.
fn bearer_credentials(value: &[u8]) -> Option<&[u8]> {
    let value = value.trim_ascii();
    let end_of_scheme = value.iter().position(u8::is_ascii_whitespace)?;
    let (scheme, credentials) = value.split_at(end_of_scheme);
    scheme
        .eq_ignore_ascii_case(b"bearer")
        .then(|| credentials.trim_ascii())
}

/// Checks the syntax `b64token` (RFC 6750 §2.1). It excludes commas, so two joined headers are rejected too.
fn is_b64token(token: &str) -> bool {
    let body = token.trim_end_matches('=');
    let is_valid = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
    // Without an exit at the first invalid byte, the compiler checks many bytes at once.
    !body.is_empty()
        && body
            .bytes()
            .fold(true, |so_far, byte| so_far & is_valid(byte))
}
