//! Writes the lines of the log. Lines about usual events are collected for a moment and written together by a thread, since
//! a system call for each request costs more than the line itself. Those about requests are also formatted there, one after
//! the other: the code for a line, run once in each request, would take several times as long.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

use super::ended_request::EndedRequest;
use super::request_log;

/// Time for which lines are collected.
const BATCH_TIME: Duration = Duration::from_millis(5);
/// Size of the collected lines. A thread that logs more waits until they are written, so that none is lost.
const MAX_PENDING_BYTES: usize = 256 << 10;
/// Collected requests. A thread that logs more waits too.
const MAX_PENDING_REQUESTS: usize = 1_024;

/// The writer of the process's log.
static INSTALLED: OnceLock<LogWriter> = OnceLock::new();

/// Writes the collected lines. To be called before the process ends.
pub fn flush_log() {
    if let Some(writer) = INSTALLED.get() {
        writer.shared.write_pending();
    }
}

/// Logs a request: now if the process's log is another one, else within [`BATCH_TIME`].
pub(super) fn log_request(request: Arc<EndedRequest>) {
    match INSTALLED.get() {
        Some(writer) => writer.shared.add_request(request),
        None => request_log::log(&request),
    }
}

/// A writer of lines. Clones share the output.
#[derive(Clone)]
pub(super) struct LogWriter {
    shared: Arc<Shared>,
}

struct Shared {
    /// Locked while requests are formatted, before everything else.
    formatting: Mutex<()>,
    /// Locked before `pending`, so that lines stay in order.
    output: Mutex<Box<dyn Write + Send>>,
    pending: Mutex<Pending>,
    has_pending: Condvar,
}

#[derive(Default)]
struct Pending {
    lines: Vec<u8>,
    /// Requests that have no line yet.
    requests: Vec<Arc<EndedRequest>>,
    /// Whether the thread waits for the first line.
    is_idle: bool,
}

/// A writer of one line.
pub(super) struct LineWriter<'a> {
    shared: &'a Shared,
    /// Whether the line must be written before the event's thread goes on.
    is_urgent: bool,
}

impl LogWriter {
    /// Starts the thread that writes to `output`.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub(super) fn start(output: Box<dyn Write + Send>) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            formatting: Mutex::default(),
            output: Mutex::new(output),
            pending: Mutex::default(),
            has_pending: Condvar::new(),
        });
        let writer = Self { shared };
        let shared = writer.shared.clone();
        std::thread::Builder::new()
            .name("log".into())
            .spawn(move || shared.run())?;
        Ok(writer)
    }

    /// Makes [`flush_log`] flush this writer.
    pub(super) fn install(&self) {
        // Fails if the process has a log already, which stays.
        let _ = INSTALLED.set(self.clone());
    }
}

impl Shared {
    fn run(&self) -> ! {
        loop {
            let mut pending = lock(&self.pending);
            while pending.lines.is_empty() && pending.requests.is_empty() {
                // Another thread may have written the line that woke this one.
                pending.is_idle = true;
                let woken = self.has_pending.wait(pending);
                pending = woken.unwrap_or_else(PoisonError::into_inner);
            }
            pending.is_idle = false;
            drop(pending);
            std::thread::sleep(BATCH_TIME);
            self.write_pending();
        }
    }

    /// Writes what is collected. Not to be called while this thread formats requests.
    fn write_pending(&self) {
        self.format_requests();
        self.write_lines();
    }

    /// Turns the collected requests into lines. Waits for those that another thread formats, which may be the last ones of
    /// the process.
    fn format_requests(&self) {
        let _formatting = lock(&self.formatting);
        let requests = std::mem::take(&mut lock(&self.pending).requests);
        for request in requests {
            request_log::log(&request);
        }
    }

    fn write_lines(&self) {
        let mut output = lock(&self.output);
        let lines = std::mem::take(&mut lock(&self.pending).lines);
        // There is nowhere to report that the log cannot be written.
        let _ = output.write_all(&lines).and_then(|()| output.flush());
    }

