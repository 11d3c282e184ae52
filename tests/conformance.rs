//! The official conformance suite against the real binary: all scenarios of each protocol revision and its extensions,
//! with and without sessions, with and without authorization.
//!
//! Files in `conformance/expected-failures/` list the checks that cannot pass, with reasons. The test also fails if a
//! listed check passes.

mod host;
mod proxy;
mod suite;

use std::collections::BTreeSet;
use std::fmt;
use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

use futures::StreamExt;

use crate::issuer::Issuer;
use host::Host;
use suite::{Check, Report};

/// Runs of the suite that are executed at the same time. They mostly wait.
const CONCURRENT_RUNS: usize = 2;

/// The configuration of one run of the suite.
#[derive(Clone, Copy)]
struct Mode {
    revision: &'static str,
    sessions: bool,
    is_guarded: bool,
}

#[tokio::test(flavor = "multi_thread")]
async fn the_conformance_suite_passes() {
    let cache = tempfile::tempdir().unwrap();
    Host::fill_cache(cache.path());
    let issuer = Issuer::start().await;
    let modes = ["2025-06-18", "2025-11-25", "2026-07-28"]
        .into_iter()
        .flat_map(|revision| {
            let variants = [(true, false), (true, true), (false, false), (false, true)];
            variants.map(|(sessions, is_guarded)| Mode {
                revision,
                sessions,
                is_guarded,
            })
        });
    let failures: Vec<_> = futures::stream::iter(modes)
        .map(|mode| run(mode, cache.path(), &issuer))
        .buffer_unordered(CONCURRENT_RUNS)
        .collect()
        .await;
    let failures = failures.concat();
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

/// Runs the suite and returns a description of every failure.
async fn run(mode: Mode, cache: &std::path::Path, issuer: &Issuer) -> Vec<String> {
    let start = Instant::now();
    let (host, url, _proxy);
    if mode.is_guarded {
        // The suite sends the proxy's address as `Host` and `Origin`.
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        host = Host::start(cache, mode.sessions, Some((issuer, &origin)));
        let token = issuer.token(|_| {});
        _proxy = proxy::start(listener, host.address(), &token);
        url = format!("{origin}/mcp");
    } else {
        host = Host::start(cache, mode.sessions, None);
        url = format!("http://{}/mcp", host.address());
    }
    let baseline = mode.expected_failures();
    let report = suite::run(&url, mode.revision, baseline.as_deref()).await;
    let expected = baseline
        .map(|file| suite::expected(&file))
        .unwrap_or_default();
    let failures = failures(mode, &report, &expected);
    // Not captured by the test harness, so that the summary is printed for passing runs as well.
    let seconds = start.elapsed().as_secs();
    let _ = writeln!(
        std::io::stderr(),
        "conformance, {mode}: {report}, {} expected to fail, in {seconds} s",
        expected.len()
    );
    failures
}

/// Compares a report with the expected failures.
fn failures(mode: Mode, report: &Report, expected: &BTreeSet<String>) -> Vec<String> {
    let mut failures = Vec::new();
    let failed = report.failed();
    for check in &failed {
        if !expected.contains(&check.name()) {
            failures.push(format!("{mode}: {check}"));
        }
    }
    for name in expected {
        if !failed.iter().any(|check| check.name() == *name) {
            failures.push(format!("{mode}: {name} is expected to fail but passed"));
        }
    }
    if report.scenarios() != mode.scenarios() {
        failures.push(format!(
            "{mode}: {} scenarios ran, expected {}",
            report.scenarios(),
            mode.scenarios()
        ));
    }
    // The suite decides itself which scenarios a revision requires.
    if failures.is_empty() && !report.is_success {
        failures.push(format!("{mode}: the suite failed: {}", report.output));
    }
    failures
}

impl Mode {
    /// The number of scenarios that the suite has for the revision, scored or not.
    fn scenarios(self) -> usize {
        match self.revision {
            "2025-06-18" => 27,
            "2025-11-25" => 33,
            _ => 50,
        }
    }

    /// The file that lists the expected failures. `None` if there are none.
    fn expected_failures(self) -> Option<PathBuf> {
        let sessions = if self.sessions {
            "sessions"
        } else {
            "stateless"
        };
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/conformance/expected-failures");
        let file = PathBuf::from(format!("{dir}/{}-{sessions}.yaml", self.revision));
        file.exists().then_some(file)
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sessions = if self.sessions {
            "sessions"
        } else {
            "no sessions"
        };
        let guarded = if self.is_guarded { "guarded" } else { "open" };
        write!(f, "{}, {sessions}, {guarded}", self.revision)
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.name(), self.status, self.message)
    }
}
