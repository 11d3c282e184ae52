//! Resolves followed references again at their intervals.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::registry::ComponentRegistry;
use crate::reference::Reference;

/// Starts to follow the references that have `follow`, until `ended` is cancelled or the last receiver of the registry's
/// problems is dropped.
pub(super) fn start(registry: &Arc<ComponentRegistry>, ended: &CancellationToken) {
    for (reference, interval) in registry.followed() {
        tokio::spawn(follow(registry.clone(), reference, interval, ended.clone()));
    }
}

async fn follow(
    registry: Arc<ComponentRegistry>,
    reference: Reference,
    interval: Duration,
    ended: CancellationToken,
) {
    loop {
        tokio::select! {
            () = registry.closed() => return,
            () = ended.cancelled() => return,
            () = tokio::time::sleep(interval) => registry.refresh(&reference).await,
        }
    }
}
