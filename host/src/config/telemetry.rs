//! `[telemetry]`: the log, the metrics, the audit and the traces.

use std::net::SocketAddr;
use std::path::PathBuf;

use url::Url;

use super::section::Section;
use crate::auth::Secret;
use crate::telemetry::{
    AuditConfig, AuditOutput, DEFAULT_KEEP_DAYS, LogConfig, TelemetryConfig, TracesConfig,
};

/// Minimum length of the key of the arguments' hash: that of the hash.
const MIN_AUDIT_KEY_BYTES: usize = 32;

/// Reads `[telemetry]`.
pub(super) fn read_telemetry(section: Section<'_, '_>) -> TelemetryConfig {
    let config = TelemetryConfig {
        log: read_log(&section),
        metrics: section.parsed(
            "metrics",
            "an address and port such as \"127.0.0.1:9090\"",
            |text| text.parse::<SocketAddr>().ok(),
        ),
        audit: read_audit(&section),
        traces: read_traces(&section),
    };
    let files = [
        config.log.file.as_ref(),
        config.audit.as_ref().and_then(AuditConfig::file),
    ];
    if let [Some(log), Some(audit)] = files
        && log == audit
    {
        section.error("audit", "is the file of `log-file`; give it one of its own");
    }
    section.finish();
    config
}

fn read_log(section: &Section<'_, '_>) -> LogConfig {
    let default = LogConfig::default();
    let format = section.parsed("log", "\"text\" or \"json\"", |t| t.parse().ok());
    let level = section.parsed(
        "level",
        "\"error\", \"warn\", \"info\", \"debug\" or \"trace\"",
        |t| t.parse().ok(),
    );
    LogConfig {
        format: format.unwrap_or(default.format),
        level: level.unwrap_or(default.level),
        file: file(section, "log-file"),
        keep_days: section
            .positive_integer("log-days")
            .unwrap_or(DEFAULT_KEEP_DAYS),
    }
}

fn read_audit(section: &Section<'_, '_>) -> Option<AuditConfig> {
    let base = section.base();
    let output = section.parsed("audit", "the path of a file, or \"stderr\"", |text| {
        Some(match text {
            "" => return None,
            "stderr" => AuditOutput::Stderr,
            path => AuditOutput::File(base.join(path)),
        })
    });
    let key = section.string("audit-key").map(Secret::new);
    if key
        .as_ref()
        .is_some_and(|key| key.bytes().len() < MIN_AUDIT_KEY_BYTES)
    {
        section.error(
            "audit-key",
            format!(
                "has less than {MIN_AUDIT_KEY_BYTES} bytes; make one with `openssl rand -hex 32`"
            ),
        );
    }
    let arguments = section.parsed("audit-arguments", "\"hash\" or \"whole\"", |text| {
        matches!(text, "hash" | "whole").then(|| text == "whole")
    });
    let (keep_days, is_required) = (
        section.positive_integer("audit-days"),
        section.boolean("audit-required"),
    );
    if output.is_none() && is_required == Some(true) && section.value("audit").is_none() {
        section.error("audit-required", "needs `audit`, the file of the records");
    }
    Some(AuditConfig {
        output: output?,
        key,
        keep_days: keep_days.unwrap_or(DEFAULT_KEEP_DAYS),
        has_whole_arguments: arguments.unwrap_or(false),
        is_required: is_required.unwrap_or(false),
    })
}

fn read_traces(section: &Section<'_, '_>) -> Option<TracesConfig> {
    let wanted = "the URL of a collector such as \"http://127.0.0.1:4318\", without user and query";
    let endpoint = section.parsed("otlp", wanted, |text| {
        let url = Url::parse(text).ok()?;
        let is_plain = url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        (matches!(url.scheme(), "http" | "https") && is_plain).then_some(url)
    });
    let sample = section.number("trace-sample", 0.0..=1.0);
    let propagates = section.boolean("trace-outgoing");
    if endpoint.is_none() && section.value("otlp").is_none() {
        for key in ["trace-sample", "trace-outgoing"] {
            if section.value(key).is_some() {
                section.error(key, "needs `otlp`, the URL of the collector");
            }
        }
    }
    Some(TracesConfig {
        endpoint: endpoint?,
        sample: sample.unwrap_or(1.0),
        propagates: propagates.unwrap_or(true),
    })
}

fn file(section: &Section<'_, '_>, key: &'static str) -> Option<PathBuf> {
    let base = section.base();
    section.parsed(key, "the path of a file", |text| {
        (!text.is_empty()).then(|| base.join(text))
    })
}
