//! The MCP endpoint: turns a guarded HTTP request into an MCP message and its result into a response.
//!
//! The steps of a POST: read the body, parse it, compare it with the headers, check the owner of its session, authorize
//! and admit its call, and answer it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use rmcp::model::{ClientJsonRpcMessage, ClientRequest, GetExtensions, GetMeta, ProtocolVersion};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::accept::Accepted;
use super::byte_budget::{Budget, ByteBudgets};
use super::connection::Connection;
use super::header_checks::{self, PROTOCOL_VERSION};
use super::jsonrpc::Incoming;
use super::lingering_body::RequestBody;
use super::message_limits::MessageLimits;
use super::responses::{self, INVALID_REQUEST, UNSUPPORTED_VERSION, json_rpc};
use super::sessions::{Session, SessionRoute, Sessions};
use super::stateless::Stateless;
use super::{body, event_stream, observe, outgoing};
use crate::auth::{Caller, Guard};
use crate::catalog::{CallTicket, LiveCatalog};
use crate::mcp::{self, AdmissionError, PROTOCOL_VERSIONS, RequestScope, ToolServer};
use crate::telemetry::{Observer, Record};

/// Time after which a call that cannot be recorded may be repeated.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// The MCP endpoint. Clones share everything but their settings.
#[derive(Clone)]
pub(super) struct Endpoint {
    pub(super) server: ToolServer,
    pub(super) stateless: Arc<Stateless>,
    /// `None` if clients of older revisions are served without sessions.
    pub(super) sessions: Option<Arc<Sessions>>,
    pub(super) live: LiveCatalog,
    /// A setting.
    pub(super) guard: Option<Guard>,
    /// A setting.
    pub(super) max_body_bytes: usize,
    pub(super) budgets: Arc<ByteBudgets>,
    pub(super) messages: Arc<MessageLimits>,
    pub(super) draining: CancellationToken,
    pub(super) observer: Observer,
}

