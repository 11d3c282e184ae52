//! Metrics of the pool of instances.

use crate::engine::PoolCounts;
use crate::telemetry::Sample;

pub(super) fn add(counts: PoolCounts, samples: &mut Vec<Sample>) {
    samples.extend([
        Sample::gauge(
            "toolcrib_pool_instances",
            "Instances of components: those of calls, and those that wait for a call",
            counts.instances,
        ),
        Sample::gauge(
            "toolcrib_pool_slots",
            "Instances of components that can exist",
            counts.slots,
        ),
        Sample::gauge(
            "toolcrib_pool_kept_bytes",
            "Memory of former instances that is kept for the next ones",
            counts.kept_bytes,
        ),
    ]);
}
