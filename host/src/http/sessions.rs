//! Sessions for clients of the revisions before 2026-07-28.
//!
//! They use `rmcp`'s session manager without its `StreamableHttpService`: messages have been parsed already, and that
//! service neither tells revisions apart nor stops the calls of a session that has ended.

use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::future::ready;
use futures::{Stream, StreamExt, stream};
use rmcp::model::{
    ClientJsonRpcMessage, ErrorCode, ErrorData, InitializeResult, ServerJsonRpcMessage,
    ServerResult,
};
use rmcp::service::serve_server_with_ct;
use rmcp::transport::TransportAdapterIdentity;
use rmcp::transport::common::server_side_http::ServerSseMessage;
use rmcp::transport::streamable_http_server::session::local::{LocalSessionManager, SessionConfig};
use rmcp::transport::streamable_http_server::{SessionId, SessionManager};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::accept::Accepted;
use super::event_stream;
use super::header_checks::PROTOCOL_VERSION;
use super::responses::{self, INVALID_REQUEST, json_answer, json_rpc};
use super::session_errors::{self, failed, no_such_session};
use super::session_owners::{OwnedSession, SessionOwners};
use super::session_requests::{CancelOnDrop, SessionRequests};
use crate::mcp::ToolServer;

/// A session that is not used for this long is closed.
const MAX_IDLE_TIME: Duration = Duration::from_secs(600);
/// `Retry-After` of a rejected `initialize`.
const RETRY_AFTER_SECONDS: u64 = 60;
/// Time after which a client reconnects to a broken event stream.
const RECONNECT_DELAY: Duration = Duration::from_secs(3);

const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// The sessions of the endpoint.
pub(super) struct Sessions {
    server: ToolServer,
    /// The beginning of the ids that clients see, with a full stop, by which a proxy finds this replica; or nothing.
    id_prefix: String,
    manager: Arc<LocalSessionManager>,
    owners: SessionOwners,
}

/// A session of the caller.
pub(super) struct Session {
    id: SessionId,
    owned: Arc<OwnedSession>,
}

/// The way a POST of an older revision is answered.
pub(super) enum SessionRoute {
    /// Within this session.
    Existing(Session),
    /// The request has no session yet.
    Absent,
}

impl Sessions {
    /// No sessions. With a prefix, the ids that clients see begin with it and a full stop.
    pub(super) fn new(server: ToolServer, id_prefix: Option<&str>) -> Self {
        let mut config = SessionConfig::default();
        config.keep_alive = Some(MAX_IDLE_TIME);
        let mut manager = LocalSessionManager::default();
        manager.session_config = config;
        let manager = Arc::new(manager);
        Self {
            server,
            id_prefix: id_prefix.map_or_else(String::new, |prefix| format!("{prefix}.")),
            owners: SessionOwners::new(manager.clone()),
            manager,
        }
    }

    /// Returns the number of open sessions.
    pub(super) fn count(&self) -> usize {
        self.owners.count()
    }

    /// Returns the session that a request belongs to.
    ///
    /// # Errors
    /// The response for a session that does not exist or belongs to another caller, and for a header with another protocol
    /// version than that of the session.
    pub(super) async fn route(
        &self,
        headers: &HeaderMap,
        caller: &str,
        id: Option<&Value>,
    ) -> Result<SessionRoute, Box<Response>> {
        let Some(session_id) = headers.get(SESSION_ID) else {
            return Ok(SessionRoute::Absent);
        };
        let session_id = session_id.to_str().unwrap_or_default();
        // The session of another replica does not exist here.
        let session_id = session_id.strip_prefix(&self.id_prefix).unwrap_or_default();
        let session_id: SessionId = session_id.into();
        let is_alive = self.manager.has_session(&session_id).await.unwrap_or(false);
        let owned = self.owners.find(&session_id, caller);
        let Some(owned) = owned.filter(|_| is_alive) else {
            return Err(no_such_session(id).into());
        };
        let version = owned.version.as_str();
        if headers
            .get(PROTOCOL_VERSION)
            .is_some_and(|in_header| in_header.as_bytes() != version.as_bytes())
        {
            return Err(session_errors::other_version(version, id).into());
        }
        Ok(SessionRoute::Existing(Session {
            id: session_id,
            owned,
        }))
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
        let ended = CancellationToken::new();
        let (session_id, initialized) = match self.start(initialize, ended.clone()).await {
            Ok(started) => started,
            Err(error) => return responses::internal_error(&error, id),
        };
        let (mut priming, mut header) = (None, None);
        // A rejected handshake leaves no session.
        if let Some(result) = initialize_result(&initialized) {
            let owned = OwnedSession {
                owner: caller.to_owned(),
                version: result.protocol_version.clone(),
                requests: SessionRequests::default(),
                ended,
            };
            if owned.has_priming_events() {
                priming = Some(ServerSseMessage::priming("0", RECONNECT_DELAY));
            }
            self.owners.insert(&session_id, owned.into());
            // A session id is a UUID, and a prefix consists of letters, digits and hyphens.
            header = HeaderValue::from_str(&format!("{}{session_id}", self.id_prefix)).ok();
        }
        let mut response = if accepted.prefers_event_stream() {
            let initialized = ServerSseMessage::from_message(initialized);
            event_stream::respond(stream::iter(priming.into_iter().chain([initialized])))
        } else {
            json_answer(StatusCode::OK, &initialized)
        };
        if let Some(session_id) = header {
            response.headers_mut().insert(SESSION_ID, session_id);
        }
        response
    }

