//! Change notifications: on `subscriptions/listen` streams, and on the connections of the older revisions.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use rmcp::model::{ResourceUpdatedNotificationParam, SubscriptionFilter};
use rmcp::service::SubscriptionContext;
use rmcp::{ErrorData, Peer, RoleServer};
use tokio_util::sync::CancellationToken;

use super::caller::caller;
use super::listing::View;
use super::quota::Quota;
use super::state::ServerState;
use crate::auth::Caller;
use crate::catalog::TargetName;

/// The maximum number of open streams.
const MAX_STREAMS: usize = 1_024;
/// The maximum number of open streams of one caller, if callers are authenticated.
const MAX_STREAMS_PER_CALLER: usize = 64;
/// The maximum number of resources that one client may subscribe to.
const MAX_SUBSCRIPTIONS: usize = 1_000;
/// The maximum length of a resource's URI in a subscription.
const MAX_URI_BYTES: usize = 2_048;

/// Returns the quota of streams. Without authentication all callers share it.
pub(super) fn stream_quota(is_public: bool) -> Quota {
    match is_public {
        true => Quota::new(MAX_STREAMS, MAX_STREAMS),
        false => Quota::new(MAX_STREAMS, MAX_STREAMS_PER_CALLER),
    }
}

/// Returns the part of a requested filter that is accepted. The acknowledgement reports it to the client.
pub(super) fn accepted_filter(mut filter: SubscriptionFilter) -> SubscriptionFilter {
    if let Some(uris) = &mut filter.resource_subscriptions {
        uris.retain(|uri| uri.len() <= MAX_URI_BYTES);
        uris.truncate(MAX_SUBSCRIPTIONS);
    }
    filter
}

/// The difference between two catalogs.
struct CatalogChange<'a> {
    old: &'a View,
    new: &'a View,
}

impl CatalogChange<'_> {
    fn tools_changed(&self) -> bool {
        !self.old.tools.is_same(&self.new.tools)
    }

    fn prompts_changed(&self) -> bool {
        !self.old.prompts.is_same(&self.new.prompts)
    }

    fn resources_changed(&self) -> bool {
        !self.old.resources.is_same(&self.new.resources)
            || !self.old.templates.is_same(&self.new.templates)
    }

    /// Returns whether the component of this resource has changed, or whether it appeared or disappeared, as visible to
    /// this caller.
    fn resource_changed(&self, uri: &str, caller: Option<&Caller>) -> bool {
        let target = TargetName::Resource(uri.to_owned());
        let digest = |view: &View| {
            let found = view.catalog.find(&target)?;
            let visible = caller.is_none_or(|caller| caller.has_scopes(found.scopes()));
            visible.then(|| found.component().digest.clone())
        };
        digest(self.old) != digest(self.new)
    }
}

/// Serves one `subscriptions/listen` stream until the client disconnects or the server drains.
pub(super) async fn listen(
    server: &ServerState,
    stream: SubscriptionContext,
    draining: CancellationToken,
) -> Result<(), ErrorData> {
    let mut swaps = server.swaps();
    let mut old = server.view();
    let subscribed = stream.accepted().resource_subscriptions.clone();
    let caller = caller(stream.request_context()).map(|caller| &**caller);
    loop {
        tokio::select! {
            () = stream.cancelled() => return Ok(()),
            // The final result tells the client that the stream ended normally.
            () = draining.cancelled() => return Ok(()),
            swapped = swaps.changed() => if swapped.is_err() {
                return Ok(());
            },
        }
        let new = server.view();
        let change = CatalogChange {
            old: &old,
            new: &new,
        };
        let sink = stream.sink();
        // The sink filters what the client subscribed to. Errors are ignored, because a closed sink ends the loop
        // above.
        if change.tools_changed() {
            let _ = sink.notify_tool_list_changed().await;
        }
        if change.prompts_changed() {
            let _ = sink.notify_prompt_list_changed().await;
        }
        if change.resources_changed() {
            let _ = sink.notify_resource_list_changed().await;
        }
        for uri in subscribed.iter().flatten() {
            if change.resource_changed(uri, caller) {
                let _ = sink.notify_resource_updated(uri.clone()).await;
            }
        }
        old = new;
    }
}

/// The resources that the client of a lasting connection has subscribed to.
#[derive(Default)]
pub(super) struct ResourceSubscriptions(Mutex<BTreeSet<String>>);

impl ResourceSubscriptions {
    /// Adds a subscription.
    ///
    /// # Errors
    /// The URI is too long, or the client has too many subscriptions.
    pub(super) fn add(&self, uri: String) -> Result<(), ErrorData> {
        let mut subscribed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if uri.len() > MAX_URI_BYTES {
            let message = format!("the URI is longer than {MAX_URI_BYTES} bytes");
            return Err(ErrorData::invalid_params(message, None));
        }
        if subscribed.len() >= MAX_SUBSCRIPTIONS && !subscribed.contains(&uri) {
            let message =
                format!("a client can subscribe to {MAX_SUBSCRIPTIONS} resources at most");
            return Err(ErrorData::invalid_params(message, None));
        }
        subscribed.insert(uri);
        Ok(())
    }

    pub(super) fn remove(&self, uri: &str) {
        let mut subscribed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        subscribed.remove(uri);
    }

    fn all(&self) -> Vec<String> {
        let subscribed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        subscribed.iter().cloned().collect()
    }
}

/// Notifies the client of a lasting connection until the connection ends.
pub(super) async fn notify(
    server: Arc<ServerState>,
    peer: Peer<RoleServer>,
    caller: Option<Arc<Caller>>,
    subscribed: Arc<ResourceSubscriptions>,
    ended: CancellationToken,
) {
    let mut swaps = server.swaps();
    let mut old = server.view();
    loop {
        tokio::select! {
            () = ended.cancelled() => return,
            swapped = swaps.changed() => if swapped.is_err() {
                return;
            },
        }
        let new = server.view();
        let change = CatalogChange {
            old: &old,
            new: &new,
        };
        // Errors are ignored, because a closed connection cancels `ended`.
        if change.tools_changed() {
            let _ = peer.notify_tool_list_changed().await;
        }
        if change.prompts_changed() {
            let _ = peer.notify_prompt_list_changed().await;
        }
        if change.resources_changed() {
            let _ = peer.notify_resource_list_changed().await;
        }
        for uri in subscribed.all() {
            if change.resource_changed(&uri, caller.as_deref()) {
                let updated = ResourceUpdatedNotificationParam::new(uri);
                let _ = peer.notify_resource_updated(updated).await;
            }
        }
        old = new;
    }
}
