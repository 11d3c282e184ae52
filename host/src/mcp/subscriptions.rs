//! Tells clients when what is served changes: on `subscriptions/listen` streams,
//! and on the connections of the older revisions.

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

/// Streams that are open at once.
const MAX_STREAMS: usize = 1_024;
/// Those of one caller, where callers are told apart.
const MAX_STREAMS_PER_CALLER: usize = 64;
/// Documents that one client may follow.
const MAX_FOLLOWED: usize = 1_000;
/// The longest URI of one.
const MAX_URI_BYTES: usize = 2_048;

/// Places for streams.
pub(super) fn places(is_public: bool) -> Quota {
    match is_public {
        true => Quota::new(MAX_STREAMS, MAX_STREAMS),
        false => Quota::new(MAX_STREAMS, MAX_STREAMS_PER_CALLER),
    }
}

/// What a client gets of what it asks for; the acknowledgement tells it.
pub(super) fn granted(mut filter: SubscriptionFilter) -> SubscriptionFilter {
    if let Some(uris) = &mut filter.resource_subscriptions {
        uris.retain(|uri| uri.len() <= MAX_URI_BYTES);
        uris.truncate(MAX_FOLLOWED);
    }
    filter
}

/// What a swap of the catalog changed.
struct Changed<'a> {
    old: &'a View,
    new: &'a View,
}

impl Changed<'_> {
    fn tools(&self) -> bool {
        !self.old.tools.is_same(&self.new.tools)
    }

    fn prompts(&self) -> bool {
        !self.old.prompts.is_same(&self.new.prompts)
    }

    fn resources(&self) -> bool {
        !self.old.resources.is_same(&self.new.resources)
            || !self.old.templates.is_same(&self.new.templates)
    }

    /// Whether another component answers for this document now, or none, as far
    /// as this caller may know.
    fn document(&self, uri: &str, caller: Option<&Caller>) -> bool {
        let subject = TargetName::Resource(uri.to_owned());
        let digest = |view: &View| {
            let found = view.catalog.find(&subject)?;
            let visible = caller.is_none_or(|caller| caller.has_scopes(found.scopes()));
            visible.then(|| found.component().digest.clone())
        };
        digest(self.old) != digest(self.new)
    }
}

/// Serves one `subscriptions/listen` stream until the client goes or the server
/// stops accepting.
pub(super) async fn listen(
    server: &ServerState,
    stream: SubscriptionContext,
    draining: CancellationToken,
) -> Result<(), ErrorData> {
    let mut swaps = server.swaps();
    let mut old = server.view();
    let followed = stream.accepted().resource_subscriptions.clone();
    let caller = caller(stream.request_context()).map(|caller| &**caller);
    loop {
        tokio::select! {
            () = stream.cancelled() => return Ok(()),
            // The final result tells the client that this was no accident.
            () = draining.cancelled() => return Ok(()),
            swapped = swaps.changed() => if swapped.is_err() {
                return Ok(());
            },
        }
        let new = server.view();
        let changed = Changed {
            old: &old,
            new: &new,
        };
        let sink = stream.sink();
        // A sink lets through what the client asked for; one that is closed ends the
        // stream above.
        if changed.tools() {
            let _ = sink.notify_tool_list_changed().await;
        }
        if changed.prompts() {
            let _ = sink.notify_prompt_list_changed().await;
        }
        if changed.resources() {
            let _ = sink.notify_resource_list_changed().await;
        }
        for uri in followed.iter().flatten() {
            if changed.document(uri, caller) {
                let _ = sink.notify_resource_updated(uri.clone()).await;
            }
        }
        old = new;
    }
}

/// The documents that the client of a lasting connection follows.
#[derive(Default)]
pub(super) struct Followed(Mutex<BTreeSet<String>>);

impl Followed {
    /// Follows one more.
    ///
    /// # Errors
    /// The client follows too many.
    pub(super) fn add(&self, uri: String) -> Result<(), ErrorData> {
        let mut followed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if uri.len() > MAX_URI_BYTES {
            let message = format!("the URI is longer than {MAX_URI_BYTES} bytes");
            return Err(ErrorData::invalid_params(message, None));
        }
        if followed.len() >= MAX_FOLLOWED && !followed.contains(&uri) {
            let message = format!("a client can subscribe to {MAX_FOLLOWED} resources at most");
            return Err(ErrorData::invalid_params(message, None));
        }
        followed.insert(uri);
        Ok(())
    }

    pub(super) fn remove(&self, uri: &str) {
        let mut followed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        followed.remove(uri);
    }

    fn all(&self) -> Vec<String> {
        let followed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        followed.iter().cloned().collect()
    }
}

/// Notifies the client of a lasting connection until that has ended.
pub(super) async fn notify(
    server: Arc<ServerState>,
    peer: Peer<RoleServer>,
    caller: Option<Arc<Caller>>,
    followed: Arc<Followed>,
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
        let changed = Changed {
            old: &old,
            new: &new,
        };
        // A client that is gone ends the connection, and with it this.
        if changed.tools() {
            let _ = peer.notify_tool_list_changed().await;
        }
        if changed.prompts() {
            let _ = peer.notify_prompt_list_changed().await;
        }
        if changed.resources() {
            let _ = peer.notify_resource_list_changed().await;
        }
        for uri in followed.all() {
            if changed.document(&uri, caller.as_deref()) {
                let updated = ResourceUpdatedNotificationParam::new(uri);
                let _ = peer.notify_resource_updated(updated).await;
            }
        }
        old = new;
    }
}
