//! The MCP endpoint: from a guarded HTTP request to `rmcp` and back.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::Response;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::envelope::{self, Envelope};
use super::error::{self, INVALID_REQUEST, UNSUPPORTED_VERSION, json_rpc};
use crate::auth::{Guard, Principal, Refusal};
use crate::catalog::{Catalog, Entry, Permit};
use crate::mcp::{PROTOCOL_VERSIONS, ToolServer};

/// How long a client may take to send its body.
const MAX_BODY_TIME: Duration = Duration::from_secs(30);

/// What the endpoint's handler works with.
pub(super) struct Endpoint {
    mcp: StreamableHttpService<ToolServer, NeverSessionManager>,
    catalog: Arc<Catalog>,
    guard: Option<Guard>,
    max_body_bytes: usize,
}

impl Endpoint {
    pub(super) fn new(
        server: ToolServer,
        catalog: Arc<Catalog>,
        guard: Option<Guard>,
        max_body_bytes: usize,
    ) -> Self {
        let config = StreamableHttpServerConfig::default()
            .with_legacy_session_mode(false)
            .with_json_response(true)
            // Both are checked before the guard, and the body's size by `read`.
            .disable_allowed_hosts()
            .disable_allowed_origins()
            .with_max_request_body_bytes(max_body_bytes)
            // Its token would cut answers short; calls have a token of ours, which
            // stops the guest and lets its answer out.
            .with_cancellation_token(CancellationToken::new());
        Self {
            mcp: StreamableHttpService::new(
                move || Ok(server.clone()),
                Arc::new(NeverSessionManager::default()),
                config,
            ),
            catalog,
            guard,
            max_body_bytes,
        }
    }

    /// Whether the caller lacks a scope that the tool needs. Decided by the name
    /// in the body, which is the tool that would run.
    fn denied(&self, entry: &Entry, principal: Option<&Arc<Principal>>) -> Option<Refusal> {
        let (guard, principal) = self.guard.as_ref().zip(principal)?;
        if principal.has_scopes(&entry.scopes) {
            return None;
        }
        tracing::info!(
            tool.name = %entry.name,
            caller.issuer = %principal.issuer,
            caller.subject = %principal.subject,
            "call denied"
        );
        Some(guard.refuse_scopes(&entry.scopes))
    }
}

/// Answers one request.
pub(super) async fn handle(State(endpoint): State<Arc<Endpoint>>, request: Request) -> Response {
    if request.method() != Method::POST {
        let message = "this server has no sessions: every message is a POST";
        let status = StatusCode::METHOD_NOT_ALLOWED;
        let mut response = json_rpc(status, INVALID_REQUEST, message, None, None);
        let allow = header::HeaderValue::from_static("POST, OPTIONS");
        response.headers_mut().insert(header::ALLOW, allow);
        return response;
    }
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
    let envelope = match envelope::parse(&body) {
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
    if let Some(response) = unsupported_version(&head.headers, &envelope) {
        return response;
    }
    let name = envelope.tool.as_deref();
    if let Some(entry) = name.and_then(|name| endpoint.catalog.tool(name)) {
        let principal = head.extensions.get::<Arc<Principal>>();
        if let Some(refusal) = endpoint.denied(entry, principal) {
            return error::denied(refusal, envelope.id.as_ref());
        }
        let caller = caller(principal);
        match endpoint.catalog.admit(entry, &caller).await {
            Ok(permit) => head.extensions.insert::<Permit>(permit),
            Err(refused) => return error::refused(refused, envelope.id.as_ref()),
        };
    }
    let request = Request::from_parts(head, Full::new(body));
    let response = endpoint.mcp.handle(request).await;
    error::normalised(response.map(Body::new), envelope.id.as_ref()).await
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

/// Whom a rate is counted for.
fn caller(principal: Option<&Arc<Principal>>) -> String {
    match principal {
        Some(principal) => format!("{}\n{}", principal.issuer, principal.subject),
        None => "anonymous".into(),
    }
}
