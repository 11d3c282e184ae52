//! What one entry of `http` covers: a scheme, a host, a port and perhaps the beginning of a path.

use std::fmt;
use std::net::IpAddr;

use url::{Host, Url};

use crate::network::{is_loopback, literal_address};

/// An entry of `http`, such as `https://*.example.org:8443/v1/`.
///
/// The scheme and the port are the ones written, or the scheme's own port. A host is the one written; `*` at its
/// beginning stands for exactly one label. A path is written as the server reads it: `/v1` covers itself and what is
/// below it, `/v1/` only what is below it, and no path or `/` covers all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpRule {
    https: bool,
    host: Pattern,
    port: u16,
    path: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Pattern {
    Exactly(Host<String>),
    /// One label, a dot and this.
    OneLabelBefore(String),
}

impl HttpRule {
    /// Reads an entry.
    ///
    /// # Errors
    /// What is wrong with it, to be put behind its text.
    pub fn parse(text: &str) -> Result<Self, String> {
        const FORM: &str = "an entry is a scheme, a host, and perhaps a port and a path, such as \
                            \"https://api.example.com\" or \"https://*.example.org:8443/v1/\"";
        let (scheme, rest) = text.split_once("://").ok_or(FORM)?;
        if !matches!(scheme, "http" | "https") {
            return Err(format!("`{scheme}` is neither http nor https; {FORM}"));
        }
        let (authority, path) = match rest.find(['/', '?', '#', '\\']) {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        let (wildcard, authority) = match authority.strip_prefix("*.") {
            Some(below) => (true, below),
            None => (false, authority),
        };
        if authority.contains('*') {
            return Err(
                "`*` stands for one whole label at the beginning of the host, as in \
                 \"https://*.example.org\""
                    .into(),
            );
        }
        let url = Url::parse(&format!("{scheme}://{authority}{path}"))
            .map_err(|error| format!("{error}; {FORM}"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(
                "credentials have no place in it; give them to the component through \
                        `env` or `config`"
                    .into(),
            );
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(format!("a query and a fragment are not judged; {FORM}"));
        }
        if path.contains('*') || (!path.is_empty() && path != url.path()) || !is_plain(url.path()) {
            return Err(format!(
                "its path is not one that every server reads the same; write it without `*`, \
                 empty or dot segments and encoded slashes, such as \"{}\"",
                if path.contains(['*', '%', '\\', ';']) {
                    "/v1/"
                } else {
                    url.path()
                }
            ));
        }
        let host = url.host().ok_or(FORM)?.to_owned();
        let host = match (wildcard, host) {
            (_, Host::Domain(name)) if name.ends_with('.') => {
                return Err("its host ends in a dot; leave the dot out".into());
            }
            (true, Host::Domain(name)) => Pattern::OneLabelBefore(name),
            (true, _) => return Err("an address has no labels for `*` to stand for".into()),
            (false, host) => Pattern::Exactly(host),
        };
        Ok(Self {
            https: scheme == "https",
            host,
            port: url.port_or_known_default().ok_or(FORM)?,
            path: url.path().to_owned(),
        })
    }

    /// Whether a request to this URL is covered. A URL has been normalised by being parsed: case and notation of the
    /// host, dot segments.
    pub(super) fn covers(&self, url: &Url) -> bool {
        url.scheme() == if self.https { "https" } else { "http" }
            && url.port_or_known_default() == Some(self.port)
            && url.host().is_some_and(|host| self.host.covers(&host))
            && self.covers_path(url.path())
    }

    fn covers_path(&self, path: &str) -> bool {
        if self.path == "/" {
            return true;
        }
        let below = match path.strip_prefix(self.path.as_str()) {
            Some(rest) => self.path.ends_with('/') || rest.is_empty() || rest.starts_with('/'),
            None => false,
        };
        below && is_unambiguous(path)
    }

    /// The address that it names, where that is no name.
    pub(super) fn address(&self) -> Option<IpAddr> {
        match self.host {
            Pattern::Exactly(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Pattern::Exactly(Host::Ipv6(address)) => Some(IpAddr::V6(address).to_canonical()),
            _ => None,
        }
    }

    /// Whether its host can only be this machine.
    pub(super) fn is_loopback(&self) -> bool {
        Url::parse(&self.to_string()).is_ok_and(|url| is_loopback(&url))
    }
}

impl Pattern {
    fn covers(&self, host: &Host<&str>) -> bool {
        match (self, host) {
            (Self::Exactly(Host::Domain(name)), Host::Domain(host)) => name == host,
            (Self::Exactly(Host::Ipv4(address)), Host::Ipv4(host)) => address == host,
            (Self::Exactly(Host::Ipv6(address)), Host::Ipv6(host)) => address == host,
            (Self::OneLabelBefore(name), Host::Domain(host)) => host
                .split_once('.')
                .is_some_and(|(label, rest)| !label.is_empty() && rest == name),
            _ => false,
        }
    }
}

impl fmt::Display for HttpRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, known) = if self.https {
            ("https", 443)
        } else {
            ("http", 80)
        };
        write!(f, "{scheme}://")?;
        match &self.host {
            Pattern::Exactly(host) => write!(f, "{host}")?,
            Pattern::OneLabelBefore(name) => write!(f, "*.{name}")?,
        }
        if self.port != known {
            write!(f, ":{}", self.port)?;
        }
        if self.path != "/" {
            f.write_str(&self.path)?;
        }
        Ok(())
    }
}

/// The address of a request whose host is no name: no resolver will see it.
pub(super) fn address(url: &Url) -> Option<IpAddr> {
    literal_address(url)
}

/// Whether the path can stand in an entry.
fn is_plain(path: &str) -> bool {
    !path.contains("//") && !path.contains(';') && is_unambiguous(path)
}

/// Whether every server reads the same segments in the path, however often it decodes: nothing in it becomes a slash,
/// or a segment that leads up.
fn is_unambiguous(path: &str) -> bool {
    path.split('/').all(|segment| {
        let mut bytes = segment.as_bytes().to_vec();
        loop {
            // Some servers take `..;x` for `..`, some `.. ` or `...`.
            let name = bytes.split(|byte| *byte == b';').next().unwrap_or_default();
            let leads_up = name.contains(&b'.') && name.iter().all(|b| matches!(b, b'.' | b' '));
            let splits = bytes
                .iter()
                .any(|b| matches!(b, b'/' | b'\\') || b.is_ascii_control());
            if leads_up || splits {
                return false;
            }
            let decoded = decoded(&bytes);
            if decoded == bytes {
                // Bytes that are no UTF-8 may be a slash to somebody.
                return std::str::from_utf8(&bytes).is_ok();
            }
            bytes = decoded;
        }
    })
}

/// Percent-decoded once.
fn decoded(bytes: &[u8]) -> Vec<u8> {
    let digit = |at: usize| char::from(*bytes.get(at)?).to_digit(16);
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match (byte, digit(at + 1), digit(at + 2)) {
            // Two digits make no more than a byte.
            (b'%', Some(high), Some(low)) => {
                decoded.push((high * 16 + low) as u8);
                at += 3;
            }
            _ => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    decoded
}
