//! Answers one message without a session, on the task of its HTTP request.
//!
//! The result is that of `rmcp`'s `StreamableHttpService` in its stateless mode, without the service's second parsing of
//! the body and without its task and channels for each message.

use std::pin::Pin;
use std::task::Poll;

use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use futures::stream::{self, Stream};
use rmcp::model::{
    ClientJsonRpcMessage, ClientRequest, ErrorCode, ErrorData, GetExtensions, GetMeta,
    JsonRpcRequest, ProtocolVersion, RequestId, ServerJsonRpcMessage, ServerNotification,
    ServerResult,
};
use rmcp::service::{RequestContext, Service, serve_directly_with_ct};
use rmcp::transport::OneshotTransport;
use rmcp::transport::common::server_side_http::ServerSseMessage;
use rmcp::{Peer, RoleServer};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::accept::Accepted;
use super::detached_peers::{DetachedPeers, peer_info};
use super::event_stream::{self, KEEP_ALIVE_INTERVAL};
use super::header_checks;
use super::responses::{self, json_answer};
use crate::boxed_future::boxed_future;
use crate::mcp::{RequestScope, ToolServer};

/// Notifications queued for a slow client; when the queue is full, the guest waits.
const MAX_QUEUED_NOTIFICATIONS: usize = 16;

/// Answers the messages that belong to no session.
pub(super) struct Stateless {
    server: ToolServer,
    peers: DetachedPeers,
}

impl Stateless {
    pub(super) fn new(server: ToolServer) -> Self {
        Self {
            peers: DetachedPeers::new(server.clone()),
            server,
        }
    }

    /// Answers a message: a request with its result, a notification with 202.
    pub(super) async fn answer(
        &self,
        headers: &HeaderMap,
        accepted: Accepted,
        message: ClientJsonRpcMessage,
        scope: RequestScope,
    ) -> Response {
        match message {
            ClientJsonRpcMessage::Request(request) => {
                let version = version(&request.request, headers);
                match request.request {
                    // The subscription sends its notifications through the peer of a running service.
                    ClientRequest::SubscriptionsListenRequest(_) => {
                        Box::pin(listen(self.server.clone(), request, version, scope)).await
                    }
                    _ => {
                        let peer = self.peers.get(&version);
                        self.call(request, peer, accepted, scope).await
                    }
                }
            }
            ClientJsonRpcMessage::Notification(_) => StatusCode::ACCEPTED.into_response(),
            // Without a session the server has no requests of its own to be answered.
            ClientJsonRpcMessage::Response(_) | ClientJsonRpcMessage::Error(_) => {
                let message = "stateless server does not accept JSON-RPC responses";
                responses::bad_request(ErrorData::invalid_request(message, None), None)
            }
        }
    }

    /// Calls the handler of a request and returns JSON, or an event stream if the handler sends a notification before its
    /// result, if it takes so long that a proxy might end the silent connection, or if the client accepts no JSON. A client
    /// that does not prepare for events gets the result alone.
    ///
    /// The request is cancelled when the returned future or the body of its response is dropped, as both are when the
    /// client disconnects.
    async fn call(
        &self,
        request: JsonRpcRequest<ClientRequest>,
        peer: Peer<RoleServer>,
        accepted: Accepted,
        scope: RequestScope,
    ) -> Response {
        let JsonRpcRequest {
            id, mut request, ..
        } = request;
        let status_of = status_mapping(&request);
        let (sender, notifications) = mpsc::channel(MAX_QUEUED_NOTIFICATIONS);
        let mut context = RequestContext::new(id.clone(), peer);
        std::mem::swap(&mut context.meta, request.get_meta_mut());
        context.extensions = std::mem::take(request.extensions_mut());
        context.extensions.insert(scope.with_notifications(sender));
        let cancel_on_drop = context.ct.clone().drop_guard();
        let server = self.server.clone();
        let handling = boxed_future(|| async move {
            let _cancel_on_drop = cancel_on_drop;
            server.handle_request(request, context).await
        });
        let messages = response_messages(handling, notifications, id);
        if accepted.prefers_event_stream() {
            respond(messages, accepted.json, status_of).await
        } else {
            respond_with_result(messages, status_of).await
        }
    }
}

/// Returns the notifications and the result of a handler, in this order. A handler has sent all its notifications when it
/// returns.
fn response_messages(
    mut handling: impl Future<Output = Result<ServerResult, ErrorData>> + Send + Unpin + 'static,
    mut notifications: mpsc::Receiver<Box<ServerNotification>>,
    id: RequestId,
) -> impl Stream<Item = ServerJsonRpcMessage> + Send + Unpin + 'static {
    let mut has_ended = false;
    let mut response = None;
    stream::poll_fn(move |context| {
        if !has_ended && let Poll::Ready(result) = Pin::new(&mut handling).poll(context) {
            has_ended = true;
            response = Some(match result {
                Ok(result) => ServerJsonRpcMessage::response(result, id.clone()),
                Err(error) => ServerJsonRpcMessage::error(error, Some(id.clone())),
            });
        }
        if let Poll::Ready(Some(notification)) = notifications.poll_recv(context) {
            let notification = ServerJsonRpcMessage::notification(*notification);
            return Poll::Ready(Some(notification));
        }
        match response.take() {
            None if !has_ended => Poll::Pending,
            response => Poll::Ready(response),
        }
    })
}

