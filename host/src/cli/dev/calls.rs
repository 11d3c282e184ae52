//! One line for each call that has ended.

use std::time::Duration;

use crate::cli::output::notice;
use crate::telemetry::{Facts, Outcome};

/// Prints a call; other requests are left out.
pub(super) fn print(facts: &Facts, outcome: Outcome, duration: Duration) {
    let what = match &*facts.method {
        "tools/call" => "call",
        "prompts/get" => "prompt",
        "resources/read" => "resource",
        _ => return,
    };
    let mut line = what.to_owned();
    if let Some(target) = &facts.target {
        line += &format!(" {}", target.name);
    }
    line += &format!(
        ": {} in {}",
        outcome.as_str().replace('_', " "),
        milliseconds(duration)
    );
    if facts.call_id.is_some() {
        let mebibytes = facts.peak_memory as f64 / f64::from(1 << 20);
        line += &format!(
            ", processor {}, memory {mebibytes:.1} MiB",
            milliseconds(facts.cpu)
        );
    }
    if let Some(reason) = &facts.reason {
        line += &format!(": {reason}");
    }
    notice(line);
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}
