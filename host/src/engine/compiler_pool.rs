//! Compiler processes: started for a compilation, killed at its limits, at most [`MAX_PROCESSES`] at once, and fewer if
//! they would take more memory together than one of them may.
//!
//! A directory can have thousands of small components, for each of which the start of a process would take longer than
//! its compilation. A process that compiled a small component is therefore used again while others wait.

use std::num::NonZeroUsize;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::Semaphore;
use tokio_util::task::AbortOnDropHandle;

use super::compile::MAX_THREADS;
use super::compile_error::{CompileError, CompileLimits};
use super::compiler_protocol::{COMPILER_SUBCOMMAND, MAX_COMPILED_BYTES, kind};
use super::settings::Concurrency;
use crate::text::escape_untrusted;

/// Processes at once. Each may take the processor time of its limits.
const MAX_PROCESSES: usize = 4;
/// Memory that a process takes for any component.
const PROCESS_BYTES: usize = 24 << 20;
/// Memory that it takes for each byte of a component: that of known guests is 20 to 30.
const MEMORY_PER_BYTE: usize = 40;
/// Shares of the memory limit that compilations have together.
const MEMORY_SHARES: u32 = 1_024;
/// A process is used again only after a component of at most this size …
const MAX_REUSE_BYTES: usize = 256 << 10;
/// … that took at most this long, so that its memory is as good as that of a new one.
const MAX_REUSE_TIME: Duration = Duration::from_millis(500);
/// Maximum length of the standard error of a failed process in the log.
const MAX_STDERR_BYTES: u64 = 4_096;
/// Maximum time for a failed process to exit and to write its last words.
const MAX_EXIT_TIME: Duration = Duration::from_secs(1);

/// Starts compiler processes and passes components to them.
pub(super) struct CompilerPool {
    program: PathBuf,
    places: Semaphore,
    /// A component that is expected to need the whole limit is compiled alone.
    memory: Semaphore,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Compilations that run or wait.
    pending: usize,
    /// Processes without work. Empty unless compilations wait.
    idle: Vec<Process>,
}

impl CompilerPool {
    /// `program` is a binary that runs [`run_compiler_process`](super::run_compiler_process) if its first argument is
    /// [`COMPILER_SUBCOMMAND`].
    pub(super) fn new(program: PathBuf) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self {
            program,
            places: Semaphore::new(cores.min(MAX_PROCESSES)),
            memory: Semaphore::new(MEMORY_SHARES as usize),
            state: Mutex::default(),
        }
    }

    /// Compiles a component in a process. Cancel-safe: dropping the future kills the process.
    pub(super) async fn compile(
        &self,
        component: &[u8],
        concurrency: Concurrency,
        limits: CompileLimits,
    ) -> Result<Vec<u8>, CompileError> {
        let _pending = Pending::new(&self.state);
        // The semaphores are never closed.
        let _place = self.places.acquire().await;
        let shares = memory_shares(component.len(), limits.memory_bytes);
        let _memory = self.memory.acquire_many(shares).await;
        let started = Instant::now();
        let idle = lock(&self.state).idle.pop();
        let mut process = match idle {
            Some(process) => process,
            None => Process::start(&self.program)?,
        };
        let compiling = process.compile(component, concurrency, limits);
        let Ok(response) = tokio::time::timeout(limits.time, compiling).await else {
            return Err(CompileError::Timeout(limits.time));
        };
        let Ok((kind, payload)) = response else {
            return Err(process.failure(limits).await);
        };
        tracing::debug!(
            component.bytes = component.len(),
            compiler.time = ?started.elapsed(),
            compiler.memory = process.peak_memory_bytes(),
            "component compiled"
        );
        if component.len() <= MAX_REUSE_BYTES && started.elapsed() <= MAX_REUSE_TIME {
            let mut state = lock(&self.state);
            if state.pending > 1 {
                state.idle.push(process);
            }
        }
        match kind {
            kind::COMPILED => Ok(payload),
            kind::OUT_OF_MEMORY => Err(CompileError::Memory(limits.memory_bytes)),
            kind::TOO_LARGE => Err(CompileError::TooLarge(MAX_COMPILED_BYTES)),
            _ => Err(CompileError::Invalid(
                String::from_utf8_lossy(&payload).into_owned(),
            )),
        }
    }
}

/// Returns the shares of the memory limit that the compilation of a component of this size is expected to need.
fn memory_shares(component_bytes: usize, limit_bytes: usize) -> u32 {
    let bytes = PROCESS_BYTES.saturating_add(component_bytes.saturating_mul(MEMORY_PER_BYTE));
    let shares = bytes as u128 * u128::from(MEMORY_SHARES) / limit_bytes.max(1) as u128;
    u32::try_from(shares)
        .unwrap_or(MEMORY_SHARES)
        .clamp(1, MEMORY_SHARES)
}

/// Counts a compilation until it is dropped; the last one also drops the idle processes.
struct Pending<'a>(&'a Mutex<State>);