/// The way a message is answered.
enum Route<'a> {
    Stateless,
    OpenSession(&'a Sessions),
    InSession(&'a Sessions, Session),
}

type RejectedOr<T> = Result<T, Box<Response>>;

impl Endpoint {
    /// Answers one request.
    pub(super) async fn handle(
        &self,
        head: &Parts,
        body: &mut RequestBody,
        caller: Option<Arc<Caller>>,
        connection: Option<&Arc<Connection>>,
        record: &Arc<Record>,
    ) -> Response {
        record.set(|facts| {
            facts.caller = caller.clone();
            if head.method != Method::POST {
                facts.method = head.method.to_string().into();
                facts.is_stream = head.method == Method::GET;
            }
        });
        let budget = self.budgets.for_call(
            caller.as_deref().map(Caller::user_key),
            connection.map(|connection| &connection.accounts),
        );
        match (&head.method, &self.sessions) {
            (&Method::POST, _) => {
                let headers = &head.headers;
                let response = self.post(headers, body, caller, &budget, record).await;
                response.unwrap_or_else(|rejected| outgoing::count_small(*rejected, &budget))
            }
            (&Method::GET | &Method::DELETE, Some(sessions)) => {
                let key = mcp::user_client_key(caller.as_deref());
                let response = Box::pin(sessions.handle(&head.method, &head.headers, key)).await;
                // The stream of a session never ends by itself, so it would delay the shutdown.
                let draining = self.draining.clone();
                let expiry = token_expiry(caller.as_deref());
                let response = event_stream::end_when(response, async move {
                    tokio::select! {
                        () = expiry => {}
                        () = draining.cancelled_owned() => {}
                    }
                });
                outgoing::count(response, &budget)
                    .unwrap_or_else(|exhausted| responses::bytes_exhausted(exhausted, None))
            }
            (_, sessions) => outgoing::count_small(method_not_allowed(sessions.is_some()), &budget),
        }
    }

    async fn post(
        &self,
        headers: &HeaderMap,
        body: &mut RequestBody,
        caller: Option<Arc<Caller>>,
        budget: &Budget,
        record: &Arc<Record>,
    ) -> RejectedOr<Response> {
        let body = body::read_json(headers, body, self.max_body_bytes, budget).await?;
        let request_bytes = body.len() as u64;
        let user = mcp::user_key(caller.as_deref());
        let parsed = self.messages.parse(body, user).await?;
        let incoming = parsed.incoming;
        observe::received(record, headers, &incoming, request_bytes);
        let accepted = Accepted::of(headers);
        self.check_headers(headers, accepted, &incoming)?;
        let session_owner = mcp::user_client_key(caller.as_deref());
        let route = self.route(headers, &incoming, session_owner).await?;
        let ticket = match parsed.has_unknown_target {
            true => None,
            false => self.admit(&incoming, caller.as_deref(), record).await?,
        };

        // A call runs to its end, even if its token expires before.
        let stream_end = match incoming.request() {
            Some(ClientRequest::SubscriptionsListenRequest(_)) => {
                Some(token_expiry(caller.as_deref()))
            }
            _ => None,
        };

        let is_call = incoming.request().is_some_and(mcp::is_call);
        let Incoming { id, message } = incoming;
        let id = id.as_ref();
        let record = is_call.then(|| record.clone());
        let scope = RequestScope::new(caller.clone(), ticket, parsed.memory, record);
        let response = match route {
            Route::Stateless => {
                let stateless = &self.stateless;
                stateless.answer(headers, accepted, message, scope).await
            }
            Route::OpenSession(sessions) => {
                let message = with_scope(message, scope);
                Box::pin(sessions.open(message, session_owner, accepted, id)).await
            }
            Route::InSession(sessions, session) => {
                let message = with_scope(message, scope);
                Box::pin(sessions.forward(&session, message, accepted, id)).await
            }
        };
        let response = match stream_end {
            Some(end) => event_stream::end_when(response, end),
            None => response,
        };
        outgoing::count(response, budget)
            .map_err(|exhausted| responses::bytes_exhausted(exhausted, id).into())
    }

    /// Rejects an unsupported protocol version, an insufficient `Accept`, and headers that contradict the message.
    fn check_headers(
        &self,
        headers: &HeaderMap,
        accepted: Accepted,
        incoming: &Incoming,
    ) -> RejectedOr<()> {
        let id = incoming.id.as_ref();
        if let Some(requested) = headers.get(PROTOCOL_VERSION)
            // A version that the message declares too is rejected by the MCP server, with the ones it supports.
            && incoming.declared_version().is_none()
        {
            let requested = requested.to_str().unwrap_or("not text");
            if !PROTOCOL_VERSIONS.contains(&requested) {
                let data = json!({ "supported": PROTOCOL_VERSIONS, "requested": requested });
                let (status, code) = (StatusCode::BAD_REQUEST, UNSUPPORTED_VERSION);
                let message = "this protocol version is not served";
                return Err(json_rpc(status, code, message, id, Some(data)).into());
            }
        }
        let not_acceptable = match incoming.request() {
            Some(ClientRequest::SubscriptionsListenRequest(_)) if !accepted.event_stream => Some(
                "the Accept header must cover text/event-stream, as this request is answered with a stream",
            ),
            Some(_) if !accepted.json && !accepted.event_stream => {
                Some("the Accept header must cover application/json or text/event-stream")
            }
            // Everything else is answered without a body.
            _ => None,
        };
        if let Some(message) = not_acceptable {
            let status = StatusCode::NOT_ACCEPTABLE;
            return Err(json_rpc(status, INVALID_REQUEST, message, id, None).into());
        }
        let input_schema = |tool: &str| self.server.input_schema(tool);
        header_checks::check(headers, &incoming.message, input_schema).map_err(|error| {
            let id = match &incoming.message {
                ClientJsonRpcMessage::Request(request) => Some(request.id.clone()),
                _ => None,
            };
            responses::bad_request(error, id).into()
        })
    }

    /// Returns the session of a message, after a check that it belongs to the caller.
    async fn route(
        &self,
        headers: &HeaderMap,
        incoming: &Incoming,
        session_owner: &str,
    ) -> RejectedOr<Route<'_>> {
        let Some(sessions) = &self.sessions else {
            return Ok(Route::Stateless);
        };
        if !uses_sessions(headers, incoming) {
            return Ok(Route::Stateless);
        }
        let id = incoming.id.as_ref();
        let session = sessions.route(headers, session_owner, id).await?;
        match (session, incoming.request()) {
            (SessionRoute::Existing(session), _) => Ok(Route::InSession(sessions, session)),
            (SessionRoute::Absent, Some(ClientRequest::InitializeRequest(_))) => {
                Ok(Route::OpenSession(sessions))
            }
            (SessionRoute::Absent, Some(ClientRequest::DiscoverRequest(_))) => Ok(Route::Stateless),
            (SessionRoute::Absent, _) => {
                let message = "Bad Request: Session ID is required";
                let status = StatusCode::BAD_REQUEST;
                Err(json_rpc(status, INVALID_REQUEST, message, id, None).into())
            }
        }
    }

    /// Authorizes and admits a request that runs a guest.
    ///
    /// Done here, where a rejection still has an HTTP status. An unknown target is reported by the MCP server.
    async fn admit(
        &self,
        incoming: &Incoming,
        caller: Option<&Caller>,
        record: &Record,
    ) -> RejectedOr<Option<CallTicket>> {
        let Some(target) = incoming.request().and_then(mcp::target_name) else {
            return Ok(None);
        };
        let id = incoming.id.as_ref();
        let catalog = self.live.current();
        let span = record.span().map(|span| span.part("admission"));
        let admitted = match self.observer.accepts_calls() {
            true => mcp::authorize_and_admit(&catalog, &target, caller).await,
            false => Err(AdmissionError::NotRecorded),
        };
        drop(span);
        let error = match admitted {
            Ok(ticket) => return Ok(Some(ticket)),
            Err(error) => error,
        };
        if let Some(target) = catalog.find(&target) {
            target.record_in(record);
        }
        match error {
            AdmissionError::UnknownTarget => Ok(None),
            error => Err(self.not_admitted(&error, id).into()),
        }
    }

    /// Returns the response to a call that is not admitted.
    pub(super) fn not_admitted(&self, error: &AdmissionError, id: Option<&Value>) -> Response {
        match (error, &self.guard) {
            (AdmissionError::MissingScopes(scopes), Some(guard)) => {
                responses::insufficient_scope(guard.insufficient_scope_error(scopes), id)
            }
            // The caller was authenticated by a guard outside this router.
            (AdmissionError::MissingScopes(_), None) => {
                let status = StatusCode::FORBIDDEN;
                let code = responses::status_code(status);
                json_rpc(status, code, &error.to_string(), id, None)
            }
            (AdmissionError::LimitReached(limit), _) => responses::limit_reached(*limit, id),
            (AdmissionError::NotRecorded | AdmissionError::UnknownTarget, _) => {
                let status = StatusCode::SERVICE_UNAVAILABLE;
                responses::retry_later(status, &error.to_string(), RETRY_AFTER, id)
            }
        }
    }
}

