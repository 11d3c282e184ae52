//! The official conformance suite against the real binary: every scenario that a revision of the protocol requires or that
//! an extension has, with sessions and without, open and behind the guard.
//!
//! What cannot pass stands with its reason in `conformance/expected-failures/`. An entry that passes is a fault too.

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

/// Suites that run at the same time: they mostly wait.
const AT_ONCE: usize = 2;

/// What a run of the suite is about.
#[derive(Clone, Copy)]
struct Mode {
    revision: &'static str,
    sessions: bool,
    guarded: bool,
}

#[tokio::test(flavor = "multi_thread")]
async fn the_conformance_suite_passes() {
    let cache = tempfile::tempdir().unwrap();
    // So that the component is compiled once.
    drop(Host::start(cache.path(), false, None));
    let issuer = Issuer::start().await;
    let modes = ["2025-06-18", "2025-11-25", "2026-07-28"]
        .into_iter()
        .flat_map(|revision| {
            let ways = [(true, false), (true, true), (false, false), (false, true)];
            ways.map(|(sessions, guarded)| Mode {
                revision,
                sessions,
                guarded,
            })
        });
    let wrong: Vec<_> = futures::stream::iter(modes)
        .map(|mode| run(mode, cache.path(), &issuer))
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let wrong = wrong.concat();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Runs the suite: what is wrong with what came of it.
async fn run(mode: Mode, cache: &std::path::Path, issuer: &Issuer) -> Vec<String> {
    let start = Instant::now();
    let (host, url, _proxy);
    if mode.guarded {
        // The suite's requests name the proxy, and come from pages of its origin.
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
    let baseline = mode.baseline();
    let report = suite::run(&url, mode.revision, baseline.as_deref()).await;
    let expected = baseline
        .map(|file| suite::expected(&file))
        .unwrap_or_default();
    let wrong = judge(mode, &report, &expected);
    // Past the test's own output, for it is worth seeing when all is well.
    let seconds = start.elapsed().as_secs();
    let _ = writeln!(
        std::io::stderr(),
        "conformance, {mode}: {report}, {} expected to fail, in {seconds} s",
        expected.len()
    );
    wrong
}

fn judge(mode: Mode, report: &Report, expected: &BTreeSet<String>) -> Vec<String> {
    let mut wrong = Vec::new();
    let failed = report.failed();
    for check in &failed {
        if !expected.contains(&check.name()) {
            wrong.push(format!("{mode}: {check}"));
        }
    }
    for name in expected {
        if !failed.iter().any(|check| check.name() == *name) {
            wrong.push(format!("{mode}: {name} is expected to fail, and does not"));
        }
    }
    if report.scenarios() != mode.scenarios() {
        wrong.push(format!("{mode}: {} scenarios ran", report.scenarios()));
    }
    // The suite has its own view of the required scenarios.
    if wrong.is_empty() && !report.is_success {
        wrong.push(format!("{mode}: the suite failed: {}", report.said));
    }
    wrong
}

impl Mode {
    /// The scenarios that the suite has for the revision, scored or not.
    fn scenarios(self) -> usize {
        match self.revision {
            "2025-06-18" => 27,
            "2025-11-25" => 33,
            _ => 50,
        }
    }

    /// The file of what is expected to fail; `None` where nothing is.
    fn baseline(self) -> Option<PathBuf> {
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
        let guarded = if self.guarded { "guarded" } else { "open" };
        write!(f, "{}, {sessions}, {guarded}", self.revision)
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.name(), self.status, self.message)
    }
}
