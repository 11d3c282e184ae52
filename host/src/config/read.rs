//! From the tables of `toolcrib.toml` to the types of the configuration.

use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;
use url::Url;

use super::MIN_STATE_KEY_BYTES;
use super::allow;
use super::section::{Section, Source};
use super::tool::tool;
use super::{
    Access, ComponentConfig, Config, ConfigError, Overrides, ServerConfig, TlsConfig, WatchMode,
};
use crate::auth;
use crate::reference::Reference;
use crate::sandbox::Limits;
use crate::telemetry;

pub(super) fn read(root: &Section<'_, '_>, overrides: &Overrides, source: &Source<'_>) -> Config {
    let mut config = Config::default();
    if let Some(section) = root.section("server") {
        config.server = server(section);
    }
    if let Some(listen) = overrides.listen {
        config.server.listen = listen;
    }
    if let Some(section) = root.section("limits") {
        config.limits = limits(section, &config.limits);
    }
    if let Some(section) = root.section("cache") {
        config.cache = cache(section);
    }
    if let Some(section) = root.section("kv") {
        config.kv = allow::kv(section);
    }
    if let Some(section) = root.section("telemetry") {
        config.telemetry = telemetry(section);
    }
    if let Some(section) = root.section("auth") {
        let settings = auth(section, &config.server);
        config.access = Access::Guarded(Box::new(settings));
    }
    if overrides.no_auth {
        config.access = Access::Open;
    }
    config.changes = match overrides.watch {
        None => WatchMode::Directories,
        Some(true) => WatchMode::Everything,
        Some(false) => WatchMode::Never,
    };
    config.keep_going = overrides.keep_going;
    config.file.clone_from(&overrides.file);
    for text in root.strings("components").unwrap_or_default() {
        match Reference::parse(&text, root.base()) {
            Ok(reference) => config.references.push(reference),
            Err(error) => root.fault("components", format!("names {error}")),
        }
    }
    for section in root.sections("component") {
        if let Some(component) = component(section, &config.limits) {
            config.references.push(component.reference.clone());
            config.components.push(component);
        }
    }
    if !overrides.references.is_empty() {
        config.references.clear();
    }
    for text in &overrides.references {
        match Reference::parse(text, Path::new("")) {
            Ok(reference) => config.references.push(reference),
            Err(error) => source.faults.borrow_mut().push(ConfigError {
                place: "command line".into(),
                what: error.to_string(),
            }),
        }
    }
    root.unknown_keys();
    config
}

fn server(section: Section<'_, '_>) -> ServerConfig {
    let default = ServerConfig::default();
    let listen = section.parsed(
        "listen",
        "an address and port such as \"127.0.0.1:8080\"",
        |t| t.parse().ok(),
    );
    let path = section.parsed(
        "path",
        "a path such as \"/mcp\": no slash at its end, no query",
        |t| (t.starts_with('/') && is_path(t)).then(|| t.to_owned()),
    );
    let public_url = section.parsed(
        "public-url",
        "a base URL such as \"https://tools.example.com\": no slash at its end, no query",
        |t| {
            let url = Url::parse(t).ok()?;
            let is_base = matches!(url.scheme(), "http" | "https")
                && url.has_host()
                && url.query().is_none()
                && url.fragment().is_none()
                && url.username().is_empty()
                && !t.ends_with('/');
            is_base.then(|| t.to_owned())
        },
    );
    let server = ServerConfig {
        listen: listen.unwrap_or(default.listen),
        path: path.unwrap_or(default.path),
        public_url,
        name: section.string("name").unwrap_or(default.name),
        instructions: section.string("instructions"),
        allowed_origins: section.strings("allowed-origins").unwrap_or_default(),
        allowed_hosts: section.strings("allowed-hosts").unwrap_or_default(),
        sessions: section.boolean("sessions").unwrap_or(default.sessions),
        state_key: section.secret("state-key").map(auth::Secret::new),
        task_ttl: section.duration("task-ttl").unwrap_or(default.task_ttl),
        max_body_bytes: section.size("max-body").unwrap_or(default.max_body_bytes),
        max_concurrent_calls: section
            .count("max-concurrent-calls")
            .unwrap_or(default.max_concurrent_calls),
        max_calls_per_caller: section.count("max-calls-per-caller"),
        drain: section.duration("drain").unwrap_or(default.drain),
        tls: section.section("tls").and_then(tls),
    };
    if server
        .state_key
        .as_ref()
        .is_some_and(|key| key.bytes().len() < MIN_STATE_KEY_BYTES)
    {
        let what = format!(
            "has less than {MIN_STATE_KEY_BYTES} bytes; make one with `openssl rand -hex 32`"
        );
        section.fault("state-key", what);
    }
    if server.task_ttl.is_zero() {
        section.fault("task-ttl", "must be longer than zero");
    }
    for origin in &server.allowed_origins {
        if !is_origin(origin) {
            section.fault(
                "allowed-origins",
                format!(
                    "has {origin:?}; an origin is a scheme, a host and perhaps a port, such as \
                     \"https://app.example.com\" or \"http://localhost:*\""
                ),
            );
        }
    }
    section.finish();
    server
}

