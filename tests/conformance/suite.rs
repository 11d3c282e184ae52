//! Runs the conformance suite and reads its report.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use serde_json::Value;
use tokio::process::Command;

use crate::node;

/// The results of all checks, by scenario.
pub(super) struct Report {
    checks: BTreeMap<String, Vec<Check>>,
    /// Whether the suite reports that all required scenarios passed.
    pub(super) is_success: bool,
    /// The suite's standard output and standard error.
    pub(super) output: String,
}

/// The result of a check.
#[derive(Clone)]
pub(super) struct Check {
    scenario: String,
    id: String,
    pub(super) status: String,
    pub(super) message: String,
}

/// Runs all scenarios of a revision. `expected_failures` is a file.
pub(super) async fn run(url: &str, revision: &str, expected_failures: Option<&Path>) -> Report {
    let dir = tempfile::tempdir().unwrap();
    let suite = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/conformance/node/node_modules/@modelcontextprotocol/conformance/dist/index.js"
    );
    let mut command = Command::new(node());
    command
        .args([suite, "server", "--url", url, "-o"])
        .arg(dir.path())
        .kill_on_drop(true);
    // The suite knows the requirements of the newer revisions. For the oldest one, it only knows the scenarios.
    match revision {
        "2025-06-18" => command.args(["--suite", "all", "--spec-version", revision]),
        _ => command.args(["--requirements", revision]),
    };
    if let Some(file) = expected_failures {
        command.arg("--expected-failures").arg(file);
    }
    let output = command.output().await.unwrap();
    let printed = [output.stdout, output.stderr].concat();
    Report {
        checks: read_checks(dir.path()),
        is_success: output.status.success(),
        output: String::from_utf8_lossy(&printed).into_owned(),
    }
}

/// Reads the results. The suite writes a directory `server-SCENARIO-TIME` for each scenario.
fn read_checks(dir: &Path) -> BTreeMap<String, Vec<Check>> {
    const TIME_SUFFIX: &str = "-2026-07-28T00-00-00-000Z";
    let read = |entry: std::io::Result<std::fs::DirEntry>| {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let scenario = name.strip_prefix("server-").unwrap();
        let scenario = scenario[..scenario.len() - TIME_SUFFIX.len()].to_owned();
        let text = std::fs::read(path.join("checks.json")).unwrap();
        let found: Vec<Value> = serde_json::from_slice(&text).unwrap();
        let checks = found.iter().map(|check| Check {
            scenario: scenario.clone(),
            id: text_of(check, "id"),
            status: text_of(check, "status"),
            message: text_of(check, "errorMessage"),
        });
        (scenario.clone(), checks.collect())
    };
    std::fs::read_dir(dir).unwrap().map(read).collect()
}

fn text_of(check: &Value, name: &str) -> String {
    check[name].as_str().unwrap_or_default().to_owned()
}

/// Reads the names of the checks that are expected to fail: lines such as `  - scenario:check`, the suite's own format.
pub(super) fn expected(file: &Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(file).unwrap();
    let entries = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- "));
    entries
        .map(|name| {
            assert!(
                name.contains(':'),
                "{name} is not of the form scenario:check"
            );
            name.to_owned()
        })
        .collect()
}

impl Report {
    pub(super) fn scenarios(&self) -> usize {
        self.checks.len()
    }

    /// The checks that did not pass, including those that are only recommended (warnings).
    pub(super) fn failed(&self) -> Vec<Check> {
        let all = self.checks.values().flatten();
        all.filter(|check| check.is_failed()).cloned().collect()
    }
}

impl Check {
    /// The check's name as in a file of expected failures.
    pub(super) fn name(&self) -> String {
        format!("{}:{}", self.scenario, self.id)
    }

    fn is_failed(&self) -> bool {
        matches!(self.status.as_str(), "FAILURE" | "WARNING")
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.checks.values().flatten();
        let passed = all.filter(|check| check.status == "SUCCESS").count();
        let failed = self.failed().len();
        let scenarios = self.scenarios();
        write!(
            f,
            "{passed} checks passed, {failed} failed in {scenarios} scenarios"
        )
    }
}
