//! The use of the pool of instances, for metrics.

use super::Engine;
use super::settings::instance_slots;

/// The use of the pool at one moment.
#[derive(Debug, Clone, Copy)]
pub struct PoolCounts {
    /// Instances that exist: those of calls, and those that wait for a call.
    pub instances: u64,
    /// Instances that can exist.
    pub slots: u64,
    /// Memory of former instances, in bytes, that is kept for the next ones.
    pub kept_bytes: u64,
}

impl Engine {
    /// Returns a function that counts, until the engine is dropped.
    pub fn pool_counts(&self) -> impl Fn() -> Option<PoolCounts> + Send + Sync + use<> {
        let slots = u64::from(instance_slots(self.slots));
        let engine = self.wasmtime.weak();
        move || {
            let pool = engine.upgrade()?.pooling_allocator_metrics()?;
            let kept = pool.unused_memory_bytes_resident() + pool.unused_table_bytes_resident();
            Some(PoolCounts {
                instances: pool.component_instances(),
                slots,
                kept_bytes: kept as u64,
            })
        }
    }
}