fn tls(section: Section<'_, '_>) -> Option<TlsConfig> {
    let file = |key| {
        if section.value(key).is_none() {
            section.fault(key, "is missing; name a PEM file");
        }
        let base = section.base();
        section.parsed(key, "the path of a PEM file", |text| Some(base.join(text)))
    };
    let (cert, key) = (file("cert"), file("key"));
    section.finish();
    Some(TlsConfig {
        cert: cert?,
        key: key?,
    })
}

fn is_path(text: &str) -> bool {
    let reserved = ["/healthz", "/readyz"];
    text.len() > 1
        && !text.ends_with('/')
        && !reserved.contains(&text)
        && !text.starts_with("/.well-known")
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"/-._~".contains(&b))
}

fn is_origin(text: &str) -> bool {
    let concrete = text.strip_suffix(":*").unwrap_or(text);
    Url::parse(concrete)
        .is_ok_and(|url| url.has_host() && url.path() == "/" && !concrete.ends_with('/'))
}

fn limits(section: Section<'_, '_>, default: &Limits) -> Limits {
    const MAX_MEMORY_BYTES: usize = 4 << 30;
    let limits = Limits {
        memory_bytes: section.size("memory").unwrap_or(default.memory_bytes),
        time: section.duration("time").unwrap_or(default.time),
        cpu: section.duration("cpu").unwrap_or(default.cpu),
        output_bytes: section.size("output").unwrap_or(default.output_bytes),
        argument_bytes: section.size("arguments").unwrap_or(default.argument_bytes),
        concurrency: section.count("concurrency").unwrap_or(default.concurrency),
        calls_per_minute: section
            .count("calls-per-minute")
            .and_then(std::num::NonZeroU32::new)
            .or(default.calls_per_minute),
        compile: section.duration("compile").unwrap_or(default.compile),
    };
    if limits.memory_bytes > MAX_MEMORY_BYTES {
        section.fault(
            "memory",
            "must be at most \"4GiB\", which is what a guest can address",
        );
    }
    for (key, value) in [
        ("time", limits.time),
        ("cpu", limits.cpu),
        ("compile", limits.compile),
    ] {
        if value.is_zero() {
            section.fault(key, "must be longer than zero");
        }
    }
    section.finish();
    limits
}

fn cache(section: Section<'_, '_>) -> Option<PathBuf> {
    let off = section
        .value("dir")
        .is_some_and(|dir| dir.get_ref().as_bool() == Some(false));
    let dir = if off {
        None
    } else {
        let base = section.base().to_owned();
        let wanted = "a directory, or false to turn the cache off";
        section
            .parsed("dir", wanted, |text| Some(base.join(text)))
            .or_else(default_cache)
    };
    section.finish();
    dir
}

/// The platform's cache directory; `None` where the user has no home.
pub(super) fn default_cache() -> Option<PathBuf> {
    let strategy = etcetera::choose_base_strategy().ok()?;
    Some(strategy.cache_dir().join("toolcrib"))
}

fn telemetry(section: Section<'_, '_>) -> telemetry::LogConfig {
    let default = telemetry::LogConfig::default();
    let settings = telemetry::LogConfig {
        format: section
            .parsed("log", "\"text\" or \"json\"", |t| t.parse().ok())
            .unwrap_or(default.format),
        level: section
            .parsed(
                "level",
                "\"error\", \"warn\", \"info\", \"debug\" or \"trace\"",
                |t| t.parse().ok(),
            )
            .unwrap_or(default.level),
    };
    section.finish();
    settings
}

