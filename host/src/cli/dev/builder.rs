//! Builds at the start and after each change of the sources.

use std::io::{self, ErrorKind};
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::build::Build;
use super::project::BuildCommand;
use super::sources::{Change, Scope, Sources};
use crate::cli::output::{fail, notice};

/// Builds in a row that changes end early. The next one runs to its end, so that also a build that changes a source is
/// served.
const MAX_INTERRUPTED: u32 = 3;

/// Builds in a row because of files that have changed during the one before. A build that changes its own sources would
/// follow itself for ever.
const MAX_REPEATED: u32 = 3;

/// The time of the change that the last build was for.
#[derive(Clone, Default)]
pub(super) struct LastChange(Arc<Mutex<Option<Instant>>>);

impl LastChange {
    fn set(&self, noticed: Instant) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(noticed);
    }

    pub(super) fn take(&self) -> Option<Instant> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Runs the build command.
pub(super) struct Builder {
    pub(super) command: BuildCommand,
    /// Time after which a build is stopped.
    pub(super) timeout: Duration,
    pub(super) last_change: LastChange,
    /// Cancelled when the server stops.
    pub(super) stop: CancellationToken,
}

/// The way a build ended.
enum Ending {
    Itself,
    Change(Change),
    /// With the server.
    Stopped,
}

impl Builder {
    /// Builds until the server stops.
    pub(super) async fn run(self) {
        let mut sources = Sources::new().await;
        let mut started = Instant::now();
        let (mut interrupted, mut repeated) = (0, 0);
        notice(format!("building with `{}`", self.command.text));
        loop {
            let may_interrupt = interrupted < MAX_INTERRUPTED;
            let ending = match Build::start(&self.command) {
                Ok(build) => {
                    self.build(build, started, &mut sources, may_interrupt)
                        .await
                }
                Err(error) => {
                    fail(self.not_started(&error));
                    Ending::Itself
                }
            };
            let change = match ending {
                Ending::Stopped => return,
                Ending::Change(change) => {
                    interrupted += 1;
                    change
                }
                Ending::Itself => {
                    interrupted = 0;
                    match sources.changed_meanwhile().await {
                        Some(change) if repeated < MAX_REPEATED => {
                            repeated += 1;
                            change
                        }
                        meanwhile => {
                            repeated = 0;
                            if let Some(change) = meanwhile {
                                notice(restless(&change));
                            }
                            tokio::select! {
                                change = sources.changed(Scope::All) => change,
                                () = self.stop.cancelled() => return,
                            }
                        }
                    }
                }
            };
            started = change.noticed;
            self.last_change.set(change.noticed);
            notice(format!("building: {}", describe(&change)));
        }
    }

    /// Waits for the end of a build, or ends it.
    async fn build(
        &self,
        mut build: Build,
        started: Instant,
        sources: &mut Sources,
        may_interrupt: bool,
    ) -> Ending {
        let ending = tokio::select! {
            ended = build.ended() => {
                self.report(ended, started);
                return Ending::Itself;
            }
            () = tokio::time::sleep(self.timeout) => {
                fail(format!(
                    "`{}` has not ended within {:?} and is stopped; allow more time with --build-timeout, or change a source \
                     to build again",
                    self.command.text, self.timeout
                ));
                Ending::Itself
            }
            change = sources.changed(Scope::Known), if may_interrupt => Ending::Change(change),
            () = self.stop.cancelled() => Ending::Stopped,
        };
        build.stop().await;
        ending
    }

    fn report(&self, ended: io::Result<ExitStatus>, started: Instant) {
        match ended {
            Ok(status) if status.success() => notice(format!("built in {}", seconds(started))),
            Ok(status) => {
                fail(format!(
                    "`{}` failed with {status}; correct the sources, which are built again when they change; until then the \
                     components before are served",
                    self.command.text
                ));
            }
            Err(error) => {
                fail(format!(
                    "`{}` cannot be waited for: {error}",
                    self.command.text
                ));
            }
        }
    }

    fn not_started(&self, error: &io::Error) -> String {
        let program = self.command.program;
        match error.kind() {
            ErrorKind::NotFound => format!(
                "`{program}` is missing, so nothing is built; install it with `apt-get install {program}`, or name another \
                 command with --build"
            ),
            _ => format!("`{program}` cannot be started, so nothing is built: {error}"),
        }
    }
}

/// Says that a change is not built.
fn restless(change: &Change) -> String {
    format!(
        "{} changes during each build, so that change is not built again; let the build write into `build`, `dist` or `target`",
        change.path.display()
    )
}

/// Names the files of a change.
fn describe(change: &Change) -> String {
    let path = change.path.display();
    match change.count {
        1 => format!("{path} has changed"),
        count => format!("{path} and {} more have changed", count - 1),
    }
}

/// Formats the time since an instant.
pub(super) fn seconds(since: Instant) -> String {
    format!("{:.1} s", since.elapsed().as_secs_f64())
}
