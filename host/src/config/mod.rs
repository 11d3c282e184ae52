//! The configuration: parses `toolcrib.toml` and the command line into types, once.
//!
//! [`Config::load`] reports every error at once. An embedder can build a [`Config`] by hand instead.

mod json;

mod section;

mod values;

mod allow;
mod cache;
mod kv;
mod limits;
mod listen;
mod network;
mod parts;
mod server;
mod shared;
mod telemetry;
mod text;
mod tool;
mod trust;
mod wasi;
mod watch;

mod auth;
mod companion;
mod component;
mod mount;
mod overrides;
mod restart;

use std::path::{Path, PathBuf};
use std::rc::Rc;

use toml::de::DeTable;

pub use auth::Access;
pub(crate) use companion::read_companion;
pub use component::ComponentConfig;
pub use listen::Listen;
pub use network::NetworkConfig;
pub use overrides::Overrides;
pub use parts::PartConfig;
pub(crate) use restart::{keys_that_need_a_restart, max_memory_bytes};
pub use section::{ConfigError, ValueFile};
pub use server::{MIN_STATE_KEY_BYTES, ServerConfig, TlsConfig};
pub use text::ConfigText;
pub use watch::WatchMode;

use crate::reference::Reference;
use crate::sandbox::Limits;
use crate::sandbox::keyvalue::KeyValueConfig;
use crate::shared::SharedConfig;
use crate::telemetry::{OnRequest, TelemetryConfig};
use crate::trust::TrustPolicy;
use section::{Section, Source};

/// The configuration of the host.
#[derive(Debug, Clone)]
pub struct Config {
    /// File it was read from.
    pub file: Option<PathBuf>,
    /// Files that it names as values, such as keys and secrets. A component cannot get write access to them.
    pub value_files: Vec<ValueFile>,
    /// `[server]`
    pub server: ServerConfig,
    /// `[auth]` or `--no-auth`: who may call.
    pub access: Access,
    /// `--i-know-this-is-open`: whether [`Access::Open`] is accepted with an address that other machines can reach.
    pub open_to_network: bool,
    /// `[limits]`: limits of components without limits of their own.
    pub limits: Limits,
    /// References to the components to serve.
    pub references: Vec<Reference>,
    /// `[[component]]` and `[[mount]]`: settings for the components named there.
    pub components: Vec<ComponentConfig>,
    /// `[trust]`: the signatures that components need.
    pub trust: TrustPolicy,
    /// The changes of components that take effect while they are served.
    pub watch: WatchMode,
    /// `--watch-config`: whether the configuration file is read again when it changes, so that the catalog can change too.
    pub watch_config: bool,
    /// Whether to start without the components that cannot be loaded, instead of failing.
    pub keep_going: bool,
    /// `[cache]`: directory of compiled and fetched components; `None` compiles and fetches at every start.
    pub cache: Option<PathBuf>,
    /// `[cache]` `size`: size of all files in that directory above which the least recently used ones are removed, in
    /// bytes.
    pub cache_max_bytes: u64,
    /// `[cache]` `offline`: whether components are taken from the cache only, and never fetched.
    pub offline: bool,
    /// `--allow-unpinned`: whether remote components are served without a pinned digest.
    pub allow_unpinned: bool,
    /// `[network]`
    pub network: NetworkConfig,
    /// A `toolcrib` binary of the same version, which compiles components in child processes with limits on time and
    /// memory. `None` compiles in this process, where a compilation can be neither ended nor limited in memory.
    pub compiler: Option<PathBuf>,
    /// Called during the start with the number of fetched remote components and of all remote components.
    pub on_fetch_progress: Option<fn(usize, usize)>,
    /// Called during the start with the number of loaded components and of all components.
    pub on_load_progress: Option<fn(usize, usize)>,
    /// Gets each request that has ended, instead of the log.
    pub on_request: Option<OnRequest>,
    /// `[kv]`: the key-value store behind `wasi:keyvalue`.
    pub kv: KeyValueConfig,
    /// `[telemetry]`
    pub telemetry: TelemetryConfig,
    /// `[shared]`: the state that several replicas share; needs [`ServerConfig::state_key`].
    pub shared: Option<SharedConfig>,
    /// `[wasi]` `preview3`: whether components that need WASI 0.3 or its asynchronous functions run, on an engine of their
    /// own. wasmtime's implementation is experimental.
    pub preview3: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            file: None,
            value_files: Vec::new(),
            server: ServerConfig::default(),
            access: Access::Unset,
            open_to_network: false,
            limits: Limits::default(),
            references: Vec::new(),
            components: Vec::new(),
            trust: TrustPolicy::default(),
            watch: WatchMode::Manual,
            watch_config: false,
            keep_going: false,
            cache: cache::default_cache_dir(),
            cache_max_bytes: cache::DEFAULT_MAX_BYTES,
            offline: false,
            allow_unpinned: false,
            network: NetworkConfig::default(),
            compiler: None,
            on_fetch_progress: None,
            on_load_progress: None,
            on_request: None,
            kv: kv::default_key_value(),
            telemetry: TelemetryConfig::default(),
            shared: None,
            preview3: false,
        }
    }
}

impl Config {
    /// Reads the configuration file and applies the command line to it.
    ///
    /// # Errors
    /// Every error in the configuration.
    pub fn load(overrides: &Overrides) -> Result<Self, Vec<ConfigError>> {
        let text = ConfigText::read(overrides.file.as_deref()).map_err(|error| vec![error])?;
        Self::parse(&text, overrides)
    }