impl<'a> Pending<'a> {
    fn new(state: &'a Mutex<State>) -> Self {
        lock(state).pending += 1;
        Self(state)
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        let mut state = lock(self.0);
        state.pending -= 1;
        // Each pending compilation needs at most one.
        let pending = state.pending;
        state.idle.truncate(pending);
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A compiler process. Dropping it kills it.
struct Process {
    child: Child,
    stdin: ChildStdin,
    stdout: ChildStdout,
    /// Reads standard error to its end and returns the beginning.
    stderr: AbortOnDropHandle<String>,
}

impl Process {
    fn start(program: &Path) -> Result<Self, CompileError> {
        let spawned = Command::new(program)
            // In the list of processes, whatever path leads to the program.
            .arg0("toolcrib")
            .arg(COMPILER_SUBCOMMAND)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // The signals of a terminal end it through the host.
            .process_group(0)
            .kill_on_drop(true)
            .spawn();
        let started = spawned.and_then(|mut child| {
            let missing = || std::io::Error::other("the process lacks a standard stream");
            let mut stderr = child.stderr.take().ok_or_else(missing)?;
            Ok(Self {
                stdin: child.stdin.take().ok_or_else(missing)?,
                stdout: child.stdout.take().ok_or_else(missing)?,
                stderr: AbortOnDropHandle::new(tokio::spawn(async move {
                    let mut beginning = Vec::new();
                    let mut limited = (&mut stderr).take(MAX_STDERR_BYTES);
                    // An error ends the text like the end of the stream.
                    let _ = limited.read_to_end(&mut beginning).await;
                    let _ = tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await;
                    String::from_utf8_lossy(&beginning).into_owned()
                })),
                child,
            })
        });
        started.map_err(|error| {
            tracing::error!(
                compiler.program = %program.display(), %error,
                "failed to start compiler process"
            );
            CompileError::Failed
        })
    }

    /// Sends a request and returns the kind and the payload of the response.
    ///
    /// # Errors
    /// The process ended, or its response is malformed.
    async fn compile(
        &mut self,
        component: &[u8],
        concurrency: Concurrency,
        limits: CompileLimits,
    ) -> std::io::Result<(u8, Vec<u8>)> {
        self.stdin.write_u64_le(component.len() as u64).await?;
        self.stdin.write_u64_le(limits.memory_bytes as u64).await?;
        self.stdin.write_u64_le(cpu_seconds(limits.time)).await?;
        let is_concurrent = u64::from(concurrency == Concurrency::On);
        self.stdin.write_u64_le(is_concurrent).await?;
        self.stdin.write_all(component).await?;
        self.stdin.flush().await?;
        let kind = self.stdout.read_u8().await?;
        let length = self.stdout.read_u64_le().await?;
        if kind > kind::TOO_LARGE || length > MAX_COMPILED_BYTES as u64 {
            return Err(std::io::ErrorKind::InvalidData.into());
        }
        // A buffer of the announced size, since a growing one would leave several times the size behind.
        let mut payload = Vec::with_capacity(length as usize);
        (&mut self.stdout)
            .take(length)
            .read_to_end(&mut payload)
            .await?;
        match payload.len() as u64 == length {
            true => Ok((kind, payload)),
            false => Err(std::io::ErrorKind::UnexpectedEof.into()),
        }
    }

    /// Returns the largest memory that the process has had; `None` if the system does not tell it.
    fn peak_memory_bytes(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()?)).ok()?;
        let peak = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))?;
        let kib: u64 = peak.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kib << 10)
    }

    /// Finds out why the process ended.
    async fn failure(mut self, limits: CompileLimits) -> CompileError {
        drop((self.stdin, self.stdout));
        let Ok(Ok(status)) = tokio::time::timeout(MAX_EXIT_TIME, self.child.wait()).await else {
            tracing::error!("compiler process sent a malformed response");
            return CompileError::Failed;
        };
        let stderr = match tokio::time::timeout(MAX_EXIT_TIME, self.stderr).await {
            Ok(Ok(text)) => text,
            _ => String::new(),
        };
        if status.signal() == Some(Signal::XCPU.as_raw()) {
            return CompileError::Timeout(limits.time);
        }
        // Rust's text for a failed allocation, which aborts the process.
        if stderr.contains("memory allocation of") {
            return CompileError::Memory(limits.memory_bytes);
        }
        tracing::error!(
            compiler.status = %status, compiler.stderr = %escape_untrusted(&stderr),
            "compiler process failed"
        );
        CompileError::Failed
    }
}

/// Returns the processor time that all threads of a process can use within `time`, rounded up.
fn cpu_seconds(time: Duration) -> u64 {
    time.as_secs()
        .saturating_add(1)
        .saturating_mul(MAX_THREADS as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_components_are_compiled_together_and_large_ones_alone() {
        let limit = 2 << 30;
        assert!(memory_shares(100_000, limit) * MAX_PROCESSES as u32 <= MEMORY_SHARES);
        assert!(memory_shares(20 << 20, limit) * 2 <= MEMORY_SHARES);
        assert!(memory_shares(40 << 20, limit) * 2 > MEMORY_SHARES);
        assert_eq!(memory_shares(256 << 20, limit), MEMORY_SHARES);
        assert_eq!(memory_shares(usize::MAX, 1), MEMORY_SHARES);
        assert_eq!(memory_shares(0, usize::MAX), 1);
    }
}
