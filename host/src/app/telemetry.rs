//! The observer of the application, and the metrics that its parts are asked for at a scrape.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::problem::Problem;
use super::reconfigure::Outcomes;
use crate::auth::GuardCounts;
use crate::catalog::ComponentEntry;
use crate::config::Config;
use crate::http::Application;
use crate::mcp::ToolServer;
use crate::network::{AddressPolicy, Outbound, is_loopback};
use crate::reload::ComponentRegistry;
use crate::shared::{Shared, SharedCounts};
use crate::telemetry::{Audit, Metrics, Observer, Sample, Traces, TracesConfig};

/// Creates the observer, opens the audit, and starts to send traces. To be called in the async runtime.
///
/// # Errors
/// The audit cannot be written, or traces cannot be sent.
pub(crate) fn observer(config: &Config) -> Result<Observer, Problem> {
    let telemetry = &config.telemetry;
    let audit = match &telemetry.audit {
        Some(audit) => Some(Audit::start(audit).map_err(|error| Problem::Audit {
            path: audit.file().cloned().unwrap_or(PathBuf::from("stderr")),
            error,
        })?),
        None => None,
    };
    let traces = telemetry.traces.as_ref();
    let traces = traces.map(|traces| start_traces(config, traces));
    let traces = traces.transpose().map_err(Problem::Traces)?;
    let metrics = telemetry.metrics.map(|_| Metrics::default());
    Ok(Observer::new(metrics, audit, traces, config.on_request))
}

fn start_traces(config: &Config, traces: &TracesConfig) -> Result<Traces, String> {
    let network = &config.network;
    // Errors in these settings are reported for the components.
    let (outbound, _) = Outbound::new(network.proxy.as_ref(), network.ca.as_deref(), true);
    // Collectors are usually in a private network.
    let policy = AddressPolicy::for_url(&traces.endpoint, true);
    let client = outbound
        .client_builder(policy, is_loopback(&traces.endpoint))
        .and_then(|builder| builder.build())
        .map_err(|error| error.to_string())?;
    Traces::start(traces, client).map_err(|error| error.to_string())
}

/// Adds the state of the application's parts to the metrics.
pub(super) fn add_sources(
    observer: &Observer,
    registry: &ComponentRegistry,
    application: &Application,
    server: &ToolServer,
    reloads: Arc<Outcomes>,
    shared: Option<Shared>,
) {
    let Some(metrics) = observer.metrics() else {
        return;
    };
    // The parts have the observer, which has the metrics.
    let (application, server) = (application.downgrade(), server.downgrade());
    metrics.add_source(move |samples| {
        if let Some(server) = server.upgrade() {
            server.add_samples(samples);
        }
        let Some(application) = application.upgrade() else {
            return;
        };
        if let Some(guard) = application.guard() {
            add_guard(&guard.counts(), samples);
        }
        samples.push(Sample::gauge(
            "toolcrib_component_problems",
            "Problems of components that are not served as configured",
            application.component_problems() as u64,
        ));
    });
    metrics.add_source(move |samples| add_reloads(&reloads, samples));
    if let Some(shared) = shared {
        metrics.add_source(move |samples| add_shared(shared.counts(), samples));
    }
    metrics.add_source(registry.pool_source());
    let live = registry.live();
    metrics.add_source(move |samples| {
        let catalog = live.current();
        catalog
            .components()
            .iter()
            .for_each(|entry| add_egress(entry, samples));
        let places = catalog.places();
        let places_help = "Places for calls";
        samples.extend([
            Sample::gauge(
                "toolcrib_components",
                "Components that are served",
                catalog.components().len() as u64,
            ),
            Sample::gauge(
                "toolcrib_tools",
                "Tools that are served",
                catalog.tools().len() as u64,
            ),
            Sample::gauge("toolcrib_places_in_use", places_help, places.in_use),
            Sample::gauge("toolcrib_places", places_help, places.max),
            Sample::gauge(
                "toolcrib_calls_waiting",
                "Calls that wait for a place",
                places.waiting,
            ),
        ]);
    });
    // Not a clone of the observer, which has the metrics.
    if let Some(counts) = observer.audit_counts() {
        metrics.add_source(move |samples| {
            let (written, lost) = counts();
            samples.push(Sample::counter(
                "toolcrib_audit_records",
                "Audit records that were written",
                written,
            ));
            samples.push(Sample::counter(
                "toolcrib_audit_records_lost",
                "Audit records that were lost because the queue was full",
                lost,
            ));
        });
    }
}

fn add_shared(counts: SharedCounts, samples: &mut Vec<Sample>) {
    let operations = |result: &str, count| {
        let name = "toolcrib_shared_operations";
        Sample::counter(name, "Round trips to the shared state", count).with("result", result)
    };
    samples.extend([
        Sample::gauge(
            "toolcrib_shared_available",
            "Whether the shared state can be used",
            counts.is_available.into(),
        ),
        operations("ok", counts.answered),
        operations("failed", counts.failed),
    ]);
}

fn add_guard(counts: &GuardCounts, samples: &mut Vec<Sample>) {
    let tokens = |result: &str, count| {
        let name = "toolcrib_tokens";
        Sample::counter(name, "Tokens that were accepted", count).with("result", result)
    };
    let fetches = |result: &str, count| {
        let name = "toolcrib_key_fetches";
        Sample::counter(name, "Fetches of the issuers' keys", count).with("result", result)
    };
    samples.extend([
        tokens("verified", counts.verified),
        tokens("remembered", counts.remembered),
        fetches("ok", counts.key_fetches),
        fetches("failed", counts.failed_key_fetches),
    ]);
    for (reason, count) in &counts.refused {
        let name = "toolcrib_tokens_refused";
        let refused = Sample::counter(name, "Requests refused by the guard", *count);
        samples.push(refused.with("reason", reason.as_str()));
    }
}

fn add_reloads(outcomes: &Outcomes, samples: &mut Vec<Sample>) {
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let reloads = |result: &str, counter| {
        let help = "Configurations and certificates that were read while the host ran";
        Sample::counter("toolcrib_config_reloads", help, count(counter)).with("result", result)
    };
    samples.extend([
        reloads("success", &outcomes.succeeded),
        reloads("failure", &outcomes.failed),
        Sample::gauge(
            "toolcrib_config_last_reload_successful",
            "Whether the configuration that was read last is in force",
            outcomes.is_last_successful.load(Ordering::Relaxed).into(),
        ),
        Sample::gauge(
            "toolcrib_config_last_reload_success_timestamp_seconds",
            "Time at which a configuration was taken in last, the start included",
            count(&outcomes.last_success),
        ),
    ]);
}

fn add_egress(entry: &ComponentEntry, samples: &mut Vec<Sample>) {
    let counts = entry.component.egress_counts();
    let requests = |host: &str, decision: &str, count| {
        Sample::counter(
            "toolcrib_egress_requests",
            "Outgoing requests of components, by the host of the grant",
            count,
        )
        .with("component", entry.component.name.as_str())
        .with("host", host)
        .with("decision", decision)
    };
    for (host, count) in counts.allowed() {
        samples.push(requests(host, "allowed", count));
    }
    if counts.denied() > 0 {
        samples.push(requests("_other", "denied", counts.denied()));
    }
}
