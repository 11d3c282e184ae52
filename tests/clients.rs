//! Real MCP clients, in every revision that each supports, with and without sessions: lists, calls of a tool of each
//! guest language, progress, cancellation, errors, and questions of tools.

mod inspector;
mod older;
mod steps;

use std::fmt::Write;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::StreamExt;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use crate::issuer::{AUDIENCE, Issuer};
use crate::process::{Process, TOOLCRIB};
use crate::{CLIENTS, EXAMPLES, FIXTURE};
use steps::Outcome;

/// Clients that run at the same time.
const CONCURRENT_CLIENTS: usize = 2;

/// Time within which the host must notice a cancellation.
const CANCELLATION_TIMEOUT: Duration = Duration::from_secs(10);

/// Texts of the log line of a cancelled call.
const CANCELLED_LOG: [&str; 2] = ["call stopped", "the call was cancelled"];

/// A client and the way it connects.
#[derive(Clone, Copy, Debug)]
struct Case {
    client: &'static str,
    /// How the client negotiates the revision. The programs in `clients/` document the modes.
    mode: &'static str,
    revision: &'static str,
    /// Whether the host has sessions.
    sessions: bool,
}

impl Case {
    /// Older revisions need a session for requests from the server.
    fn can_be_asked(self) -> bool {
        self.sessions || self.revision == "2026-07-28"
    }

    /// Runs the client and returns its observation of each step, or its error output if it failed.
    async fn run(self, host: &Host, token: &str, steps: &[Value]) -> Result<Vec<Value>, String> {
        let python = format!("{CLIENTS}/python/.venv/bin/python");
        let (program, script, library) = match self.client {
            "typescript-1" => ("node", "node/legacy.mjs", None),
            "typescript-2" => ("node", "node/modern.mjs", None),
            library => (&*python, "python/client.py", Some(library)),
        };
        let input = json!({ "steps": steps, "answers": steps::answers() });
        let output = Command::new(program)
            .arg(format!("{CLIENTS}/{script}"))
            .args(library)
            .args([&host.url(), token, self.mode, &input.to_string()])
            .kill_on_drop(true)
            .output()
            .await
            .unwrap();
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        let mut report: Value =
            serde_json::from_slice(&output.stdout).map_err(|e| e.to_string())?;
        assert_eq!(report["version"], self.revision, "{self:?}");
        Ok(report["steps"].take().as_array().unwrap().clone())
    }
}

// The issuer must serve its keys while the test waits for a client.
#[tokio::test(flavor = "multi_thread")]
async fn real_clients_can_use_every_feature_they_support() {
    let issuer = Issuer::start().await;
    let mut cases = Vec::new();
    for client in ["mcp", "fastmcp", "typescript-2"] {
        for (mode, revision, sessions) in [
            ("auto", "2026-07-28", true),
            ("2026-07-28", "2026-07-28", false),
            ("legacy", "2025-11-25", true),
            ("legacy", "2025-11-25", false),
        ] {
            cases.push(Case {
                client,
                mode,
                revision,
                sessions,
            });
        }
    }
    for sessions in [true, false] {
        cases.push(Case {
            client: "typescript-1",
            mode: "legacy",
            revision: "2025-11-25",
            sessions,
        });
    }
    let failures: Vec<_> = futures::stream::iter(cases)
        .map(|case| check(case, &issuer))
        .buffer_unordered(CONCURRENT_CLIENTS)
        .collect()
        .await;
    let failures = failures.concat();
    assert!(failures.is_empty(), "{failures}");
}

/// Runs all steps with a client and returns a description of every failure.
async fn check(case: Case, issuer: &Issuer) -> String {
    let host = Host::start(issuer, case.sessions);
    let (steps, outcomes): (Vec<_>, Vec<_>) = steps::all(case.can_be_asked()).into_iter().unzip();
    let mut failures = String::new();
    match case.run(&host, &issuer.token(|_| {}), &steps).await {
        Ok(observations) => {
            for ((step, outcome), observation) in steps.iter().zip(&outcomes).zip(&observations) {
                if let Err(reason) = outcome.check(observation) {
                    let _ = writeln!(failures, "{case:?}: {step}: {reason}: {observation}");
                }
            }
        }
        Err(stderr) => {
            let _ = writeln!(failures, "{case:?}: client failed: {stderr}");
        }
    }
    let cancelled = outcomes
        .iter()
        .filter(|outcome| matches!(outcome, Outcome::Cancelled))
        .count();
    if !host.has_cancelled(cancelled).await {
        let _ = writeln!(failures, "{case:?}: a cancelled call was not stopped");
    }
    // With an expired token, the client receives no result.
    let expired = issuer.token(|claims| claims["exp"] = 1.into());
    let refused = case.run(&host, &expired, &steps[..1]).await;
    if refused.is_ok_and(|observations| {
        observations
            .iter()
            .any(|observation| !observation["result"].is_null())
    }) {
        let _ = writeln!(failures, "{case:?}: served with an expired token");
    }
    failures
}

/// The real host, guarded, serving the examples and the conformance fixture.
struct Host {
    process: Process,
    /// The host's log lines.
    log: Arc<Mutex<Vec<String>>>,
    // Removed after the process ended.
    _dir: TempDir,
}

impl Host {
    fn start(issuer: &Issuer, sessions: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("toolcrib.toml");
        let text = format!(
            "components = [{EXAMPLES:?}, \"{FIXTURE}/everything.wasm\"]\n\
             server.public-url = \"https://tools.example\"\nserver.sessions = {sessions}\n\
             [auth]\nissuer = {:?}\naudience = {AUDIENCE:?}\n",
            issuer.url()
        );
        std::fs::write(&config, text).unwrap();
        let mut command = std::process::Command::new(TOOLCRIB);
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--config"])
            .arg(config);
        let log = Arc::new(Mutex::new(Vec::new()));
        let lines = log.clone();
        let capture = move |line: &str| lines.lock().unwrap().push(line.to_owned());
        Self {
            process: Process::start_with_log(command, capture),
            log,
            _dir: dir,
        }
    }

    fn url(&self) -> String {
        format!("http://{}/mcp", self.process.address)
    }

    /// Waits until the host has logged this number of cancelled calls. Returns `false` on timeout.
    async fn has_cancelled(&self, calls: usize) -> bool {
        let start = Instant::now();
        while start.elapsed() < CANCELLATION_TIMEOUT {
            let is_cancelled =
                |line: &&String| CANCELLED_LOG.iter().all(|part| line.contains(part));
            if self.log.lock().unwrap().iter().filter(is_cancelled).count() == calls {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        false
    }
}
