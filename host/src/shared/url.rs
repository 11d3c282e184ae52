//! The URL of a Redis server.

use std::fmt;

/// The URL of a Redis server. It may contain a password; `Display` and `Debug` omit the credentials.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl(url::Url);

impl RedisUrl {
    /// Parses `redis://…` or `rediss://…`.
    ///
    /// # Errors
    /// The problem, without the text itself, which may contain a password.
    pub fn parse(text: &str) -> Result<Self, String> {
        const FORM: &str = "it is \"redis://host:6379\" or \"rediss://host:6379\"";
        if !text.starts_with("redis://") && !text.starts_with("rediss://") {
            return Err(FORM.into());
        }
        let url = url::Url::parse(text).map_err(|error| format!("{error}; {FORM}"))?;
        // Further parts of the URL, such as the database number, are checked by the library.
        redis::Client::open(url.clone()).map_err(|_| FORM.to_owned())?;
        Ok(Self(url))
    }

    pub(crate) fn url(&self) -> url::Url {
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

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisUrl({self})")
    }
}
