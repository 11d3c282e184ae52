//! Directories of the host that a component may use, each opened once when the component is loaded.
//!
//! A guest cannot leave them: the kernel resolves paths below the opened directory (`openat2`), whatever `..` and links
//! they contain. Only files and directories can be opened. A device file is not data, and opening a FIFO would block a
//! thread until another process writes to it.

mod dir_grant;
mod open_files;
mod operations;

pub use dir_grant::DirGrant;
pub(super) use dir_grant::{OpenDir, open_dirs, validate};
pub(super) use open_files::OpenFiles;
pub(super) use operations::{count_entries, get_directories, open_at, to_guest_result};
