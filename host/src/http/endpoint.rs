//! The MCP endpoint: from a guarded HTTP request to `rmcp` and back.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use futures::StreamExt;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::jsonrpc::{self, Envelope};
use super::responses::{self, INVALID_REQUEST, UNSUPPORTED_VERSION, json_rpc};
use super::sessions::{SessionOwner, Sessions};
use crate::auth::{AuthError, Caller, Guard};
use crate::catalog::{Admitted, CallTicket, LiveCatalog, Target};
use crate::mcp::{PROTOCOL_VERSIONS, ToolServer, rate_key};

/// How long a client may take to send its body.
const MAX_BODY_TIME: Duration = Duration::from_secs(30);
/// When to come back for a session.
const SESSION_RETRY_SECONDS: u64 = 60;

const SESSION_ID: &str = "mcp-session-id";

/// What the endpoint's handler works with.
pub(super) struct Endpoint {
    transport: Transport,
    live: LiveCatalog,
    guard: Option<Guard>,
    max_body_bytes: usize,
    draining: CancellationToken,
}

enum Transport {
    Stateless(StreamableHttpService<ToolServer, NeverSessionManager>),
    Sessions(
        StreamableHttpService<ToolServer, LocalSessionManager>,
        Sessions,
    ),
}

impl Endpoint {
    pub(super) fn new(parts: &super::Parts) -> Self {
        let config = StreamableHttpServerConfig::default()
            .with_legacy_session_mode(parts.sessions)
            .with_json_response(true)
            // Both are checked before the guard, and the body's size by `read`.
            .disable_allowed_hosts()
            .disable_allowed_origins()
            .with_max_request_body_bytes(parts.max_body_bytes)
            // Its token would cut answers short; calls have a token of ours, which
            // stops the guest and lets its answer out.
            .with_cancellation_token(CancellationToken::new());
        let server = parts.server.clone();
        let transport = if parts.sessions {
            let sessions = Sessions::new();
            let service = StreamableHttpService::new(
                move || Ok(server.for_connection()),
                sessions.manager(),
                config,
            );
            Transport::Sessions(service, sessions)
        } else {
            Transport::Stateless(StreamableHttpService::new(
                move || Ok(server.clone()),
                Arc::new(NeverSessionManager::default()),
                config,
            ))
        };
        Self {
            transport,
            live: parts.live.clone(),
            guard: parts.guard.clone(),
            max_body_bytes: parts.max_body_bytes,
            draining: parts.draining.clone(),
        }
    }

    /// Whether the caller lacks a scope that is needed. Decided by the name in the
    /// body, which is what would run.
    fn denied(&self, found: &Target, principal: Option<&Arc<Caller>>) -> Option<AuthError> {
        let (guard, principal) = self.guard.as_ref().zip(principal)?;
        if principal.has_scopes(found.scopes()) {
            return None;
        }
        tracing::info!(
            call.name = %found.name(),
            caller.issuer = %principal.issuer,
            caller.subject = %principal.subject,
            "call denied"
        );
        Some(guard.insufficient_scope_error(found.scopes()))
    }
}

/// Answers one request.
pub(super) async fn handle(State(endpoint): State<Arc<Endpoint>>, request: Request) -> Response {
    match (&endpoint.transport, request.method()) {
        (_, &Method::POST) => post(&endpoint, request).await,
        (Transport::Sessions(service, sessions), &Method::GET | &Method::DELETE) => {
            of_session(&endpoint, service, sessions, request).await
        }
        (transport, _) => {
            let (allow, message) = match transport {
                Transport::Stateless(_) => (
                    "POST, OPTIONS",
                    "this server has no sessions: every message is a POST",
                ),
                Transport::Sessions(..) => ("POST, GET, DELETE, OPTIONS", "use POST"),
            };
            let status = StatusCode::METHOD_NOT_ALLOWED;
            let mut response = json_rpc(status, INVALID_REQUEST, message, None, None);
            let allow = HeaderValue::from_static(allow);
            response.headers_mut().insert(header::ALLOW, allow);
            response
        }
    }
}

