//! The WebAssembly engine: its settings, its epoch clock, and the runtime for CPU-heavy guests.
//!
//! One [`Engine`] serves the whole process, and with `preview3` another one the components with asynchronous functions.
//! Instances come from a pool, so that a new instance for each call costs microseconds. Compiled components come from a
//! cache on disk; others are compiled in a child process with limits.

mod cache;
mod compile;
mod compile_error;
mod compiled;
mod compiler_pool;
mod compiler_process;
mod compiler_protocol;
mod guest_runtime;
mod pool_counts;
mod settings;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::component::Component;

use cache::Cache;
pub use compile::run_within;
pub use compile_error::{CompileError, CompileLimits, error_summary};
pub use compiled::Compiled;
use compiled::CompiledComponents;
use compiler_pool::CompilerPool;
pub use compiler_process::run_compiler_process;
pub use compiler_protocol::COMPILER_SUBCOMMAND;
pub use guest_runtime::GuestRuntime;
pub use pool_counts::PoolCounts;
use settings::Concurrency;
pub use settings::SPARE_SLOTS;

/// Interval at which a running guest yields to the host: the resolution of every time limit, and the longest time that
/// a guest occupies a thread without interruption.
pub const TICK: Duration = Duration::from_millis(5);

/// The engine's settings.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// Maximum number of concurrent calls.
    pub slots: u32,
    /// Maximum size of a linear memory, in bytes: the largest memory limit of any component.
    pub memory_bytes: usize,
    /// Directory for compiled components; `None` compiles them at every start.
    pub cache: Option<PathBuf>,
    /// Size of all files in that directory above which the least recently used ones are evicted, in bytes.
    pub cache_max_bytes: u64,
    /// Binary that runs [`run_compiler_process`] if its first argument is [`COMPILER_SUBCOMMAND`]; `None` compiles in
    /// this process, where a compilation can be neither ended nor limited in memory.
    pub compiler: Option<PathBuf>,
    /// Whether there is [another engine](Engine::concurrent) for components with asynchronous functions.
    pub preview3: bool,
}

/// Compiles components and runs their instances.
#[derive(Clone)]
pub struct Engine {
    wasmtime: wasmtime::Engine,
    /// Maximum number of concurrent calls.
    slots: u32,
    cache: Option<Arc<Cache>>,
    compilers: Option<Arc<CompilerPool>>,
    compiled: Arc<CompiledComponents>,
    guest_runtime: Arc<GuestRuntime>,
    spare_instances: Arc<Semaphore>,
    concurrency: Concurrency,
    /// The engine of components with asynchronous functions.
    concurrent: Option<Arc<Engine>>,
}

