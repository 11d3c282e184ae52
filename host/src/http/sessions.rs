//! Sessions for clients of the revisions before 2026-07-28.
//!
//! POSTs use `rmcp`'s session manager directly, since their message has been parsed already. GET and DELETE have no
//! body and go through its `StreamableHttpService`, which also resumes streams.

use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::{Stream, StreamExt, stream};
use http_body_util::Full;
use rmcp::model::{
    ClientJsonRpcMessage, ErrorCode, ErrorData, ProtocolVersion, ServerJsonRpcMessage, ServerResult,
};
use rmcp::service::serve_server_with_ct;
use rmcp::transport::common::server_side_http::ServerSseMessage;
use rmcp::transport::streamable_http_server::session::local::{
    LocalSessionManager, LocalSessionManagerError, SessionConfig, SessionError,
};
use rmcp::transport::streamable_http_server::{SessionId, SessionManager};
use rmcp::transport::{
    StreamableHttpServerConfig, StreamableHttpService, TransportAdapterIdentity,
};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::accept::Accepted;
use super::event_stream;
use super::responses::{self, INVALID_REQUEST, json_rpc};
use super::session_owners::SessionOwners;
use crate::json;
use crate::mcp::ToolServer;

/// A session that is not used for this long is closed.
const MAX_IDLE_TIME: Duration = Duration::from_secs(600);
/// `Retry-After` of a rejected `initialize`.
const RETRY_AFTER_SECONDS: u64 = 60;
/// Time after which a client reconnects to a broken event stream.
const RECONNECT_DELAY: Duration = Duration::from_secs(3);

const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");

/// The sessions of the endpoint.
pub(super) struct Sessions {
    server: ToolServer,
    manager: Arc<LocalSessionManager>,
    owners: SessionOwners,
    service: StreamableHttpService<ToolServer, LocalSessionManager>,
}

/// The way a POST of an older revision is answered.
pub(super) enum SessionRoute {
    /// Within the session of this id, which belongs to the caller.
    Existing(SessionId),
    /// The request has no session yet.
    Absent,
}

impl Sessions {
    pub(super) fn new(server: ToolServer) -> Self {
        let mut config = SessionConfig::default();
        config.keep_alive = Some(MAX_IDLE_TIME);
        let mut manager = LocalSessionManager::default();
        manager.session_config = config;
        let manager = Arc::new(manager);
        let config = StreamableHttpServerConfig::default()
            // The endpoint checks both before the guard.
            .disable_allowed_hosts()
            .disable_allowed_origins()
            // Never cancelled: `serve` ends streams at shutdown without cutting responses short.
            .with_cancellation_token(CancellationToken::new());
        let factory = {
            let server = server.clone();
            move || Ok(server.for_connection())
        };
        Self {
            server,
            owners: SessionOwners::new(manager.clone()),
            service: StreamableHttpService::new(factory, manager.clone(), config),
            manager,
        }
    }

    /// Returns the session that a POST belongs to.
    ///
    /// # Errors
    /// The response for a session that does not exist or belongs to another caller.
    pub(super) async fn route(
        &self,
        headers: &HeaderMap,
        caller: &str,
        id: Option<&Value>,
    ) -> Result<SessionRoute, Box<Response>> {
        let Some(session_id) = headers.get(SESSION_ID) else {
            return Ok(SessionRoute::Absent);
        };
        let session_id: SessionId = session_id.to_str().unwrap_or_default().into();
        let is_alive = self.manager.has_session(&session_id).await.unwrap_or(false);
        if is_alive && self.owners.is_owner(&session_id, caller) {
            Ok(SessionRoute::Existing(session_id))
        } else {
            Err(Box::new(no_such_session(id)))
        }
    }

