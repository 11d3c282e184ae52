//! Encodes the metrics for a scrape.

use std::fmt;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

use super::sample::{Sample, SampleKind};
use super::series::TargetSeries;
use super::{Metrics, Outcome};

type Labels = Vec<(&'static str, String)>;

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut all: Vec<_> = self.targets().values().cloned().collect();
        let key = |series: &TargetSeries| {
            let target = series.labels.target.as_ref().map(|(_, name)| name.clone());
            (series.labels.method, target)
        };
        all.sort_by_key(|series| key(series));

        let mut metric = encoder.encode_descriptor(
            "mcp_server_operation_duration",
            "Duration of requests, until the response was sent",
            Some(&Unit::Seconds),
            MetricType::Histogram,
        )?;
        for series in &all {
            for (outcome, revision, histogram) in series.durations() {
                let mut labels = labels(series);
                labels.push(("outcome", outcome.as_str().into()));
                if !outcome.is_success() {
                    labels.push(("error_type", outcome.as_str().into()));
                }
                if !revision.is_empty() {
                    labels.push(("mcp_protocol_version", revision.into()));
                }
                histogram.encode(metric.encode_family(&labels)?)?;
            }
        }
        let mut metric = encoder.encode_descriptor(
            "toolcrib_guest_cpu",
            "Processor time of guests",
            Some(&Unit::Seconds),
            MetricType::Counter,
        )?;
        for series in all.iter().filter(|series| series.labels.target.is_some()) {
            let nanoseconds = series.guest.cpu_nanoseconds.load(Ordering::Relaxed);
            let labels = labels(series);
            let mut encoder = metric.encode_family(&labels)?;
            encoder.encode_counter::<NoLabelSet, f64, f64>(&(nanoseconds as f64 * 1e-9), None)?;
        }
        let mut metric = encoder.encode_descriptor(
            "toolcrib_guest_peak_memory",
            "Largest linear memory of a call",
            Some(&Unit::Bytes),
            MetricType::Histogram,
        )?;
        for series in all.iter().filter(|series| series.labels.target.is_some()) {
            let labels = labels(series);
            let encoder = metric.encode_family(&labels)?;
            series.guest.peak_memory.encode(encoder)?;
        }
        type Value = fn(&TargetSeries) -> &AtomicU64;
        let bytes: [(_, _, Value); 2] = [
            ("toolcrib_request", "Bytes of request bodies", |series| {
                &series.request_bytes
            }),
            ("toolcrib_response", "Bytes of response bodies", |series| {
                &series.response_bytes
            }),
        ];
        for (name, help, value) in bytes {
            let unit = Some(&Unit::Bytes);
            let mut metric = encoder.encode_descriptor(name, help, unit, MetricType::Counter)?;
            for series in &all {
                let value = value(series).load(Ordering::Relaxed);
                let labels = labels(series);
                let mut encoder = metric.encode_family(&labels)?;
                encoder.encode_counter::<NoLabelSet, u64, u64>(&value, None)?;
            }
        }
        self.encode_samples(encoder)
    }
}

impl Metrics {
    fn encode_samples(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut samples = Vec::new();
        for outcome in [Outcome::Unauthenticated, Outcome::Refused] {
            let refused = self.0.refused[outcome as usize].load(Ordering::Relaxed);
            let name = "toolcrib_requests_refused";
            let help = "Requests refused before their message was read";
            samples.push(Sample::counter(name, help, refused).with("reason", outcome.as_str()));
        }
        let version = env!("CARGO_PKG_VERSION");
        let build = Sample::gauge("toolcrib_build_info", "The version of the host", 1);
        samples.push(build.with("version", version));
        let sources = self
            .0
            .sources
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for source in &*sources {
            source(&mut samples);
        }
        drop(sources);
        samples.sort_by(|a, b| (a.name, &a.labels).cmp(&(b.name, &b.labels)));
        // Two entries of a grant may have the same host, and an application two routers.
        samples.dedup_by(|next, first| {
            let is_same = (next.name, &next.labels) == (first.name, &first.labels);
            if is_same {
                first.value += next.value;
            }
            is_same
        });
        for of_metric in samples.chunk_by(|a, b| a.name == b.name) {
            let Some(first) = of_metric.first() else {
                continue;
            };
            let kind = match first.kind {
                SampleKind::Counter => MetricType::Counter,
                SampleKind::Gauge => MetricType::Gauge,
            };
            let mut metric = encoder.encode_descriptor(first.name, first.help, None, kind)?;
            for sample in of_metric {
                let mut encoder = metric.encode_family(&sample.labels)?;
                match sample.kind {
                    SampleKind::Counter => {
                        encoder.encode_counter::<NoLabelSet, u64, u64>(&sample.value, None)?;
                    }
                    SampleKind::Gauge => encoder.encode_gauge(&sample.value)?,
                }
            }
        }
        Ok(())
    }
}

fn labels(series: &TargetSeries) -> Labels {
    let mut labels = vec![(series.labels.method_label, series.labels.method.to_owned())];
    if let Some((label, name)) = &series.labels.target {
        labels.push((*label, name.to_string()));
    }
    if let Some(component) = &series.labels.component {
        labels.push(("toolcrib_component", component.to_string()));
    }
    labels
}
