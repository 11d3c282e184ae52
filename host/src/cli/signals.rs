//! Signals that all servers handle.

use tokio::signal::unix::{SignalKind, signal};

use crate::telemetry;

/// Handles SIGHUP from now on: it opens the files of the log and the audit again, after another program has renamed them.
/// By default the signal ends the process.
pub(super) fn handle_reopen_signal() {
    match signal(SignalKind::hangup()) {
        Ok(mut hangup) => {
            tokio::spawn(async move {
                while hangup.recv().await.is_some() {
                    telemetry::reopen_files();
                    tracing::info!("files of the log and the audit are opened again");
                }
            });
        }
        Err(error) => tracing::warn!(%error, "failed to handle SIGHUP, which ends the process"),
    }
}
