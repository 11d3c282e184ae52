//! The official clients of the revisions 2025-03-26 and 2024-11-05, over HTTP with and without sessions, and over
//! standard input and output.

use std::time::Duration;

use futures::StreamExt;
use serde_json::{Value, json};
use tokio::process::Command;

use super::steps::{self, Outcome, call};
use super::{CONCURRENT_CLIENTS, Host};
use crate::issuer::Issuer;
use crate::process::TOOLCRIB;
use crate::{CLIENTS, EXAMPLES, FIXTURE};

/// A client that waits for a message that it does not get never ends.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(180);

/// A client and the way it connects.
#[derive(Clone, Copy, Debug)]
struct Case {
    /// The version of the SDK: a directory of Python, or a package of Node.js.
    version: &'static str,
    revision: &'static str,
    transport: Transport,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transport {
    Http,
    HttpInSession,
    Stdio,
}

impl Case {
    fn is_python(self) -> bool {
        !self.version.starts_with("sdk-")
    }

    /// Python 1.3 cannot receive progress.
    fn receives_progress(self) -> bool {
        self.version != "1.3"
    }

    /// Runs the client and returns its observation of each step, or its error output if it failed.
    async fn run(self, url: &str, token: &str, steps: &[Value]) -> Result<Vec<Value>, String> {
        let python = format!("{CLIENTS}/python/.venv-{}/bin/python", self.version);
        let (program, script, mode) = match (self.is_python(), self.transport) {
            (true, Transport::Stdio) => (&*python, "python/older_client.py", "stdio"),
            (true, _) => (&*python, "python/older_client.py", "http"),
            (false, _) => ("node", "node/older.mjs", self.version),
        };
        let input = json!({ "steps": steps, "answers": steps::answers() });
        let running = Command::new(program)
            .arg(format!("{CLIENTS}/{script}"))
            .args([url, token, mode, &input.to_string()])
            .kill_on_drop(true)
            .output();
        let output = match tokio::time::timeout(CLIENT_TIMEOUT, running).await {
            Ok(output) => output.unwrap(),
            Err(_) => return Err(format!("it did not end within {CLIENT_TIMEOUT:?}")),
        };
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        let mut report: Value =
            serde_json::from_slice(&output.stdout).map_err(|e| e.to_string())?;
        assert_eq!(report["version"], self.revision, "{self:?}");
        Ok(report["steps"].take().as_array().unwrap().clone())
    }

    /// The steps that this client can execute, with their outcomes.
    fn steps(self) -> Vec<(Value, Outcome)> {
        let mut all = calls();
        all.extend(steps::resources_and_prompts());
        let can_be_asked = self.transport != Transport::Http;
        all.push((
            call(
                "test_sampling",
                json!({ "prompt": "What is the capital of France?" }),
            ),
            match can_be_asked {
                true => Outcome::Text("LLM response: Paris"),
                false => Outcome::ToolError("which this client cannot answer"),
            },
        ));
        let audio = call("test_audio_content", json!({}));
        if self.revision == "2024-11-05" {
            all.push((audio, Outcome::Text("audio/wav")));
        } else if !self.is_python() {
            // Python 1.9 rejects audio, although its revision has it.
            all.push((
                audio,
                Outcome::At("/content/0/mimeType", "audio/wav".into()),
            ));
        }
        if !self.receives_progress() {
            for (_, outcome) in &mut all {
                if matches!(outcome, Outcome::Progress(_)) {
                    *outcome = Outcome::At("/isError", false.into());
                }
            }
        }
        all
    }
}

/// Calls of the examples and of the conformance fixture. Structured results are text in these revisions.
fn calls() -> Vec<(Value, Outcome)> {
    vec![
        (
            json!({ "do": "tools" }),
            Outcome::List(
                "name",
                &["echo", "jq", "markdown_to_html", "qr_code", "table_stats"],
            ),
        ),
        (
            call("echo", json!({ "text": "hé 世界" })),
            Outcome::Text("hé 世界"),
        ),
        (
            call("jq_each", json!({ "inputs": [1, 2, 3], "filter": ". * 2" })),
            Outcome::Progress(&[0.0, 1.0, 2.0, 3.0]),
        ),
        (
            call("qr_code", json!({ "text": "https://example.com" })),
            Outcome::At("/content/0/mimeType", "image/png".into()),
        ),
        (
            call("markdown_to_html", json!({ "markdown": "# Title" })),
            Outcome::Text("<h1>Title</h1>"),
        ),
        (
            call("test_structured_output", json!({ "a": 1, "b": 41 })),
            Outcome::Text("42"),
        ),
        (
            call("test_embedded_resource", json!({})),
            Outcome::At("/content/0/type", "resource".into()),
        ),
        (
            call("no_such_tool", json!({})),
            Outcome::ProtocolError(-32602),
        ),
        (
            call("test_error_handling", json!({})),
            Outcome::ToolError("This tool intentionally returns an error for testing"),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_older_revisions_can_use_every_feature_they_support() {
    let issuer = Issuer::start().await;
    let mut cases = vec![
        Case {
            version: "1.3",
            revision: "2024-11-05",
            transport: Transport::Stdio,
        },
        Case {
            version: "1.9",
            revision: "2025-03-26",
            transport: Transport::Stdio,
        },
    ];
    for (version, revision) in [
        ("1.9", "2025-03-26"),
        ("sdk-1.11", "2025-03-26"),
        ("sdk-1.10", "2024-11-05"),
    ] {
        for transport in [Transport::Http, Transport::HttpInSession] {
            cases.push(Case {
                version,
                revision,
                transport,
            });
        }
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
    let host = (case.transport != Transport::Stdio)
        .then(|| Host::start(issuer, case.transport == Transport::HttpInSession));
    let url = match &host {
        Some(host) => host.url(),
        None => {
            let fixture = format!("{FIXTURE}/everything.wasm");
            json!([TOOLCRIB, "stdio", EXAMPLES, fixture]).to_string()
        }
    };
    let (steps, outcomes): (Vec<_>, Vec<_>) = case.steps().into_iter().unzip();
    let observations = match case.run(&url, &issuer.token(|_| {}), &steps).await {
        Ok(observations) => observations,
        Err(stderr) => return format!("{case:?}: client failed: {stderr}\n"),
    };
    let checked = steps.iter().zip(&outcomes).zip(&observations);
    let failures = checked.filter_map(|((step, outcome), observation)| {
        let reason = outcome.check(observation).err()?;
        Some(format!("{case:?}: {step}: {reason}: {observation}\n"))
    });
    failures.collect()
}