    /// Opens a session and answers its `initialize` request.
    pub(super) async fn open(
        &self,
        initialize: ClientJsonRpcMessage,
        caller: &str,
        accepted: Accepted,
        id: Option<&Value>,
    ) -> Response {
        let _reserved = match self.owners.reserve(caller).await {
            Ok(reserved) => reserved,
            Err(error) => {
                let status = StatusCode::SERVICE_UNAVAILABLE;
                let mut response = json_rpc(status, INVALID_REQUEST, &error.to_string(), id, None);
                let headers = response.headers_mut();
                headers.insert(header::RETRY_AFTER, RETRY_AFTER_SECONDS.into());
                return response;
            }
        };
        let (session_id, initialized) = match self.start(initialize).await {
            Ok(started) => started,
            Err(error) => return responses::internal_error(&error, id),
        };
        self.owners.insert(&session_id, caller);
        let mut response = if accepted.prefers_event_stream() {
            let priming =
                is_primed(&initialized).then(|| ServerSseMessage::priming("0", RECONNECT_DELAY));
            let initialized = ServerSseMessage::from_message(initialized);
            event_stream::respond(stream::iter(priming.into_iter().chain([initialized])))
        } else {
            json::response(StatusCode::OK, &initialized)
        };
        // A session id is a UUID.
        if let Ok(session_id) = HeaderValue::from_str(&session_id) {
            response.headers_mut().insert(SESSION_ID, session_id);
        }
        response
    }

    /// Starts the server of a new session and returns its response to `initialize`.
    async fn start(
        &self,
        initialize: ClientJsonRpcMessage,
    ) -> Result<(SessionId, ServerJsonRpcMessage), <LocalSessionManager as SessionManager>::Error>
    {
        let (session_id, transport) = self.manager.create_session().await?;
        let server = self.server.for_connection();
        let (manager, id) = (self.manager.clone(), session_id.clone());
        tokio::spawn(async move {
            let never = CancellationToken::new();
            let serving =
                serve_server_with_ct::<_, _, _, TransportAdapterIdentity>(server, transport, never);
            match serving.await {
                Ok(service) => drop(service.waiting().await),
                Err(error) => tracing::info!(%error, "session initialization failed"),
            }
            if let Err(error) = manager.close_session(&id).await {
                tracing::warn!(%error, "failed to close session");
            }
        });
        let response = self
            .manager
            .initialize_session(&session_id, initialize)
            .await?;
        Ok((session_id, response))
    }

    /// Passes a message to its session: a request is answered as an event stream, or as JSON if the client does not
    /// prepare for events, everything else with 202.
    pub(super) async fn forward(
        &self,
        session_id: &SessionId,
        message: ClientJsonRpcMessage,
        accepted: Accepted,
        id: Option<&Value>,
    ) -> Response {
        let ClientJsonRpcMessage::Request(request) = &message else {
            return match self.manager.accept_message(session_id, message).await {
                Ok(()) => StatusCode::ACCEPTED.into_response(),
                Err(error) => failed(&error, id),
            };
        };
        let Some(requests) = self.owners.requests(session_id) else {
            return no_such_session(id);
        };
        let request = match requests.start(&request.id) {
            Ok(request) => request,
            Err(error) => {
                let (status, error) = (StatusCode::BAD_REQUEST, error.to_string());
                return json_rpc(status, INVALID_REQUEST, &error, id, None);
            }
        };
        let messages = match self.manager.create_stream(session_id, message).await {
            Ok(messages) => messages,
            Err(error) => {
                request.answered();
                return failed(&error, id);
            }
        };
        let mut messages = Box::pin(messages);
        let messages = stream::poll_fn(move |context| {
            let next = messages.poll_next_unpin(context);
            // The stream of a cancelled request ends without a response.
            if let Poll::Ready(next) = &next
                && next.as_ref().is_none_or(is_response)
            {
                request.answered();
            }
            next
        });
        if accepted.prefers_event_stream() {
            event_stream::respond(messages)
        } else {
            self.respond_with_last(session_id, messages, id).await
        }
    }

