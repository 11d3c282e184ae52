//! The `toolcrib` binary.

use std::process::ExitCode;

use tikv_jemallocator::Jemalloc;

/// jemalloc is faster for the many small allocations of a call. Its background threads return freed memory to the
/// system even when no calls arrive.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    toolcrib::cli::run()
}
