//! References: strings that name components, and the files they resolve to.
//!
//! A reference is a file, a directory (every `*.wasm` in it), a glob pattern, or a component on a web server or in a
//! registry, which is fetched to a file. Relative references start at the
//! directory of the configuration file or, on the command line, at the working directory. `#tool` at the end selects
//! one tool.

mod error;
mod fingerprint;

mod companions;
mod remote;

mod component_file;

mod parsed;

mod watch_paths;

pub use companions::{COMPANION_EXTENSIONS, CompanionState, Companions, companion_state};
pub use component_file::{ComponentFile, Origin, SIGNATURE_EXTENSIONS};
pub use error::ReferenceError;
pub use fingerprint::Fingerprint;
pub use parsed::Reference;
pub use remote::{OciLocation, Remote, is_digest};
pub use watch_paths::WatchPaths;
