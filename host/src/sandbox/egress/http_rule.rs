//! An entry of `allow.http`: a scheme, a host, a port and an optional path prefix.

use std::fmt;
use std::net::IpAddr;

use url::{Host, Url};

use crate::network::is_loopback;

/// An entry of `http`, such as `https://*.example.org:8443/v1/`.
///
/// - Scheme and host must be equal. A leading `*` of the host matches exactly one label.
/// - The port must be equal; without a port, the scheme's default port applies.
/// - The path is a prefix, written in its normalised form: `/v1` covers `/v1` and the paths below it, `/v1/` only the
///   paths below it, and `/` or no path covers every path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpRule {
    https: bool,
    host: HostPattern,
    port: u16,
    path_prefix: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum HostPattern {
    Exact(Host<String>),
    /// One label in front of this name, written `*.name`.
    Wildcard(String),
}

impl HttpRule {
    /// Parses an entry.
    ///
    /// # Errors
    /// The problem, phrased to follow the entry's text.
    pub fn parse(text: &str) -> Result<Self, String> {
        const FORM: &str = "an entry is a scheme, a host, and perhaps a port and a path, such as \
                            \"https://api.example.com\" or \"https://*.example.org:8443/v1/\"";
        const WILDCARD: &str = "`*` stands for one whole label at the beginning of the host, as in \
                                \"https://*.example.org\"";
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
            return Err(WILDCARD.into());
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
            return Err(format!("a query and a fragment are not checked; {FORM}"));
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
        // Written as `%2a`.
        if url.host_str().is_some_and(|host| host.contains('*')) {
            return Err(WILDCARD.into());
        }
        let host = match (wildcard, host) {
            (_, Host::Domain(name)) if name.ends_with('.') => {
                return Err("its host ends in a dot; leave the dot out".into());
            }
            (true, Host::Domain(name)) => HostPattern::Wildcard(name),
            (true, _) => return Err("an address has no labels for `*` to match".into()),
            (false, host) => HostPattern::Exact(host),
        };
        Ok(Self {
            https: scheme == "https",
            host,
            port: url.port_or_known_default().ok_or(FORM)?,
            path_prefix: url.path().to_owned(),
        })
    }

    /// Returns the host and the port; `None` with a `*`.
    pub(in crate::sandbox) fn endpoint(&self) -> Option<(&Host<String>, u16)> {
        match &self.host {
            HostPattern::Exact(host) => Some((host, self.port)),
            HostPattern::Wildcard(_) => None,
        }
    }

    /// Whether this entry covers a request to `url`. Parsing has normalised the URL: the case and notation of the host,
    /// and dot segments.
    pub(crate) fn covers(&self, url: &Url) -> bool {
        url.scheme() == if self.https { "https" } else { "http" }
            && url.port_or_known_default() == Some(self.port)
            && url.host().is_some_and(|host| self.host.covers(&host))
            && self.covers_path(url.path())
    }

    fn covers_path(&self, path: &str) -> bool {
        if self.path_prefix == "/" {
            return true;
        }
        let has_prefix = path
            .strip_prefix(self.path_prefix.as_str())
            .is_some_and(|rest| {
                self.path_prefix.ends_with('/') || rest.is_empty() || rest.starts_with('/')
            });
        has_prefix && is_unambiguous(path)
    }

    /// Returns the host as it is written.
    pub(super) fn host_text(&self) -> String {
        match &self.host {
            HostPattern::Exact(host) => host.to_string(),
            HostPattern::Wildcard(name) => format!("*.{name}"),
        }
    }

    /// Returns the host if it is an IP address.
    pub(super) fn address(&self) -> Option<IpAddr> {
        match self.host {
            HostPattern::Exact(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            HostPattern::Exact(Host::Ipv6(address)) => Some(IpAddr::V6(address).to_canonical()),
            _ => None,
        }
    }

    /// Whether the host is `localhost` or a loopback address.
    pub(super) fn is_loopback(&self) -> bool {
        Url::parse(&self.to_string()).is_ok_and(|url| is_loopback(&url))
    }
}

impl HostPattern {
    fn covers(&self, host: &Host<&str>) -> bool {
        match (self, host) {
            (Self::Exact(Host::Domain(name)), Host::Domain(host)) => name == host,
            (Self::Exact(Host::Ipv4(address)), Host::Ipv4(host)) => address == host,
            (Self::Exact(Host::Ipv6(address)), Host::Ipv6(host)) => address == host,
            (Self::Wildcard(name), Host::Domain(host)) => host
                .split_once('.')
                .is_some_and(|(label, rest)| !label.is_empty() && rest == name),
            _ => false,
        }
    }
}

impl fmt::Display for HttpRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, default_port) = if self.https {
            ("https", 443)
        } else {
            ("http", 80)
        };
        write!(f, "{scheme}://")?;
        match &self.host {
            HostPattern::Exact(host) => write!(f, "{host}")?,
            HostPattern::Wildcard(name) => write!(f, "*.{name}")?,
        }
        if self.port != default_port {
            write!(f, ":{}", self.port)?;
        }
        if self.path_prefix != "/" {
            f.write_str(&self.path_prefix)?;
        }
        Ok(())
    }
}

/// Whether an entry may have this path.
fn is_plain(path: &str) -> bool {
    !path.contains("//") && !path.contains(';') && is_unambiguous(path)
}

/// Whether all servers see the same segments in the path, however often they percent-decode it.
///
/// Rejects a path in which decoding at any depth yields a slash or a parent segment.
fn is_unambiguous(path: &str) -> bool {
    path.split('/').all(|segment| {
        let mut bytes = segment.as_bytes().to_vec();
        loop {
            // Some servers treat `..;x`, `.. ` or `...` like `..`.
            let name = bytes.split(|byte| *byte == b';').next().unwrap_or_default();
            let is_parent = name.contains(&b'.') && name.iter().all(|b| matches!(b, b'.' | b' '));
            let has_separator = bytes
                .iter()
                .any(|b| matches!(b, b'/' | b'\\') || b.is_ascii_control());
            if is_parent || has_separator {
                return false;
            }
            let decoded = percent_decode(&bytes);
            if decoded == bytes {
                // Some decoders turn invalid UTF-8, such as an overlong encoding, into a slash.
                return std::str::from_utf8(&bytes).is_ok();
            }
            bytes = decoded;
        }
    })
}

/// Percent-decodes `bytes` once.
fn percent_decode(bytes: &[u8]) -> Vec<u8> {
    let digit = |at: usize| char::from(*bytes.get(at)?).to_digit(16);
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match (byte, digit(at + 1), digit(at + 2)) {
            // Two hexadecimal digits fit into a byte.
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
