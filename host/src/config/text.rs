//! The text of the configuration file, read once: the file may change before its values are read again.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::section::ConfigError;
use crate::reference::Fingerprint;

/// Size of the configuration file.
const MAX_BYTES: u64 = 16 << 20;

/// The text of the configuration file.
#[derive(Debug, Clone, Default)]
pub struct ConfigText {
    /// The path of the file; `None` if there is none, and everything has its default.
    pub(super) file: Option<PathBuf>,
    pub(super) text: String,
    state: Option<Fingerprint>,
}

impl ConfigText {
    /// Reads the file; `None` stands for an empty one.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read(file: Option<&Path>) -> Result<Self, ConfigError> {
        let Some(path) = file else {
            return Ok(Self::default());
        };
        let error = |message: String| ConfigError {
            location: path.display().to_string(),
            message,
        };
        let unreadable = |e| error(format!("the configuration cannot be read: {e}"));
        let file = File::open(path).map_err(unreadable)?;
        let state = file.metadata().map_err(unreadable)?;
        let mut text = String::new();
        file.take(MAX_BYTES + 1)
            .read_to_string(&mut text)
            .map_err(unreadable)?;
        if text.len() as u64 > MAX_BYTES {
            return Err(error(format!(
                "the configuration is larger than {MAX_BYTES} bytes"
            )));
        }
        Ok(Self {
            file: Some(path.to_owned()),
            text,
            state: Some(Fingerprint::of(&state)),
        })
    }

    /// Returns the state of the file when it was opened.
    pub(crate) fn state(&self) -> Option<Fingerprint> {
        self.state
    }

    /// Returns the SHA-256 digest of the text: `sha256:…`.
    pub fn digest(&self) -> String {
        let digest = Sha256::digest(self.text.as_bytes());
        let digits: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("sha256:{digits}")
    }
}
