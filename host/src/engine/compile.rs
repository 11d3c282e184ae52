//! Compilation in the host's own process, for embedders without a compiler binary.
//!
//! Work on a component runs on its own threads at the priority of guests, so that it delays neither requests nor the
//! work on another component. Cranelift cannot be cancelled: a compilation that exceeds its time continues detached, and
//! nothing limits its memory. A process of [`CompilerPool`](super::compiler_pool::CompilerPool) has both bounds.

use std::num::NonZeroUsize;
use std::time::Duration;

use tokio::sync::oneshot;

use super::compile_error::CompileError;
use super::guest_runtime::lower_thread_priority;

/// Threads per compilation. More threads would mostly wait for each other.
pub(super) const MAX_THREADS: usize = 8;
/// Stack of each thread, so that it does not depend on the platform or on who calls.
const STACK_BYTES: usize = 8 << 20;

/// Runs `work` on a thread of its own at low priority, and waits for the result up to `time`. On timeout the work
/// continues detached.
///
/// # Errors
/// The time limit elapsed, or `work` panicked.
pub async fn run_within<T: Send + 'static>(
    time: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, CompileError> {
    let (sender, receiver) = oneshot::channel();
    // `spawn_blocking` would delay the shutdown of the runtime until the work ends.
    let started = std::thread::Builder::new()
        .name("compiler".into())
        .stack_size(STACK_BYTES)
        .spawn(move || {
            lower_thread_priority();
            // After a timeout the receiver is gone.
            let _ = sender.send(work());
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

/// Compiles a component on a new pool of threads.
pub(super) fn compile_in_process(
    engine: &wasmtime::Engine,
    component: &[u8],
) -> Result<Vec<u8>, CompileError> {
    let compile = || engine.precompile_component(component);
    let compiled = match new_pool() {
        Ok(pool) => pool.install(compile),
        Err(error) => {
            tracing::warn!(%error, "failed to start compiler pool, using the shared one");
            compile()
        }
    };
    compiled.map_err(|error| CompileError::invalid(&error))
}

/// Creates a pool of low-priority threads. wasmtime compiles functions in parallel on the rayon pool that it is called
/// from.
pub(super) fn new_pool() -> Result<rayon::ThreadPool, rayon::ThreadPoolBuildError> {
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    rayon::ThreadPoolBuilder::new()
        .num_threads(cores.min(MAX_THREADS))
        .thread_name(|_| "compiler".into())
        .stack_size(STACK_BYTES)
        .start_handler(|_| lower_thread_priority())
        .build()
}
