//! The line of the log about a request that has ended.

use std::time::Duration;

use super::facts::Facts;
use super::outcome::Outcome;

/// Logs a request. One that anybody can send at will, because its message was not read and it has no caller, is logged at
/// `debug` only.
pub(super) fn log(facts: &Facts, outcome: Outcome, duration: Duration) {
    let is_known = facts.caller.is_some() || !facts.method.is_empty();
    macro_rules! event {
        ($level:ident) => {
            tracing::$level!(
                target: "toolcrib::request",
                parent: None,
                {
                    mcp.method = text(&facts.method).filter(|_| name(facts, "mount").is_none()),
                    http.method = name(facts, "mount").map(|_| &*facts.method),
                    http.route = name(facts, "mount"),
                    tool.name = name(facts, "tool"),
                    call.name = name(facts, "prompt").or_else(|| name(facts, "resource")),
                    component.name = facts.target.as_ref().map(|target| &*target.component),
                    caller.issuer = facts.caller.as_ref().map(|caller| &*caller.issuer),
                    caller.subject = facts.caller.as_ref().map(|caller| &*caller.subject),
                    caller.client = facts.caller.as_ref().and_then(|caller| caller.client_id.as_deref()),
                    outcome = outcome.as_str(),
                    reason = facts.reason.as_deref(),
                    http.status = (facts.status > 0).then_some(facts.status),
                    duration.ms = milliseconds(duration),
                    cpu.ms = facts.call_id.is_some().then(|| milliseconds(facts.cpu)),
                    memory.peak = facts.call_id.is_some().then_some(facts.peak_memory),
                    request.bytes = facts.request_bytes,
                    response.bytes = facts.response_bytes,
                    call.id = facts.call_id.as_deref(),
                    trace.id = facts.trace_id.as_deref(),
                    mcp.revision = text(facts.revision),
                },
                "request"
            )
        };
    }
    if is_known {
        event!(info);
    } else {
        event!(debug);
    }
}

fn text(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

fn name<'f>(facts: &'f Facts, kind: &str) -> Option<&'f str> {
    let target = facts.target.as_ref()?;
    (target.kind == kind).then_some(&*target.name)
}

/// Returns milliseconds with three decimals.
fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}
