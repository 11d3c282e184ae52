//! Sums up the requests of audit files by caller, tool or day.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;

use super::lines::{Line, Lines};
use super::verify::Fault;
use crate::json::{self, DuplicateKeys};

/// Groups of one report: callers and tools together.
const MAX_GROUPS: usize = 100_000;
/// The ratio of the upper bounds of two buckets of durations: quantiles are exact to 5 percent.
const BUCKET_RATIO: f64 = 1.05;

/// The key of the groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupBy {
    /// Caller and tool.
    CallerAndTool,
    /// Caller.
    Caller,
    /// Tool, prompt or resource.
    Tool,
    /// Day in UTC.
    Day,
}

/// The requests of one group.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Usage {
    /// The caller, the tool or the day; both of the first two.
    pub group: Vec<String>,
    /// Calls that ran or were denied.
    pub calls: u64,
    /// Calls without the result that the caller asked for.
    pub failures: u64,
    /// Processor time in milliseconds.
    pub cpu_ms: f64,
    /// Bytes of requests and responses.
    pub bytes: u64,
    /// The median duration in milliseconds.
    pub p50_ms: f64,
    /// The duration that 95 of 100 calls do not exceed, in milliseconds.
    pub p95_ms: f64,
}

#[derive(Default)]
struct Sums {
    usage: Usage,
    /// The number of durations by bucket.
    durations: BTreeMap<i32, u64>,
}

/// Sums up the calls in audit files, the groups with the most calls first.
///
/// # Errors
/// A file cannot be read or is not an audit file.
pub fn usage(files: &[PathBuf], by: GroupBy) -> Result<Vec<Usage>, Fault> {
    let mut groups: BTreeMap<Vec<String>, Sums> = BTreeMap::new();
    for path in files {
        let unreadable = |error| Fault::Unreadable {
            path: path.clone(),
            error,
        };
        let mut lines = Lines::open(path).map_err(unreadable)?;
        let mut number = 0;
        while let Some(line) = lines.next().map_err(unreadable)? {
            number += 1;
            let record = match line {
                Line::Complete(line) => json::parse(&line, DuplicateKeys::Reject).ok(),
                Line::Torn => break,
                Line::TooLong => None,
            };
            let Some(record) = record.filter(Value::is_object) else {
                return Err(Fault::NotARecord {
                    path: path.clone(),
                    line: number,
                });
            };
            if record["event"] != "request" || record["target"].is_null() {
                continue;
            }
            let group = group(&record, by);
            if groups.len() >= MAX_GROUPS && !groups.contains_key(&group) {
                return Err(Fault::TooManyGroups(MAX_GROUPS));
            }
            groups.entry(group).or_default().add(&record);
        }
    }
    let groups = groups.into_iter();
    let mut usage: Vec<_> = groups.map(|(group, sums)| sums.finish(group)).collect();
    if by != GroupBy::Day {
        usage.sort_by_key(|usage| std::cmp::Reverse(usage.calls));
    }
    Ok(usage)
}

fn group(record: &Value, by: GroupBy) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let caller = || match &record["caller"] {
        Value::Null => "(anonymous)".to_owned(),
        caller => match caller["client"].as_str() {
            Some(client) => format!("{} via {client}", text(&caller["subject"])),
            None => text(&caller["subject"]),
        },
    };
    let tool = || text(&record["target"]["name"]);
    match by {
        GroupBy::CallerAndTool => vec![caller(), tool()],
        GroupBy::Caller => vec![caller()],
        GroupBy::Tool => vec![tool()],
        GroupBy::Day => vec![text(&record["time"]).chars().take(10).collect()],
    }
}

impl Sums {
    fn add(&mut self, record: &Value) {
        let number = |key: &str| record[key].as_f64().unwrap_or_default();
        let bytes = |key: &str| record[key].as_u64().unwrap_or_default();
        let usage = &mut self.usage;
        usage.calls += 1;
        let is_success = matches!(record["outcome"].as_str(), Some("ok" | "pending"));
        usage.failures += u64::from(!is_success);
        usage.cpu_ms += number("cpu_ms");
        usage.bytes = usage
            .bytes
            .saturating_add(bytes("request_bytes"))
            .saturating_add(bytes("response_bytes"));
        let bucket = number("duration_ms").max(0.001).log(BUCKET_RATIO).ceil();
        *self.durations.entry(bucket as i32).or_default() += 1;
    }

    fn finish(self, group: Vec<String>) -> Usage {
        let quantile = |percent: u64| {
            let rank = (self.usage.calls * percent).div_ceil(100);
            let mut count = 0;
            let bucket = self.durations.iter().find(|(_, in_bucket)| {
                count += **in_bucket;
                count >= rank
            });
            bucket.map_or(0.0, |(bucket, _)| BUCKET_RATIO.powi(*bucket))
        };
        Usage {
            group,
            p50_ms: quantile(50),
            p95_ms: quantile(95),
            ..self.usage
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_exact_to_five_percent() {
        let mut sums = Sums::default();
        for milliseconds in 1..=1_000 {
            sums.add(&serde_json::json!({ "duration_ms": milliseconds, "outcome": "ok" }));
        }
        let usage = sums.finish(Vec::new());
        for (found, exact) in [(usage.p50_ms, 500.0), (usage.p95_ms, 950.0)] {
            assert!(
                (exact..=exact * BUCKET_RATIO).contains(&found),
                "{found} {exact}"
            );
        }
    }
}