    /// Returns the response among the messages about a request as JSON. Notifications are dropped and questions declined.
    async fn respond_with_last(
        &self,
        session_id: &SessionId,
        messages: impl Stream<Item = ServerSseMessage>,
        id: Option<&Value>,
    ) -> Response {
        let mut messages = pin!(messages);
        while let Some(event) = messages.next().await {
            match event.message.as_deref() {
                Some(ServerJsonRpcMessage::Request(question)) => {
                    let reason = "the client accepts no event stream, in which questions are sent";
                    let error = ErrorData::new(ErrorCode::METHOD_NOT_FOUND, reason, None);
                    let declined = ClientJsonRpcMessage::error(error, Some(question.id.clone()));
                    if let Err(error) = self.manager.accept_message(session_id, declined).await {
                        return failed(&error, id);
                    }
                }
                Some(ServerJsonRpcMessage::Notification(_)) | None => {}
                Some(response) => return json::response(StatusCode::OK, response),
            }
        }
        // The client has cancelled the request or ended the session.
        match self.manager.has_session(session_id).await {
            Ok(true) => {
                let message = "the request was cancelled";
                json_rpc(StatusCode::OK, INVALID_REQUEST, message, id, None)
            }
            _ => no_such_session(id),
        }
    }

    /// Answers GET, which opens the stream of a session, and DELETE, which ends it.
    pub(super) async fn handle(&self, mut head: Parts, caller: &str) -> Response {
        let Some(session_id) = head.headers.get(SESSION_ID) else {
            let message = "the Mcp-Session-Id header is missing";
            let status = StatusCode::BAD_REQUEST;
            return json_rpc(status, INVALID_REQUEST, message, None, None);
        };
        let session_id = session_id.to_str().unwrap_or_default().to_owned();
        if !self.owners.is_owner(&session_id, caller) {
            return no_such_session(None);
        }
        let is_delete = head.method == Method::DELETE;
        if !is_delete {
            if !Accepted::of(&head.headers).event_stream {
                let message =
                    "this is an event stream: the Accept header must cover text/event-stream";
                let status = StatusCode::NOT_ACCEPTABLE;
                return json_rpc(status, INVALID_REQUEST, message, None, None);
            }
            // The service does not know media ranges.
            let event_stream = HeaderValue::from_static("text/event-stream");
            head.headers.insert(header::ACCEPT, event_stream);
        }
        let request = Request::from_parts(head, Full::new(Bytes::new()));
        let response = self.service.handle(request).await.map(Body::new);
        if is_delete && response.status() == StatusCode::ACCEPTED {
            self.owners.remove(&session_id);
            return StatusCode::NO_CONTENT.into_response();
        }
        responses::normalize(response).await
    }
}

fn is_response(event: &ServerSseMessage) -> bool {
    matches!(
        event.message.as_deref(),
        Some(ServerJsonRpcMessage::Response(_) | ServerJsonRpcMessage::Error(_))
    )
}

/// Returns the response to a message that a session did not take. A client may end its session at any time, so that is
/// not logged as a failure.
fn failed(error: &LocalSessionManagerError, id: Option<&Value>) -> Response {
    match error {
        LocalSessionManagerError::SessionNotFound(_)
        | LocalSessionManagerError::SessionError(SessionError::SessionServiceTerminated) => {
            no_such_session(id)
        }
        _ => responses::internal_error(error, id),
    }
}

/// Returns whether the stream of a response to `initialize` begins with an event that has no message. Clients of the
/// revisions before 2025-11-25 report one as malformed.
fn is_primed(initialized: &ServerJsonRpcMessage) -> bool {
    match initialized {
        ServerJsonRpcMessage::Response(response) => match &response.result {
            ServerResult::InitializeResult(result) => {
                result.protocol_version.as_str() >= ProtocolVersion::V_2025_11_25.as_str()
            }
            _ => false,
        },
        _ => false,
    }
}

fn no_such_session(id: Option<&Value>) -> Response {
    let message = "there is no such session; start again with initialize";
    json_rpc(StatusCode::NOT_FOUND, INVALID_REQUEST, message, id, None)
}
