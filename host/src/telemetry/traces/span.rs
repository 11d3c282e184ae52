//! Spans of requests and of their parts.

use std::ops::Deref;
use std::sync::Arc;
use std::time::SystemTime;

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::propagation::{Injector, TextMapPropagator};
use opentelemetry::trace::{Link, SpanBuilder, SpanKind, Status, TraceContextExt, Tracer};
use opentelemetry::{Context, KeyValue, Value};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracer;

use super::Traces;
use super::parent::TRACEPARENT;
use crate::text::{ellipsize, escape_untrusted, truncate};

/// Maximum length of an attribute: the spans of a full queue are held in memory.
const MAX_ATTRIBUTE_BYTES: usize = 256;

/// A span. Clones are the same span, which ends at the latest with the last of them.
#[derive(Clone)]
pub struct TraceSpan {
    tracer: Arc<SdkTracer>,
    context: Context,
    propagates: bool,
}

/// The span of a part of a request, which ends when it is dropped.
pub struct PartSpan(TraceSpan);

impl TraceSpan {
    pub(super) fn start(
        traces: &Traces,
        name: &str,
        kind: SpanKind,
        started: SystemTime,
        parent: Option<Context>,
        link: Option<Context>,
    ) -> Self {
        let mut builder = SpanBuilder::from_name(attribute(name))
            .with_kind(kind)
            .with_start_time(started);
        if let Some(link) = link {
            let linked = link.span().span_context().clone();
            builder = builder.with_links(vec![Link::with_context(linked)]);
        }
        let parent = parent.unwrap_or_default();
        let span = traces.tracer.build_with_context(builder, &parent);
        Self {
            tracer: Arc::new(traces.tracer.clone()),
            context: parent.with_span(span),
            propagates: traces.propagates,
        }
    }

    /// Starts the span of a part of this one.
    pub fn part(&self, name: &'static str) -> PartSpan {
        self.child(name.into(), SpanKind::Internal)
    }

    /// Starts the span of an outgoing HTTP request (semantic conventions for HTTP, client span).
    pub fn outgoing(&self, method: &http::Method, url: &url::Url) -> PartSpan {
        let span = self.child(method.to_string(), SpanKind::Client);
        span.set("http.request.method", method.to_string());
        span.set(
            "server.address",
            url.host_str().unwrap_or_default().to_owned(),
        );
        if let Some(port) = url.port_or_known_default() {
            span.set("server.port", i64::from(port));
        }
        span
    }

    fn child(&self, name: String, kind: SpanKind) -> PartSpan {
        let builder = SpanBuilder::from_name(attribute(&name)).with_kind(kind);
        let span = self.tracer.build_with_context(builder, &self.context);
        PartSpan(Self {
            tracer: self.tracer.clone(),
            context: self.context.with_span(span),
            propagates: self.propagates,
        })
    }

    /// Sets an attribute. Texts are escaped and truncated.
    pub fn set(&self, key: &'static str, value: impl Into<Value>) {
        let value = match value.into() {
            Value::String(text) => attribute(text.as_str()).into(),
            value => value,
        };
        self.context.span().set_attribute(KeyValue::new(key, value));
    }

    /// Sets the kind of error, and that the span has failed.
    pub fn set_error(&self, kind: impl Into<Value>) {
        self.fail(kind, "");
    }

    /// The same, with a sentence about the error.
    pub(super) fn fail(&self, kind: impl Into<Value>, sentence: &str) {
        self.set("error.type", kind);
        let status = Status::error(attribute(sentence));
        self.context.span().set_status(status);
    }

    pub(super) fn rename(&self, name: String) {
        self.context.span().update_name(attribute(&name));
    }

    pub(super) fn is_recording(&self) -> bool {
        self.context.span().is_recording()
    }

    pub(super) fn end(&self) {
        self.context.span().end();
    }

    /// Returns the trace id: 32 hexadecimal digits.
    pub fn trace_id(&self) -> String {
        self.context.span().span_context().trace_id().to_string()
    }

    /// Adds `traceparent` and `tracestate` to the headers of an outgoing request, unless they are there already or
    /// this is switched off.
    pub fn inject(&self, headers: &mut HeaderMap) {
        if self.propagates && !headers.contains_key(TRACEPARENT) {
            TraceContextPropagator::new().inject_context(&self.context, &mut Headers(headers));
        }
    }
}

impl Deref for PartSpan {
    type Target = TraceSpan;

    fn deref(&self) -> &TraceSpan {
        &self.0
    }
}

impl Drop for PartSpan {
    fn drop(&mut self) {
        self.0.end();
    }
}

struct Headers<'a>(&'a mut HeaderMap);

impl Injector for Headers<'_> {
    fn set(&mut self, name: &str, value: String) {
        let name = HeaderName::from_bytes(name.as_bytes());
        // A `tracestate` without members is not sent.
        if let (Ok(name), Ok(value), false) =
            (name, HeaderValue::from_str(&value), value.is_empty())
        {
            self.0.insert(name, value);
        }
    }
}

fn attribute(text: &str) -> String {
    // One character more, so that it tells whether any is missing.
    let text = truncate(text, MAX_ATTRIBUTE_BYTES + 4);
    ellipsize(&escape_untrusted(text), MAX_ATTRIBUTE_BYTES).into_owned()
}
