//! Standard input and output as a transport: one JSON-RPC message per line.
//!
//! Unlike the transport of `rmcp`, it answers lines that are not messages, serves a last line without a line break, and
//! rejects a line that is too long.

use std::fmt::Display;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use rmcp::model::{ClientJsonRpcMessage, ClientRequest, ErrorCode, ErrorData, RequestId};
use rmcp::service::{RxJsonRpcMessage, ServerInitializeError, TxJsonRpcMessage};
use rmcp::transport::Transport;
use rmcp::{RoleServer, ServiceExt};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::server::ToolServer;
use super::stdio_requests::{Requests, answered_id};

/// JSON parsers may ignore a byte order mark at the beginning (RFC 8259, section 8.1). Some shells of Windows send one.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Time for the answers of calls that were stopped at the end of the drain.
const MAX_FLUSH_TIME: Duration = Duration::from_secs(2);

/// The end of a server that is told to stop.
pub struct Shutdown<S> {
    /// Resolves when the server is told to stop.
    pub stop: S,
    /// Time that running requests may take to finish after that.
    pub drain: Duration,
    /// Cancelled to stop the calls that still run then.
    pub shutdown: CancellationToken,
}

/// Serves one client over standard input and output until it disconnects, or the server is told to stop. Messages have at
/// most `max_message_bytes`.
///
/// # Errors
/// The client does not speak the protocol.
pub async fn serve_stdio(
    server: &ToolServer,
    max_message_bytes: usize,
    end: Shutdown<impl Future<Output = ()>>,
) -> anyhow::Result<()> {
    let requests = Arc::new(Requests::default());
    let transport = LineTransport {
        input: BufReader::new(tokio::io::stdin()),
        line: Vec::new(),
        max_line_bytes: max_message_bytes,
        is_skipping: false,
        output: Arc::new(Mutex::new(tokio::io::stdout())),
        rejecting: None,
        has_requested: false,
        requests: requests.clone(),
    };
    let serving = async {
        match server.for_connection().serve(transport).await {
            Ok(running) => drop(running.waiting().await?),
            // The client disconnected before it opened a session, or the server was told to stop.
            Err(ServerInitializeError::ConnectionClosed(_)) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    };
    let mut serving = pin!(serving);
    tokio::select! {
        served = &mut serving => return served,
        () = end.stop => {}
    }
    requests.is_stopping.cancel();
    let draining = async {
        if tokio::time::timeout(end.drain, requests.all_ended())
            .await
            .is_err()
        {
            tracing::warn!("running calls stopped at the end of the drain");
            end.shutdown.cancel();
            let _ = tokio::time::timeout(MAX_FLUSH_TIME, requests.all_ended()).await;
        }
        requests.has_ended.cancel();
        std::future::pending().await
    };
    tokio::select! {
        served = &mut serving => served,
        () = draining => Ok(()),
    }
}

/// Messages as lines of `R` and `W`.
struct LineTransport<R, W> {
    input: BufReader<R>,
    /// The beginning of the current line.
    line: Vec<u8>,
    max_line_bytes: usize,
    /// Whether the rest of the current line is skipped.
    is_skipping: bool,
    output: Arc<Mutex<W>>,
    /// The answer to a rejected line, while it is written. A field, because `receive` may be cancelled meanwhile.
    rejecting: Option<Pin<Box<dyn Future<Output = io::Result<()>> + Send>>>,
    /// Whether a request has arrived. Messages before it have no meaning, and would end the session.
    has_requested: bool,
    requests: Arc<Requests>,
}

/// The outcome of reading a line.
enum Line {
    Complete,
    TooLong,
    /// The input has ended.
    End,
}

/// The answer to a line that is not a message.
#[derive(Serialize)]
struct Rejection {
    jsonrpc: &'static str,
    /// `None` is written as null (JSON-RPC 2.0, section 5).
    id: Option<RequestId>,
    error: ErrorData,
}

impl<R, W> Transport<RoleServer> for LineTransport<R, W>
where
    R: AsyncRead + Unpin + Send,
    W: AsyncWrite + Unpin + Send + 'static,
{
    type Error = io::Error;

    fn send(
        &mut self,
        message: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = io::Result<()>> + Send + 'static {
        let (output, requests) = (self.output.clone(), self.requests.clone());
        async move {
            let answered = answered_id(&message);
            let written = write_line(output, message).await;
            if let Some(id) = answered {
                requests.ended(&id);
            }
            written
        }
    }

    /// Cancel-safe.
    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        loop {
            if let Some(rejecting) = &mut self.rejecting {
                let written = rejecting.await;
                self.rejecting = None;
                if let Err(error) = written {
                    tracing::debug!(%error, "failed to write to standard output");
                    return None;
                }
            }
            let has_ended = self.requests.has_ended.clone();
            let read = tokio::select! {
                read = self.read_line() => read,
                () = has_ended.cancelled() => return None,
            };
            let parsed = match read {
                Ok(Line::Complete) => parse(&std::mem::take(&mut self.line)),
                Ok(Line::TooLong) => {
                    let message =
                        format!("the message is larger than {} bytes", self.max_line_bytes);
                    Err(Rejection::new(ErrorCode::INVALID_REQUEST, message, None))
                }
                Ok(Line::End) => return None,
                Err(error) => {
                    tracing::error!(%error, "failed to read standard input");
                    return None;
                }
            };
            match parsed.and_then(|message| self.unless_stopping(message)) {
                Ok(Some(message)) => {
                    self.requests.received(&message);
                    self.has_requested |= matches!(message, ClientJsonRpcMessage::Request(_));
                    if self.has_requested {
                        return Some(message);
                    }
                }
                Ok(None) => {}
                Err(rejection) => {
                    let writing = write_line(self.output.clone(), rejection);
                    self.rejecting = Some(Box::pin(writing));
                }
            }
        }
    }

    async fn close(&mut self) -> io::Result<()> {
        self.output.lock().await.shutdown().await
    }
}

