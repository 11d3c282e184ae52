//! `[limits]` and `[component.limits]`: limits of one call.

use std::num::NonZeroU32;

use super::section::Section;
use crate::sandbox::Limits;

/// Size of the address space of a 32-bit guest.
const MAX_MEMORY_BYTES: usize = 4 << 30;

/// Spare instances of one component. More would only help bursts of more calls at once.
const MAX_SPARE_INSTANCES: u32 = 16;

/// Address space that a compiler process needs for small components.
const MIN_COMPILE_MEMORY_BYTES: usize = 256 << 20;

/// Reads a table of limits; absent keys keep their value in `default`.
pub(super) fn read_limits(section: Section<'_, '_>, default: &Limits) -> Limits {
    let limits = Limits {
        memory_bytes: section.size_bytes("memory").unwrap_or(default.memory_bytes),
        time: section.duration("time").unwrap_or(default.time),
        cpu: section.duration("cpu").unwrap_or(default.cpu),
        output_bytes: section.size_bytes("output").unwrap_or(default.output_bytes),
        argument_bytes: section
            .size_bytes("arguments")
            .unwrap_or(default.argument_bytes),
        concurrency: section
            .positive_integer("concurrency")
            .unwrap_or(default.concurrency),
        concurrency_per_caller: section
            .positive_integer("concurrency-per-caller")
            .or(default.concurrency_per_caller),
        calls_per_minute: section
            .positive_integer("calls-per-minute")
            .and_then(NonZeroU32::new)
            .or(default.calls_per_minute),
        spare_instances: section
            .small_integer(
                "spare-instances",
                MAX_SPARE_INSTANCES,
                "a whole number from 0 to 16",
            )
            .unwrap_or(default.spare_instances),
        compile: section.duration("compile").unwrap_or(default.compile),
        compile_memory_bytes: section
            .size_bytes("compile-memory")
            .unwrap_or(default.compile_memory_bytes),
    };
    if limits.compile_memory_bytes < MIN_COMPILE_MEMORY_BYTES {
        section.error(
            "compile-memory",
            "must be at least \"256MiB\", part of which the compiler takes before it starts",
        );
    }
    if limits.memory_bytes > MAX_MEMORY_BYTES {
        section.error(
            "memory",
            "must be at most \"4GiB\", which is what a guest can address",
        );
    }
    for (key, duration) in [
        ("time", limits.time),
        ("cpu", limits.cpu),
        ("compile", limits.compile),
    ] {
        if duration.is_zero() {
            section.error(key, "must be longer than zero");
        }
    }
    section.finish();
    limits
}
