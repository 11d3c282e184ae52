//! Messages between the host and a compiler process, over the standard input and output of the process.
//!
//! A request is four little-endian numbers of 64 bits (the length of the component, the memory limit in bytes, the limit
//! of processor time in seconds, 1 for an engine with concurrency or else 0) and the component. A response is one byte for its kind, the length of its payload as
//! such a number, and the payload.

/// Argument of the `toolcrib` binary that makes it a compiler process.
pub const COMPILER_SUBCOMMAND: &str = "compiler-process";

/// Maximum size of a compiled component, which the host holds in memory for a moment. The largest known guests (Python)
/// compile to about 120 MB.
pub(super) const MAX_COMPILED_BYTES: usize = 512 << 20;

/// Kinds of responses.
pub(super) mod kind {
    /// The payload is the compiled component.
    pub(in super::super) const COMPILED: u8 = 0;
    /// The payload is the reason why the component is invalid.
    pub(in super::super) const INVALID: u8 = 1;
    /// The compiler needs more memory than its limit. No payload.
    pub(in super::super) const OUT_OF_MEMORY: u8 = 2;
    /// The compiled component is larger than [`MAX_COMPILED_BYTES`](super::MAX_COMPILED_BYTES). No payload.
    pub(in super::super) const TOO_LARGE: u8 = 3;
}
