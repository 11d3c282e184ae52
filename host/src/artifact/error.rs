//! The reasons why something cannot be fetched, to be read after the reference.

use std::io;

use http::StatusCode;

use crate::text::ellipsize;

/// Upper limit of each text of a server in an error.
const MAX_SHOWN_BYTES: usize = 200;

/// The reason why something cannot be fetched from a web server or a registry, or sent to it. `Display` is to be read
/// after the reference and a colon; texts of servers in it are bounded, but not escaped.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The HTTP client cannot be built.
    #[error("the HTTP client cannot be built")]
    Client(#[source] reqwest::Error),
    /// A URL is http, and the reference does not name this machine.
    #[error("it leads to `{0}`, which is not https; http is accepted on loopback only")]
    NotHttps(String),
    /// A URL that the server gave is none, or holds credentials.
    #[error("`{host}` gave the URL {url:?}, which cannot be used")]
    Url {
        /// The server.
        host: String,
        /// The URL.
        url: String,
    },
    /// The address is private, and neither the reference nor the configuration allows that.
    #[error(
        "`{0}` is at a private address; name the address itself, or set `private-network = true` in [network]"
    )]
    PrivateAddress(String),
    /// The server cannot be reached, or the connection broke.
    #[error("`{host}` cannot be reached or broke off")]
    Transport {
        /// The server.
        host: String,
        /// The cause.
        #[source]
        source: reqwest::Error,
    },
    /// The server sends nothing, or too slowly.
    #[error("`{host}` {fault}; try again, or fetch the file another way and name the file")]
    TooSlow {
        /// The server.
        host: String,
        /// The limit that was exceeded.
        fault: String,
    },
    /// There are too many redirects.
    #[error("`{0}` redirects more than 5 times")]
    Redirects(String),
    /// The server refuses the request.
    #[error("`{host}` answered {status}{detail}")]
    Status {
        /// The server.
        host: String,
        /// Its status.
        status: StatusCode,
        /// Its reason, after a colon and a space; empty if it gave none.
        detail: String,
    },
    /// The artefact does not exist.
    #[error("`{host}` has no {what}{detail}; check the name")]
    NotFound {
        /// The server.
        host: String,
        /// The missing thing.
        what: String,
        /// Its reason, after a colon and a space; empty if it gave none.
        detail: String,
    },
    /// Access is denied.
    #[error("`{host}` denies access{detail}; {advice}")]
    Denied {
        /// The server.
        host: String,
        /// Its reason, after a colon and a space; empty if it gave none.
        detail: String,
        /// How to get access.
        advice: String,
    },
    /// The credentials cannot be read or the helper failed.
    #[error("the credentials for `{host}` cannot be had: {reason}")]
    Credentials {
        /// The registry.
        host: String,
        /// The reason and the remedy.
        reason: String,
    },
    /// The registry names a token service that must not be asked.
    #[error("`{host}` asks for a token from `{realm}`, {reason}")]
    Realm {
        /// The registry.
        host: String,
        /// The token service.
        realm: String,
        /// The reason.
        reason: &'static str,
    },
    /// The response is larger than allowed.
    #[error("`{host}` sends more than the {max_bytes} bytes that {what} may have")]
    TooLarge {
        /// The server.
        host: String,
        /// The kind of thing that is fetched.
        what: &'static str,
        /// The limit.
        max_bytes: u64,
    },
    /// The bytes have another digest than expected.
    #[error(
        "`{host}` sent bytes with the digest {found}, not {expected}; they were altered, damaged or cut off"
    )]
    Digest {
        /// The server.
        host: String,
        /// The digest of the bytes.
        found: String,
        /// The expected digest.
        expected: String,
    },
    /// A document cannot be understood.
    #[error("`{host}` sent {what} that cannot be understood: {reason}")]
    Malformed {
        /// The server.
        host: String,
        /// The kind of document.
        what: &'static str,
        /// The reason.
        reason: String,
    },
    /// The artefact is something else than a component.
    #[error("it is {0}")]
    NotAComponent(String),
    /// The digest differs from the pinned one.
    #[error(
        "its digest is {found}, not the pinned {pinned}; review the new version, then pin what it is"
    )]
    Pinned {
        /// The digest of the component now.
        found: String,
        /// The digest in the configuration.
        pinned: String,
    },
    /// The network is not to be used, and the cache does not have the component.
    #[error(
        "it is not in the cache, and `offline` in [cache] (or --offline) forbids to fetch it; fetch it with `toolcrib pull`"
    )]
    Offline,
    /// The component cannot be kept.
    #[error(
        "the component cannot be kept in `{dir}`; free space there, or choose another with `dir` in [cache]"
    )]
    Store {
        /// The directory.
        dir: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
}

impl FetchError {
    /// Returns whether the server may be away or overloaded, so that an earlier answer of it still counts.
    pub(crate) fn is_outage(&self) -> bool {
        match self {
            Self::Transport { .. } | Self::TooSlow { .. } => true,
            Self::Status { status, .. } => {
                status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS
            }
            _ => false,
        }
    }
}

/// Returns the text of a server for an error, cut to a bounded length.
pub(super) fn shown(text: &str) -> String {
    ellipsize(text, MAX_SHOWN_BYTES).into_owned()
}