/// Serves `subscriptions/listen`, which sends its notifications through the peer of a running service.
async fn listen(
    server: ToolServer,
    mut request: JsonRpcRequest<ClientRequest>,
    version: ProtocolVersion,
    scope: RequestScope,
) -> Response {
    let status_of = status_mapping(&request.request);
    request.request.extensions_mut().insert(scope);
    let message = ClientJsonRpcMessage::Request(request);
    let (transport, mut messages) = OneshotTransport::<RoleServer>::new(message);
    let cancelled = CancellationToken::new();
    let info = Some(peer_info(version));
    let service = serve_directly_with_ct(server, transport, info, cancelled.clone());
    tokio::spawn(async move {
        let _ = service.waiting().await;
    });
    let cancel_on_drop = cancelled.drop_guard();
    let messages = stream::poll_fn(move |context| {
        let _ = &cancel_on_drop;
        messages.poll_recv(context)
    });
    respond(messages, true, status_of).await
}

/// Returns JSON if the first message is the result and comes soon, else an event stream: a proxy might end a connection
/// that stays silent. A result with status 200 is an event if the client does not accept JSON; errors of HTTP are JSON for
/// every client.
async fn respond(
    mut messages: impl Stream<Item = ServerJsonRpcMessage> + Send + Unpin + 'static,
    accepts_json: bool,
    status_of: impl Fn(&ServerJsonRpcMessage) -> StatusCode,
) -> Response {
    let first = match tokio::time::timeout(KEEP_ALIVE_INTERVAL, messages.next()).await {
        Ok(Some(message)) => {
            let status = status_of(&message);
            if is_response(&message) && (accepts_json || status != StatusCode::OK) {
                return json_answer(status, &message);
            }
            Some(message)
        }
        Ok(None) => return no_response(),
        Err(_) => None,
    };
    let messages = stream::iter(first).chain(messages);
    event_stream::respond(messages.map(ServerSseMessage::from_message))
}

/// Drops all notifications and returns the result as JSON.
async fn respond_with_result(
    mut messages: impl Stream<Item = ServerJsonRpcMessage> + Unpin,
    status_of: impl Fn(&ServerJsonRpcMessage) -> StatusCode,
) -> Response {
    while let Some(message) = messages.next().await {
        if is_response(&message) {
            return json_answer(status_of(&message), &message);
        }
    }
    no_response()
}

fn no_response() -> Response {
    responses::internal_error(&"the handler sent no response", None)
}

fn is_response(message: &ServerJsonRpcMessage) -> bool {
    matches!(
        message,
        ServerJsonRpcMessage::Response(_) | ServerJsonRpcMessage::Error(_)
    )
}

/// Returns the function that maps a response to its HTTP status.
///
/// Requests that declare their protocol version get the status of their error (MCP 2026-07-28, Streamable HTTP); older
/// revisions answer every error with 200.
fn status_mapping(request: &ClientRequest) -> impl Fn(&ServerJsonRpcMessage) -> StatusCode + use<> {
    let meta = request.get_meta();
    let declares_version =
        meta.protocol_version().is_some() || matches!(request, ClientRequest::DiscoverRequest(_));
    let missing = meta.missing_required_keys(&ProtocolVersion::V_2026_07_28);
    let is_meta_complete = missing.is_empty();
    move |message| match message {
        ServerJsonRpcMessage::Error(error) if declares_version => match error.error.code {
            ErrorCode::UNSUPPORTED_PROTOCOL_VERSION
            | ErrorCode::MISSING_REQUIRED_CLIENT_CAPABILITY
            | ErrorCode::HEADER_MISMATCH => StatusCode::BAD_REQUEST,
            ErrorCode::INVALID_PARAMS if !is_meta_complete => StatusCode::BAD_REQUEST,
            ErrorCode::METHOD_NOT_FOUND => StatusCode::NOT_FOUND,
            _ => StatusCode::OK,
        },
        _ => StatusCode::OK,
    }
}

/// Returns the protocol version of `initialize`, else that of the header.
fn version(request: &ClientRequest, headers: &HeaderMap) -> ProtocolVersion {
    if let ClientRequest::InitializeRequest(initialize) = request {
        return initialize.params.protocol_version.clone();
    }
    header_checks::protocol_version(headers)
        .and_then(|version| serde_json::from_value(Value::String(version.into())).ok())
        // The revision before the header was introduced.
        .unwrap_or(ProtocolVersion::V_2025_03_26)
}