fn component(section: Section<'_, '_>, default: &Limits) -> Option<ComponentConfig> {
    let reference = section.string("ref");
    if section.value("ref").is_none() {
        section.fault(
            "ref",
            "is missing; name the component's file, such as ref = \"tools/x.wasm\"",
        );
    }
    let reference = reference.and_then(|text| {
        Reference::parse(&text, section.base())
            .map_err(|error| section.fault("ref", format!("names {error}")))
            .ok()
    });
    let digest = section.parsed(
        "digest",
        "\"sha256:\" and 64 lower-case hexadecimal digits",
        |text| is_digest(text).then(|| text.to_owned()),
    );
    let prefix = section.parsed("prefix", "characters of `A-Z a-z 0-9 _ -`", |text| {
        crate::component::is_tool_name(text).then(|| text.to_owned())
    });
    let limits = match section.section("limits") {
        Some(section) => limits(section, default),
        None => default.clone(),
    };
    let allow = section.section("allow").map(allow::grants);
    let name = section.string("name");
    let scopes = scopes(&section, "scopes");
    let only = section.strings("tools");
    let exclude = section.strings("exclude").unwrap_or_default();
    for tool in only.iter().flatten().filter(|tool| exclude.contains(tool)) {
        section.fault(
            "exclude",
            format!("names `{tool}`, and so does `tools`; take it out of one of them"),
        );
    }
    let tools = section.named_sections("tool").into_iter();
    let tools = tools.map(|(name, section)| (name, tool(section))).collect();
    section.finish();
    Some(ComponentConfig {
        reference: reference?,
        name,
        digest,
        prefix: prefix.unwrap_or_default(),
        scopes,
        only,
        exclude,
        tools,
        limits,
        allow: allow.unwrap_or_default(),
    })
}

/// Scopes that a call can be refused for the lack of.
pub(super) fn scopes(section: &Section<'_, '_>, key: &'static str) -> Vec<String> {
    let scopes = section.strings(key).unwrap_or_default();
    for scope in &scopes {
        if !auth::is_requirable_scope(scope) {
            section.fault(
                key,
                format!(
                    "has {scope:?}; a scope is printable ASCII without space, quote and backslash, \
                     and not `offline_access`"
                ),
            );
        }
    }
    scopes
}

fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:").is_some_and(|hex| {
        hex.len() == 64
            && hex
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    })
}

fn auth(section: Section<'_, '_>, server: &ServerConfig) -> auth::GuardConfig {
    if server.public_url.is_none()
        && (server.listen.port() == 0 || server.listen.ip().is_unspecified())
    {
        section.fault(
            "issuer",
            "needs `server.public-url` beside it: with this `listen` address nothing else says \
             which URL clients use",
        );
    }
    let mut settings = auth::GuardConfig::new(server.resource(), String::new(), String::new());
    settings.issuers = vec![issuer(&section)];
    settings
        .issuers
        .extend(section.sections("issuers").into_iter().map(|below| {
            let issuer = issuer(&below);
            below.finish();
            issuer
        }));
    settings.authorization_servers = section.strings("authorization-servers").unwrap_or_default();
    settings.required_scopes = section.strings("required-scopes").unwrap_or_default();
    settings.scope_implies = section.map_of_strings("scope-implies").unwrap_or_default();
    settings.require_at_jwt = section.boolean("require-at-jwt").unwrap_or(false);
    settings.pass_claims = section.strings("pass-claims").unwrap_or_default();
    if let Some(leeway) = section.duration("leeway") {
        settings.leeway = leeway;
    }
    if let Some(outage) = section.duration("outage") {
        settings.outage = outage;
    }
    section.finish();
    settings
}

fn issuer(section: &Section<'_, '_>) -> auth::IssuerConfig {
    for key in ["issuer", "audience"] {
        if section.value(key).is_none() {
            section.fault(
                key,
                "is missing; tokens are accepted only from and for whom it names",
            );
        }
    }
    let jwks_uri = section.parsed("jwks-uri", "an https URL", |text| Url::parse(text).ok());
    let public_key = section.secret("public-key");
    let secret = section.secret("secret");
    let sources = [jwks_uri.is_some(), public_key.is_some(), secret.is_some()];
    if sources.iter().filter(|given| **given).count() > 1 {
        section.fault(
            "jwks-uri",
            "stands beside another key; give one of `jwks-uri`, `public-key` and `secret`",
        );
    }
    let algorithms = section.strings("algorithms").unwrap_or_default();
    auth::IssuerConfig {
        issuer: section.string("issuer").unwrap_or_default(),
        audience: section.string_or_strings("audience").unwrap_or_default(),
        keys: match (jwks_uri, public_key, secret) {
            (Some(url), ..) => auth::KeySource::JwksUri(url),
            (_, Some(text), _) => auth::KeySource::PublicKey(text),
            (.., Some(secret)) => auth::KeySource::Secret(auth::Secret::new(secret)),
            (None, None, None) => auth::KeySource::Discover,
        },
        algorithms: algorithms
            .iter()
            .filter_map(|name| match name.parse() {
                Ok(algorithm) => Some(algorithm),
                Err(error) => {
                    section.fault("algorithms", format!("has {name:?}: {error}"));
                    None
                }
            })
            .collect(),
        private_network: section.boolean("private-network").unwrap_or(false),
    }
}