async fn post(endpoint: &Endpoint, request: Request) -> Response {
    let (mut head, body) = request.into_parts();
    if !is_json(&head.headers) {
        let message = "the Content-Type must be application/json";
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return json_rpc(status, INVALID_REQUEST, message, None, None);
    }
    let body = match read(body, endpoint.max_body_bytes).await {
        Ok(body) => body,
        Err(response) => return *response,
    };
    let envelope = match jsonrpc::parse(&body) {
        Ok(envelope) => envelope,
        Err(fault) => {
            let id = fault.id.as_ref();
            return json_rpc(
                StatusCode::BAD_REQUEST,
                fault.code,
                &fault.message,
                id,
                None,
            );
        }
    };
    let id = envelope.id.as_ref();
    if let Some(response) = unsupported_version(&head.headers, &envelope) {
        return response;
    }
    let catalog = endpoint.live.current();
    let subject = envelope.subject.as_ref();
    if let Some(found) = subject.and_then(|subject| catalog.find(subject)) {
        let principal = head.extensions.get::<Arc<Caller>>();
        if let Some(refusal) = endpoint.denied(&found, principal) {
            return responses::denied(refusal, id);
        }
        match catalog
            .admit(&found, &rate_key(principal.map(|p| &**p)))
            .await
        {
            Ok(permit) => {
                let admission = CallTicket {
                    target: found,
                    permit,
                };
                head.extensions.insert(Admitted::new(admission));
            }
            Err(refused) => return responses::refused(refused, id),
        };
    }
    let expiry = expiry(&head);
    let response = match &endpoint.transport {
        Transport::Stateless(service) => {
            let request = Request::from_parts(head, Full::new(body));
            service.handle(request).await.map(Body::new)
        }
        // Newer revisions have no sessions.
        Transport::Sessions(service, _) if envelope.names_version => {
            let request = Request::from_parts(head, Full::new(body));
            service.handle(request).await.map(Body::new)
        }
        Transport::Sessions(service, sessions) => {
            match post_of_session(service, sessions, &envelope, head, body).await {
                Ok(response) => response,
                Err(response) => return *response,
            }
        }
    };
    until(responses::normalised(response, id).await, expiry)
}

/// A message of an older revision where there are sessions: it opens one, or
/// belongs to one of its caller's.
async fn post_of_session(
    service: &StreamableHttpService<ToolServer, LocalSessionManager>,
    sessions: &Sessions,
    envelope: &Envelope,
    head: Parts,
    body: Bytes,
) -> Result<Response, Box<Response>> {
    let id = envelope.id.as_ref();
    let caller = SessionOwner::of(head.extensions.get::<Arc<Caller>>());
    if let Some(session) = head.headers.get(SESSION_ID) {
        if !session
            .to_str()
            .is_ok_and(|s| sessions.is_owned(s, &caller))
        {
            return Err(Box::new(no_session(id)));
        }
        let request = Request::from_parts(head, Full::new(body));
        return Ok(service.handle(request).await.map(Body::new));
    }
    let request = Request::from_parts(head, Full::new(body));
    if !envelope.is_initialize {
        return Ok(service.handle(request).await.map(Body::new));
    }
    let place = sessions.open(&caller).await.map_err(|full| {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        let mut response = json_rpc(status, INVALID_REQUEST, &full.to_string(), id, None);
        let headers = response.headers_mut();
        headers.insert(header::RETRY_AFTER, SESSION_RETRY_SECONDS.into());
        Box::new(response)
    })?;
    let response = service.handle(request).await.map(Body::new);
    let session = response.headers().get(SESSION_ID);
    if let Some(session) = session.and_then(|session| session.to_str().ok()) {
        sessions.opened(session, caller);
    }
    drop(place);
    Ok(response)
}

