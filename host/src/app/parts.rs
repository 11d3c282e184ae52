//! Builds the parts of the application from a configuration.

use std::net::IpAddr;

use tokio_util::sync::CancellationToken;

use super::problem::{BuildError, Problem};
use crate::auth::{Guard, Secret};
use crate::config::{self, Access, Config, Listen};
use crate::http::{self, Policy};
use crate::mcp::{self, ServerIdentity, ToolServer};
use crate::reload::{self, ComponentRegistry, OnlineCheck};
use crate::shared::Shared;
use crate::telemetry::Observer;

/// Builds the MCP server over the registry's catalog, without a transport.
pub(crate) fn tool_server(
    config: &Config,
    registry: &ComponentRegistry,
    observer: Observer,
    shared: Option<Shared>,
    draining: CancellationToken,
    shutdown: CancellationToken,
) -> ToolServer {
    let options = mcp::ServerOptions {
        identity: identity(config),
        public: matches!(config.access, Access::Open),
        changes: registry.can_change(),
        state_key: config.server.state_key.clone(),
        task_ttl: config.server.task_ttl,
        observer,
        shared,
    };
    ToolServer::new(registry.live(), options, draining, shutdown)
}

/// Returns what the MCP server announces.
pub(super) fn identity(config: &Config) -> ServerIdentity {
    ServerIdentity {
        name: config.server.name.clone(),
        instructions: config.server.instructions.clone(),
    }
}

/// Returns the settings of the HTTP server.
pub(super) fn http_settings(config: &Config, guard: Option<Guard>) -> http::Settings {
    let server = &config.server;
    let mut policy = Policy::new(
        server.public_url.as_deref(),
        server.tls.is_some(),
        &server.allowed_hosts,
        &server.allowed_origins,
    );
    if let Listen::Address(address) = server.listen
        && !address.ip().is_unspecified()
    {
        policy = policy.with_host(match address.ip() {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        });
    }
    let page = server.serves_page().then(|| http::PageSettings {
        url: server.public_url.is_some().then(|| server.resource()),
        client_id: server.page_client_id.clone(),
    });
    http::Settings {
        max_body_bytes: server.max_body_bytes,
        policy,
        guard,
        page,
    }
}

/// Checks the length of the key of request states. `Config::load` does too, but an embedder may build the configuration by
/// hand.
pub(super) fn check_state_key(config: &Config) -> Option<Problem> {
    let state_key = config.server.state_key.as_ref();
    let is_short = |key: &Secret| key.bytes().len() < config::MIN_STATE_KEY_BYTES;
    state_key.is_some_and(is_short).then_some(Problem::StateKey)
}

/// Builds the configured guard; `None` if every client may call.
///
/// # Errors
/// Every problem with the settings.
pub(crate) fn build_guard(config: &Config) -> Result<Option<Guard>, Vec<Problem>> {
    match &config.access {
        Access::Unset => Err(vec![Problem::NoAccess]),
        Access::Open if config.server.listen.is_local() || config.open_to_network => Ok(None),
        Access::Open => Err(vec![Problem::OpenToAll(config.server.listen.clone())]),
        Access::Guarded(guard) => Guard::build((**guard).clone())
            .map(Some)
            .map_err(|errors| errors.into_iter().map(Problem::Auth).collect()),
    }
}

/// Returns the checks of all servers that a configuration names: those of the issuers' keys, and those that components need.
///
/// # Errors
/// Every problem because of which they cannot be asked.
pub(crate) fn online_checks(config: &Config) -> Result<Vec<OnlineCheck>, BuildError> {
    let guard = match &config.access {
        Access::Guarded(_) => build_guard(config).map_err(|problems| BuildError { problems })?,
        Access::Open | Access::Unset => None,
    };
    let fetches = guard.iter().flat_map(Guard::key_fetches);
    let mut checks: Vec<_> = fetches
        .map(|(issuer, check)| OnlineCheck {
            name: format!("issuer {issuer}"),
            check,
        })
        .collect();
    if let Some(shared) = config.shared.clone() {
        checks.push(OnlineCheck {
            name: format!("shared state {}", shared.url),
            check: Box::pin(async move { Shared::check(&shared).await }),
        });
    }
    checks.extend(reload::online_checks(config)?);
    Ok(checks)
}
