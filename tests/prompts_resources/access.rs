//! Scopes, rate limits and concurrency limits of prompts, resources and completions.

use serde_json::{Value, json};

use super::{complete, get, one_of_each, prompt_ref, read, template_ref, text};
use crate::support::client::{Answer, Client, Revision};
use crate::support::guest::{Document, Guest, Prompt};
use crate::support::issuer::{AUDIENCE, Issuer};
use crate::support::server::Host;

/// Returns how many prompts, resources and templates are listed.
async fn count_listed(client: &Client) -> [usize; 3] {
    let mut counts = [0; 3];
    for (index, (method, key)) in [
        ("prompts/list", "prompts"),
        ("resources/list", "resources"),
        ("resources/templates/list", "resourceTemplates"),
    ]
    .into_iter()
    .enumerate()
    {
        let answer = client.request(method, json!({})).await;
        counts[index] = answer.result()[key].as_array().unwrap().len();
        if client.revision.is_modern() {
            assert_eq!(answer.result()["cacheScope"], "private");
        }
    }
    counts
}

/// Sends one request of each kind that runs the guest.
async fn call_everything(client: &Client) -> Vec<Answer> {
    vec![
        get(client, "greet", json!({ "who": "Ada" })).await,
        read(client, "test://one").await,
        read(client, "test://of/a").await,
        complete(client, prompt_ref("greet"), "who", "").await,
        complete(client, template_ref("test://of/{name}"), "name", "").await,
    ]
}

/// A request that lacks scopes is refused before any guest runs. The challenge names all scopes that it needs, and
/// lists contain only what the caller may use.
#[tokio::test]
async fn prompts_and_resources_require_the_scopes_of_their_component() {
    let issuer = Issuer::start().await;
    let text = format!(
        "[server]\npublic-url = \"https://tools.example\"\n\
         [auth]\nissuer = \"{}\"\naudience = \"{AUDIENCE}\"\njwks-uri = \"{}\"\n\
         required-scopes = [\"use\"]\n[[component]]\nref = \"guest.wasm\"\nscopes = [\"read\", \"more\"]\n",
        issuer.url(),
        issuer.jwks_uri(),
    );
    let host = Host::configured(&[("guest", &one_of_each())], &text).await;
    for (scopes, is_allowed) in [("use", false), ("use read", false), ("use read more", true)] {
        let token = issuer.token(|claims| claims["scope"] = json!(scopes));
        for revision in Revision::ALL {
            let client = host.client_of(revision).with_token(&token);
            assert_eq!(
                count_listed(&client).await,
                [usize::from(is_allowed); 3],
                "{scopes}"
            );
            for answer in call_everything(&client).await {
                if is_allowed {
                    assert!(answer.result().is_object());
                    continue;
                }
                assert_eq!(
                    (answer.status.as_u16(), answer.code()),
                    (403, 403),
                    "{answer:?}"
                );
                assert_eq!(answer.last()["id"], 1);
                let challenge = answer.header("www-authenticate");
                let named = challenge.split("scope=\"").nth(1).unwrap();
                let mut named: Vec<_> = named.split('"').next().unwrap().split(' ').collect();
                named.sort_unstable();
                assert_eq!(named, ["more", "read", "use"], "{challenge}");
            }
            // An unknown resource belongs to no component and needs no scope.
            let answer = read(&client, "test://nowhere").await;
            assert_eq!(answer.status, 200, "{answer:?}");
        }
    }
    // Duplicate and unexpected members do not bypass the check.
    let token = issuer.token(|claims| claims["scope"] = json!("use"));
    let client = host.client_of(Revision::November2025).with_token(&token);
    let argument = r#""argument":{"name":"who","value":""}"#;
    for (method, params) in [
        (
            "resources/read",
            r#""uri":"test://x","uri":"test://one""#.to_owned(),
        ),
        ("prompts/get", r#""name":"x","name":"greet""#.to_owned()),
        (
            "completion/complete",
            format!(r#""ref":{{"type":"ref/prompt","name":"x","name":"greet"}},{argument}"#),
        ),
        (
            "completion/complete",
            format!(r#""ref":{{"type":"ref/prompt","uri":"x","name":"greet"}},{argument}"#),
        ),
        (
            "completion/complete",
            format!(
                r#""ref":{{"uri":"test://of/{{name}}","type":"ref/resource","name":"x"}},{argument}"#
            ),
        ),
        (
            "completion/complete",
            format!(r#""ref":{{"name":"greet","type":"ref/tool","type":"ref/prompt"}},{argument}"#),
        ),
    ] {
        let message =
            format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{{params}}}}}"#);
        let answer = Answer::to(client.post(&json!({})).body(message)).await;
        assert!(
            [-32602, 403].contains(&answer.code()),
            "{params}: {answer:?}"
        );
    }
}

#[tokio::test]
async fn the_rate_limit_counts_prompts_resources_and_completions() {
    let mut other = Guest::new();
    let hello = other.string("hello");
    other.prompt(Prompt::new("other"), format!("(call $message {hello})"));
    let host = Host::start(&[("guest", &one_of_each()), ("other", &other)], |config| {
        config.limits.calls_per_minute = std::num::NonZeroU32::new(5);
    })
    .await;
    for answer in call_everything(&host.client()).await {
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    for revision in Revision::ALL {
        let client = host.client_of(revision);
        for answer in call_everything(&client).await {
            assert_eq!(answer.status, 429, "{answer:?}");
            let seconds: u32 = answer.header("retry-after").parse().unwrap();
            assert!((1..=13).contains(&seconds), "{seconds}");
            assert!(
                answer
                    .message()
                    .starts_with("too many calls of this component")
            );
        }
        let list = client.request("prompts/list", json!({})).await;
        assert_eq!(list.status, 200);
    }
    let answer = get(&host.client(), "other", Value::Null).await;
    assert_eq!(text(&answer), "hello");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prompts_and_resources_count_towards_the_concurrency_limit() {
    let mut guest = one_of_each();
    let progress = "(call $progress (f64.const 1) (i32.const 0) (f64.const 0) (i32.const 0) (i32.const 0) (i32.const 0))";
    guest
        .document(
            Document::new("test://spin"),
            format!("{progress} (call $spin)"),
        )
        .prompt(Prompt::new("spin"), format!("{progress} (call $spin)"));
    let host = Host::start(&[("guest", &guest)], |config| {
        config.limits.concurrency = 1;
    })
    .await;
    for revision in Revision::ALL {
        let client = host.client_of(revision);
        for (method, params) in [
            (
                "resources/read",
                json!({ "uri": "test://spin", "_meta": { "progressToken": 1 } }),
            ),
            (
                "prompts/get",
                json!({ "name": "spin", "_meta": { "progressToken": 1 } }),
            ),
        ] {
            let mut running = client
                .post(&client.message(method, params))
                .send()
                .await
                .unwrap();
            let mut received = Vec::new();
            while !String::from_utf8_lossy(&received).contains("notifications/progress") {
                received.extend(running.chunk().await.unwrap().unwrap());
            }
            let answer = read(&client, "test://one").await;
            assert_eq!(answer.status, 503, "{answer:?}");
            assert_eq!(answer.header("retry-after"), "1");
            let answer = get(&client, "greet", json!({ "who": "x" })).await;
            assert_eq!(answer.status, 503, "{answer:?}");
            // A disconnect releases the permit.
            drop(running);
            let started = std::time::Instant::now();
            while read(&client, "test://one").await.status != 200 {
                assert!(
                    started.elapsed().as_secs() < 10,
                    "call permit was not released within 10 s"
                );
            }
        }
    }
}
