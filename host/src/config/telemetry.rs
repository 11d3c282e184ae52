//! `[telemetry]`: format and level of the log.

use super::section::Section;
use crate::telemetry::LogConfig;

/// Reads `[telemetry]`.
pub(super) fn read_log(section: Section<'_, '_>) -> LogConfig {
    let default = LogConfig::default();
    let format = section.parsed("log", "\"text\" or \"json\"", |t| t.parse().ok());
    let level = section.parsed(
        "level",
        "\"error\", \"warn\", \"info\", \"debug\" or \"trace\"",
        |t| t.parse().ok(),
    );
    section.finish();
    LogConfig {
        format: format.unwrap_or(default.format),
        level: level.unwrap_or(default.level),
    }
}