    /// Reads the text of the configuration file, with the files that it names, and applies the command line to it.
    ///
    /// # Errors
    /// Every error in the configuration.
    pub fn parse(text: &ConfigText, overrides: &Overrides) -> Result<Self, Vec<ConfigError>> {
        let ConfigText { file, text, .. } = text;
        let file = file.as_deref().unwrap_or(Path::new(""));
        let name = file.display().to_string();
        let base = file.parent().unwrap_or(Path::new("")).to_owned();
        let (table, syntax_errors) = DeTable::parse_recoverable(text);
        let source = Rc::new(Source {
            name,
            text,
            base,
            errors: Vec::new().into(),
            value_files: Vec::new().into(),
            may_refer: true,
        });
        for error in &syntax_errors {
            let offset = error.span().map_or(0, |span| span.start);
            source.error(offset, format!("not valid TOML: {}", error.message()));
        }
        // A syntax error hides parts of the file, which would be reported as missing.
        let config = if syntax_errors.is_empty() {
            read_config(
                Section::root(table.get_ref(), source.clone()),
                overrides,
                &source,
            )
        } else {
            Self::default()
        };
        let errors = source.errors.take();
        if errors.is_empty() {
            Ok(config)
        } else {
            Err(errors)
        }
    }

    /// Returns the `[[component]]` at an index.
    pub(crate) fn settings(&self, index: Option<usize>) -> Option<&ComponentConfig> {
        index.and_then(|index| self.components.get(index))
    }

    /// Returns the parts of all compositions.
    pub(crate) fn parts(&self) -> impl Iterator<Item = &PartConfig> {
        self.components.iter().flat_map(|component| &component.with)
    }

    /// Returns the references to components on the network, also those of parts.
    pub(crate) fn remote_references(&self) -> impl Iterator<Item = &Reference> {
        let parts = self.parts().map(|part| &part.reference);
        let references = self.references.iter().chain(parts);
        references.filter(|reference| reference.remote().is_some())
    }

    /// Returns the limits of a component with the settings at an index.
    pub(crate) fn limits_of(&self, index: Option<usize>) -> &Limits {
        self.settings(index).map_or(&self.limits, |c| &c.limits)
    }

    /// Returns the limit of concurrent calls of one caller; `None` without authentication, since all clients would count
    /// as one caller.
    pub(crate) fn calls_per_caller(&self) -> Option<u32> {
        let total = self.server.max_concurrent_calls;
        let per_caller = self.server.max_calls_per_caller;
        let has_callers = matches!(self.access, Access::Guarded(_));
        has_callers.then(|| per_caller.unwrap_or(total.div_ceil(2)))
    }
}

/// Reads the root table and applies the command line to it.
fn read_config(root: Section<'_, '_>, overrides: &Overrides, source: &Source<'_>) -> Config {
    let mut config = Config {
        file: overrides.file.clone(),
        watch: overrides.watch_mode(),
        watch_config: overrides.watch_config,
        keep_going: overrides.keep_going,
        ..Config::default()
    };
    if let Some(section) = root.table("server") {
        config.server = server::read_server(section);
    }
    // Set before `[auth]` is read, which derives the resource identifier from it.
    if let Some(listen) = &overrides.listen {
        config.server.listen = listen.clone();
    }
    if let Some(section) = root.table("limits") {
        config.limits = limits::read_limits(section, &config.limits);
    }
    if let Some(section) = root.table("cache") {
        let cache = cache::read_cache(section);
        config.cache = cache.dir;
        config.cache_max_bytes = cache.max_bytes;
        config.offline = cache.offline;
    }
    config.offline |= overrides.offline;
    config.allow_unpinned = overrides.allow_unpinned;
    if let Some(section) = root.table("trust") {
        config.trust = trust::read_trust(section);
    }
    if let Some(section) = root.table("kv") {
        config.kv = kv::read_key_value(section);
    }
    if let Some(section) = root.table("telemetry") {
        config.telemetry = telemetry::read_telemetry(section);
    }
    if let Some(section) = root.table("shared") {
        config.shared = shared::read_shared(section, config.server.state_key.is_some());
    }
    if let Some(section) = root.table("network") {
        config.network = network::read_network(section);
    }
    if let Some(section) = root.table("wasi") {
        config.preview3 = wasi::read_preview3(section);
    }
    if let Some(section) = root.table("auth") {
        let guard = auth::read_auth(section, &config.server, &config.network);
        config.access = Access::Guarded(Box::new(guard));
    }
    if overrides.no_auth {
        config.access = Access::Open;
    }
    config.open_to_network = overrides.open_to_network;
    for text in root.string_list("components").unwrap_or_default() {
        match Reference::parse(&text, root.base()) {
            Ok(reference) => config.references.push(reference),
            Err(error) => root.error("components", format!("names {error}")),
        }
    }
    for section in root.table_list("component") {
        if let Some(component) = component::read_component(section, &config.limits) {
            config.references.push(component.reference.clone());
            config.components.push(component);
        }
    }
    for section in root.table_list("mount") {
        let (path, others) = (&config.server.path, &config.components);
        if let Some(mount) = mount::read_mount(section, &config.limits, path, others) {
            config.references.push(mount.reference.clone());
            config.components.push(mount);
        }
    }
    if !overrides.references.is_empty() {
        config.references.clear();
    }
    for reference in overrides.parse_references() {
        match reference {
            Ok(reference) => config.references.push(reference),
            Err(error) => source.errors.borrow_mut().push(error),
        }
    }
    root.finish();
    config.value_files = source.value_files.take();
    config
}