/// GET, the stream of a session, and DELETE, its end.
async fn of_session(
    endpoint: &Endpoint,
    service: &StreamableHttpService<ToolServer, LocalSessionManager>,
    sessions: &Sessions,
    request: Request,
) -> Response {
    let (head, _) = request.into_parts();
    let caller = SessionOwner::of(head.extensions.get::<Arc<Caller>>());
    let Some(session) = head.headers.get(SESSION_ID) else {
        let message = "the Mcp-Session-Id header is missing";
        return json_rpc(
            StatusCode::BAD_REQUEST,
            INVALID_REQUEST,
            message,
            None,
            None,
        );
    };
    let session = session.to_str().unwrap_or_default().to_owned();
    if !sessions.is_owned(&session, &caller) {
        return no_session(None);
    }
    let is_end = head.method == Method::DELETE;
    let expiry = expiry(&head);
    let draining = endpoint.draining.clone();
    let request = Request::from_parts(head, Full::new(Bytes::new()));
    let response = service.handle(request).await.map(Body::new);
    if is_end && response.status() == StatusCode::ACCEPTED {
        sessions.ended(&session);
        let mut done = Response::new(Body::empty());
        *done.status_mut() = StatusCode::NO_CONTENT;
        return done;
    }
    let response = responses::normalised(response, None).await;
    // It has no end of its own, and a shutdown does not wait for it.
    until(response, async move {
        tokio::select! {
            () = expiry => {}
            () = draining.cancelled_owned() => {}
        }
    })
}

fn no_session(id: Option<&Value>) -> Response {
    let message = "there is no such session; start again with initialize";
    json_rpc(StatusCode::NOT_FOUND, INVALID_REQUEST, message, id, None)
}

/// Ends an event stream when `end` resolves.
fn until(response: Response, end: impl Future<Output = ()> + Send + 'static) -> Response {
    let kind = response.headers().get(header::CONTENT_TYPE);
    if !kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream")) {
        return response;
    }
    response.map(|body| Body::from_stream(body.into_data_stream().take_until(Box::pin(end))))
}

/// Resolves when the request's token expires; never without one.
fn expiry(head: &Parts) -> impl Future<Output = ()> + Send + 'static {
    let expires = head.extensions.get::<Arc<Caller>>().map(|p| p.expires);
    async move {
        match expires.map(|at| at.duration_since(SystemTime::now())) {
            Some(left) => tokio::time::sleep(left.unwrap_or_default()).await,
            None => std::future::pending().await,
        }
    }
}

async fn read(body: Body, max_bytes: usize) -> Result<Bytes, Box<Response>> {
    let fail = |status, message: &str| {
        Err(Box::new(json_rpc(
            status,
            INVALID_REQUEST,
            message,
            None,
            None,
        )))
    };
    let collecting = Limited::new(body, max_bytes).collect();
    match tokio::time::timeout(MAX_BODY_TIME, collecting).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => fail(
            StatusCode::PAYLOAD_TOO_LARGE,
            &format!("the body is larger than {max_bytes} bytes"),
        ),
        Ok(Err(_)) => fail(StatusCode::BAD_REQUEST, "the body did not arrive whole"),
        Err(_) => fail(
            StatusCode::REQUEST_TIMEOUT,
            "the body did not arrive in time",
        ),
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|v| v.to_str().ok());
    let essence = kind
        .and_then(|kind| kind.split(';').next())
        .unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/json")
}

/// A header that names a revision which is not served. Where the message names
/// one too, `rmcp` compares them and answers.
fn unsupported_version(headers: &HeaderMap, envelope: &Envelope) -> Option<Response> {
    let header = headers.get("mcp-protocol-version")?;
    let requested = header.to_str().unwrap_or("not text");
    if envelope.names_version || PROTOCOL_VERSIONS.contains(&requested) {
        return None;
    }
    let data: Value = json!({ "supported": PROTOCOL_VERSIONS, "requested": requested });
    Some(json_rpc(
        StatusCode::BAD_REQUEST,
        UNSUPPORTED_VERSION,
        "this protocol version is not served",
        envelope.id.as_ref(),
        Some(data),
    ))
}
