//! `toolcrib usage`: who used which tool, from audit files.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::output::{Failure, fail, print_json, say};
use crate::telemetry::{self, GroupBy};

/// Width of a column of names. Longer names push the numbers to the right.
const NAME_WIDTH: usize = 28;

#[derive(Args)]
pub(super) struct Usage {
    /// Audit files, in any order.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Sum up by caller, tool or day instead of by caller and tool.
    #[arg(long, value_name = "GROUP")]
    by: Option<Group>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Group {
    Caller,
    Tool,
    Day,
}

impl Usage {
    pub(super) fn run(self) -> Result<(), Failure> {
        let (by, columns): (_, &[&str]) = match self.by {
            None => (GroupBy::CallerAndTool, &["caller", "tool"]),
            Some(Group::Caller) => (GroupBy::Caller, &["caller"]),
            Some(Group::Tool) => (GroupBy::Tool, &["tool"]),
            Some(Group::Day) => (GroupBy::Day, &["day"]),
        };
        let rows = telemetry::usage(&self.files, by).map_err(fail)?;
        if self.json {
            return print_json(&rows.iter().map(|row| to_json(row, columns)).collect());
        }
        let names = |names: &[String]| -> String {
            let padded = names.iter().map(|name| format!("{name:NAME_WIDTH$} "));
            padded.collect()
        };
        let columns: Vec<_> = columns.iter().map(|column| column.to_uppercase()).collect();
        say!(
            "{}{:>9} {:>9} {:>12} {:>14} {:>10} {:>10}",
            names(&columns),
            "CALLS",
            "FAILURES",
            "CPU MS",
            "BYTES",
            "P50 MS",
            "P95 MS"
        );
        for row in &rows {
            say!(
                "{}{:>9} {:>9} {:>12.1} {:>14} {:>10.1} {:>10.1}",
                names(&row.group),
                row.calls,
                row.failures,
                row.cpu_ms,
                row.bytes,
                row.p50_ms,
                row.p95_ms
            );
        }
        Ok(())
    }
}

fn to_json(row: &telemetry::Usage, columns: &[&str]) -> Value {
    let mut object = json!({
        "calls": row.calls, "failures": row.failures, "cpu_ms": row.cpu_ms, "bytes": row.bytes,
        "p50_ms": row.p50_ms, "p95_ms": row.p95_ms,
    });
    for (column, name) in columns.iter().zip(&row.group) {
        object[*column] = name.as_str().into();
    }
    object
}
