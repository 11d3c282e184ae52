//! Reads the configuration again while a server runs: after SIGHUP, and when its files change.

use std::path::PathBuf;
use std::time::Duration;

use tokio::signal::unix::Signal;
use tokio_util::sync::CancellationToken;

use super::config_files::{Change, ConfigFiles};
use super::loading::configure_loading;
use crate::app::{BuildError, Reconfigurer, Trigger};
use crate::config::{Config, ConfigError, ConfigText, Overrides};
use crate::telemetry;
use crate::text::error_chain;

/// Time for reading the configuration and the files that it names.
const MAX_READ_TIME: Duration = Duration::from_secs(10);

/// Follows the configuration of a server.
pub(super) struct Follower {
    pub(super) reconfigurer: Reconfigurer,
    pub(super) overrides: Overrides,
    /// The text of the configuration in force.
    pub(super) text: ConfigText,
    pub(super) files: ConfigFiles,
    /// Receives SIGHUP.
    pub(super) hangup: Option<Signal>,
    /// Cancelled when the server stops accepting connections.
    pub(super) draining: CancellationToken,
}

impl Follower {
    /// Follows the configuration until the server stops accepting connections. After that, SIGHUP opens the files of the
    /// log and the audit again.
    pub(super) async fn run(mut self) {
        loop {
            let change = tokio::select! {
                () = self.draining.cancelled() => break,
                () = received(&mut self.hangup) => {
                    reopen_files();
                    Change::File
                }
                change = self.files.changed() => change,
            };
            match change {
                Change::File => self.read_file().await,
                Change::Values => self.read_values().await,
                Change::Certificate => {
                    log(&self.reconfigurer.reload_certificate().await, "certificate");
                }
            }
        }
        reopen_on_hangup(self.hangup).await;
    }

    async fn read_file(&mut self) {
        self.files.certificate_is_read().await;
        let file = self.overrides.file.clone();
        let path = file.clone();
        let reading = in_time(path, move || ConfigText::read(file.as_deref()));
        match reading.await {
            Ok(text) => {
                self.files.file_is_read(&text);
                if self.take_in(&text, Trigger::File).await {
                    self.text = text;
                }
            }
            Err(error) => self.refuse(vec![error], Trigger::File, None).await,
        }
    }

    /// Records that the configuration cannot be read.
    async fn refuse(&self, errors: Vec<ConfigError>, trigger: Trigger, digest: Option<String>) {
        let read = Err(errors.into());
        let taken_in = self.reconfigurer.take_in(read, trigger, digest).await;
        log(&taken_in, "configuration");
    }

    /// Reads the values again that the configuration in force has from files.
    async fn read_values(&mut self) {
        let text = self.text.clone();
        self.take_in(&text, Trigger::Values).await;
    }

    /// Returns whether the configuration is in force.
    async fn take_in(&mut self, text: &ConfigText, trigger: Trigger) -> bool {
        let (parsed, overrides) = (text.clone(), self.overrides.clone());
        let path = overrides.file.clone();
        let digest = Some(text.digest());
        let parsing = in_time(path, move || Ok(Config::parse(&parsed, &overrides)));
        let parsed = match parsing.await {
            Ok(parsed) => parsed,
            Err(error) => {
                self.refuse(vec![error], trigger, digest).await;
                return false;
            }
        };
        let config = parsed.map_err(BuildError::from).map(|mut config| {
            configure_loading(&mut config);
            config
        });
        let taken_in = self.reconfigurer.take_in(config, trigger, digest).await;
        log(&taken_in, "configuration");
        if taken_in.is_ok() {
            self.files.follow(&*self.reconfigurer.current().await);
        }
        taken_in.is_ok()
    }
}

/// Reads files on a thread of its own, which a pipe without a writer or a network file system may block for ever.
///
/// # Errors
/// It fails, or takes longer than [`MAX_READ_TIME`].
async fn in_time<T: Send + 'static>(
    path: Option<PathBuf>,
    read: impl FnOnce() -> Result<T, ConfigError> + Send + 'static,
) -> Result<T, ConfigError> {
    let reading = tokio::task::spawn_blocking(read);
    match tokio::time::timeout(MAX_READ_TIME, reading).await {
        Ok(Ok(read)) => read,
        Ok(Err(_)) | Err(_) => Err(ConfigError {
            location: path.unwrap_or_default().display().to_string(),
            message: format!(
                "the configuration and the files that it names cannot be read within {MAX_READ_TIME:?}"
            ),
        }),
    }
}

/// Resolves after SIGHUP; never if it cannot be received.
async fn received(hangup: &mut Option<Signal>) {
    let received = match hangup {
        Some(hangup) => hangup.recv().await,
        None => None,
    };
    if received.is_none() {
        std::future::pending().await
    }
}

/// Opens the files of the log and the audit again at each SIGHUP.
pub(super) async fn reopen_on_hangup(mut hangup: Option<Signal>) {
    loop {
        received(&mut hangup).await;
        reopen_files();
    }
}

fn reopen_files() {
    telemetry::reopen_files();
    tracing::info!("files of the log and the audit are opened again");
}

fn log(taken_in: &Result<(), BuildError>, what: &str) {
    match taken_in {
        Ok(()) => tracing::info!("{what} taken in"),
        Err(error) => {
            for problem in &error.problems {
                let problem = error_chain(problem);
                tracing::error!(
                    problem,
                    "{what} not taken in, the one before stays in force"
                );
            }
        }
    }
}