    /// Starts the server of a new session and returns its response to `initialize`.
    async fn start(
        &self,
        initialize: ClientJsonRpcMessage,
        ended: CancellationToken,
    ) -> Result<(SessionId, ServerJsonRpcMessage), <LocalSessionManager as SessionManager>::Error>
    {
        let (session_id, transport) = self.manager.create_session().await?;
        let server = self.server.for_connection();
        let (manager, id) = (self.manager.clone(), session_id.clone());
        tokio::spawn(async move {
            let serving =
                serve_server_with_ct::<_, _, _, TransportAdapterIdentity>(server, transport, ended);
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
        session: &Session,
        message: ClientJsonRpcMessage,
        accepted: Accepted,
        id: Option<&Value>,
    ) -> Response {
        let ClientJsonRpcMessage::Request(request) = &message else {
            return match self.manager.accept_message(&session.id, message).await {
                Ok(()) => StatusCode::ACCEPTED.into_response(),
                Err(error) => failed(&error, id),
            };
        };
        let request_id = request.id.clone();
        let unanswered = match session.owned.requests.start(&request_id) {
            Ok(unanswered) => unanswered,
            Err(error) => {
                let (status, error) = (StatusCode::BAD_REQUEST, error.to_string());
                return json_rpc(status, INVALID_REQUEST, &error, id, None);
            }
        };
        let messages = match self.manager.create_stream(&session.id, message).await {
            Ok(messages) => messages,
            Err(error) => {
                unanswered.answered();
                return failed(&error, id);
            }
        };
        let mut messages = Box::pin(session.without_priming(messages));
        let request = unanswered.clone();
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
            return event_stream::respond(messages);
        }
        let cancel_on_drop = CancelOnDrop::new(
            self.manager.clone(),
            session.id.clone(),
            request_id,
            unanswered,
        );
        let response = self.respond_with_last(&session.id, messages, id).await;
        cancel_on_drop.disarm();
        response
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
                Some(response) => return json_answer(StatusCode::OK, response),
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
    pub(super) async fn handle(
        &self,
        method: &Method,
        headers: &HeaderMap,
        caller: &str,
    ) -> Response {
        let session = match self.route(headers, caller, None).await {
            Ok(SessionRoute::Existing(session)) => session,
            Ok(SessionRoute::Absent) => {
                let message = "the Mcp-Session-Id header is missing";
                let status = StatusCode::BAD_REQUEST;
                return json_rpc(status, INVALID_REQUEST, message, None, None);
            }
            Err(response) => return *response,
        };
        if *method == Method::DELETE {
            self.end(&session).await
        } else {
            self.listen(&session, headers).await
        }
    }

    /// Ends a session and stops its calls.
    async fn end(&self, session: &Session) -> Response {
        let closed = self.manager.close_session(&session.id).await;
        self.owners.remove(&session.id);
        session.owned.ended.cancel();
        match closed {
            Ok(()) => StatusCode::NO_CONTENT.into_response(),
            Err(error) => failed(&error, None),
        }
    }

    /// Opens the stream of messages that belong to no request, or resumes a stream after its last event.
    async fn listen(&self, session: &Session, headers: &HeaderMap) -> Response {
        if !Accepted::of(headers).event_stream {
            let message = "this is an event stream: the Accept header must cover text/event-stream";
            let status = StatusCode::NOT_ACCEPTABLE;
            return json_rpc(status, INVALID_REQUEST, message, None, None);
        }
        if let Some(last_event) = headers.get(LAST_EVENT_ID) {
            let last_event = last_event.to_str().unwrap_or_default().to_owned();
            return match self.manager.resume(&session.id, last_event).await {
                Ok(messages) => event_stream::respond(session.without_priming(messages)),
                Err(error) => {
                    tracing::debug!(%error, "event stream not resumed");
                    // After an error, browsers would try again with the same event for ever.
                    event_stream::respond(stream::empty())
                }
            };
        }
        match self.manager.create_standalone_stream(&session.id).await {
            Ok(messages) => {
                let priming = ServerSseMessage::priming("0", RECONNECT_DELAY);
                let messages = stream::iter([priming]).chain(messages);
                event_stream::respond(session.without_priming(messages))
            }
            Err(error) => failed(&error, None),
        }
    }
}

impl Session {
    /// Removes events without a message from a stream of a revision that has none.
    fn without_priming(
        &self,
        messages: impl Stream<Item = ServerSseMessage> + Send + 'static,
    ) -> impl Stream<Item = ServerSseMessage> + Send + 'static {
        let has_priming_events = self.owned.has_priming_events();
        messages.filter(move |event| ready(has_priming_events || event.message.is_some()))
    }
}

fn is_response(event: &ServerSseMessage) -> bool {
    matches!(
        event.message.as_deref(),
        Some(ServerJsonRpcMessage::Response(_) | ServerJsonRpcMessage::Error(_))
    )
}

fn initialize_result(message: &ServerJsonRpcMessage) -> Option<&InitializeResult> {
    match message {
        ServerJsonRpcMessage::Response(response) => match &response.result {
            ServerResult::InitializeResult(result) => Some(result),
            _ => None,
        },
        _ => None,
    }
}
