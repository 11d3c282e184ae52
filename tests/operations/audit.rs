//! The audit: its records, its chain, and what happens when it cannot be written.

use std::path::Path;

use serde_json::{Value, json};

use super::{Server, call_all, records, signal, wait_for};
use crate::support::command::Toolcrib;

/// Runs `toolcrib audit verify`.
fn verify(toolcrib: &Toolcrib, files: &[&str]) -> (i32, String) {
    let output = toolcrib.run(&[&["audit", "verify"], files].concat());
    (output.status, output.stdout + &output.stderr)
}

/// Starts a server with an audit, calls all tools, and ends it. Returns the server and its records.
async fn audited(telemetry: &str) -> (Server, Vec<Value>) {
    let server = Server::new(&format!("audit = \"audit.jsonl\"\n{telemetry}")).await;
    let mut process = server.start(|_| {});
    call_all(&server.client(&process)).await;
    signal(&process, "-TERM");
    process.ended();
    let records = records(&server.toolcrib.path().join("audit.jsonl"));
    (server, records)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn decisions_are_recorded() {
    let (server, records) = audited("").await;
    let text = std::fs::read_to_string(server.toolcrib.path().join("audit.jsonl")).unwrap();
    for secret in ["secret-argument", "secret-result"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    let events: Vec<_> = records.iter().map(|record| &record["event"]).collect();
    assert_eq!(events[0], "started", "{text}");
    assert_eq!(events.last().unwrap(), &"stopped", "{text}");
    assert_eq!(records[1]["event"], "component", "{text}");
    assert_eq!(records[1]["change"], "loaded", "{text}");
    let digest = records[1]["digest"].as_str().unwrap();
    assert!(digest.starts_with("sha256:"), "{text}");
    for (number, record) in records.iter().enumerate() {
        assert_eq!(record["number"], number as u64 + 1, "{text}");
    }
    for (tool, outcome, decision, rule) in [
        ("hello", "ok", "allow", "none"),
        ("fails", "tool_error", "allow", "none"),
        ("spins", "stopped", "allow", "none"),
        ("guarded", "denied", "deny", "scopes"),
        ("number", "invalid", "allow", "none"),
    ] {
        let mut found = records
            .iter()
            .filter(|record| record["target"]["name"] == tool);
        let record = found.next().unwrap_or_else(|| panic!("{tool}: {text}"));
        assert!(found.next().is_none(), "{tool}: {text}");
        for (pointer, value) in [
            ("/outcome", json!(outcome)),
            ("/decision", json!(decision)),
            ("/rule", json!(rule)),
            ("/caller/subject", json!("alice")),
            ("/target/component", json!("guest")),
            ("/target/digest", records[1]["digest"].clone()),
            ("/transport", json!("http")),
        ] {
            assert_eq!(record.pointer(pointer), Some(&value), "{record}");
        }
        let arguments = record["arguments"].as_str().unwrap_or_default();
        let is_hash = arguments
            .strip_prefix("hmac-sha256:")
            .is_some_and(|hash| hash.len() == 64);
        assert_eq!(is_hash, decision == "allow", "{record}");
    }
    let refused = records
        .iter()
        .find(|record| record["outcome"] == "unauthenticated");
    assert_eq!(refused.unwrap()["rule"], "token", "{text}");
    let (status, output) = verify(&server.toolcrib, &["audit.jsonl"]);
    assert_eq!(status, 0, "{output}");
    assert!(
        output.contains(&format!("ok: {} records", records.len())),
        "{output}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn arguments_are_recorded_whole_by_choice() {
    let (_server, records) = audited("audit-arguments = \"whole\"").await;
    let mut records = records.iter();
    let number = records.find(|record| record["target"]["name"] == "number");
    assert_eq!(
        number.unwrap()["arguments"],
        json!({ "n": "secret-argument" })
    );
}

/// Equal arguments have equal hashes; long ones are never recorded whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_arguments_are_recorded_as_their_hash() {
    for (telemetry, whole) in [
        ("", [false; 3]),
        ("audit-arguments = \"whole\"", [true, true, false]),
    ] {
        let server = Server::new(&format!("audit = \"audit.jsonl\"\n{telemetry}")).await;
        let mut process = server.start(|_| {});
        let arguments = [10, 2_000, 20_000].map(|length| json!({ "n": "x".repeat(length) }));
        for arguments in &arguments {
            let client = server.client(&process);
            client.call("number", arguments.clone()).await;
            client.call("number", arguments.clone()).await;
        }
        signal(&process, "-TERM");
        process.ended();
        let records = records(&server.toolcrib.path().join("audit.jsonl"));
        let of_calls = records.iter().filter(|record| record["event"] == "request");
        let recorded: Vec<_> = of_calls.map(|record| &record["arguments"]).collect();
        assert_eq!(recorded.len(), 6);
        for ((pair, arguments), is_whole) in recorded.chunks(2).zip(&arguments).zip(whole) {
            assert_eq!(pair[0], pair[1]);
            assert_eq!(pair[0] == arguments, is_whole, "{pair:?}");
            let hash = pair[0].as_str().unwrap_or_default();
            assert_eq!(hash.starts_with("hmac-sha256:"), !is_whole, "{pair:?}");
        }
    }
}

/// With a configured key, equal arguments have equal hashes over several starts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hashes_depend_on_the_key() {
    let key = |digit: &str| format!("audit-key = \"{}\"", digit.repeat(32));
    let mut hashes = Vec::new();
    for telemetry in [key("a"), key("a"), key("b"), String::new()] {
        let (_server, records) = audited(&telemetry).await;
        let mut records = records.iter();
        let hello = records
            .find(|record| record["target"]["name"] == "hello")
            .unwrap();
        hashes.push(hello["arguments"].clone());
    }
    assert_eq!(hashes[0], hashes[1]);
    assert!(
        hashes[2] != hashes[0] && hashes[3] != hashes[0],
        "{hashes:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tampering_shows() {
    let (server, records) = audited("").await;
    let path = server.toolcrib.path().join("audit.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<_> = text.lines().map(str::to_owned).collect();
    let join = |lines: &[String]| lines.join("\n") + "\n";
    let changed = |change: &dyn Fn(&mut Vec<String>)| {
        let mut changed = lines.clone();
        change(&mut changed);
        join(&changed)
    };
    let last = lines.len() - 1;
    let (broken, no_record) = (
        "does not follow from the line before",
        "is not an audit record",
    );
    for (name, text, fault) in [
        ("whole", join(&lines), None),
        (
            "changed",
            changed(&|l| l[3] = l[3].replace("alice", "mallory")),
            Some(broken),
        ),
        ("removed", changed(&|l| drop(l.remove(2))), Some(broken)),
        ("moved", changed(&|l| l.swap(2, 3)), Some(broken)),
        (
            "repeated",
            changed(&|l| l.insert(3, lines[2].clone())),
            Some(broken),
        ),
        ("rubbish", changed(&|l| l[2] = "{}".into()), Some(no_record)),
        (
            "empty line",
            changed(&|l| l.insert(2, String::new())),
            Some(no_record),
        ),
        (
            "long line",
            changed(&|l| l[2] = "x".repeat(2 << 20)),
            Some(no_record),
        ),
        // Only the digest of the last record shows this.
        ("cut off", join(&lines[..last]), None),
        ("torn", join(&lines) + "{\"number\":", None),
    ] {
        let file = format!("{name}.jsonl");
        server.toolcrib.file(&file, text);
        let (status, output) = verify(&server.toolcrib, &[&file]);
        match fault {
            None => assert_eq!(status, 0, "{name}: {output}"),
            Some(fault) => {
                assert_eq!(status, 1, "{name}: {output}");
                assert!(output.contains(fault), "{name}: {output}");
            }
        }
        assert_eq!(output.contains("incomplete"), name == "torn", "{output}");
    }
    // Two files, one after the other, and in the wrong order.
    server
        .toolcrib
        .file("1.jsonl", join(&lines[..3]))
        .file("2.jsonl", join(&lines[3..]));
    let (status, output) = verify(&server.toolcrib, &["1.jsonl", "2.jsonl"]);
    assert_eq!(status, 0, "{output}");
    assert!(
        output.contains(&format!("{} records", records.len())),
        "{output}"
    );
    let (status, output) = verify(&server.toolcrib, &["2.jsonl", "1.jsonl"]);
    assert_eq!(status, 1, "{output}");
    let (status, output) = verify(&server.toolcrib, &["missing.jsonl"]);
    assert!(
        status == 1 && output.contains("`missing.jsonl` cannot be read"),
        "{output}"
    );
    assert!(Path::new(&path).exists());
}

/// A server that is killed leaves a file that can be verified, and the next start continues its chain.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_leaves_a_valid_chain() {
    let server = Server::new("audit = \"audit.jsonl\"").await;
    let path = server.toolcrib.path().join("audit.jsonl");
    let mut written = 0;
    for round in 0..3 {
        let process = server.start(|_| {});
        let client = server.client(&process);
        let calls = (0..4).map(|_| {
            let client = client.clone();
            tokio::spawn(async move {
                loop {
                    let message =
                        client.message("tools/call", json!({ "name": "hello", "arguments": {} }));
                    if client.post(&message).send().await.is_err() {
                        return;
                    }
                }
            })
        });
        let calls: Vec<_> = calls.collect();
        wait_for(|| records_so_far(&path) > written + 20).await;
        signal(&process, "-KILL");
        for call in calls {
            call.await.unwrap();
        }
        let (status, output) = verify(&server.toolcrib, &["audit.jsonl"]);
        assert_eq!(status, 0, "round {round}: {output}");
        written = records_so_far(&path);
        if round == 0 {
            // As if the process had been killed while it wrote.
            let text = std::fs::read_to_string(&path).unwrap();
            std::fs::write(&path, text + "{\"number\":").unwrap();
        }
    }
    let starts = records(&path)
        .into_iter()
        .filter(|record| record["event"] == "started");
    assert_eq!(starts.count(), 3);
}

fn records_so_far(path: &Path) -> usize {
    std::fs::read_to_string(path)
        .unwrap_or_default()
        .lines()
        .count()
}

/// Without a place for records, an audit that is required refuses calls, and another one loses records.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_are_refused_while_a_required_audit_cannot_be_written() {
    for is_required in [true, false] {
        let telemetry = format!("audit = \"audit.jsonl\"\naudit-required = {is_required}");
        let server = Server::new(&telemetry).await;
        let process = server.start(|_| {});
        let client = server.client(&process);
        assert_eq!(client.call("hello", json!({})).await.text(), "hello");
        // The file is opened again, where there is a directory now.
        let path = server.toolcrib.path().join("audit.jsonl");
        wait_for(|| records_so_far(&path) == 4).await;
        std::fs::rename(&path, server.toolcrib.path().join("moved.jsonl")).unwrap();
        std::fs::create_dir(&path).unwrap();
        signal(&process, "-HUP");
        let mut statuses = Vec::new();
        let started = std::time::Instant::now();
        loop {
            let status = client.call("hello", json!({})).await.status.as_u16();
            statuses.push(status);
            if status == 503 || !is_required && statuses.len() > 20 {
                break;
            }
            assert!(started.elapsed().as_secs() < 30, "{statuses:?}");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        assert_eq!(statuses.last() == Some(&503), is_required, "{statuses:?}");
        if is_required {
            let refused = client.call("hello", json!({})).await;
            assert!(
                refused.message().contains("cannot be recorded"),
                "{refused:?}"
            );
            assert!(!refused.header("retry-after").is_empty(), "{refused:?}");
            // Requests that run nothing are served.
            assert_eq!(client.list().await.status, 200);
        }
        std::fs::remove_dir(&path).unwrap();
        wait_for(|| path.exists()).await;
        let started = std::time::Instant::now();
        while client.call("hello", json!({})).await.status != 200 {
            assert!(started.elapsed().as_secs() < 30);
        }
        let (status, output) = verify(&server.toolcrib, &["moved.jsonl", "audit.jsonl"]);
        assert_eq!(status, 0, "{output}");
    }
}

/// Anybody can cause refusals without a token, so only some of them have a record.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_without_a_token_are_limited() {
    let server = Server::new("audit = \"audit.jsonl\"").await;
    let mut process = server.start(|_| {});
    let mut client = server.client(&process);
    client.token = None;
    for _ in 0..100 {
        assert_eq!(client.list().await.status, 401);
    }
    signal(&process, "-TERM");
    process.ended();
    let records = records(&server.toolcrib.path().join("audit.jsonl"));
    let refused = records
        .iter()
        .filter(|record| record["outcome"] == "unauthenticated");
    assert_eq!(refused.count(), 60);
}