/// The reason the engine could not be created.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The pool's address space could not be reserved.
    #[error(
        "cannot reserve memory for {slots} concurrent calls; lower `server.max-concurrent-calls` \
         or raise the address-space limit (`ulimit -v`)"
    )]
    Pool {
        /// The configured number of concurrent calls.
        slots: u32,
        /// wasmtime's error.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The clock thread could not be started.
    #[error("cannot start the engine's clock thread")]
    Clock(#[source] std::io::Error),
}

impl Engine {
    /// Creates the engine and starts its epoch clock.
    ///
    /// # Errors
    /// The memory pool cannot be reserved, or the clock thread cannot be started.
    pub fn new(config: &EngineConfig) -> Result<Self, EngineError> {
        let mut engine = Self::with_concurrency(config, Concurrency::Off)?;
        if config.preview3 {
            let concurrent = Self {
                compilers: engine.compilers.clone(),
                guest_runtime: engine.guest_runtime.clone(),
                spare_instances: engine.spare_instances.clone(),
                ..Self::with_concurrency(config, Concurrency::On)?
            };
            engine.concurrent = Some(Arc::new(concurrent));
        }
        Ok(engine)
    }

    fn with_concurrency(
        config: &EngineConfig,
        concurrency: Concurrency,
    ) -> Result<Self, EngineError> {
        let settings = settings::host_settings(concurrency, config.slots, config.memory_bytes);
        let wasmtime = wasmtime::Engine::new(&settings).map_err(|e| EngineError::Pool {
            slots: config.slots,
            source: e.into(),
        })?;
        let spare_instances = settings::spare_instances(config.slots);
        start_clock(&wasmtime).map_err(EngineError::Clock)?;
        let cache = config.cache.as_deref().and_then(|dir| {
            match Cache::open(dir, config.cache_max_bytes, &wasmtime) {
                Ok(cache) => Some(Arc::new(cache)),
                Err(error) => {
                    tracing::warn!(
                        cache.dir = %dir.display(), %error,
                        "compiled components are not cached"
                    );
                    None
                }
            }
        });
        Ok(Self {
            wasmtime,
            slots: config.slots,
            cache,
            compilers: config.compiler.clone().map(CompilerPool::new).map(Arc::new),
            compiled: Arc::default(),
            guest_runtime: Arc::default(),
            spare_instances: Arc::new(Semaphore::new(spare_instances as usize)),
            concurrency,
            concurrent: None,
        })
    }

    /// Returns the engine for components with asynchronous functions; `None` without `preview3`.
    pub fn concurrent(&self) -> Option<&Self> {
        self.concurrent.as_deref()
    }

    /// Returns whether guests have tasks that wait at the same time, as asynchronous functions need.
    pub fn is_concurrent(&self) -> bool {
        self.concurrency == Concurrency::On
    }

    /// Returns the limit on the handles of one call; `None` without concurrency, where handles take little memory.
    pub fn max_task_handles(&self) -> Option<usize> {
        self.is_concurrent().then_some(settings::MAX_TASK_HANDLES)
    }

    /// Returns the permission to keep an instance that no call uses; `None` if there are too many.
    pub fn spare_instance_permit(&self) -> Option<OwnedSemaphorePermit> {
        self.spare_instances.clone().try_acquire_owned().ok()
    }

    /// Returns the compiled component: the one in use, or from the cache if it has been compiled before. `digest` is the
    /// lower-case hexadecimal SHA-256 of `bytes`.
    ///
    /// # Errors
    /// `bytes` are not a component that this engine supports, or compiling them exceeds the limits.
    pub async fn compile(
        &self,
        bytes: Bytes,
        digest: &str,
        limits: CompileLimits,
    ) -> Result<Compiled, CompileError> {
        let compile = self.compile_or_load(bytes, digest, limits);
        self.compiled.get(digest, compile).await
    }

    async fn compile_or_load(
        &self,
        bytes: Bytes,
        digest: &str,
        limits: CompileLimits,
    ) -> Result<Component, CompileError> {
        let (engine, name) = (self.clone(), digest.to_owned());
        let cached = blocking(move || engine.cache.as_ref().and_then(|cache| cache.load(&name)));
        if let Some(component) = cached.await? {
            return Ok(component);
        }
        let compiled = match &self.compilers {
            Some(compilers) => {
                let concurrency = self.concurrency;
                compilers.compile(&bytes, concurrency, limits).await?
            }
            None => {
                let engine = self.wasmtime.clone();
                let compile = move || compile::compile_in_process(&engine, &bytes);
                run_within(limits.time, compile).await??
            }
        };
        let (engine, name) = (self.clone(), digest.to_owned());
        let loaded = blocking(move || match &engine.cache {
            Some(cache) => cache.store(&name, &compiled),
            None => cache::load_bytes(&engine.wasmtime, &compiled),
        });
        loaded.await?.map_err(|error| CompileError::invalid(&error))
    }

    /// Returns the definitions of a component that [`Self::keep_definitions`] kept; `None` if there are none.
    pub async fn kept_definitions(&self, key: &str) -> Option<Vec<u8>> {
        let (cache, key) = (self.cache.clone()?, key.to_owned());
        blocking(move || cache.load_definitions(&key)).await.ok()?
    }

    /// Keeps the definitions of a component in the cache, if there is one.
    pub async fn keep_definitions(&self, key: &str, definitions: Vec<u8>) {
        let Some(cache) = self.cache.clone() else {
            return;
        };
        let key = key.to_owned();
        let storing = blocking(move || cache.store_definitions(&key, &definitions));
        // They are only asked for again.
        let _ = storing.await;
    }

    /// The wasmtime engine, for linkers and stores.
    pub fn wasmtime(&self) -> &wasmtime::Engine {
        &self.wasmtime
    }

    /// The runtime for CPU-heavy guests.
    pub fn guest_runtime(&self) -> &GuestRuntime {
        &self.guest_runtime
    }
}

/// Runs work that may wait for a disk.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, CompileError> {
    // The task fails only by a panic, which has been logged.
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| CompileError::Failed)
}

/// Starts a thread that increments the epoch every [`TICK`] until the engine is dropped.
fn start_clock(engine: &wasmtime::Engine) -> std::io::Result<()> {
    let engine = engine.weak();
    std::thread::Builder::new()
        .name("epoch-clock".into())
        .spawn(move || {
            while let Some(engine) = engine.upgrade() {
                engine.increment_epoch();
                drop(engine);
                std::thread::sleep(TICK);
            }
        })
        .map(drop)
}
