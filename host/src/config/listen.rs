//! `server.listen` and `--listen`: an address, `localhost`, or a Unix domain socket.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// The place to listen on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// An address; port 0 picks a free port.
    Address(SocketAddr),
    /// The loopback addresses of IPv4 and IPv6 at this port; 0 picks a free port.
    Localhost(u16),
    /// A Unix domain socket at this path.
    Unix(PathBuf),
}

impl Listen {
    /// Description of the accepted forms.
    pub(crate) const FORMS: &str = "an address and port such as \"127.0.0.1:8080\", \
        \"localhost:8080\", or the path of a socket such as \"unix:/run/toolcrib.sock\"";

    /// Parses one of the accepted forms; `None` for anything else. A relative path of a socket starts at `base`.
    pub fn parse(text: &str, base: &Path) -> Option<Self> {
        if let Some(path) = text.strip_prefix("unix:") {
            return (!path.is_empty()).then(|| Self::Unix(base.join(path)));
        }
        match text.rsplit_once(':') {
            Some((host, port)) if host.eq_ignore_ascii_case("localhost") => {
                // `u16` would also accept a sign.
                let address: SocketAddr = format!("{}:{port}", Ipv4Addr::LOCALHOST).parse().ok()?;
                Some(Self::Localhost(address.port()))
            }
            _ => text.parse().ok().map(Self::Address),
        }
    }

    /// Returns whether only processes of this machine can connect.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Address(address) => address.ip().is_loopback(),
            Self::Localhost(_) | Self::Unix(_) => true,
        }
    }

    /// Returns the host and port of URLs that lead to this place, if it determines them.
    pub(super) fn url_authority(&self) -> Option<String> {
        match self {
            Self::Address(address) if address.ip().is_unspecified() || address.port() == 0 => None,
            Self::Localhost(0) | Self::Unix(_) => None,
            Self::Address(_) | Self::Localhost(_) => Some(self.to_string()),
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Localhost(port) => write!(f, "localhost:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        let address = |text: &str| Some(Listen::Address(text.parse().expect("an address")));
        for (text, expected, is_local) in [
            ("127.0.0.1:8080", address("127.0.0.1:8080"), true),
            ("[::1]:8080", address("[::1]:8080"), true),
            ("0.0.0.0:0", address("0.0.0.0:0"), false),
            ("[::]:80", address("[::]:80"), false),
            ("192.0.2.1:80", address("192.0.2.1:80"), false),
            ("localhost:8080", Some(Listen::Localhost(8080)), true),
            ("LOCALHOST:0", Some(Listen::Localhost(0)), true),
            (
                "unix:/run/a.sock",
                Some(Listen::Unix("/run/a.sock".into())),
                true,
            ),
            (
                "unix:a.sock",
                Some(Listen::Unix("base/a.sock".into())),
                true,
            ),
            ("", None, false),
            ("8080", None, false),
            (":8080", None, false),
            ("127.0.0.1", None, false),
            ("127.0.0.1:65536", None, false),
            ("::1:8080", None, false),
            ("localhost", None, false),
            ("localhost:", None, false),
            ("localhost:+80", None, false),
            ("localhost:65536", None, false),
            ("localhost.example:80", None, false),
            ("tools.example.com:80", None, false),
            ("unix:", None, false),
            ("/run/a.sock", None, false),
        ] {
            let listen = Listen::parse(text, Path::new("base"));
            assert_eq!(listen, expected, "{text}");
            assert_eq!(
                listen.is_some_and(|listen| listen.is_local()),
                is_local,
                "{text}"
            );
        }
    }
}
