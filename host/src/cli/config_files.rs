//! The files that a configuration comes from, and changes of them.
//!
//! They are looked at each second. That also finds changes on network file systems, and those of Kubernetes, which replaces
//! a link in the path.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::{Config, ConfigText};
use crate::reference::Fingerprint;

/// Time between two looks at the files. A change is reported when nothing more has changed at the next look: the writer may
/// not have finished, or have further files to write.
const INTERVAL: Duration = Duration::from_secs(1);

/// The files of a configuration.
pub(super) struct ConfigFiles {
    /// The configuration file, if its changes are followed.
    file: Files,
    values: Files,
    /// Those of `[server.tls]`.
    certificate: Files,
}

/// A change of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// The configuration file.
    File,
    /// Files that it names as values.
    Values,
    /// The files of `[server.tls]`.
    Certificate,
}

/// Files whose changes are taken in together, in the same order in all fields.
#[derive(Default)]
struct Files {
    paths: Vec<PathBuf>,
    /// The state in which they were read.
    read: State,
    /// The state at the last look.
    seen: State,
}

/// `None` stands for a file that is missing.
type State = Vec<Option<Fingerprint>>;

impl ConfigFiles {
    /// Follows the files of a configuration. The certificate is not read yet.
    pub(super) async fn new(text: &ConfigText, config: &Config) -> Self {
        let mut files = Self {
            file: Files::default(),
            values: Files::default(),
            certificate: Files::default(),
        };
        if config.watch_config {
            files.file.paths = config.file.iter().cloned().collect();
            files.file_is_read(text);
        }
        files.follow(config);
        files.certificate_is_read().await;
        files
    }

    /// Follows the files of another configuration, which is in force now.
    pub(super) fn follow(&mut self, config: &Config) {
        let values = config.value_files.iter();
        let (paths, read) = values.map(|file| (file.path.clone(), file.state)).unzip();
        self.values = Files {
            paths,
            seen: State::default(),
            read,
        };
        let tls = config.server.tls.iter();
        let tls = tls.flat_map(|tls| [tls.cert.clone(), tls.key.clone()]);
        let paths: Vec<_> = tls.collect();
        if paths != self.certificate.paths {
            // In no state that they can have: they are read once more.
            self.certificate = Files {
                paths,
                ..Files::default()
            };
        }
    }

    /// Records that the configuration file was read.
    pub(super) fn file_is_read(&mut self, text: &ConfigText) {
        if !self.file.paths.is_empty() {
            self.file.read = vec![text.state()];
        }
    }

    /// Records that the certificate is about to be read.
    pub(super) async fn certificate_is_read(&mut self) {
        self.certificate.read = state_of(&self.certificate.paths).await;
    }

    /// Resolves when files have changed since they were read. The change counts as read then. Cancel-safe.
    pub(super) async fn changed(&mut self) -> Change {
        loop {
            tokio::time::sleep(INTERVAL).await;
            for (change, files) in [
                (Change::File, &mut self.file),
                (Change::Values, &mut self.values),
                (Change::Certificate, &mut self.certificate),
            ] {
                if files.have_changed().await {
                    return change;
                }
            }
        }
    }
}

impl Files {
    async fn have_changed(&mut self) -> bool {
        let state = state_of(&self.paths).await;
        let is_settled = state == self.seen;
        let has_changed = is_settled && state != self.read;
        if has_changed {
            self.read.clone_from(&state);
        }
        self.seen = state;
        has_changed
    }
}

async fn state_of(paths: &[PathBuf]) -> State {
    if paths.is_empty() {
        return State::default();
    }
    let paths = paths.to_vec();
    let looking = tokio::task::spawn_blocking(move || {
        let state = |path: &PathBuf| Fingerprint::at(path).ok();
        paths.iter().map(state).collect()
    });
    looking.await.unwrap_or_default()
}
