//! The location of the data of `wasi:keyvalue`: a file or Redis.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::shared::RedisUrl;

/// Name of the file in the platform's data directory.
const DEFAULT_FILE_NAME: &str = "kv.redb";

/// The location of the data.
#[derive(Clone, PartialEq, Eq)]
pub enum StoreLocation {
    /// An embedded database in this file.
    File(PathBuf),
    /// A Redis server.
    Redis(RedisUrl),
}

impl StoreLocation {
    /// Parses a path, `file:…`, `redis://…` or `rediss://…`. Relative paths are resolved against `base`.
    ///
    /// # Errors
    /// The problem, without the text itself, which may contain a password.
    pub fn parse(text: &str, base: &Path) -> Result<Self, String> {
        const FORM: &str = "it is a path, \"file:state/kv.redb\", \"redis://host:6379\" or \
                            \"rediss://host:6379\"";
        if text.starts_with("redis://") || text.starts_with("rediss://") {
            return RedisUrl::parse(text).map(Self::Redis);
        }
        let path = match text.strip_prefix("file:") {
            Some(path) => path.strip_prefix("//").unwrap_or(path),
            None if text.contains("://") => return Err(FORM.into()),
            None => text,
        };
        if path.is_empty() || path.ends_with('/') {
            return Err(FORM.into());
        }
        Ok(Self::File(base.join(path)))
    }

    /// Returns the default location in this program's data directory.
    pub fn in_data_dir(data_dir: &Path) -> Self {
        Self::File(data_dir.join(DEFAULT_FILE_NAME))
    }
}

impl fmt::Debug for StoreLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "File({path:?})"),
            Self::Redis(url) => write!(f, "Redis({url})"),
        }
    }
}
