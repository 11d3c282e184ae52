//! The state that all connections of the MCP server share.

use std::sync::{Arc, PoisonError, RwLock};

use rmcp::model::MetaObject;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::announced::Announced;
use super::convert;
use super::listing::View;
use super::options::{ServerIdentity, ServerOptions};
use super::quota::Quota;
use super::seal::Seal;
use super::tasks::Tasks;
use crate::auth::Secret;
use crate::catalog::{Catalog, LiveCatalog};
use crate::shared::Shared;

/// Memory for results that are kept and for calls that wait for answers.
const MAX_KEPT_BYTES: usize = 1 << 30;
/// The part of it that one caller may use.
const MAX_KEPT_BYTES_PER_CALLER: usize = 256 << 20;

/// Shared state of the MCP server.
pub(super) struct ServerState {
    pub(super) live: LiveCatalog,
    /// The lists of the catalog that was current when they were last asked for.
    view: RwLock<Arc<View>>,
    pub(super) options: ServerOptions,
    announced: RwLock<Arc<Announced>>,
    pub(super) seal: Seal,
    pub(super) tasks: Tasks,
    /// Memory kept for callers while no guest runs for them, in bytes.
    pub(super) memory: Quota,
    /// Open `subscriptions/listen` streams.
    pub(super) streams: Quota,
    pub(super) draining: CancellationToken,
    pub(super) shutdown: CancellationToken,
}

impl ServerState {
    /// State without calls. `streams` limits `subscriptions/listen` streams.
    pub(super) fn new(
        live: LiveCatalog,
        options: ServerOptions,
        streams: Quota,
        draining: CancellationToken,
        shutdown: CancellationToken,
    ) -> Self {
        let announced = Announced::new(options.identity.clone());
        let view = View::new(live.current(), options.changes, &announced);
        let memory = Quota::new(MAX_KEPT_BYTES, MAX_KEPT_BYTES_PER_CALLER);
        let tasks = options.shared.as_ref().map(Shared::tasks);
        Self {
            live,
            view: RwLock::new(Arc::new(view)),
            announced: RwLock::new(announced),
            seal: Seal::new(options.state_key.as_ref().map(Secret::bytes)),
            tasks: Tasks::new(options.task_ttl, memory.clone(), tasks),
            memory,
            streams,
            options,
            draining,
            shutdown,
        }
    }

    /// Returns the lists of the current catalog.
    pub(super) fn view(&self) -> Arc<View> {
        let current = self.live.current();
        let announced = self.announced();
        let view = self.view.read().unwrap_or_else(PoisonError::into_inner);
        if Arc::ptr_eq(&view.catalog, &current) && Arc::ptr_eq(&view.announced, &announced) {
            return view.clone();
        }
        drop(view);
        let view = Arc::new(View::new(current, self.options.changes, &announced));
        *self.view.write().unwrap_or_else(PoisonError::into_inner) = view.clone();
        view
    }

    /// Replaces the texts that the server announces.
    pub(super) fn announce(&self, identity: ServerIdentity) {
        let announced = Announced::new(identity);
        *self
            .announced
            .write()
            .unwrap_or_else(PoisonError::into_inner) = announced;
    }

    fn announced(&self) -> Arc<Announced> {
        let announced = self.announced.read();
        announced.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns a receiver that is notified of every change of the catalog.
    pub(super) fn swaps(&self) -> watch::Receiver<Arc<Catalog>> {
        self.live.subscribe()
    }

    /// Adds the server's name and version to the `_meta` of a result.
    pub(super) fn with_server_info(&self, meta: Option<MetaObject>) -> Option<MetaObject> {
        Some(convert::with_server_info(meta, &self.announced().info_json))
    }
}
