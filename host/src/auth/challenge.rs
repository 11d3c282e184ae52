//! Why a request is refused, and the one place that says so in HTTP (RFC 6750 §3, RFC 9728 §5.1).

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};

use super::scopes;

/// What is wrong with a token: short, and safe to tell whoever sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Reason {
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
    #[error("an ID token is no access token")]
    IdToken,
    #[error("the token is no access token")]
    NotAccessToken,
    #[error("the token is bound to a key of its client, which cannot be checked here")]
    Bound,
}

/// What is wrong with how the credentials were sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadRequest {
    #[error("more than one Authorization header")]
    TwoHeaders,
    #[error("only the Bearer scheme is accepted")]
    Scheme,
    #[error("the Authorization header holds no bearer token")]
    Syntax,
}

/// A refused request. It becomes a response with a plain JSON body, or with the body that the caller of
/// [`AuthError::into_response_with`] gives it.
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

/// What every challenge of one guard says.
#[derive(Debug)]
pub(super) struct Challenger {
    metadata_url: String,
    required_scopes: Vec<String>,
}

impl AuthError {
    /// 401, 403, 400, 431 or 503.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The error code: `unauthorized`, `invalid_token`, `insufficient_scope`, `invalid_request` or
    /// `temporarily_unavailable`. The first stands in bodies only: a challenge to a request without credentials names no
    /// error.
    pub fn error(&self) -> &'static str {
        self.error
    }

    /// One short sentence that is safe to show.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// What the log may say beyond the description: numbers, and what stands in the settings. No claim's text is in it.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    pub(super) fn with_detail(self, detail: String) -> AuthError {
        AuthError {
            detail: detail.into(),
            ..self
        }
    }

    /// The scopes that the challenge names.
    pub fn scopes(&self) -> &[String] {
        &self.scopes
    }

    /// The plain body: `{"error": …, "error_description": …}`.
    pub fn body(&self) -> Value {
        json!({ "error": self.error, "error_description": self.description })
    }

    /// The response with another JSON body; status and headers stay.
    pub fn into_response_with(self, body: &Value) -> Response {
        let mut response = (self.status, Json(body)).into_response();
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

impl Challenger {
    pub(super) fn new(metadata_url: String, required_scopes: &[String]) -> Challenger {
        Challenger {
            metadata_url,
            required_scopes: scopes::advertised(required_scopes),
        }
    }

    /// No credentials: the challenge says where to get some and names no error (RFC 6750 §3.1).
    pub(super) fn no_credentials(&self) -> AuthError {
        self.refuse(
            StatusCode::UNAUTHORIZED,
            None,
            "a bearer token is needed".to_owned(),
            self.required_scopes.clone(),
        )
    }

    pub(super) fn invalid_token(&self, reason: Reason) -> AuthError {
        self.refuse(
            StatusCode::UNAUTHORIZED,
            Some("invalid_token"),
            reason.to_string(),
            self.required_scopes.clone(),
        )
    }

    pub(super) fn invalid_request(&self, reason: BadRequest) -> AuthError {
        self.refuse(
            StatusCode::BAD_REQUEST,
            Some("invalid_request"),
            reason.to_string(),
            self.required_scopes.clone(),
        )
    }

    /// All scopes of the operation in one challenge, so that the client asks once.
    pub(super) fn insufficient_scope(&self, needed: &[String]) -> AuthError {
        self.refuse(
            StatusCode::FORBIDDEN,
            Some("insufficient_scope"),
            "the token lacks a scope that this needs".to_owned(),
            scopes::advertised(self.required_scopes.iter().chain(needed)),
        )
    }

    /// 431 rather than 400: the request is well formed, and only this status names the cause.
    pub(super) fn header_too_long(&self, bytes_max: usize) -> AuthError {
        AuthError {
            status: StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            error: "invalid_request",
            description: format!("the Authorization header is longer than {bytes_max} bytes")
                .into(),
            detail: Box::default(),
            scopes: Box::default(),
            challenge: None,
            retry_after_seconds: None,
        }
    }

    /// The token may be good: that is not for the client to mend.
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

    fn refuse(
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
            // Always a header value: the URL and the scopes were checked to be visible ASCII, the rest is ours.
            challenge: HeaderValue::try_from(challenge).ok(),
            retry_after_seconds: None,
        }
    }
}
