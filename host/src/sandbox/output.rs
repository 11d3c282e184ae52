//! A guest's standard output and standard error, written to the log line by line up to a limit.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError};

use super::limits::MAX_LOG_LINES;
use crate::telemetry::CallSpan;
use crate::text::escape_untrusted;

/// Bytes that a guest may write at once.
pub(super) const MAX_WRITE_BYTES: usize = 64 << 10;
/// Length above which a line is logged in several parts.
const MAX_LINE_BYTES: usize = 4_096;

/// The guest's standard output or standard error. Clones share one buffer.
#[derive(Clone)]
pub(super) struct GuestOutput {
    /// `stdout` or `stderr`.
    stream: &'static str,
    /// The span in which the stream was opened, for lines logged by other tasks.
    span: Option<CallSpan>,
    buffer: Arc<Mutex<LineBuffer>>,
}

#[derive(Default)]
struct LineBuffer {
    line: Vec<u8>,
    lines_logged: u32,
}

impl GuestOutput {
    pub(super) fn new(stream: &'static str) -> Self {
        Self {
            stream,
            span: CallSpan::current(),
            buffer: Arc::default(),
        }
    }

    pub(super) fn write_bytes(&self, bytes: &[u8]) {
        let mut buffer = self.buffer.lock().unwrap_or_else(PoisonError::into_inner);
        for &byte in bytes {
            if buffer.lines_logged > MAX_LOG_LINES {
                return;
            }
            if byte != b'\n' {
                buffer.line.push(byte);
            }
            if byte == b'\n' || buffer.line.len() == MAX_LINE_BYTES {
                self.log_line(&mut buffer);
            }
        }
    }

    /// Logs the buffered line, or, once, that the limit of lines has been reached.
    fn log_line(&self, buffer: &mut LineBuffer) {
        buffer.lines_logged += 1;
        let lines_logged = buffer.lines_logged;
        let line = String::from_utf8_lossy(&buffer.line);
        let log = || match lines_logged > MAX_LOG_LINES {
            true => tracing::warn!(
                guest.stream = self.stream,
                limit.lines = MAX_LOG_LINES,
                "guest output truncated"
            ),
            false => tracing::info!(
                guest.stream = self.stream, guest.line = %escape_untrusted(&line), "guest output"
            ),
        };
        match CallSpan::current().as_ref().or(self.span.as_ref()) {
            Some(span) => span.log(log),
            None => log(),
        }
        buffer.line.clear();
    }
}

impl Drop for GuestOutput {
    fn drop(&mut self) {
        // The last line may lack its line feed. The last clone logs it.
        if let Some(buffer) = Arc::get_mut(&mut self.buffer) {
            let mut last = std::mem::take(buffer.get_mut().unwrap_or_else(PoisonError::into_inner));
            if !last.line.is_empty() && last.lines_logged <= MAX_LOG_LINES {
                self.log_line(&mut last);
            }
        }
    }
}

impl IsTerminal for GuestOutput {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for GuestOutput {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[async_trait]
impl Pollable for GuestOutput {
    async fn ready(&mut self) {}
}

#[async_trait]
impl OutputStream for GuestOutput {
    fn write(&mut self, bytes: Bytes) -> Result<(), StreamError> {
        self.write_bytes(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), StreamError> {
        Ok(())
    }

    fn check_write(&mut self) -> Result<usize, StreamError> {
        Ok(MAX_WRITE_BYTES)
    }
}

impl AsyncWrite for GuestOutput {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.write_bytes(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