    fn add(&self, line: &[u8]) -> usize {
        let mut pending = lock(&self.pending);
        pending.lines.extend_from_slice(line);
        self.wake(&mut pending);
        pending.lines.len()
    }

    fn add_request(&self, request: Arc<EndedRequest>) {
        let mut pending = lock(&self.pending);
        pending.requests.push(request);
        self.wake(&mut pending);
        let is_full = pending.requests.len() >= MAX_PENDING_REQUESTS;
        drop(pending);
        if is_full {
            self.write_pending();
        }
    }

    fn wake(&self, pending: &mut Pending) {
        if pending.is_idle {
            pending.is_idle = false;
            self.has_pending.notify_one();
        }
    }
}

impl Write for LineWriter<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let pending_bytes = self.shared.add(line);
        if self.is_urgent {
            self.shared.write_pending();
        } else if pending_bytes >= MAX_PENDING_BYTES {
            self.shared.write_lines();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LogWriter {
    type Writer = LineWriter<'a>;

    fn make_writer(&'a self) -> LineWriter<'a> {
        LineWriter {
            shared: &self.shared,
            is_urgent: true,
        }
    }

    fn make_writer_for(&'a self, event: &Metadata<'_>) -> LineWriter<'a> {
        LineWriter {
            shared: &self.shared,
            // The process may be about to end.
            is_urgent: *event.level() <= Level::WARN,
        }
    }
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Sends what is written.
    struct Sent(mpsc::SyncSender<Vec<u8>>);

    impl Write for Sent {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(bytes.to_vec()).map_err(io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_are_written_in_order_and_together() {
        let (sender, written) = mpsc::sync_channel(0);
        let writer = LogWriter::start(Box::new(Sent(sender))).unwrap();
        let usual = |line: &str| {
            let shared = &writer.shared;
            let is_urgent = false;
            LineWriter { shared, is_urgent }
                .write_all(line.as_bytes())
                .unwrap();
        };
        usual("a\n");
        assert_eq!(written.recv().unwrap(), b"a\n");
        std::thread::scope(|scope| {
            usual("b\n");
            usual("c\n");
            scope.spawn(|| writer.make_writer().write_all(b"urgent\n").unwrap());
            let mut lines = Vec::new();
            while !lines.ends_with(b"urgent\n") {
                lines.extend(written.recv().unwrap());
            }
            assert_eq!(lines, b"b\nc\nurgent\n");
        });
    }

    #[test]
    fn a_flush_waits_for_requests_that_are_being_formatted() {
        let (sender, _written) = mpsc::sync_channel(1);
        let writer = LogWriter::start(Box::new(Sent(sender))).unwrap();
        let formatting = lock(&writer.shared.formatting);
        std::thread::scope(|scope| {
            let flush = scope.spawn(|| writer.shared.write_pending());
            std::thread::sleep(10 * BATCH_TIME);
            assert!(!flush.is_finished());
            drop(formatting);
            flush.join().unwrap();
        });
    }

    #[test]
    fn a_blocked_output_bounds_the_lines_that_wait() {
        let (sender, written) = mpsc::sync_channel(0);
        let writer = LogWriter::start(Box::new(Sent(sender))).unwrap();
        let line = [b'x'; 1000];
        let lines = 10 * MAX_PENDING_BYTES / line.len();
        let bytes = std::thread::scope(|scope| {
            let logging = scope.spawn(|| {
                for _ in 0..lines {
                    let shared = &writer.shared;
                    let is_urgent = false;
                    LineWriter { shared, is_urgent }.write_all(&line).unwrap();
                    let pending = lock(&writer.shared.pending).lines.len();
                    assert!(pending <= MAX_PENDING_BYTES + line.len(), "{pending}");
                }
            });
            let mut bytes = 0;
            while bytes < lines * line.len() {
                bytes += written.recv().unwrap().len();
            }
            logging.join().unwrap();
            bytes
        });
        assert_eq!(bytes, lines * line.len());
    }
}
