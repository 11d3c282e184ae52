//! The limits of a call hold for whatever it is that runs.

use std::time::Duration;

use serde_json::{Value, json};

use super::{INTERNAL_ERROR, complete, get, of_prompt, read, text};
use crate::support::client::{Answer, Client, Revision};
use crate::support::guest::{Block, Document, Filled, Guest, Part, Prompt};
use crate::support::server::Host;

/// Whatever is called runs `body`.
fn all_running(body: &str) -> Guest {
    let mut guest = Guest::new();
    guest
        .document(Document::new("test://d"), body)
        .prompt(Prompt::new("p").taking(&["a"]), body)
        .completing(body);
    guest
}

async fn failures(client: &Client, guest_kinds: [&str; 3], sentence: impl Fn(&str) -> String) {
    let answers = [
        read(client, "test://d").await,
        get(client, "p", json!({})).await,
        complete(client, of_prompt("p"), "a", "").await,
    ];
    for (answer, kind) in answers.iter().zip(guest_kinds) {
        assert_eq!(answer.code(), INTERNAL_ERROR, "{answer:?}");
        assert_eq!(answer.message(), sentence(kind));
        assert_eq!(answer.status, 200);
    }
}

const KINDS: [&str; 3] = ["resource", "prompt", "completion"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn time_and_processor_time() {
    let guest = all_running("(call $spin)");
    for (time, cpu, sentence) in [
        (
            600,
            60_000,
            "the call was stopped after its time limit of 600ms",
        ),
        (
            60_000,
            300,
            "the call was stopped after its limit of 300ms of processor time",
        ),
    ] {
        let host = Host::start(&[("guest", &guest)], |config| {
            config.limits.time = Duration::from_millis(time);
            config.limits.cpu = Duration::from_millis(cpu);
        })
        .await;
        for revision in [Revision::June2025, Revision::July2026] {
            failures(&host.client_of(revision), KINDS, |_| sentence.into()).await;
        }
    }
}

#[tokio::test]
async fn memory() {
    let guest = all_running(
        "(loop $again (if (i32.eq (memory.grow (i32.const 16)) (i32.const -1)) (then unreachable)) (br $again))
         (unreachable)",
    );
    let host = Host::start(&[("guest", &guest)], |config| {
        config.limits.memory_bytes = 8 << 20;
    })
    .await;
    let sentence = |kind: &str| format!("the {kind} ran out of its 8 MiB of memory");
    failures(&host.client(), KINDS, sentence).await;
}

/// What is given to it has a limit too.
#[tokio::test]
async fn input() {
    let host = Host::start(&[("guest", &super::one_of_each())], |config| {
        config.limits.argument_bytes = 1_000;
    })
    .await;
    let long = "x".repeat(1_000);
    for revision in Revision::ALL {
        let client = host.client_of(revision);
        let uri = format!("test://of/{long}");
        for (answer, what) in [
            (get(&client, "greet", json!({ "who": long })).await, "who"),
            (read(&client, &uri).await, "uri"),
            (
                complete(&client, of_prompt("greet"), "who", &long).await,
                "completion",
            ),
        ] {
            assert_eq!(answer.code(), super::INVALID_PARAMS, "{what}: {answer:?}");
            assert_eq!(
                answer.message(),
                "the arguments are larger than 1000 bytes",
                "{what}"
            );
        }
        let answer = complete(&client, of_prompt("greet"), "who", &long[..900]).await;
        assert_eq!(answer.result()["completion"]["total"], 7);
    }
}

/// What is just within the limit of output arrives, and a byte more does not.
#[tokio::test]
async fn output() {
    const LIMIT: usize = 4_096;
    // What each counts beside its text: a part its URI.
    for (over, more) in [(false, 0), (true, 1)] {
        let mut guest = Guest::new();
        let long = "x".repeat(LIMIT - 64 - "test://d".len() + more);
        let document = guest.parts(&[Part::Text("test://d", None, &long)]);
        guest.document(Document::new("test://d"), document);
        let half = "x".repeat(LIMIT / 2 - 64);
        let other = "x".repeat(LIMIT / 2 - 64 + more);
        let filled = guest.filled(&Filled {
            messages: vec![
                (0, Block::Text(&half), None),
                (0, Block::Text(&other), None),
            ],
            ..Filled::default()
        });
        guest.prompt(Prompt::new("p").taking(&["a"]), filled);
        let value = "x".repeat(LIMIT - 16 + more);
        let completion = guest.completion(&[&value], None, false);
        guest.completing(completion);
        let host = Host::start(&[("guest", &guest)], |config| {
            config.limits.output_bytes = LIMIT;
        })
        .await;
        let client = host.client();
        if over {
            let sentence =
                |kind: &str| format!("the {kind} returned more than its limit of 4096 bytes");
            failures(&client, KINDS, sentence).await;
            continue;
        }
        assert_eq!(text(&read(&client, "test://d").await), long);
        assert_eq!(text(&get(&client, "p", json!({})).await), half);
        let answer = complete(&client, of_prompt("p"), "a", "").await;
        assert_eq!(answer.result()["completion"]["values"], json!([value]));
    }
}

/// What a component reports and logs while it fills in a prompt or reads a document reaches the client, as with tools.
#[tokio::test]
async fn progress_and_log() {
    let mut guest = Guest::new();
    let line = guest.string("half way");
    let report = format!(
        "(call $progress (f64.const 1) (i32.const 1) (f64.const 2) (i32.const 0) (i32.const 0) (i32.const 0))
         (call $log (i32.const 2) {line})"
    );
    guest
        .document(
            Document::new("test://d"),
            format!("{report} (call $document (local.get $uri) (local.get $uri_len) {line})"),
        )
        .prompt(Prompt::new("p"), format!("{report} (call $message {line})"));
    let host = Host::of(&guest).await;
    let lines = |answer: &Answer| -> Vec<Value> {
        let notes = answer.notifications("notifications/message").into_iter();
        notes.map(|note| note["data"].clone()).collect()
    };
    for revision in Revision::ALL {
        let client = host.client_of(revision);
        for (method, key, name) in [
            ("resources/read", "uri", "test://d"),
            ("prompts/get", "name", "p"),
        ] {
            let meta = json!({ "progressToken": 7, "io.modelcontextprotocol/logLevel": "warning" });
            let answer = client
                .request(method, json!({ key: name, "_meta": meta }))
                .await;
            assert_eq!(text(&answer), "half way");
            assert_eq!(lines(&answer), ["half way"], "{revision:?}");
            let progress = answer.notifications("notifications/progress");
            assert_eq!(progress.len(), 1, "{answer:?}");
            assert_eq!(
                (&progress[0]["progressToken"], &progress[0]["total"]),
                (&json!(7), &json!(2.0))
            );
        }
    }
}
