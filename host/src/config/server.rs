//! `[server]` and `[server.tls]`: the HTTP endpoint and its limits.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::listen::Listen;
use super::section::Section;
use crate::auth::Secret;
use crate::network::is_loopback;

/// Minimum length of `server.state-key`. HMAC-SHA256 keys should be at least as long as the hash (RFC 2104, section 3).
pub const MIN_STATE_KEY_BYTES: usize = 32;

/// Length of `server.session-prefix`, which each request of a session repeats.
const MAX_SESSION_PREFIX_BYTES: usize = 32;
/// Range of `keep-alive`. Each connection that is kept takes one of a limited number.
const KEEP_ALIVE: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(3600);

/// Paths that the host serves itself.
const RESERVED_PATHS: [&str; 2] = ["/healthz", "/readyz"];

/// `[server]`
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// The place to listen on.
    pub listen: Listen,
    /// Path of the MCP endpoint: `/`, or a path without a slash at its end.
    pub path: String,
    /// Base URL that clients use, without a trailing slash; `None` means the scheme and `listen`.
    pub public_url: Option<String>,
    /// URL of the protected resource metadata that challenges name; `None` means the well-known URL of the resource.
    pub metadata_url: Option<String>,
    /// Server name announced to clients.
    pub name: String,
    /// Instructions for clients on how to use the server.
    pub instructions: Option<String>,
    /// Browser origins that may call, besides the server's own: `https://app.example.com`, `http://localhost:*`.
    pub allowed_origins: Vec<String>,
    /// Accepted `Host` values, besides loopback addresses and the host of the public URL.
    pub allowed_hosts: Vec<String>,
    /// Whether browsers get the page at `/`; `None` means if [only this machine](Self::serves_page) uses the server.
    pub page: Option<bool>,
    /// Id of the public OAuth client with which the page signs its user in.
    pub page_client_id: Option<String>,
    /// Whether clients of the older protocol revisions get sessions. A session is bound to its caller.
    pub sessions: bool,
    /// Beginning of the ids of sessions, followed by a full stop, by which a proxy finds the replica that has them: 1 to 32
    /// letters, digits and hyphens.
    pub session_prefix: Option<String>,
    /// Key of at least [`MIN_STATE_KEY_BYTES`] that seals request states held by clients; equal on every replica.
    /// `None` generates one at startup.
    pub state_key: Option<Secret>,
    /// Time a task may wait for its client, and time its result is kept.
    pub task_ttl: Duration,
    /// Upper limit of a request body.
    pub max_body_bytes: usize,
    /// Upper limit of concurrent calls of all components.
    pub max_concurrent_calls: u32,
    /// Upper limit of concurrent calls of one caller; `None` means half of
    /// [`max_concurrent_calls`](Self::max_concurrent_calls). Without authentication callers cannot be distinguished,
    /// and the limit does not apply.
    pub max_calls_per_caller: Option<u32>,
    /// Whether a string argument is converted where the tool wants another type and the string holds its JSON.
    pub lenient_arguments: bool,
    /// Time that running calls get to finish at shutdown.
    pub drain: Duration,
    /// Time after which a connection without a request is closed.
    pub keep_alive: Duration,
    /// `[server.tls]`; `Some` serves HTTPS.
    pub tls: Option<TlsConfig>,
}

/// `[server.tls]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsConfig {
    /// PEM file with the certificate chain, leaf first.
    pub cert: PathBuf,
    /// PEM file with the private key.
    pub key: PathBuf,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: Listen::Address(SocketAddr::from(([127, 0, 0, 1], 8080))),
            path: "/mcp".into(),
            public_url: None,
            metadata_url: None,
            name: "toolcrib".into(),
            instructions: None,
            allowed_origins: Vec::new(),
            allowed_hosts: Vec::new(),
            page: None,
            page_client_id: None,
            sessions: false,
            session_prefix: None,
            state_key: None,
            task_ttl: Duration::from_secs(900),
            max_body_bytes: 4 << 20,
            max_concurrent_calls: 256,
            max_calls_per_caller: None,
            lenient_arguments: true,
            drain: Duration::from_secs(30),
            keep_alive: Duration::from_secs(75),
            tls: None,
        }
    }
}

impl ServerConfig {
    /// Returns `https` if the host serves TLS itself, else `http`.
    pub fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// Returns whether browsers get the page: as configured, or else if the server listens on a loopback address and no
    /// public URL of another host leads to it.
    pub fn serves_page(&self) -> bool {
        self.page.unwrap_or_else(|| {
            let public = self.public_url.as_deref().map(Url::parse);
            !matches!(self.listen, Listen::Unix(_))
                && self.listen.is_local()
                && public.is_none_or(|url| url.is_ok_and(|url| is_loopback(&url)))
        })
    }

    /// Returns the URL of the endpoint for clients; `None` if the configuration does not determine it: without a public URL
    /// on all addresses, on a port that the system picks, or on a Unix domain socket.
    pub(crate) fn client_url(&self) -> Option<String> {
        let is_known = self.public_url.is_some() || self.listen.url_authority().is_some();
        is_known.then(|| self.resource())
    }

    /// Returns the resource identifier (RFC 9728, section 1.2): the URL that clients use. It depends only on the
    /// configuration, never on a request.
    pub fn resource(&self) -> String {
        // Without a path there is no slash, the form that MCP recommends (authorization, canonical server URI).
        let path = self.path.trim_end_matches('/');
        match &self.public_url {
            Some(url) => format!("{url}{path}"),
            None => format!("{}://{}{path}", self.scheme(), self.listen),
        }
    }
}

