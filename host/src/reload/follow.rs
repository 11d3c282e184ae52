//! Resolves followed references again at their intervals.

use std::sync::Arc;
use std::time::Duration;

use super::registry::ComponentRegistry;
use crate::reference::Reference;

/// Starts to follow the references that have `follow`, until the last receiver of the registry's problems is dropped.
pub(super) fn start(registry: &Arc<ComponentRegistry>) {
    for (reference, interval) in registry.followed() {
        tokio::spawn(follow(registry.clone(), reference, interval));
    }
}

async fn follow(registry: Arc<ComponentRegistry>, reference: Reference, interval: Duration) {
    loop {
        tokio::select! {
            () = registry.closed() => return,
            () = tokio::time::sleep(interval) => registry.refresh(&reference).await,
        }
    }
}
