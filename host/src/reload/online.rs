//! Checks of the servers that the components of a configuration need: registries and web servers, the key-value store,
//! and the hosts that are granted.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;

use super::problem::ComponentProblem;
use super::remotes::fetcher;
use crate::config::Config;
use crate::sandbox::GrantedHost;
use crate::sandbox::keyvalue::{Store, StoreLocation};
use crate::text::error_chain;

/// A check of one server.
pub(crate) struct OnlineCheck {
    /// The kind of the server and its name.
    pub(crate) name: String,
    /// Resolves to one sentence if the server cannot be used.
    pub(crate) check: BoxFuture<'static, Result<(), String>>,
}

/// Returns the checks for the components of a configuration. Nothing is done before they are polled.
///
/// # Errors
/// Every error in `[network]`, or the cache cannot be used.
pub(crate) fn checks(config: &Config) -> Result<Vec<OnlineCheck>, Vec<ComponentProblem>> {
    let mut checks = remote_checks(config)?;
    if let Some(StoreLocation::Redis(_)) = config.kv.location {
        let store = Store::new(&config.kv);
        let opening = async move { store.open().await.map_err(|error| error_chain(&error)) };
        checks.push(OnlineCheck {
            name: "key-value store".to_owned(),
            check: opening.boxed(),
        });
    }
    let components = config.components.iter();
    let mut hosts: Vec<GrantedHost> = Vec::new();
    for host in components.flat_map(|component| GrantedHost::of(&component.allow)) {
        if !hosts.contains(&host) {
            hosts.push(host);
        }
    }
    checks.extend(hosts.into_iter().map(|host| OnlineCheck {
        name: format!("granted host {host}"),
        check: async move { host.connect().await.map_err(|error| error.to_string()) }.boxed(),
    }));
    Ok(checks)
}

fn remote_checks(config: &Config) -> Result<Vec<OnlineCheck>, Vec<ComponentProblem>> {
    let mut remotes = Vec::new();
    for remote in config.remote_references().filter_map(|r| r.remote()) {
        if !remotes.contains(&remote) {
            remotes.push(remote);
        }
    }
    if remotes.is_empty() || config.offline {
        return Ok(Vec::new());
    }
    let fetcher = Arc::new(fetcher(config)?);
    let checks = remotes.into_iter().map(|remote| {
        let (fetcher, remote) = (fetcher.clone(), remote.clone());
        OnlineCheck {
            name: format!("component {remote}"),
            check: async move {
                let current = fetcher.current(&remote).await;
                current.map(drop).map_err(|error| error_chain(&error))
            }
            .boxed(),
        }
    });
    Ok(checks.collect())
}
