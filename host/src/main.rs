//! The `toolcrib` binary.

use std::process::ExitCode;

use tikv_jemallocator::Jemalloc;

/// A call allocates many small things, which this allocator makes cheaper. It has a thread that returns what is free to
/// the system, also where nobody calls any more.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    toolcrib::cli::run()
}
