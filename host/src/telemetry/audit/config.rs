//! The settings of the audit.

use std::path::PathBuf;

use crate::auth::Secret;

/// `[telemetry]`: the keys of the audit.
#[derive(Debug, Clone)]
pub struct AuditConfig {
    /// Where the records are written.
    pub output: AuditOutput,
    /// The key of the arguments' hash; `None` generates one for each start, so that hashes of two starts differ.
    pub key: Option<Secret>,
    /// Days for which files of earlier days are kept.
    pub keep_days: u32,
    /// Whether arguments are recorded whole.
    pub has_whole_arguments: bool,
    /// Whether calls are refused while no record can be written.
    pub is_required: bool,
}

impl AuditConfig {
    /// Returns the file of the records, if they are written to one.
    pub fn file(&self) -> Option<&PathBuf> {
        match &self.output {
            AuditOutput::File(path) => Some(path),
            AuditOutput::Stderr => None,
        }
    }
}

/// Where the records are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuditOutput {
    /// A file, one for each day.
    File(PathBuf),
    /// Standard error.
    Stderr,
}
