//! `toolcrib check --online`, and the check of files that a server would write.

use std::net::TcpListener;

use serde_json::Value;

use crate::support::command::{CommandOutput, Toolcrib};
use crate::support::guest::Guest;
use crate::support::issuer::{AUDIENCE, Failure, Issuer};
use crate::support::web::{Reply, Web};

fn toolcrib() -> Toolcrib {
    let toolcrib = Toolcrib::new();
    toolcrib.write("hello", &Guest::saying("hello", "hello").component());
    toolcrib
}

/// Runs the check while the servers of this test answer.
async fn check(toolcrib: &Toolcrib, text: &str, arguments: &[&str]) -> CommandOutput {
    toolcrib.file("c.toml", text);
    let mut command = toolcrib.command(&[&["check", "--config", "c.toml"], arguments].concat());
    tokio::task::spawn_blocking(move || CommandOutput::of(&mut command))
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_server_is_asked() {
    let (toolcrib, issuer, web) = (toolcrib(), Issuer::start().await, Web::start());
    let component = Guest::saying("far", "far").component();
    web.reply("/far.wasm", Reply::new(component));
    let open = TcpListener::bind("127.0.0.1:0").unwrap();
    let granted = open.local_addr().unwrap();
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let text = |tcp: &str, kv: &str| {
        format!(
            "[server]\npublic-url = \"https://tools.example\"\n\
             [auth]\nissuer = \"{}\"\naudience = \"{AUDIENCE}\"\n\
             [[component]]\nref = \"{}\"\nallow-unpinned = true\n\
             [[component]]\nref = \"hello.wasm\"\n\
             allow.http = [\"http://{granted}/v1\", \"https://*.example.org\"]\n\
             allow.tcp = [{tcp}]\nallow.private-network = true\n{kv}\n",
            issuer.url(),
            web.url("/far.wasm"),
        )
    };
    let output = check(&toolcrib, &text("", ""), &["--online"]).await;
    let lines: Vec<_> = output.stdout.lines().collect();
    assert_eq!(output.status, 0, "{output:?}");
    for (line, server) in lines.iter().zip([
        format!("reached: issuer {} (", issuer.url()),
        format!("reached: component {} (", web.url("/far.wasm")),
        format!("reached: granted host {granted} ("),
    ]) {
        assert!(
            line.starts_with(&server) && line.ends_with(" ms)"),
            "{server}: {output:?}"
        );
    }
    assert_eq!(
        lines
            .iter()
            .filter(|line| line.starts_with("reached"))
            .count(),
        3
    );
    // Nobody is asked without the option, except for keys that are checked anyway.
    let output = check(&toolcrib, &text("", ""), &[]).await;
    assert!(!output.stdout.contains("reached"), "{output:?}");

    // One failure is enough for the exit status, and all are reported.
    issuer.fail(Some(Failure::Status(500)));
    let text = text(
        &format!("\"{closed}\", \"no-such-host.invalid:1\""),
        &format!("[kv]\nurl = \"redis://{closed}\""),
    );
    let output = check(&toolcrib, &text, &["--online"]).await;
    assert_eq!(output.status, 1, "{output:?}");
    for (server, problem) in [
        (format!("failed: issuer {} (", issuer.url()), "500"),
        ("failed: key-value store (".into(), "redis"),
        (format!("failed: granted host {closed} ("), "no connection"),
        (
            "failed: granted host no-such-host.invalid:1 (".into(),
            "does not resolve",
        ),
    ] {
        let mut lines = output.stdout.lines();
        let line = lines.find(|line| line.starts_with(&server));
        let line = line.unwrap_or_else(|| panic!("{server}: {output:?}"));
        assert!(line.to_lowercase().contains(problem), "{line}");
    }
    assert!(
        output
            .stdout
            .contains(&format!("reached: granted host {granted}"))
    );
    assert!(!output.stdout.contains("ok:"), "{output:?}");

    let output = check(&toolcrib, &text, &["--online", "--json"]).await;
    assert_eq!(output.status, 1, "{output:?}");
    let report: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(report["ok"], false, "{report}");
    let online = report["online"].as_array().unwrap();
    assert_eq!(online.len(), 6, "{report}");
    assert_eq!(online[0]["ok"], false, "{report}");
    assert!(online[0]["fault"].is_string() && online[0]["milliseconds"].is_u64());
    assert_eq!(online[1]["ok"], true, "{report}");
}

/// A private address needs the grant that a call would need.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_that_lead_to_private_addresses_are_reported() {
    let toolcrib = toolcrib();
    let text = "[[component]]\nref = \"hello.wasm\"\nallow.tcp = [\"ip6-localhost:1\"]\n";
    let output = check(&toolcrib, text, &["--no-auth", "--online"]).await;
    assert_eq!(output.status, 1, "{output:?}");
    let line = output.stdout.lines().next().unwrap_or_default();
    assert!(
        line.starts_with("failed: granted host ip6-localhost:1"),
        "{output:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_that_cannot_be_written_are_reported() {
    let toolcrib = toolcrib();
    toolcrib.file("audit.jsonl", "");
    for (telemetry, faults) in [
        ("log-file = \"new.log\"\naudit = \"audit.jsonl\"", &[][..]),
        ("audit = \"stderr\"", &[]),
        (
            "log-file = \"no/such/x.log\"",
            &["`telemetry.log-file` names"],
        ),
        (
            "log-file = \".\"\naudit = \"no/such/audit.jsonl\"",
            &["`telemetry.log-file` names", "`telemetry.audit` names"],
        ),
    ] {
        let text = format!("[telemetry]\n{telemetry}\n[[component]]\nref = \"hello.wasm\"\n");
        let output = check(&toolcrib, &text, &["--no-auth"]).await;
        let status = if faults.is_empty() { 0 } else { 2 };
        assert_eq!(output.status, status, "{telemetry}: {output:?}");
        assert_eq!(output.stderr.lines().count(), faults.len(), "{output:?}");
        for fault in faults {
            assert!(output.stderr.contains(fault), "{output:?}");
        }
    }
    // Nothing was written.
    assert!(!toolcrib.path().join("new.log").exists());
    let audit = std::fs::read(toolcrib.path().join("audit.jsonl")).unwrap();
    assert!(audit.is_empty());
}
