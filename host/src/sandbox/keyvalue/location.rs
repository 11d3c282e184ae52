//! Where the data of `wasi:keyvalue` is: a file, or Redis.

use std::fmt;
use std::path::{Path, PathBuf};

/// The file's name in the platform's data directory.
const FILE: &str = "kv.redb";

/// Where the data is.
#[derive(Clone, PartialEq, Eq)]
pub enum StoreLocation {
    /// An embedded store in this file.
    File(PathBuf),
    /// Redis, by its URL, which may hold a password.
    Redis(RedisUrl),
}

/// The URL of a Redis. `Display` and `Debug` leave its credentials out.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl(url::Url);

impl StoreLocation {
    /// Reads a path, `file:…`, `redis://…` or `rediss://…`; relative paths start at `base`.
    ///
    /// # Errors
    /// What is wrong with it, without its text, which may hold a password.
    pub fn parse(text: &str, base: &Path) -> Result<Self, String> {
        const FORM: &str = "it is a path, \"file:state/kv.redb\", \"redis://host:6379\" or \
                            \"rediss://host:6379\"";
        if text.starts_with("redis://") || text.starts_with("rediss://") {
            let url = url::Url::parse(text).map_err(|error| format!("{error}; {FORM}"))?;
            // The library reads more in it than that, and says so here.
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

    /// The file beneath the platform's data directory for this program.
    pub fn below(data_dir: &Path) -> Self {
        Self::File(data_dir.join(FILE))
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