/// Attaches what HTTP has established to a message, for the MCP server.
fn with_scope(mut message: ClientJsonRpcMessage, scope: RequestScope) -> ClientJsonRpcMessage {
    match &mut message {
        ClientJsonRpcMessage::Request(request) => {
            request.request.extensions_mut().insert(scope);
        }
        ClientJsonRpcMessage::Notification(notification) => {
            notification.notification.extensions_mut().insert(scope);
        }
        ClientJsonRpcMessage::Response(_) | ClientJsonRpcMessage::Error(_) => {}
    }
    message
}

/// Returns whether a message belongs to the revisions that have sessions, all before 2026-07-28.
fn uses_sessions(headers: &HeaderMap, incoming: &Incoming) -> bool {
    if let Some(request) = incoming.request() {
        if matches!(request, ClientRequest::InitializeRequest(_)) {
            return true;
        }
        let meta = request.get_meta();
        let missing = meta.missing_required_keys(&ProtocolVersion::V_2026_07_28);
        if missing.is_empty() {
            return false;
        }
    }
    let first_without = ProtocolVersion::V_2026_07_28;
    match incoming.declared_version() {
        Some(version) => version.as_str() < first_without.as_str(),
        None => header_checks::protocol_version(headers)
            .is_none_or(|version| version < first_without.as_str()),
    }
}

fn method_not_allowed(has_sessions: bool) -> Response {
    let (allow, message) = if has_sessions {
        ("POST, GET, DELETE, OPTIONS", "use POST")
    } else {
        let message = "this server has no sessions: every message is a POST";
        ("POST, OPTIONS", message)
    };
    let status = StatusCode::METHOD_NOT_ALLOWED;
    let mut response = json_rpc(status, INVALID_REQUEST, message, None, None);
    let headers = response.headers_mut();
    headers.insert(header::ALLOW, HeaderValue::from_static(allow));
    response
}

/// Resolves when the caller's access token is no longer accepted; never without a caller.
fn token_expiry(caller: Option<&Caller>) -> impl Future<Output = ()> + Send + use<> {
    let accepted_until = caller.map(|caller| caller.accepted_until);
    async move {
        match accepted_until.map(|at| at.duration_since(SystemTime::now())) {
            Some(left) => tokio::time::sleep(left.unwrap_or_default()).await,
            None => std::future::pending().await,
        }
    }
}
