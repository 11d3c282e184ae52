//! The line of the log about a request that has ended.

use std::time::Duration;

use tracing::Level;

use super::ended_request::EndedRequest;
use super::event_time;
use super::facts::Facts;

const TARGET: &str = "toolcrib::request";

/// Returns whether a request has a line in the log. One that anybody can send at will, because its message was not read and
/// it has no caller, has one at `debug` only.
pub(super) fn is_logged(facts: &Facts) -> bool {
    match is_known(facts) {
        true => tracing::enabled!(target: TARGET, Level::INFO),
        false => tracing::enabled!(target: TARGET, Level::DEBUG),
    }
}

fn is_known(facts: &Facts) -> bool {
    facts.caller.is_some() || !facts.method.is_empty()
}

/// Logs a request.
pub(super) fn log(request: &EndedRequest) {
    let EndedRequest {
        facts,
        outcome,
        duration,
        time,
    } = request;
    macro_rules! event {
        ($level:ident) => {
            tracing::$level!(
                target: TARGET,
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
                    duration.ms = milliseconds(*duration),
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
    event_time::at(*time, || match is_known(facts) {
        true => event!(info),
        false => event!(debug),
    });
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
