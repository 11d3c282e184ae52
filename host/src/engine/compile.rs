//! Compilation of components on low-priority threads, with a time limit.
//!
//! Each compilation has its own threads at the priority of guests. A component that takes long to compile, by accident
//! or on purpose, therefore delays neither requests nor the compilation of another component.

use std::num::NonZeroUsize;
use std::time::Duration;

use tokio::sync::oneshot;

use super::guest_runtime::lower_thread_priority;

/// Threads per component. More threads would mostly wait for each other.
const MAX_THREADS: usize = 8;

/// The reason a compilation has no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// The time limit elapsed.
    #[error(
        "it was not compiled within {0:?}; raise `compile` in [limits], or build it smaller (without debug \
         information, optimised for size)"
    )]
    Timeout(Duration),
    /// The compiler panicked or its thread could not be started. The log has the cause.
    #[error("the compiler failed; the log says how")]
    Failed,
}

/// Runs `work`, which compiles a component, on its own threads and waits for the result up to `time`.
///
/// On timeout the compilation continues detached, because Cranelift cannot be cancelled.
///
/// # Errors
/// The time limit elapsed, or `work` panicked.
pub async fn compile_within<T: Send + 'static>(
    time: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, CompileError> {
    let (sender, receiver) = oneshot::channel();
    // `spawn_blocking` would delay the shutdown of the runtime until the compiler returns.
    let started = std::thread::Builder::new()
        .name("compiler".into())
        .spawn(move || {
            // After a timeout the receiver is gone.
            let _ = sender.send(run_in_compile_pool(work));
        });
    if let Err(error) = started {
        tracing::error!(%error, "failed to start compiler thread");
        return Err(CompileError::Failed);
    }
    match tokio::time::timeout(time, receiver).await {
        Ok(Ok(result)) => Ok(result),
        Ok(Err(_panicked)) => Err(CompileError::Failed),
        Err(_) => Err(CompileError::Timeout(time)),
    }
}

/// Runs `work` in a new rayon pool. wasmtime compiles functions in parallel on the rayon pool that it is called from.
fn run_in_compile_pool<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    lower_thread_priority();
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(cores.min(MAX_THREADS))
        .thread_name(|_| "compiler".into())
        .start_handler(|_| lower_thread_priority())
        .build();
    match pool {
        Ok(pool) => pool.install(work),
        Err(error) => {
            tracing::warn!(%error, "failed to start compiler pool, using the shared one");
            work()
        }
    }
}
