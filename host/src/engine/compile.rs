//! Where components are compiled: on threads of their own for each, at the priority of guests.
//!
//! A component that takes long to compile, whether it means to or not, holds up neither those who are served nor
//! another component that is compiled beside it: the system divides the cores among all of them.

use std::num::NonZeroUsize;
use std::time::Duration;

use tokio::sync::oneshot;

use super::guest_runtime::yield_to_others;

/// Threads that one component is compiled on; more of them wait for each other.
const MAX_THREADS: usize = 8;

/// Why work has no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// It took too long.
    #[error(
        "it was not compiled within {0:?}; raise `compile` in [limits], or build it smaller (without debug \
         information, optimised for size)"
    )]
    Late(Duration),
    /// It failed in a way that only the log knows.
    #[error("the compiler failed; the log says how")]
    Failed,
}

/// Does work that may take long, and waits for it so long. What is late goes on to its end, which nobody hears of:
/// nothing can stop a compiler.
///
/// # Errors
/// When there is no result in time.
pub async fn compile_within<T: Send + 'static>(
    time: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, CompileError> {
    let (done, result) = oneshot::channel();
    // Not a thread of the runtime, whose end would wait for it.
    let started = std::thread::Builder::new()
        .name("compiler".into())
        .spawn(move || {
            // Nobody waits for what is late.
            let _ = done.send(on_own_threads(work));
        });
    if let Err(error) = started {
        tracing::error!(%error, "no thread to compile on");
        return Err(CompileError::Failed);
    }
    match tokio::time::timeout(time, result).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(_panicked)) => Err(CompileError::Failed),
        Err(_) => Err(CompileError::Late(time)),
    }
}

/// The engine compiles functions on the threads that it is called on.
fn on_own_threads<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    yield_to_others();
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let threads = rayon::ThreadPoolBuilder::new()
        .num_threads(cores.min(MAX_THREADS))
        .thread_name(|_| "compiler".into())
        .start_handler(|_| yield_to_others())
        .build();
    match threads {
        Ok(threads) => threads.install(work),
        Err(error) => {
            tracing::warn!(%error, "a component is compiled on shared threads");
            work()
        }
    }
}
