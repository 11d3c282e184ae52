//! Signals that all subcommands handle.

use rustix::process::Signal as SignalNumber;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::telemetry;

/// Handles from now on the signals that would end the process: SIGXFSZ, so that a write beyond the file size limit
/// (`ulimit -f`), possibly by a guest, fails with an error; and SIGHUP, which returns what receives it.
pub(super) fn handle() -> Option<Signal> {
    let file_size_exceeded = SignalKind::from_raw(SignalNumber::XFSZ.as_raw());
    if let Err(error) = signal(file_size_exceeded) {
        tracing::warn!(
            %error,
            "failed to handle SIGXFSZ, a write beyond the file size limit ends the process"
        );
    }
    // The handler stays, also if nothing receives the signal.
    signal(SignalKind::hangup())
        .inspect_err(
            |error| tracing::warn!(%error, "failed to handle SIGHUP, which ends the process"),
        )
        .ok()
}

/// Exit status after a stop signal during the start, or a second one: 128 and the number of SIGINT.
const INTERRUPTED: i32 = 130;

/// Handles SIGINT and SIGTERM from now on: also in process 1 of a container, which by default ignores them.
pub(super) struct StopSignals(Option<(Signal, Signal)>);

impl StopSignals {
    pub(super) fn handle() -> Self {
        let interrupt = signal(SignalKind::interrupt());
        let signals =
            interrupt.and_then(|interrupt| Ok((interrupt, signal(SignalKind::terminate())?)));
        Self(signals.ok())
    }

    /// Runs the start of a server. A signal meanwhile ends the process.
    pub(super) async fn during_start<T>(&mut self, start: impl Future<Output = T>) -> T {
        tokio::select! {
            started = start => started,
            () = self.next() => end(),
        }
    }

    /// Resolves at the first signal. The second one ends the process.
    pub(super) async fn stop(mut self) {
        self.next().await;
        tracing::info!("shutting down");
        tokio::spawn(async move {
            self.next().await;
            end();
        });
    }

    async fn next(&mut self) {
        let Some((interrupt, terminate)) = &mut self.0 else {
            // Without handlers a signal ends the process, which stops the server as well.
            return std::future::pending().await;
        };
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    }
}

fn end() -> ! {
    telemetry::flush_log();
    std::process::exit(INTERRUPTED)
}
