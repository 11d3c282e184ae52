//! Rejected requests and the HTTP challenges for them (RFC 6750 §3, RFC 9728 §5.1).

use axum::response::{IntoResponse, Response};
use http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};

use super::scopes;
use crate::json;

/// The reason a token is invalid. The messages are short and safe to send to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum TokenError {
    #[error("the token is not a signed JWT")]
    NotJwt,
    #[error("the token's header marks an extension as critical that is not understood")]
    Critical,
    #[error("the token's `typ` is not that of an access token")]
    Type,
    #[error("the token's algorithm is not accepted")]
    Algorithm,
    #[error("unknown issuer")]
    UnknownIssuer,
    #[error("unknown key")]
    UnknownKey,
    #[error("bad signature")]
    Signature,
    #[error("the token has no `{0}`")]
    Missing(&'static str),
    #[error("the token's `{0}` is malformed")]
    Malformed(&'static str),
    #[error("the token has expired")]
    Expired,
    #[error("the token is not valid yet")]
    NotYetValid,
    #[error("the token was issued in the future")]
    IssuedInFuture,
    #[error("wrong audience")]
    Audience,
    #[error("the token's `tid` is not the tenant of its issuer")]
    Tenant,
    #[error("the token lacks a claim that this server requires")]
    RequiredClaim,
    #[error("an ID token is no access token")]
    IdToken,
    #[error("the token is no access token")]
    NotAccessToken,
    #[error("the token is bound to a key of its client, which cannot be checked here")]
    Bound,
}

/// The reason the `Authorization` header is invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum HeaderError {
    #[error("more than one Authorization header")]
    MultipleHeaders,
    #[error("the Authorization header holds no bearer token")]
    Syntax,
}

/// A rejected request. It converts into a response with a plain JSON body, or with the body passed to
/// [`AuthError::into_response_with`].
#[derive(Debug, Clone)]
pub struct AuthError {
    status: StatusCode,
    error: &'static str,
    description: Box<str>,
    detail: Box<str>,
    scopes: Box<[String]>,
    challenge: Option<HeaderValue>,
    retry_after_seconds: Option<u32>,
}

/// Builds the challenges of one guard from their common parameters.
#[derive(Debug)]
pub(super) struct ChallengeBuilder {
    metadata_url: String,
    required_scopes: Vec<String>,
}

impl AuthError {
    /// Returns the status: 400, 401, 403, 431 or 503.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Returns the error code: `unauthorized`, `invalid_token`, `insufficient_scope`, `invalid_request` or
    /// `temporarily_unavailable`. `unauthorized` appears only in bodies, because the challenge to a request without
    /// credentials has no error code.
    pub fn error(&self) -> &'static str {
        self.error
    }

    /// Returns one short sentence that may be shown to the client.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// Returns details for the log only: numbers and configured values, never the text of a claim.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// Adds the details for the log.
    pub(super) fn with_detail(self, detail: String) -> AuthError {
        AuthError {
            detail: detail.into(),
            ..self
        }
    }

    /// Returns the scopes that the challenge lists.
    pub fn scopes(&self) -> &[String] {
        &self.scopes
    }

    /// Returns the plain body: `{"error": …, "error_description": …}`.
    pub fn body(&self) -> Value {
        json!({ "error": self.error, "error_description": self.description })
    }

    /// Converts into a response with another JSON body and the same status and headers.
    pub fn into_response_with(self, body: &Value) -> Response {
        let mut response = json::response(self.status, body);
        if let Some(challenge) = self.challenge {
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        if let Some(seconds) = self.retry_after_seconds {
            response
                .headers_mut()
                .insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl IntoResponse for AuthError {
    fn into_response(self) -> Response {
        let body = self.body();
        self.into_response_with(&body)
    }
}

impl ChallengeBuilder {
    pub(super) fn new(metadata_url: String, required_scopes: &[String]) -> ChallengeBuilder {
        ChallengeBuilder {
            metadata_url,
            required_scopes: scopes::advertisable(required_scopes),
        }
    }

    /// Rejects a request without credentials. Its challenge has no error code (RFC 6750 §3.1).
    pub(super) fn no_credentials(&self) -> AuthError {
        self.challenge(
            StatusCode::UNAUTHORIZED,
            None,
            "a bearer token is needed".to_owned(),
            self.required_scopes.clone(),
        )
    }

    /// Rejects an invalid token.
    pub(super) fn invalid_token(&self, reason: TokenError) -> AuthError {
        self.challenge(
            StatusCode::UNAUTHORIZED,
            Some("invalid_token"),
            reason.to_string(),
            self.required_scopes.clone(),
        )
    }

    /// Rejects an invalid `Authorization` header.
    pub(super) fn invalid_request(&self, reason: HeaderError) -> AuthError {
        self.challenge(
            StatusCode::BAD_REQUEST,
            Some("invalid_request"),
            reason.to_string(),
            self.required_scopes.clone(),
        )
    }

    /// Rejects a caller without the needed scopes. The challenge lists all of them, so that the client requests them
    /// together.
    pub(super) fn insufficient_scope(&self, needed: &[String]) -> AuthError {
        self.challenge(
            StatusCode::FORBIDDEN,
            Some("insufficient_scope"),
            "the token lacks a scope that this needs".to_owned(),
            scopes::advertisable(self.required_scopes.iter().chain(needed)),
        )
    }

    /// Rejects an `Authorization` header that is too long, with 431 rather than 400, which would not name the cause.
    pub(super) fn header_too_long(&self, max_bytes: usize) -> AuthError {
        AuthError {
            status: StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            error: "invalid_request",
            description: format!("the Authorization header is longer than {max_bytes} bytes")
                .into(),
            detail: Box::default(),
            scopes: Box::default(),
            challenge: None,
            retry_after_seconds: None,
        }
    }

    /// Rejects a token that cannot be verified now, with 503 rather than 401, because the token may be valid.
    pub(super) fn keys_unavailable(&self, retry_after_seconds: u32) -> AuthError {
        AuthError {
            status: StatusCode::SERVICE_UNAVAILABLE,
            error: "temporarily_unavailable",
            description: "the issuer's keys cannot be fetched at the moment".into(),
            detail: Box::default(),
            scopes: Box::default(),
            challenge: None,
            retry_after_seconds: Some(retry_after_seconds),
        }
    }

    /// Builds an error whose response has a `WWW-Authenticate` header.
    fn challenge(
        &self,
        status: StatusCode,
        error: Option<&'static str>,
        description: String,
        scopes: Vec<String>,
    ) -> AuthError {
        let mut parameters = Vec::new();
        if let Some(error) = error {
            parameters.push(format!("error=\"{error}\""));
            parameters.push(format!("error_description=\"{description}\""));
        }
        parameters.push(format!("resource_metadata=\"{}\"", self.metadata_url));
        if !scopes.is_empty() {
            parameters.push(format!("scope=\"{}\"", scopes.join(" ")));
        }
        let challenge = format!("Bearer {}", parameters.join(", "));
        AuthError {
            status,
            error: error.unwrap_or("unauthorized"),
            description: description.into(),
            detail: Box::default(),
            scopes: scopes.into(),
            // Always a valid header value: the URL and the scopes are visible ASCII, the rest is constant.
            challenge: HeaderValue::try_from(challenge).ok(),
            retry_after_seconds: None,
        }
    }
}
