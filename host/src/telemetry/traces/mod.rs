//! The traces: a span for each request with spans for its parts, sent to a collector over OTLP.
//!
//! The names are those of OpenTelemetry's semantic conventions for MCP and HTTP. Spans wait in a queue of fixed size for the
//! thread that sends them; if it is full, or the collector is away, spans are lost and calls go on.

mod exporter;
mod parent;
mod span;

use std::fmt;
use std::time::{Duration, SystemTime};

use opentelemetry::trace::{SpanKind, TracerProvider as _};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider, SpanLimits,
};
use reqwest::Client;
use url::Url;

use exporter::Collector;
use parent::remote_context;
pub use parent::{RequestTrace, TraceHeaders};
pub use span::{PartSpan, TraceSpan};

use super::facts::Facts;
use super::outcome::Outcome;

/// Spans that wait to be sent, each with a few hundred bytes.
const MAX_QUEUED_SPANS: usize = 4_096;
/// Spans of one request to the collector.
const MAX_BATCH_SPANS: usize = 512;
/// Time between two requests to the collector, unless a batch is full before.
const BATCH_INTERVAL: Duration = Duration::from_secs(1);
/// Time for the last spans when the process ends.
const MAX_FLUSH: Duration = Duration::from_secs(5);
/// Attributes of a span. Those of this host are fewer.
const MAX_ATTRIBUTES: u32 = 32;

/// The traces in `[telemetry]`.
#[derive(Debug, Clone, PartialEq)]
pub struct TracesConfig {
    /// Base URL of the collector. Spans are sent to the path `v1/traces` below it (OTLP 1.9, section OTLP/HTTP request).
    pub endpoint: Url,
    /// Share of the requests without a sampled parent that are traced, from 0 to 1.
    pub sample: f64,
    /// Whether requests of components carry the header `traceparent`.
    pub propagates: bool,
}

/// Records spans and sends them. Clones share the queue.
#[derive(Clone)]
pub struct Traces {
    provider: SdkTracerProvider,
    tracer: opentelemetry_sdk::trace::SdkTracer,
    propagates: bool,
}

impl fmt::Debug for Traces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Traces").finish_non_exhaustive()
    }
}

impl Traces {
    /// Starts the thread that sends spans through `client`. To be called in the async runtime.
    ///
    /// The standard variables `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_EXPORTER_OTLP_HEADERS` and
    /// `OTEL_EXPORTER_OTLP_TIMEOUT` are respected.
    ///
    /// # Errors
    /// A variable has a value that the exporter cannot use.
    pub fn start(config: &TracesConfig, client: Client) -> Result<Self, ExporterBuildError> {
        let mut endpoint = config.endpoint.clone();
        let path = endpoint.path().trim_end_matches('/');
        endpoint.set_path(&format!("{path}/v1/traces"));
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Collector::new(client))
            .with_endpoint(endpoint)
            .build()?;
        let batches = BatchConfigBuilder::default()
            .with_max_queue_size(MAX_QUEUED_SPANS)
            .with_max_export_batch_size(MAX_BATCH_SPANS)
            .with_scheduled_delay(BATCH_INTERVAL)
            .build();
        let limits = SpanLimits {
            max_attributes_per_span: MAX_ATTRIBUTES,
            max_links_per_span: 1,
            max_events_per_span: 0,
            ..SpanLimits::default()
        };
        let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
        let mut resource = Resource::builder().with_attribute(version);
        if std::env::var_os("OTEL_SERVICE_NAME").is_none() {
            resource = resource.with_service_name(env!("CARGO_PKG_NAME"));
        }
        let processor = BatchSpanProcessor::builder(exporter).with_batch_config(batches);
        let root = Sampler::TraceIdRatioBased(config.sample);
        let provider = SdkTracerProvider::builder()
            .with_span_processor(processor.build())
            .with_sampler(Sampler::ParentBased(Box::new(root)))
            .with_span_limits(limits)
            .with_resource(resource.build())
            .build();
        let scope = InstrumentationScope::builder(env!("CARGO_PKG_NAME"))
            .with_version(env!("CARGO_PKG_VERSION"))
            .build();
        Ok(Self {
            tracer: provider.tracer_with_scope(scope),
            provider,
            propagates: config.propagates,
        })
    }

    /// Starts the span of a request that began at `started`.
    ///
    /// The parent is the one that the message names. Without one it is that of the HTTP request, which is a link otherwise
    /// (semantic conventions for MCP, context propagation).
    pub(super) fn begin(&self, request: &RequestTrace<'_>, started: SystemTime) -> TraceSpan {
        let message = remote_context(request.message);
        let http = remote_context(request.http);
        let (parent, link) = match message {
            Some(message) => (Some(message), http),
            None => (http, None),
        };
        let span = TraceSpan::start(
            self,
            request.method,
            SpanKind::Server,
            started,
            parent,
            link,
        );
        if let Some(id) = &request.id {
            span.set("jsonrpc.request.id", id.clone());
        }
        span
    }

    /// Ends the span of a request, with what its facts tell. A request whose message was not read gets its span only here.
    pub(super) fn end(
        &self,
        span: Option<TraceSpan>,
        facts: &Facts,
        outcome: Outcome,
        started: SystemTime,
    ) {
        let span = span.unwrap_or_else(|| {
            let name = match &*facts.method {
                "" => "POST",
                method => method,
            };
            TraceSpan::start(self, name, SpanKind::Server, started, None, None)
        });
        if !span.is_recording() {
            return;
        }
        let target = facts.target.as_deref();
        if let Some(target) = target {
            span.rename(format!("{} {}", facts.method, target.name));
            span.set("toolcrib.component.name", target.component.to_string());
            let key = match target.kind {
                "tool" => "gen_ai.tool.name",
                "prompt" => "gen_ai.prompt.name",
                "mount" => "http.route",
                _ => "mcp.resource.uri",
            };
            span.set(key, target.name.to_string());
        }
        if facts.method == "tools/call" {
            span.set("gen_ai.operation.name", "execute_tool");
        }
        if !facts.method.is_empty() {
            let is_mounted = target.is_some_and(|target| target.kind == "mount");
            let key = match is_mounted {
                true => "http.request.method",
                false => "mcp.method.name",
            };
            span.set(key, facts.method.to_string());
        }
        if !facts.revision.is_empty() {
            span.set("mcp.protocol.version", facts.revision);
        }
        match facts.transport {
            "http" => {
                span.set("network.transport", "tcp");
                span.set("network.protocol.name", "http");
                span.set("http.response.status_code", i64::from(facts.status));
            }
            _ => span.set("network.transport", "pipe"),
        }
        if let Some(id) = facts.call_id.as_deref() {
            span.set("toolcrib.call.id", id.to_owned());
        }
        span.set("toolcrib.outcome", outcome.as_str());
        if !matches!(outcome, Outcome::Ok | Outcome::Pending) {
            let reason = facts.reason.as_deref().unwrap_or_default();
            span.fail(outcome.as_str(), reason);
        }
        span.end();
    }

    /// Sends what is queued, within [`MAX_FLUSH`], and records no further spans.
    pub(super) fn stop(&self) {
        if let Err(error) = self.provider.shutdown_with_timeout(MAX_FLUSH) {
            tracing::warn!(%error, "last spans not sent");
        }
    }
}
