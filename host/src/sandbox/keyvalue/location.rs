//! The location of the data of `wasi:keyvalue`: a file or Redis.

use std::fmt;
use std::path::{Path, PathBuf};

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

/// The URL of a Redis server. It may contain a password; `Display` and `Debug` omit the credentials.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl(url::Url);

impl StoreLocation {
    /// Parses a path, `file:…`, `redis://…` or `rediss://…`. Relative paths are resolved against `base`.
    ///
    /// # Errors
    /// The problem, without the text itself, which may contain a password.
    pub fn parse(text: &str, base: &Path) -> Result<Self, String> {
        const FORM: &str = "it is a path, \"file:state/kv.redb\", \"redis://host:6379\" or \
                            \"rediss://host:6379\"";
        if text.starts_with("redis://") || text.starts_with("rediss://") {
            let url = url::Url::parse(text).map_err(|error| format!("{error}; {FORM}"))?;
            // Further parts of the URL, such as the database number, are checked by the library.
            redis::Client::open(url.clone()).map_err(|_| FORM.to_owned())?;
            return Ok(Self::Redis(RedisUrl(url)));
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

impl RedisUrl {
    pub(super) fn url(&self) -> url::Url {
        self.0.clone()
    }
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}://{}",
            self.0.scheme(),
            self.0.host_str().unwrap_or_default()
        )?;
        if let Some(port) = self.0.port() {
            write!(f, ":{port}")?;
        }
        Ok(())
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

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisUrl({self})")
    }
}
