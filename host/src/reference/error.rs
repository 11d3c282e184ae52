//! Reasons why a reference cannot be resolved, and the limits behind them.

/// Upper limit of a component's size.
pub(super) const MAX_COMPONENT_BYTES: u64 = 256 << 20;
/// Upper limit of the files that one reference names.
pub(super) const MAX_FILES: usize = 10_000;

/// The reason why a reference cannot be parsed or resolved. `Display` names the reference.
#[derive(Debug, thiserror::Error)]
pub enum ReferenceError {
    /// The scheme is not supported.
    #[error(
        "`{0}` has the scheme `{1}:`, which is not supported; name a file, https://… or oci://…"
    )]
    Scheme(String, String),
    /// A part of a remote reference is wrong. Credentials are not shown.
    #[error("`{0}` {1}")]
    Remote(String, &'static str),
    /// The glob pattern is malformed.
    #[error("`{0}` is not a glob pattern: {1}")]
    Pattern(String, String),
    /// The path does not exist.
    #[error("`{0}`: there is no such file or directory; check the path")]
    Missing(String),
    /// The directory or pattern contains no component.
    #[error("`{0}` names no component; put files that end in `.wasm` there")]
    Empty(String),
    /// The directory or pattern contains too many components.
    #[error("`{0}` names more than {MAX_FILES} files; name a smaller directory")]
    TooMany(String),
    /// A tool is selected, and more than one component is named.
    #[error("`{0}` names {1} components, and `#` selects a tool of one; name its file")]
    ToolOfMany(String, usize),
    /// The file is too large.
    #[error("`{0}` is larger than {MAX_COMPONENT_BYTES} bytes")]
    TooLarge(String),
    /// The fetched file has other bytes than those that were fetched.
    #[error("`{0}` was altered in the cache after it was fetched; start again to fetch it anew")]
    Altered(String),
    /// The file or directory cannot be read.
    #[error("`{0}` cannot be read: {1}")]
    Unreadable(String, std::io::Error),
}
