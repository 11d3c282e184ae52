//! The record of a request to the endpoint: facts from its message and its response. It lasts until the response has been
//! sent or dropped, or longer if its guest does.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes};
use axum::http::HeaderMap;
use axum::response::Response;
use http_body::{Body as HttpBody, Frame, SizeHint};
use rmcp::model::{ClientJsonRpcMessage, ClientRequest, ErrorCode, ProtocolVersion};

use super::header_checks::{self, notification_method};
use super::jsonrpc::Incoming;
use super::responses::{ErrorResult, Reason};
use crate::auth::AuthError;
use crate::mcp::{self, PROTOCOL_VERSIONS};
use crate::telemetry::{Outcome, Record, RequestTrace, TraceHeaders};
use crate::text::truncate;

/// Length of a method in a record. Those of MCP are shorter.
pub(super) const MAX_METHOD_BYTES: usize = 128;

/// Adds what the message tells.
pub(super) fn received(
    record: &Record,
    headers: &HeaderMap,
    incoming: &Incoming,
    request_bytes: u64,
) {
    let method = match &incoming.message {
        ClientJsonRpcMessage::Request(request) => request.request.method(),
        ClientJsonRpcMessage::Notification(message) => notification_method(&message.notification),
        ClientJsonRpcMessage::Response(_) | ClientJsonRpcMessage::Error(_) => "response",
    };
    let declared = incoming.declared_version();
    let version = declared.as_ref().map(ProtocolVersion::as_str);
    let version = version.or_else(|| header_checks::protocol_version(headers));
    let mut known = PROTOCOL_VERSIONS.into_iter();
    let revision = version.and_then(|version| known.find(|known| *known == version));
    let request = incoming.request();
    let listens = matches!(request, Some(ClientRequest::SubscriptionsListenRequest(_)));
    record.trace(|| RequestTrace {
        method: truncate(method, MAX_METHOD_BYTES),
        id: incoming.id.as_ref().map(ToString::to_string),
        message: request.map(mcp::request_trace_headers).unwrap_or_default(),
        http: TraceHeaders {
            parent: header(headers, "traceparent"),
            state: header(headers, "tracestate"),
        },
    });
    record.set(|facts| {
        facts.method = truncate(method, MAX_METHOD_BYTES).to_owned().into();
        facts.revision = revision.unwrap_or_default();
        if facts.trace_id.is_none() {
            facts.trace_id = request.and_then(mcp::trace_id).map(Into::into);
        }
        facts.request_bytes = request_bytes;
        facts.is_stream = listens;
    });
}

/// Returns a header, if it is text.
pub(super) fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// Adds what the response tells, and keeps the record as long as the body of the response.
pub(super) fn answered(record: Arc<Record>, response: Response) -> Response {
    // An error with another status tells more by its status.
    let is_success = response.status().is_success();
    let error = response.extensions().get().filter(|_| is_success).cloned();
    record.set(|facts| {
        facts.status = response.status().as_u16();
        if facts.reason.is_some() || response.status().is_success() {
            return;
        }
        let extensions = response.extensions();
        facts.reason = if let Some(Reason(reason)) = extensions.get() {
            Some(reason.clone())
        } else {
            let error = extensions.get::<AuthError>();
            error.map(|error| error.description().to_owned().into())
        };
    });
    response.map(|body| {
        Body::new(RecordedBody {
            body,
            record,
            bytes: 0,
            error,
        })
    })
}

/// A body whose bytes are counted.
struct RecordedBody {
    body: Body,
    record: Arc<Record>,
    bytes: u64,
    error: Option<ErrorResult>,
}

impl Drop for RecordedBody {
    fn drop(&mut self) {
        let error = self.error.take().and_then(|error| error.code());
        if let Some(code) = error {
            let outcome = match code {
                ErrorCode::INTERNAL_ERROR => Outcome::Failed,
                _ => Outcome::Invalid,
            };
            self.record.end(outcome, None);
        }
        let bytes = self.bytes;
        self.record.set(|facts| facts.response_bytes = bytes);
    }
}

impl HttpBody for RecordedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(Ok(frame)) = &frame {
            self.bytes += frame.data_ref().map_or(0, Bytes::len) as u64;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
