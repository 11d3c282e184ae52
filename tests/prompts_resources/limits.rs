//! Limits of time, memory, input and output apply to prompts, resources and completions as they do to tools.

use std::time::Duration;

use serde_json::{Value, json};

use super::{INTERNAL_ERROR, complete, get, prompt_ref, read, text};
use crate::support::client::{Answer, Client, Revision};
use crate::support::guest::{Block, Guest, Prompt, PromptResult, Resource, ResourceContents};
use crate::support::server::Host;

/// A guest in which a prompt, a resource and completions all run `body`.
fn guest_running(body: &str) -> Guest {
    let mut guest = Guest::new();
    guest
        .resource(Resource::new("test://d"), body)
        .prompt(Prompt::new("p").taking(&["a"]), body)
        .completions(body);
    guest
}

/// Asserts that all three requests fail with the message for their kind.
async fn assert_failures(client: &Client, message: impl Fn(&str) -> String) {
    let answers = [
        read(client, "test://d").await,
        get(client, "p", json!({})).await,
        complete(client, prompt_ref("p"), "a", "").await,
    ];
    for (answer, kind) in answers.iter().zip(["resource", "prompt", "completion"]) {
        assert_eq!(answer.code(), INTERNAL_ERROR, "{answer:?}");
        assert_eq!(answer.message(), message(kind));
        assert_eq!(answer.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn time_and_processor_time_are_limited() {
    let guest = guest_running("(call $spin)");
    for (time_ms, cpu_ms, message) in [
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
            config.limits.time = Duration::from_millis(time_ms);
            config.limits.cpu = Duration::from_millis(cpu_ms);
        })
        .await;
        for revision in [Revision::June2025, Revision::July2026] {
            assert_failures(&host.client_of(revision), |_| message.into()).await;
        }
    }
}

#[tokio::test]
async fn memory_is_limited() {
    let guest = guest_running(
        "(loop $again (if (i32.eq (memory.grow (i32.const 16)) (i32.const -1)) (then unreachable)) (br $again))
         (unreachable)",
    );
    let host = Host::start(&[("guest", &guest)], |config| {
        config.limits.memory_bytes = 8 << 20;
    })
    .await;
    let message = |kind: &str| format!("the {kind} ran out of its 8 MiB of memory");
    assert_failures(&host.client(), message).await;
}

#[tokio::test]
async fn input_is_limited() {
    let host = Host::start(&[("guest", &super::one_of_each())], |config| {
        config.limits.argument_bytes = 1_000;
    })
    .await;
    let long = "x".repeat(1_000);
    for revision in Revision::ALL {
        let client = host.client_of(revision);
        let uri = format!("test://of/{long}");
        for (answer, parameter) in [
            (get(&client, "greet", json!({ "who": long })).await, "who"),
            (read(&client, &uri).await, "uri"),
            (
                complete(&client, prompt_ref("greet"), "who", &long).await,
                "completion",
            ),
        ] {
            assert_eq!(
                answer.code(),
                super::INVALID_PARAMS,
                "{parameter}: {answer:?}"
            );
            assert_eq!(
                answer.message(),
                "the arguments are larger than 1000 bytes",
                "{parameter}"
            );
        }
        let answer = complete(&client, prompt_ref("greet"), "who", &long[..900]).await;
        assert_eq!(answer.result()["completion"]["total"], 7);
    }
}

/// Returns output of exactly the limit, and one byte more.
#[tokio::test]
async fn output_is_limited_to_the_byte() {
    const LIMIT_BYTES: usize = 4_096;
    // Besides its text, each content item counts a fixed overhead and its URI.
    for (is_over_limit, excess_bytes) in [(false, 0), (true, 1)] {
        let mut guest = Guest::new();
        let long = "x".repeat(LIMIT_BYTES - 64 - "test://d".len() + excess_bytes);
        let contents = guest.resource_contents(&[ResourceContents::Text("test://d", None, &long)]);
        guest.resource(Resource::new("test://d"), contents);
        let half = "x".repeat(LIMIT_BYTES / 2 - 64);
        let other = "x".repeat(LIMIT_BYTES / 2 - 64 + excess_bytes);
        let filled = guest.prompt_result(&PromptResult {
            messages: vec![
                (0, Block::Text(&half), None),
                (0, Block::Text(&other), None),
            ],
            ..PromptResult::default()
        });
        guest.prompt(Prompt::new("p").taking(&["a"]), filled);
        let value = "x".repeat(LIMIT_BYTES - 16 + excess_bytes);
        let completion = guest.completion(&[&value], None, false);
        guest.completions(completion);
        let host = Host::start(&[("guest", &guest)], |config| {
            config.limits.output_bytes = LIMIT_BYTES;
        })
        .await;
        let client = host.client();
        if is_over_limit {
            let message =
                |kind: &str| format!("the {kind} returned more than its limit of 4096 bytes");
            assert_failures(&client, message).await;
            continue;
        }
        assert_eq!(text(&read(&client, "test://d").await), long);
        assert_eq!(text(&get(&client, "p", json!({})).await), half);
        let answer = complete(&client, prompt_ref("p"), "a", "").await;
        assert_eq!(answer.result()["completion"]["values"], json!([value]));
    }
}

#[tokio::test]
async fn progress_and_log_messages_reach_the_client() {
    let mut guest = Guest::new();
    let line = guest.string("half way");
    let report = format!(
        "(call $progress (f64.const 1) (i32.const 1) (f64.const 2) (i32.const 0) (i32.const 0) (i32.const 0))
         (call $log (i32.const 2) {line})"
    );
    guest
        .resource(
            Resource::new("test://d"),
            format!("{report} (call $resource (local.get $uri) (local.get $uri_len) {line})"),
        )
        .prompt(Prompt::new("p"), format!("{report} (call $message {line})"));
    let host = Host::of(&guest).await;
    let lines = |answer: &Answer| -> Vec<Value> {
        let notes = answer.notifications("notifications/message").into_iter();
        notes.map(|note| note["data"].clone()).collect()
    };
    for revision in Revision::SINCE_JUNE_2025 {
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