impl<R: AsyncRead + Unpin, W> LineTransport<R, W> {
    /// Rejects a request that arrives after the server was told to stop.
    fn unless_stopping(
        &self,
        message: Option<ClientJsonRpcMessage>,
    ) -> Result<Option<ClientJsonRpcMessage>, Box<Rejection>> {
        match message {
            Some(ClientJsonRpcMessage::Request(request))
                if self.requests.is_stopping.is_cancelled() =>
            {
                let message = "the server is shutting down".into();
                let code = ErrorCode::INTERNAL_ERROR;
                Err(Rejection::new(code, message, Some(request.id)))
            }
            message => Ok(message),
        }
    }

    /// Reads the next line to `self.line`, without its line break. Cancel-safe: a part of a line stays in `self.line`.
    async fn read_line(&mut self) -> io::Result<Line> {
        loop {
            let available = self.input.fill_buf().await?;
            if available.is_empty() {
                // The last line may lack its line break.
                return Ok(match self.line.is_empty() {
                    true => Line::End,
                    false => Line::Complete,
                });
            }
            let line_break = available.iter().position(|byte| *byte == b'\n');
            let part = &available[..line_break.unwrap_or(available.len())];
            let was_skipping = self.is_skipping;
            let is_too_long = !was_skipping && self.line.len() + part.len() > self.max_line_bytes;
            if is_too_long {
                self.line = Vec::new();
            } else if !was_skipping {
                self.line.extend_from_slice(part);
            }
            self.is_skipping = line_break.is_none() && (was_skipping || is_too_long);
            let consumed = part.len() + usize::from(line_break.is_some());
            self.input.consume(consumed);
            if is_too_long {
                return Ok(Line::TooLong);
            }
            if line_break.is_some() && !was_skipping {
                return Ok(Line::Complete);
            }
        }
    }
}

