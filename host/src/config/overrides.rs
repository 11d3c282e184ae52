//! Settings from the command line, which take precedence over the file.

use std::path::{Path, PathBuf};

use super::listen::Listen;
use super::section::ConfigError;
use super::watch::WatchMode;
use crate::reference::Reference;

/// Settings from the command line, which take precedence over the file.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// `--config`: the configuration file.
    pub file: Option<PathBuf>,
    /// `--listen`
    pub listen: Option<Listen>,
    /// `--no-auth`
    pub no_auth: bool,
    /// `--i-know-this-is-open`
    pub open_to_network: bool,
    /// `--watch`, `--no-watch`
    pub watch: Option<bool>,
    /// `--watch-config`
    pub watch_config: bool,
    /// `--offline`
    pub offline: bool,
    /// `--allow-unpinned`
    pub allow_unpinned: bool,
    /// `--keep-going`
    pub keep_going: bool,
    /// References; if there are any, they replace those of the file.
    pub references: Vec<String>,
}

impl Overrides {
    pub(super) fn watch_mode(&self) -> WatchMode {
        match self.watch {
            None => WatchMode::Directories,
            Some(true) => WatchMode::Everything,
            Some(false) => WatchMode::Never,
        }
    }

    /// Parses the references; relative paths start at the working directory.
    pub(super) fn parse_references(
        &self,
    ) -> impl Iterator<Item = Result<Reference, ConfigError>> + '_ {
        self.references.iter().map(|text| {
            Reference::parse(text, Path::new("")).map_err(|error| ConfigError {
                location: "command line".into(),
                message: error.to_string(),
            })
        })
    }
}