/// Reads `[server]`.
pub(super) fn read_server(section: Section<'_, '_>) -> ServerConfig {
    let default = ServerConfig::default();
    let base = section.base();
    let listen = section.parsed("listen", Listen::FORMS, |t| Listen::parse(t, base));
    let path = section.parsed(
        "path",
        "a path such as \"/mcp\", or \"/\": no slash at its end, no query",
        |t| is_endpoint_path(t).then(|| t.to_owned()),
    );
    let public_url = section.parsed(
        "public-url",
        "a base URL such as \"https://tools.example.com\": no slash at its end, no query",
        |t| is_base_url(t).then(|| t.to_owned()),
    );
    let server = ServerConfig {
        listen: listen.unwrap_or(default.listen),
        path: path.unwrap_or(default.path),
        public_url,
        metadata_url: section.string("metadata-url"),
        name: section.string("name").unwrap_or(default.name),
        instructions: section.string("instructions"),
        allowed_origins: section.string_list("allowed-origins").unwrap_or_default(),
        allowed_hosts: section.string_list("allowed-hosts").unwrap_or_default(),
        page: section.boolean("page"),
        page_client_id: section.parsed("page-client-id", "the id of an OAuth client", |t| {
            (!t.is_empty()).then(|| t.to_owned())
        }),
        sessions: section.boolean("sessions").unwrap_or(default.sessions),
        session_prefix: section.parsed(
            "session-prefix",
            "1 to 32 characters of `A-Z a-z 0-9 -`",
            |t| is_session_prefix(t).then(|| t.to_owned()),
        ),
        state_key: section.string("state-key").map(Secret::new),
        task_ttl: section.duration("task-ttl").unwrap_or(default.task_ttl),
        max_body_bytes: section
            .size_bytes("max-body")
            .unwrap_or(default.max_body_bytes),
        max_concurrent_calls: section
            .positive_integer("max-concurrent-calls")
            .unwrap_or(default.max_concurrent_calls),
        max_calls_per_caller: section.positive_integer("max-calls-per-caller"),
        lenient_arguments: section
            .boolean("lenient-arguments")
            .unwrap_or(default.lenient_arguments),
        drain: section.duration("drain").unwrap_or(default.drain),
        keep_alive: section.duration("keep-alive").unwrap_or(default.keep_alive),
        tls: section.table("tls").and_then(read_tls),
    };
    let state_key = server.state_key.as_ref();
    if state_key.is_some_and(|key| key.bytes().len() < MIN_STATE_KEY_BYTES) {
        section.error(
            "state-key",
            format!(
                "has less than {MIN_STATE_KEY_BYTES} bytes; make one with `openssl rand -hex 32`"
            ),
        );
    }
    if server.task_ttl.is_zero() {
        section.error("task-ttl", "must be longer than zero");
    }
    if !KEEP_ALIVE.contains(&server.keep_alive) {
        section.error(
            "keep-alive",
            "must be from \"1s\" to \"1h\"; a little longer than that of the proxy is best",
        );
    }
    for origin in &server.allowed_origins {
        if !is_origin(origin) {
            section.error(
                "allowed-origins",
                format!(
                    "has {origin:?}; an origin is a scheme, a host and perhaps a port, in lower case and \
                     without the scheme's default port, such as \"https://app.example.com\" or \
                     \"http://localhost:*\""
                ),
            );
        }
    }
    section.finish();
    server
}

fn read_tls(section: Section<'_, '_>) -> Option<TlsConfig> {
    let pem_file = |key| {
        if section.value(key).is_none() {
            section.error(key, "is missing; name a PEM file");
        }
        let base = section.base();
        section.parsed(key, "the path of a PEM file", |text| Some(base.join(text)))
    };
    let (cert, key) = (pem_file("cert"), pem_file("key"));
    section.finish();
    Some(TlsConfig {
        cert: cert?,
        key: key?,
    })
}

fn is_endpoint_path(text: &str) -> bool {
    text.starts_with('/')
        && (text == "/" || !text.ends_with('/'))
        && !RESERVED_PATHS.contains(&text)
        && !text.contains("/.well-known")
        // Clients resolve these segments before they send a path (RFC 3986, section 5.2.4).
        && !text.split('/').any(|segment| matches!(segment, "." | ".."))
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"/-._~".contains(&b))
}

fn is_session_prefix(text: &str) -> bool {
    let is_allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    (1..=MAX_SESSION_PREFIX_BYTES).contains(&text.len()) && text.bytes().all(is_allowed)
}

fn is_base_url(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && !text.ends_with('/')
    })
}

/// Returns whether the text is an origin in the form that browsers send: in lower case, without a default port. The origin
/// of a scheme that only some browser knows, such as an extension's, is compared as it is.
fn is_origin(text: &str) -> bool {
    let without_wildcard = text.strip_suffix(":*").unwrap_or(text);
    Url::parse(without_wildcard).is_ok_and(|url| {
        let origin = url.origin();
        let is_as_sent = !origin.is_tuple() || origin.ascii_serialization() == without_wildcard;
        url.has_host() && url.path() == "/" && !without_wildcard.ends_with('/') && is_as_sent
    })
}
