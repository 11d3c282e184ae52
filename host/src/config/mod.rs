//! Configuration: text becomes types here, and nowhere later.
//!
//! [`Config::load`] reads `toolcrib.toml` and what the command line says beside
//! it, and reports every fault at once. An embedder builds a [`Config`] by hand.

mod allow;
mod json;
mod read;
mod section;
mod tool;
mod values;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use toml::de::DeTable;

use crate::auth;
use crate::catalog::{CallLimits, ToolConfig};
use crate::reference::Reference;
use crate::sandbox::{Grants, Limits, keyvalue};
use crate::telemetry;
pub use section::ConfigError;
use section::{Section, Source};

/// The least that `server.state-key` has: HMAC-SHA256 wants a key as long as its
/// output (RFC 2104, section 3).
pub const MIN_STATE_KEY_BYTES: usize = 32;

/// Everything that the host can be told.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file that it was read from.
    pub file: Option<PathBuf>,
    /// `[server]`
    pub server: ServerConfig,
    /// Who may call.
    pub access: Access,
    /// `[limits]`: the defaults for all components, and those of components
    /// without settings of their own.
    pub limits: Limits,
    /// What is served.
    pub references: Vec<Reference>,
    /// `[[component]]`: settings for the files that they name.
    pub components: Vec<ComponentConfig>,
    /// Which changes of components are taken in while they are served.
    pub changes: WatchMode,
    /// Whether a component that is broken at the start is left out instead of
    /// ending it.
    pub keep_going: bool,
    /// Where compiled components are kept; `None` compiles at every start.
    pub cache: Option<PathBuf>,
    /// `[kv]`: where `wasi:keyvalue` lives.
    pub kv: keyvalue::KeyValueConfig,
    /// `[telemetry]`
    pub telemetry: telemetry::LogConfig,
}

/// `[server]`
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// Where to listen; port 0 picks a free one.
    pub listen: SocketAddr,
    /// The path of the MCP endpoint.
    pub path: String,
    /// The base URL that clients use, without a slash at the end; `None` means
    /// the scheme and the address.
    pub public_url: Option<String>,
    /// The server's name for clients.
    pub name: String,
    /// What clients are told to do with it.
    pub instructions: Option<String>,
    /// Browser origins that may call, such as `https://app.example.com` or
    /// `http://localhost:*`, besides the server's own.
    pub allowed_origins: Vec<String>,
    /// `Host` values that are answered, besides loopback and the public URL's.
    pub allowed_hosts: Vec<String>,
    /// Whether clients of the older revisions get sessions, bound to the caller.
    pub sessions: bool,
    /// Seals what travels with clients between two rounds of a call; 32 bytes or
    /// more, the same on every replica. `None` makes one at the start.
    pub state_key: Option<auth::Secret>,
    /// How long a task may wait for its client, and how long its result is kept.
    pub task_ttl: Duration,
    /// The largest request body, in bytes.
    pub max_body_bytes: usize,
    /// Calls that may run at once, of all components together.
    pub max_concurrent_calls: u32,
    /// Calls that one caller may have running at once; `None` means half of
    /// [`max_concurrent_calls`](Self::max_concurrent_calls). Without
    /// authentication nobody is told apart, and there is no such bound.
    pub max_calls_per_caller: Option<u32>,
    /// How long running calls may take to end at shutdown.
    pub drain: Duration,
    /// `[server.tls]`: serve HTTPS.
    pub tls: Option<TlsConfig>,
}

/// `[server.tls]`
#[derive(Debug, Clone)]
pub struct TlsConfig {
    /// A PEM file with the certificate and those that lead to its root.
    pub cert: PathBuf,
    /// A PEM file with its private key.
    pub key: PathBuf,
}

/// Who may call.
#[derive(Debug, Clone)]
pub enum Access {
    /// Nobody said: nothing can be served, only inspected and called locally.
    Unset,
    /// Everybody who reaches the address.
    Open,
    /// Whoever has a token that the guard accepts.
    Guarded(Box<auth::GuardConfig>),
}

/// Which changes of components are taken in while they are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WatchMode {
    /// None: clients are told that nothing changes.
    Never,
    /// Those that [`App::reload`](crate::App::reload) finds.
    Manual,
    /// Those in directories and of patterns, as they happen.
    Directories,
    /// Those of every reference, as they happen.
    Everything,
}

