//! The settings of wasmtime's engine, for the host and for the compiler process.

use wasmtime::{Config, Enabled, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig};

/// Pool slots reserved for components that are asked for their definitions while calls run.
pub const SPARE_SLOTS: usize = 4;

/// Upper limit of the instances that wait for a call, of all components.
const MAX_SPARE_INSTANCES: u32 = 32;

/// Core instances in one component. The largest known guests (Python) have 110.
const MAX_CORE_INSTANCES_PER_COMPONENT: u32 = 160;
/// Linear memories in one component. The largest known guests have 3; a composition has those of all its parts.
const MAX_MEMORIES_PER_COMPONENT: u32 = 16;
/// Linear memories of each call that are always there. Nearly all guests have fewer.
const MIN_MEMORIES_PER_CALL: u32 = 4;
/// Linear memories of all calls above which a call has only [`MIN_MEMORIES_PER_CALL`] for sure. Each takes 4 GiB of
/// address space, and a process has 128 TiB.
const MAX_MEMORIES: u32 = 8_192;
/// Tables in one component; each core instance may have one.
const MAX_TABLES_PER_COMPONENT: u32 = 32;
/// Elements of one table. The largest known guests have 7,700.
const MAX_TABLE_ELEMENTS: usize = 20_000;
/// Start of each linear memory that is reset by writing to it; the rest is given back to the system, which costs more if
/// the call has used it. It is all of the memory of a small guest.
const RESET_MEMORY_BYTES: usize = 192 << 10;
/// The same for tables: all of the largest one.
const RESET_TABLE_BYTES: usize = MAX_TABLE_ELEMENTS * size_of::<usize>();
/// WebAssembly stack of one call. A guest that recurses deeper traps.
const MAX_WASM_STACK_BYTES: usize = 512 << 10;

/// Stacks beside one for each call, for tasks of components with asynchronous functions that wait inside of a function. At
/// most one task of each core instance does so at a time. Their address space is that of a linear memory.
const MAX_TASK_STACKS: u32 = 2_048;
/// Handles of one call of such a component: tasks, streams, futures and resources. A task takes some kilobytes of the host.
pub(super) const MAX_TASK_HANDLES: usize = 1_000;

/// Whether guests have tasks that wait at the same time, as the asynchronous functions of WASI 0.3 need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Concurrency {
    /// Without such tasks. Components that need them do not compile.
    Off,
    /// With such tasks, for which each call pays.
    On,
}

/// Returns the settings that affect compiled code. They suffice to compile; a pool would only take address space.
pub(super) fn compiler_settings(concurrency: Concurrency) -> Config {
    let is_concurrent = concurrency == Concurrency::On;
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .max_wasm_stack(MAX_WASM_STACK_BYTES)
        .cranelift_opt_level(OptLevel::Speed)
        // Only native debuggers and profilers use it. Each load reads all of it, to register it.
        .native_unwind_info(false)
        // Needed only for component-model async, and it slows down every call.
        .concurrency_support(is_concurrent)
        .wasm_component_model_async(is_concurrent)
        .wasm_threads(false)
        .shared_memory(false);
    config
}

/// Returns the settings to run compiled code: those of [`compiler_settings`], and a pool of instances for `slots` calls
/// with linear memories of up to `memory_bytes`.
pub(super) fn host_settings(concurrency: Concurrency, slots: u32, memory_bytes: usize) -> Config {
    let mut pool = PoolingAllocationConfig::new();
    let slots = instance_slots(slots);
    let task_stacks = match concurrency {
        Concurrency::Off => 0,
        Concurrency::On => MAX_TASK_STACKS,
    };
    pool.total_component_instances(slots)
        .total_core_instances(slots.saturating_mul(MAX_CORE_INSTANCES_PER_COMPONENT))
        .total_memories(memories(slots))
        .total_tables(slots.saturating_mul(MAX_TABLES_PER_COMPONENT))
        .total_stacks(slots.saturating_add(task_stacks))
        .max_core_instances_per_component(MAX_CORE_INSTANCES_PER_COMPONENT)
        .max_memories_per_component(MAX_MEMORIES_PER_COMPONENT)
        .max_tables_per_component(MAX_TABLES_PER_COMPONENT)
        .max_memories_per_module(MAX_MEMORIES_PER_COMPONENT)
        .max_tables_per_module(MAX_TABLES_PER_COMPONENT)
        .table_elements(MAX_TABLE_ELEMENTS)
        .max_memory_size(memory_bytes)
        .max_unused_warm_slots(slots)
        .linear_memory_keep_resident(RESET_MEMORY_BYTES)
        .table_keep_resident(RESET_TABLE_BYTES)
        // The scan of wasmtime 48 misses pages that are swapped out or being moved by the kernel, so that later calls
        // could read them.
        .pagemap_scan(Enabled::No);
    let mut config = compiler_settings(concurrency);
    config
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
        // The memory of many stacks that one call used would stay resident.
        .async_stack_zeroing(concurrency == Concurrency::On);
    config
}

/// Returns the pool slots for instances, of which `slots` are for calls.
pub(super) fn instance_slots(slots: u32) -> u32 {
    slots
        .saturating_add(SPARE_SLOTS as u32)
        .saturating_add(spare_instances(slots))
}

/// Returns the linear memories of all calls together.
fn memories(slots: u32) -> u32 {
    let all = slots.saturating_mul(MAX_MEMORIES_PER_COMPONENT);
    all.min(MAX_MEMORIES.max(slots.saturating_mul(MIN_MEMORIES_PER_CALL)))
}

/// Returns the pool slots for instances that wait for a call, beside those of `slots` calls.
pub(super) fn spare_instances(slots: u32) -> u32 {
    slots.min(MAX_SPARE_INSTANCES)
}

#[cfg(test)]
mod tests {
    use std::hash::{DefaultHasher, Hash, Hasher};

    use super::*;

    #[test]
    fn the_host_runs_the_code_of_the_compiler_process() {
        let hash = |config: &Config| {
            let engine = wasmtime::Engine::new(config).expect("the settings are valid");
            let mut hasher = DefaultHasher::new();
            engine.precompile_compatibility_hash().hash(&mut hasher);
            hasher.finish()
        };
        for concurrency in [Concurrency::Off, Concurrency::On] {
            assert_eq!(
                hash(&compiler_settings(concurrency)),
                hash(&host_settings(concurrency, 1, 1 << 20))
            );
        }
        let off = hash(&compiler_settings(Concurrency::Off));
        // The cache of compiled components keeps the code of the two engines apart by it.
        assert_ne!(off, hash(&compiler_settings(Concurrency::On)));
        let mut other = compiler_settings(Concurrency::Off);
        other.epoch_interruption(false);
        assert_ne!(off, hash(&other));
    }
}
