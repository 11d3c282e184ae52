//! Responses as an event stream (WHATWG HTML, server-sent events).

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::Response;
use futures::{Stream, StreamExt};
use rmcp::transport::common::server_side_http::ServerSseMessage;

use super::responses::ErrorResult;

/// Time without an event after which a comment is sent, so that proxies keep the connection open.
pub(super) const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(15);

/// Returns a response that sends each message as one event.
pub(super) fn respond(messages: impl Stream<Item = ServerSseMessage> + Send + 'static) -> Response {
    let error = ErrorResult::default();
    let sent_error = error.clone();
    let messages = messages.inspect(move |event| {
        if let Some(message) = event.message.as_deref() {
            sent_error.note(message);
        }
    });
    let events = futures::stream::unfold(Box::pin(messages), async |mut messages| {
        let event = match tokio::time::timeout(KEEP_ALIVE_INTERVAL, messages.next()).await {
            Ok(message) => encode(&message?),
            Err(_) => Bytes::from_static(b":\n\n"),
        };
        Some((Ok::<_, Infallible>(event), messages))
    });
    let mut response = Response::new(Body::from_stream(events));
    response.extensions_mut().insert(error);
    for (name, value) in [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-cache"),
        // nginx would buffer the events otherwise.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ] {
        let value = HeaderValue::from_static(value);
        response.headers_mut().insert(name, value);
    }
    response
}

/// Ends the response when `end` resolves, if it is an event stream.
pub(super) fn end_when(
    response: Response,
    end: impl Future<Output = ()> + Send + 'static,
) -> Response {
    let media_type = response.headers().get(header::CONTENT_TYPE);
    if !media_type.is_some_and(|value| value.as_bytes().starts_with(b"text/event-stream")) {
        return response;
    }
    response.map(|body| Body::from_stream(body.into_data_stream().take_until(Box::pin(end))))
}

/// Encodes one event. A message is compact JSON, which has no line breaks; an event without a message tells the client
/// its id or how long to wait before it reconnects.
fn encode(message: &ServerSseMessage) -> Bytes {
    let data = message.message.as_deref().map(serde_json::to_string);
    let data = data.and_then(Result::ok).unwrap_or_default();
    let mut event = format!("data: {data}\n");
    if let Some(id) = &message.event_id {
        event.push_str(&format!("id: {id}\n"));
    }
    if let Some(retry) = message.retry {
        event.push_str(&format!("retry: {}\n", retry.as_millis()));
    }
    event.push('\n');
    event.into()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use rmcp::model::{RequestId, ServerJsonRpcMessage, ServerResult};

    use super::*;

    #[tokio::test]
    async fn events() {
        let result = ServerResult::empty(());
        let message = ServerJsonRpcMessage::response(result, RequestId::Number(1));
        let messages = futures::stream::iter([
            ServerSseMessage::priming("0", Duration::from_secs(3)),
            ServerSseMessage::new("1/0", message),
            ServerSseMessage::retry(Duration::from_millis(5)),
        ]);
        let response = respond(messages);
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await;
        assert_eq!(
            String::from_utf8(body.unwrap().to_vec()).unwrap(),
            "data: \nid: 0\nretry: 3000\n\n\
             data: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\nid: 1/0\n\n\
             data: \nretry: 5\n\n"
        );
    }
}
