//! The WebAssembly engine: its settings, its epoch clock, and the runtime for CPU-heavy guests.
//!
//! One [`Engine`] serves the whole process. Instances come from a pool, so that a new instance for each call costs
//! microseconds. Compiled components come from a cache on disk.

mod cache;
mod compile;
mod guest_runtime;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use wasmtime::component::Component;
use wasmtime::{Config, Enabled, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig};

use cache::Cache;
pub use compile::{CompileError, compile_within};
pub use guest_runtime::GuestRuntime;

/// Interval at which a running guest yields to the host: the resolution of every time limit, and the longest time that
/// a guest occupies a thread without interruption.
pub const TICK: Duration = Duration::from_millis(5);

/// Pool slots reserved for components that are asked for their definitions while calls run.
pub const SPARE_SLOTS: usize = 4;

/// Core instances in one component. The largest known guests (Python) have 110.
const MAX_CORE_INSTANCES_PER_COMPONENT: u32 = 160;
/// Linear memories in one component. The largest known guests have 3.
const MAX_MEMORIES_PER_COMPONENT: u32 = 4;
/// Tables in one component; each core instance may have one.
const MAX_TABLES_PER_COMPONENT: u32 = 32;
/// Elements of one table. The largest known guests have 7,700.
const MAX_TABLE_ELEMENTS: usize = 20_000;
/// Memory that a pool slot keeps resident between two calls.
const KEEP_RESIDENT_BYTES: usize = 1 << 20;
/// WebAssembly stack of one call. A guest that recurses deeper traps.
const MAX_WASM_STACK_BYTES: usize = 512 << 10;

/// The engine's settings.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// Maximum number of concurrent calls.
    pub slots: u32,
    /// Maximum size of a linear memory, in bytes: the largest memory limit of any component.
    pub memory_bytes: usize,
    /// Directory for compiled components; `None` compiles them at every start.
    pub cache: Option<PathBuf>,
}

/// Compiles components and runs their instances.
#[derive(Clone)]
pub struct Engine {
    wasmtime: wasmtime::Engine,
    cache: Option<Arc<Cache>>,
    guest_runtime: Arc<GuestRuntime>,
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
        let wasmtime =
            wasmtime::Engine::new(&wasmtime_config(config)).map_err(|e| EngineError::Pool {
                slots: config.slots,
                source: e.into(),
            })?;
        start_clock(&wasmtime).map_err(EngineError::Clock)?;
        let cache = config
            .cache
            .as_deref()
            .and_then(|dir| match Cache::open(dir, &wasmtime) {
                Ok(cache) => Some(Arc::new(cache)),
                Err(error) => {
                    tracing::warn!(
                        cache.dir = %dir.display(), %error,
                        "compiled components are not cached"
                    );
                    None
                }
            });
        Ok(Self {
            wasmtime,
            cache,
            guest_runtime: Arc::default(),
        })
    }

    /// Returns the compiled component, from the cache if it has been compiled before. `digest` is the lower-case
    /// hexadecimal SHA-256 of `bytes`.
    ///
    /// # Errors
    /// wasmtime's error if `bytes` is not a component that this engine supports.
    pub fn compile(&self, bytes: &[u8], digest: &str) -> Result<Component, wasmtime::Error> {
        if let Some(component) = self.cache.as_ref().and_then(|c| c.load(digest)) {
            return Ok(component);
        }
        let component = Component::new(&self.wasmtime, bytes)?;
        if let Some(cache) = &self.cache {
            cache.store(digest, &component);
        }
        Ok(component)
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

fn wasmtime_config(engine: &EngineConfig) -> Config {
    let mut pool = PoolingAllocationConfig::new();
    let slots = engine.slots.saturating_add(SPARE_SLOTS as u32);
    pool.total_component_instances(slots)
        .total_core_instances(slots.saturating_mul(MAX_CORE_INSTANCES_PER_COMPONENT))
        .total_memories(slots.saturating_mul(MAX_MEMORIES_PER_COMPONENT))
        .total_tables(slots.saturating_mul(MAX_TABLES_PER_COMPONENT))
        .total_stacks(slots)
        .max_core_instances_per_component(MAX_CORE_INSTANCES_PER_COMPONENT)
        .max_memories_per_component(MAX_MEMORIES_PER_COMPONENT)
        .max_tables_per_component(MAX_TABLES_PER_COMPONENT)
        .max_memories_per_module(MAX_MEMORIES_PER_COMPONENT)
        .max_tables_per_module(MAX_TABLES_PER_COMPONENT)
        .table_elements(MAX_TABLE_ELEMENTS)
        .max_memory_size(engine.memory_bytes)
        .max_unused_warm_slots(slots)
        .linear_memory_keep_resident(KEEP_RESIDENT_BYTES)
        .table_keep_resident(KEEP_RESIDENT_BYTES)
        .pagemap_scan(Enabled::Auto);

    let mut config = Config::new();
    config
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
        .epoch_interruption(true)
        .max_wasm_stack(MAX_WASM_STACK_BYTES)
        .cranelift_opt_level(OptLevel::Speed)
        // Needed only for component-model async, and it slows down every call.
        .concurrency_support(false)
        .wasm_threads(false)
        .shared_memory(false);
    config
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
