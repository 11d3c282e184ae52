//! The parent of a request's span: a span of the caller, which it names in the message or in the HTTP headers (W3C Trace
//! Context, sections 3.2 and 3.3).

use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::TraceContextExt;
use opentelemetry_sdk::propagation::TraceContextPropagator;

pub(super) const TRACEPARENT: &str = "traceparent";
pub(super) const TRACESTATE: &str = "tracestate";
/// Length of `tracestate` up to which it is kept (W3C Trace Context, section 3.3.1.5).
const MAX_TRACESTATE_BYTES: usize = 512;

/// The facts about a request from which its span begins.
pub struct RequestTrace<'a> {
    /// The method of JSON-RPC.
    pub method: &'a str,
    /// The id of the request, as text.
    pub id: Option<String>,
    /// The span that `_meta` names.
    pub message: TraceHeaders<'a>,
    /// The span that the HTTP headers name.
    pub http: TraceHeaders<'a>,
}

/// The values of `traceparent` and `tracestate`.
#[derive(Clone, Copy, Default)]
pub struct TraceHeaders<'a> {
    /// `traceparent`
    pub parent: Option<&'a str>,
    /// `tracestate`
    pub state: Option<&'a str>,
}

impl Extractor for TraceHeaders<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        match key {
            TRACEPARENT => self.parent,
            TRACESTATE => self
                .state
                .filter(|state| state.len() <= MAX_TRACESTATE_BYTES),
            _ => None,
        }
    }

    fn keys(&self) -> Vec<&str> {
        vec![TRACEPARENT, TRACESTATE]
    }
}

/// Returns the span that headers name; `None` if they are missing or malformed.
pub(super) fn remote_context(headers: TraceHeaders<'_>) -> Option<Context> {
    headers.parent?;
    let context = TraceContextPropagator::new().extract_with_context(&Context::new(), &headers);
    let is_valid = context.span().span_context().is_valid();
    is_valid.then_some(context)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_parents_are_ignored_and_long_states_dropped() {
        const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let long = format!("a={}", "x".repeat(MAX_TRACESTATE_BYTES));
        for (parent, state, expected) in [
            (None, None, None),
            (Some("00-zz"), None, None),
            (
                Some("00-00000000000000000000000000000000-b7ad6b7169203331-01"),
                None,
                None,
            ),
            (Some(PARENT), None, Some("")),
            (Some(PARENT), Some("a=b,c=d"), Some("a=b,c=d")),
            (Some(PARENT), Some(&*long), Some("")),
            (Some(PARENT), Some("\u{1b}[31m"), Some("")),
        ] {
            let context = remote_context(TraceHeaders { parent, state });
            let state = context.map(|context| context.span().span_context().trace_state().header());
            assert_eq!(state.as_deref(), expected, "{parent:?} {state:?}");
        }
    }
}
