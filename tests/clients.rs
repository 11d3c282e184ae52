//! Real clients, in every revision that each speaks: they list the tools, call
//! one of each language with a token, and hear of its progress.

use std::process::Command;

use serde_json::{Value, json};

use crate::issuer::{AUDIENCE, Issuer};
use crate::process::Process;
use crate::{CLIENTS, EXAMPLES};

/// A client: its program, and the arguments between the token and the calls.
fn command(client: &str) -> (&'static str, &'static str) {
    match client {
        "python" => ("python/.venv/bin/python", "python/client.py"),
        "typescript-1" => ("node", "node/legacy.mjs"),
        "typescript-2" => ("node", "node/modern.mjs"),
        _ => unreachable!("no such client"),
    }
}

// The issuer serves its keys while the test waits for a client.
#[tokio::test(flavor = "multi_thread")]
async fn real_clients_call_a_tool_of_each_language() {
    let issuer = Issuer::start().await;
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("toolcrib.toml");
    let text = format!(
        "components = [{EXAMPLES:?}]\nserver.public-url = \"https://tools.example\"\n\
         [auth]\nissuer = {:?}\naudience = {AUDIENCE:?}\n",
        issuer.url()
    );
    std::fs::write(&config, text).unwrap();
    let host = Process::serve(["--config", config.to_str().unwrap()]);
    let url = &format!("http://{}/mcp", host.address);
    let good = &issuer.token(|_| {});
    let expired = &issuer.token(|claims| claims["exp"] = 1.into());

    let cases: [(&str, Option<&str>, &str); 7] = [
        ("python", Some("auto"), "2026-07-28"),
        ("python", Some("legacy"), "2025-11-25"),
        ("python", Some("2026-07-28"), "2026-07-28"),
        ("typescript-1", None, "2025-11-25"),
        ("typescript-2", Some("auto"), "2026-07-28"),
        ("typescript-2", Some("legacy"), "2025-11-25"),
        ("typescript-2", Some("2026-07-28"), "2026-07-28"),
    ];
    for (client, mode, revision) in cases {
        let seen = run(client, url, good, mode).unwrap_or_else(|error| {
            panic!("{client} {mode:?} failed: {error}");
        });
        check(client, mode, revision, &seen);
        // The same client with a token that has expired gets nothing.
        let refused = run(client, url, expired, mode);
        assert!(
            refused.is_err(),
            "{client} {mode:?} was served with an expired token"
        );
    }
}

/// What every client is to call: a tool of each language.
fn calls() -> Value {
    json!([
        { "name": "echo", "arguments": { "text": "hé 世界" } },
        { "name": "whoami", "arguments": {} },
        { "name": "qr_code", "arguments": { "text": "https://example.com" } },
        { "name": "table_stats", "arguments": { "csv": "city,degrees\nOslo,2\nRome,16\n" } },
        { "name": "markdown_to_html", "arguments": { "markdown": "# Title" } },
        { "name": "jq_each", "arguments": { "inputs": [1, 2, 3], "filter": ". * 2" } },
    ])
}

fn check(client: &str, mode: Option<&str>, revision: &str, seen: &Value) {
    let of = format!("{client} {mode:?}: {seen:#}");
    assert_eq!(seen["version"], revision, "{of}");
    let names: Vec<_> = seen["tools"].as_array().unwrap().iter().collect();
    assert!(names.is_sorted_by_key(|name| name.as_str()), "{of}");
    let results = seen["results"].as_array().unwrap();
    for result in results {
        assert_ne!(result["isError"], true, "{of}");
    }
    assert_eq!(results[0]["structuredContent"]["text"], "hé 世界", "{of}");
    assert_eq!(
        results[1]["structuredContent"]["caller"]["subject"], "alice",
        "{of}"
    );
    assert_eq!(results[2]["content"][0]["mimeType"], "image/png", "{of}");
    assert!(results[3]["structuredContent"].is_object(), "{of}");
    assert!(results[4].to_string().contains("<h1>Title</h1>"), "{of}");
    let progress: Vec<_> = seen["progress"].as_array().unwrap().iter().collect();
    assert!(!progress.is_empty(), "{of}");
    assert!(
        progress.is_sorted_by_key(|done| done.as_f64().map(f64::to_bits)),
        "{of}"
    );
}

fn run(client: &str, url: &str, token: &str, mode: Option<&str>) -> Result<Value, String> {
    let (program, script) = command(client);
    let program = if program.contains('/') {
        format!("{CLIENTS}/{program}")
    } else {
        program.to_owned()
    };
    let output = Command::new(program)
        .arg(format!("{CLIENTS}/{script}"))
        .args([url, token])
        .args(mode)
        .arg(calls().to_string())
        .output()
        .unwrap();
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    serde_json::from_slice(&output.stdout).map_err(|e| e.to_string())
}
