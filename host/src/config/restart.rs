//! The keys that cannot change while the host runs: they decide which address it listens on, how much memory it reserved,
//! and which files and stores it has opened.

use super::Config;
use super::auth::Access;
use crate::telemetry::{AuditConfig, TracesConfig};

/// Returns the keys that cannot change in a running process and whose value in `new` differs from that in `old`, the
/// configuration with which the process was started.
pub(crate) fn keys_that_need_a_restart(old: &Config, new: &Config) -> Vec<&'static str> {
    let (server, changed) = (&old.server, &new.server);
    let (log, changed_log) = (&old.telemetry.log, &new.telemetry.log);
    let is_guarded = |config: &Config| matches!(config.access, Access::Guarded(_));
    let mut keys = vec![
        ("server.listen", server.listen != changed.listen),
        ("server.path", server.path != changed.path),
        ("server.sessions", server.sessions != changed.sessions),
        ("server.task-ttl", server.task_ttl != changed.task_ttl),
        ("server.keep-alive", server.keep_alive != changed.keep_alive),
        (
            "server.max-concurrent-calls",
            server.max_concurrent_calls != changed.max_concurrent_calls,
        ),
        ("server.tls", server.tls.is_some() != changed.tls.is_some()),
        // A component may get less, or as much as the largest had at the start.
        (
            "limits.memory",
            max_memory_bytes(new) > max_memory_bytes(old),
        ),
        ("auth", is_guarded(old) != is_guarded(new)),
        ("kv.url", old.kv.location != new.kv.location),
        ("kv.quota", old.kv.quota_bytes != new.kv.quota_bytes),
        ("cache.dir", old.cache != new.cache),
        ("cache.size", old.cache_max_bytes != new.cache_max_bytes),
        ("telemetry.log", log.format != changed_log.format),
        ("telemetry.log-file", log.file != changed_log.file),
        ("telemetry.log-days", log.keep_days != changed_log.keep_days),
        (
            "telemetry.metrics",
            old.telemetry.metrics != new.telemetry.metrics,
        ),
    ];
    let has_other_key = server.state_key != changed.state_key;
    keys.extend([
        (
            "server.session-prefix",
            server.session_prefix != changed.session_prefix,
        ),
        // It protects the state that the replicas share.
        ("server.state-key", old.shared.is_some() && has_other_key),
        ("shared", old.shared != new.shared),
        ("wasi.preview3", old.preview3 != new.preview3),
    ]);
    keys.extend(trace_keys(&old.telemetry.traces, &new.telemetry.traces));
    keys.extend(audit_keys(&old.telemetry.audit, &new.telemetry.audit));
    let changed = keys.into_iter().filter(|(_, has_changed)| *has_changed);
    changed.map(|(key, _)| key).collect()
}

fn audit_keys(old: &Option<AuditConfig>, new: &Option<AuditConfig>) -> Vec<(&'static str, bool)> {
    let (Some(old), Some(new)) = (old, new) else {
        return vec![("telemetry.audit", old.is_some() != new.is_some())];
    };
    vec![
        ("telemetry.audit", old.output != new.output),
        ("telemetry.audit-key", old.key != new.key),
        (
            "telemetry.audit-arguments",
            old.has_whole_arguments != new.has_whole_arguments,
        ),
        ("telemetry.audit-days", old.keep_days != new.keep_days),
        (
            "telemetry.audit-required",
            old.is_required != new.is_required,
        ),
    ]
}

fn trace_keys(old: &Option<TracesConfig>, new: &Option<TracesConfig>) -> Vec<(&'static str, bool)> {
    let (Some(old), Some(new)) = (old, new) else {
        return vec![("telemetry.otlp", old.is_some() != new.is_some())];
    };
    vec![
        ("telemetry.otlp", old.endpoint != new.endpoint),
        ("telemetry.trace-sample", old.sample != new.sample),
        ("telemetry.trace-outgoing", old.propagates != new.propagates),
    ]
}

/// Returns the largest linear memory that a component may have, in bytes. The engine reserves its pool for it.
pub(crate) fn max_memory_bytes(config: &Config) -> usize {
    let limits = config.components.iter().map(|component| &component.limits);
    let limits = limits.chain([&config.limits]);
    let memory_bytes = limits.map(|limits| limits.memory_bytes).max();
    memory_bytes.unwrap_or(config.limits.memory_bytes)
}