/// `[[component]]`
#[derive(Debug, Clone)]
pub struct ComponentConfig {
    /// What these settings are for.
    pub reference: Reference,
    /// What logs and errors call it; the file's stem where it is `None`.
    pub name: Option<String>,
    /// The digest its bytes must have: `sha256:…`.
    pub digest: Option<String>,
    /// Put before the name of each of its tools.
    pub prefix: String,
    /// Scopes that every call of it needs.
    pub scopes: Vec<String>,
    /// `tools`: the only ones that are served, by their own names.
    pub only: Option<Vec<String>>,
    /// Tools that are not served, by their own names.
    pub exclude: Vec<String>,
    /// `[component.tool.NAME]`, by the tools' own names.
    pub tools: BTreeMap<String, ToolConfig>,
    /// How much its calls may use.
    pub limits: Limits,
    /// `[component.allow]`: what its calls may reach.
    pub allow: Grants,
}

/// What the command line says. A flag beats the file.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// The configuration file.
    pub file: Option<PathBuf>,
    /// `--listen`
    pub listen: Option<SocketAddr>,
    /// `--no-auth`
    pub no_auth: bool,
    /// `--watch`, `--no-watch`
    pub watch: Option<bool>,
    /// `--keep-going`
    pub keep_going: bool,
    /// References; where there are some, they are what is served.
    pub references: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            file: None,
            server: ServerConfig::default(),
            access: Access::Unset,
            limits: Limits::default(),
            references: Vec::new(),
            components: Vec::new(),
            changes: WatchMode::Manual,
            keep_going: false,
            cache: read::default_cache(),
            kv: allow::default_kv(),
            telemetry: telemetry::LogConfig::default(),
        }
    }
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            path: "/mcp".into(),
            public_url: None,
            name: "toolcrib".into(),
            instructions: None,
            allowed_origins: Vec::new(),
            allowed_hosts: Vec::new(),
            sessions: false,
            state_key: None,
            task_ttl: Duration::from_secs(900),
            max_body_bytes: 4 << 20,
            max_concurrent_calls: 256,
            max_calls_per_caller: None,
            drain: Duration::from_secs(30),
            tls: None,
        }
    }
}

impl ServerConfig {
    /// `https` where the host serves TLS itself.
    pub fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// The resource identifier (RFC 9728, section 1.2): the URL that clients use.
    /// It comes from the configuration, never from a request.
    pub fn resource(&self) -> String {
        match &self.public_url {
            Some(url) => format!("{url}{}", self.path),
            None => format!("{}://{}{}", self.scheme(), self.listen, self.path),
        }
    }
}

impl WatchMode {
    /// Whether those of this reference are taken in as they happen.
    pub(crate) fn are_watched(self, reference: &Reference) -> bool {
        match self {
            Self::Never | Self::Manual => false,
            Self::Directories => reference.is_open(),
            Self::Everything => true,
        }
    }
}

impl ComponentConfig {
    /// Whether they say what can only be said of one component.
    pub(crate) fn is_for_one(&self) -> bool {
        self.name.is_some()
            || self.digest.is_some()
            || self.only.is_some()
            || !self.exclude.is_empty()
            || !self.tools.is_empty()
    }
}

impl Config {
    /// The places for calls that it gives.
    pub(crate) fn places(&self) -> CallLimits {
        let all = self.server.max_concurrent_calls;
        let per_caller = self.server.max_calls_per_caller;
        // Without authentication everybody would be one caller.
        let are_told_apart = matches!(self.access, Access::Guarded(_));
        CallLimits::new(
            all,
            are_told_apart.then(|| per_caller.unwrap_or(all.div_ceil(2))),
        )
    }

    /// Reads the file and lays the command line over it.
    ///
    /// # Errors
    /// Every fault of the configuration.
    pub fn load(overrides: &Overrides) -> Result<Self, Vec<ConfigError>> {
        let (name, text, base) = match &overrides.file {
            None => (String::new(), String::new(), PathBuf::new()),
            Some(path) => {
                let text = std::fs::read_to_string(path).map_err(|e| {
                    vec![ConfigError {
                        place: path.display().to_string(),
                        what: format!("the configuration cannot be read: {e}"),
                    }]
                })?;
                let base = path.parent().unwrap_or(Path::new("")).to_owned();
                (path.display().to_string(), text, base)
            }
        };
        let (table, errors) = DeTable::parse_recoverable(&text);
        let source = Rc::new(Source {
            name,
            text: &text,
            base,
            faults: Vec::new().into(),
        });
        for error in errors {
            let offset = error.span().map_or(0, |span| span.start);
            source.fault(offset, format!("not valid TOML: {}", error.message()));
        }
        // After a syntax error, what follows would be blamed for what is missing.
        let config = if source.faults.borrow().is_empty() {
            read::read(
                &Section::root(table.get_ref(), source.clone()),
                overrides,
                &source,
            )
        } else {
            Config::default()
        };
        let faults = source.faults.take();
        if faults.is_empty() {
            Ok(config)
        } else {
            Err(faults)
        }
    }
}
