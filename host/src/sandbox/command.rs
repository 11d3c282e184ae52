//! Guests that run as commands: their arguments and standard input, and their output, kept up to a limit.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime::Store;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::pipe::MemoryInputPipe;
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError};

use super::output::{GuestOutput, MAX_WRITE_BYTES};
use super::store::{StoreData, wasi_context};

/// The input of a command.
pub struct CommandInput {
    /// Its arguments, the first of which is its name.
    pub args: Vec<String>,
    /// Its standard input.
    pub stdin: Bytes,
}

/// The standard output and standard error of a command. If they are not taken, because the command crashed or was
/// stopped, standard error goes to the log like that of other guests.
pub struct CapturedOutput {
    buffers: Arc<Mutex<Buffers>>,
    log: GuestOutput,
}

#[derive(Default)]
struct Buffers {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    bytes_left: usize,
    has_overflowed: bool,
}

/// Prepares a store for a guest that runs as a command. Both of its output streams together can write
/// `max_output_bytes`; the write after that traps.
pub fn start_command<C: Send + 'static>(
    store: &mut Store<StoreData<C>>,
    input: CommandInput,
    max_output_bytes: usize,
) -> CapturedOutput {
    let buffers = Arc::new(Mutex::new(Buffers {
        bytes_left: max_output_bytes,
        ..Buffers::default()
    }));
    let stream = |select| CapturedStream {
        buffers: buffers.clone(),
        select,
    };
    let data = store.data_mut();
    let context = wasi_context(&data.grants, |wasi| {
        wasi.args(&input.args)
            .stdin(MemoryInputPipe::new(input.stdin))
            .stdout(stream(|buffers| &mut buffers.stdout))
            .stderr(stream(|buffers| &mut buffers.stderr));
    });
    data.wasi = Some(context);
    CapturedOutput {
        buffers,
        log: GuestOutput::new("stderr"),
    }
}

impl CapturedOutput {
    /// Whether the command wrote more than it may.
    pub fn has_overflowed(&self) -> bool {
        lock(&self.buffers).has_overflowed
    }

    /// Returns the text of both streams. Bytes that are not UTF-8 are replaced by U+FFFD.
    pub fn take(self) -> (String, String) {
        let mut buffers = lock(&self.buffers);
        let text = |bytes: &mut Vec<u8>| match String::from_utf8(std::mem::take(bytes)) {
            Ok(text) => text,
            Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
        };
        (text(&mut buffers.stdout), text(&mut buffers.stderr))
    }
}

impl Drop for CapturedOutput {
    fn drop(&mut self) {
        self.log.write_bytes(&lock(&self.buffers).stderr);
    }
}

fn lock(buffers: &Mutex<Buffers>) -> MutexGuard<'_, Buffers> {
    buffers.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One of the streams.
#[derive(Clone)]
struct CapturedStream {
    buffers: Arc<Mutex<Buffers>>,
    select: fn(&mut Buffers) -> &mut Vec<u8>,
}

impl CapturedStream {
    /// Keeps what the command writes. Returns `false` if that is over the limit.
    fn keep(&self, bytes: &[u8]) -> bool {
        let mut buffers = lock(&self.buffers);
        match buffers.bytes_left.checked_sub(bytes.len()) {
            Some(left) => {
                buffers.bytes_left = left;
                (self.select)(&mut buffers).extend_from_slice(bytes);
            }
            None => buffers.has_overflowed = true,
        }
        !buffers.has_overflowed
    }
}

impl IsTerminal for CapturedStream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for CapturedStream {
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }

    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }
}

#[async_trait]
impl Pollable for CapturedStream {
    async fn ready(&mut self) {}
}

#[async_trait]
impl OutputStream for CapturedStream {
    fn write(&mut self, bytes: Bytes) -> Result<(), StreamError> {
        match self.keep(&bytes) {
            true => Ok(()),
            false => {
                let error = wasmtime::Error::msg("the output is over its limit");
                Err(StreamError::Trap(error))
            }
        }
    }

    fn flush(&mut self) -> Result<(), StreamError> {
        Ok(())
    }

    fn check_write(&mut self) -> Result<usize, StreamError> {
        Ok(MAX_WRITE_BYTES)
    }
}

/// For WASI 0.3. An output over the limit closes the stream; the call fails when the command ends.
impl AsyncWrite for CapturedStream {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(match self.keep(bytes) {
            true => Ok(bytes.len()),
            false => Err(io::ErrorKind::BrokenPipe.into()),
        })
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
