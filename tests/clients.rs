//! Real clients, in every revision that each speaks, with sessions and without: they list, call a tool of each language with
//! a token, hear of progress, cancel, fail, and answer what tools ask.

mod inspector;
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
use steps::Comes;

/// Clients that run at the same time.
const AT_ONCE: usize = 2;

/// The longest that the host may take to hear that a client has cancelled.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the host logs of a call that the client has cancelled.
const CANCELLED: [&str; 2] = ["call stopped", "the call was cancelled"];

/// A client as it connects.
#[derive(Clone, Copy, Debug)]
struct Case {
    client: &'static str,
    /// How it finds the revision: the programs in `clients/` say what there is.
    mode: &'static str,
    revision: &'static str,
    /// Whether the host has sessions.
    sessions: bool,
}

impl Case {
    /// A client that the host cannot ask anything takes part in everything else.
    fn can_be_asked(self) -> bool {
        self.sessions || self.revision == "2026-07-28"
    }

    /// Does these things: what it saw of each, or what it said when it failed.
    async fn run(self, host: &Host, token: &str, todo: &[Value]) -> Result<Vec<Value>, String> {
        let python = format!("{CLIENTS}/python/.venv/bin/python");
        let (program, script, library) = match self.client {
            "typescript-1" => ("node", "node/legacy.mjs", None),
            "typescript-2" => ("node", "node/modern.mjs", None),
            library => (&*python, "python/client.py", Some(library)),
        };
        let todo = json!({ "steps": todo, "answers": steps::answers() });
        let output = Command::new(program)
            .arg(format!("{CLIENTS}/{script}"))
            .args(library)
            .args([&host.url(), token, self.mode, &todo.to_string()])
            .kill_on_drop(true)
            .output()
            .await
            .unwrap();
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        let mut seen: Value = serde_json::from_slice(&output.stdout).map_err(|e| e.to_string())?;
        assert_eq!(seen["version"], self.revision, "{self:?}");
        Ok(seen["steps"].take().as_array().unwrap().clone())
    }
}

// The issuer serves its keys while the test waits for a client.
#[tokio::test(flavor = "multi_thread")]
async fn real_clients_do_everything_that_they_can() {
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
    let wrong: Vec<_> = futures::stream::iter(cases)
        .map(|case| check(case, &issuer))
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let wrong = wrong.concat();
    assert!(wrong.is_empty(), "{wrong}");
}

/// Has a client do everything: what is wrong with what came of it.
async fn check(case: Case, issuer: &Issuer) -> String {
    let host = Host::start(issuer, case.sessions);
    let (todo, come): (Vec<_>, Vec<_>) = steps::all(case.can_be_asked()).into_iter().unzip();
    let mut wrong = String::new();
    match case.run(&host, &issuer.token(|_| {}), &todo).await {
        Ok(seen) => {
            for ((todo, comes), seen) in todo.iter().zip(&come).zip(&seen) {
                if let Err(why) = comes.check(seen) {
                    let _ = writeln!(wrong, "{case:?}: {todo}: {why}: {seen}");
                }
            }
        }
        Err(said) => {
            let _ = writeln!(wrong, "{case:?}: failed: {said}");
        }
    }
    let cancelled = come
        .iter()
        .filter(|c| matches!(c, Comes::Cancelled))
        .count();
    if !host.has_stopped(cancelled).await {
        let _ = writeln!(wrong, "{case:?}: what it cancelled runs on");
    }
    // The same client with a token that has expired gets nothing.
    let expired = issuer.token(|claims| claims["exp"] = 1.into());
    let refused = case.run(&host, &expired, &todo[..1]).await;
    if refused.is_ok_and(|seen| seen.iter().any(|step| !step["result"].is_null())) {
        let _ = writeln!(wrong, "{case:?}: was served with an expired token");
    }
    wrong
}

/// The real host over the examples and the fixture, behind the guard.
struct Host {
    process: Process,
    /// The lines of its log.
    log: Arc<Mutex<Vec<String>>>,
    // Gone after the process.
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
        let heard = log.clone();
        let hear = move |line: &str| heard.lock().unwrap().push(line.to_owned());
        Self {
            process: Process::start_heard(command, hear),
            log,
            _dir: dir,
        }
    }

    fn url(&self) -> String {
        format!("http://{}/mcp", self.process.address)
    }

    /// Whether so many calls end because their client wants it.
    async fn has_stopped(&self, calls: usize) -> bool {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            let is_one = |line: &&String| CANCELLED.iter().all(|part| line.contains(part));
            if self.log.lock().unwrap().iter().filter(is_one).count() == calls {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        false
    }
}
