//! Answers one message without a session.
//!
//! Does what `rmcp`'s `StreamableHttpService` does in its stateless mode, but with a message that has been parsed and
//! checked already: the service would parse the body a second time.

use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use rmcp::RoleServer;
use rmcp::model::{
    ClientCapabilities, ClientJsonRpcMessage, ClientRequest, ErrorCode, ErrorData, GetMeta,
    Implementation, InitializeRequestParams, JsonRpcRequest, ProtocolVersion, ServerJsonRpcMessage,
};
use rmcp::service::serve_directly_with_ct;
use rmcp::transport::OneshotTransport;
use rmcp::transport::common::server_side_http::ServerSseMessage;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::{event_stream, header_checks, responses};
use crate::json;
use crate::mcp::ToolServer;

/// Answers a message: a request with its result, a notification with 202.
pub(super) async fn answer(
    server: ToolServer,
    headers: &HeaderMap,
    message: ClientJsonRpcMessage,
    id: Option<&Value>,
) -> Response {
    match message {
        ClientJsonRpcMessage::Request(request) => serve(server, headers, request, id).await,
        ClientJsonRpcMessage::Notification(_) => StatusCode::ACCEPTED.into_response(),
        // Without a session the server has no requests of its own to be answered.
        ClientJsonRpcMessage::Response(_) | ClientJsonRpcMessage::Error(_) => {
            let message = "stateless server does not accept JSON-RPC responses";
            responses::bad_request(ErrorData::invalid_request(message, None), None)
        }
    }
}

/// Serves a request and returns JSON, or an event stream if the handler sends a notification before its result.
///
/// The request is cancelled when the returned future or the body of its response is dropped, as both are when the
/// client disconnects.
async fn serve(
    server: ToolServer,
    headers: &HeaderMap,
    request: JsonRpcRequest<ClientRequest>,
    id: Option<&Value>,
) -> Response {
    let status_of = status_mapping(&request.request);
    let peer_info = peer_info(&request.request, headers);
    let message = ClientJsonRpcMessage::Request(request);
    let (transport, mut messages) = OneshotTransport::<RoleServer>::new(message);
    let cancelled = CancellationToken::new();
    let service = serve_directly_with_ct(server, transport, Some(peer_info), cancelled.clone());
    tokio::spawn(async move {
        let _ = service.waiting().await;
    });
    let cancel_on_drop = cancelled.drop_guard();
    let Some(first) = messages.recv().await else {
        return responses::internal_error(&"the handler sent no response", id);
    };
    if matches!(
        first,
        ServerJsonRpcMessage::Response(_) | ServerJsonRpcMessage::Error(_)
    ) {
        return json::response(status_of(&first), &first);
    }
    let rest = futures::stream::poll_fn(move |context| {
        let _ = &cancel_on_drop;
        messages.poll_recv(context)
    });
    let messages = futures::stream::iter([first]).chain(rest);
    event_stream::respond(messages.map(ServerSseMessage::from_message))
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

/// Returns what a handshake would have established: the protocol version of `initialize`, else of the header.
fn peer_info(request: &ClientRequest, headers: &HeaderMap) -> InitializeRequestParams {
    let version = match request {
        ClientRequest::InitializeRequest(initialize) => initialize.params.protocol_version.clone(),
        _ => header_checks::protocol_version(headers)
            .and_then(|version| serde_json::from_value(Value::String(version.into())).ok())
            // The revision before the header was introduced.
            .unwrap_or(ProtocolVersion::V_2025_03_26),
    };
    InitializeRequestParams::new(ClientCapabilities::default(), Implementation::default())
        .with_protocol_version(version)
}