impl Rejection {
    fn new(code: ErrorCode, message: String, id: Option<RequestId>) -> Box<Self> {
        Box::new(Self {
            jsonrpc: "2.0",
            id,
            error: ErrorData::new(code, message, None),
        })
    }
}

/// Writes a message and a line break.
async fn write_line<W: AsyncWrite + Unpin>(
    output: Arc<Mutex<W>>,
    message: impl Serialize,
) -> io::Result<()> {
    let mut line = serde_json::to_vec(&message)?;
    line.push(b'\n');
    let mut output = output.lock().await;
    output.write_all(&line).await?;
    output.flush().await
}

/// Parses a line. Returns `None` for an empty line and for a malformed notification, which has no answer.
fn parse(line: &[u8]) -> Result<Option<ClientJsonRpcMessage>, Box<Rejection>> {
    let line = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line);
    let line = line.trim_ascii();
    if line.is_empty() {
        return Ok(None);
    }
    let not_json = |error: &dyn Display| {
        let message = format!("the line is not valid JSON: {error}");
        Rejection::new(ErrorCode::PARSE_ERROR, message, None)
    };
    let not_a_message = |id| {
        let message = "the line is not a single JSON-RPC message; batches are not served";
        Rejection::new(ErrorCode::INVALID_REQUEST, message.into(), id)
    };
    let text = std::str::from_utf8(line).map_err(|error| not_json(&error))?;
    // serde would also read a struct from an array.
    if !text.starts_with('{') {
        serde_json::from_str::<IgnoredAny>(text).map_err(|error| not_json(&error))?;
        return Err(not_a_message(None));
    }
    let fields = match serde_json::from_str::<Fields>(text) {
        Ok(fields) => fields,
        Err(error) if error.is_data() => return Err(not_a_message(None)),
        Err(error) => return Err(not_json(&error)),
    };
    let message = serde_json::from_str(text);
    match fields {
        Fields {
            method: Some(_),
            id: Some(id),
        } => {
            let id = RequestId::deserialize(id).map_err(|_| not_a_message(None))?;
            let message = message.map_err(|_| not_a_message(Some(id.clone())))?;
            if is_list(&message) && has_malformed_cursor(text) {
                let message = "the cursor of a list is a string".into();
                return Err(Rejection::new(ErrorCode::INVALID_PARAMS, message, Some(id)));
            }
            Ok(Some(message))
        }
        Fields {
            method: Some(_),
            id: None,
        } => Ok(message.ok()),
        // A response: its id is that of a request of the server, and means another request in an answer.
        Fields { method: None, .. } => message.map(Some).map_err(|_| not_a_message(None)),
    }
}

/// Returns whether a message asks for a page of a list.
fn is_list(message: &ClientJsonRpcMessage) -> bool {
    let ClientJsonRpcMessage::Request(request) = message else {
        return false;
    };
    matches!(
        request.request,
        ClientRequest::ListToolsRequest(_)
            | ClientRequest::ListPromptsRequest(_)
            | ClientRequest::ListResourcesRequest(_)
            | ClientRequest::ListResourceTemplatesRequest(_)
    )
}

/// Returns whether the cursor of a list is not a string. `rmcp` reads such a cursor as a missing one and would return the
/// first page.
fn has_malformed_cursor(text: &str) -> bool {
    let message: Value = serde_json::from_str(text).unwrap_or_default();
    let cursor = &message["params"]["cursor"];
    !cursor.is_string() && !cursor.is_null()
}

/// The fields that tell how to answer a malformed message.
#[derive(Deserialize)]
struct Fields {
    method: Option<IgnoredAny>,
    /// `Some(Value::Null)` for an explicit null, which is not the id of a request.
    #[serde(default, deserialize_with = "even_null")]
    id: Option<Value>,
}

fn even_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}
