//! Notifications on `subscriptions/listen` streams, which MCP has since 2026-07-28.

use std::time::Duration;

use serde_json::{Value, json};
use toolcrib::auth::{GuardConfig, KeySource};
use toolcrib::config::{Access, WatchMode};

use super::{put_component, remove_component, tool_names, wait_for_text};
use crate::support::client::{Answer, Client, Revision, Stream};
use crate::support::guest::{Document, Guest, Part, Prompt};
use crate::support::issuer::{AUDIENCE, Issuer};
use crate::support::server::Host;
use crate::support::session::Session;

pub(super) const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";

/// A guest with the resource `doc://one`, which has this text.
pub(super) fn resource_guest(text: &str) -> Guest {
    let mut guest = Guest::new();
    let body = guest.parts(&[Part::Text("doc://one", None, text)]);
    guest.document(Document::new("doc://one"), body);
    guest
}

/// A guest with one prompt.
fn prompt_guest(name: &str) -> Guest {
    let mut guest = Guest::new();
    guest.prompt(Prompt::new(name), "unreachable");
    guest
}

/// Opens a stream with this request id and reads its acknowledgement.
async fn listen(client: &Client, id: u64, filter: Value) -> Stream {
    let params = json!({ "notifications": filter });
    let mut message = client.message("subscriptions/listen", params);
    message["id"] = id.into();
    let mut stream = Stream::open(client.post(&message)).await;
    let first = stream.next().await.unwrap();
    assert_eq!(first["method"], "notifications/subscriptions/acknowledged");
    assert_eq!(first["params"]["notifications"], filter, "{first}");
    assert_eq!(first["params"]["_meta"][SUBSCRIPTION_ID], id, "{first}");
    stream
}

/// Reads the next message, which must be this notification of this subscription.
async fn expect_notification(stream: &mut Stream, id: u64, method: &str) -> Value {
    let message = stream.next().await.unwrap();
    assert_eq!(message["method"], method, "{message}");
    assert_eq!(message["params"]["_meta"][SUBSCRIPTION_ID], id, "{message}");
    message
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_deliver_the_requested_notifications() {
    let mut host = Host::watching(
        &[
            ("a", &Guest::saying("a", "one")),
            ("doc", &resource_guest("one")),
            ("p", &prompt_guest("first")),
        ],
        |_| {},
    )
    .await;
    let client = host.client();
    let found = client.request("server/discover", json!({})).await;
    let capabilities = &found.result()["capabilities"];
    assert_eq!(capabilities["tools"]["listChanged"], true, "{capabilities}");
    assert_eq!(
        capabilities["resources"]["subscribe"], true,
        "{capabilities}"
    );

    let mut tools = listen(&client, 7, json!({ "toolsListChanged": true })).await;
    let mut prompts = listen(&client, 8, json!({ "promptsListChanged": true })).await;
    let filter = json!({ "resourceSubscriptions": ["doc://one", "doc://none"] });
    let mut resources = listen(&client, 9, filter).await;

    put_component(&host, "b", &Guest::saying("b", "two"));
    expect_notification(&mut tools, 7, "notifications/tools/list_changed").await;
    assert_eq!(tool_names(&client).await, ["a", "b"]);
    // The other streams did not get the notification about the tools.
    put_component(&host, "p", &prompt_guest("second"));
    expect_notification(&mut prompts, 8, "notifications/prompts/list_changed").await;
    put_component(&host, "doc", &resource_guest("two"));
    let updated = expect_notification(&mut resources, 9, "notifications/resources/updated").await;
    assert_eq!(updated["params"]["uri"], "doc://one");
    let read = client.request("resources/read", json!({ "uri": "doc://one" }));
    assert_eq!(read.await.result()["contents"][0]["text"], "two");
    // A new version with the same tools does not change the list.
    put_component(&host, "a", &Guest::saying("a", "three"));
    wait_for_text(&client, "a", "three").await;
    remove_component(&host, "b");
    expect_notification(&mut tools, 7, "notifications/tools/list_changed").await;
    assert_eq!(tool_names(&client).await, ["a"]);

    // At shutdown each stream ends with a result, so that clients can tell it from a lost connection.
    host.stop();
    for (stream, id) in [(&mut tools, 7), (&mut prompts, 8), (&mut resources, 9)] {
        let last = stream.next().await.unwrap();
        assert_eq!(last["id"], id, "{last}");
        assert_eq!(last["result"]["_meta"][SUBSCRIPTION_ID], id, "{last}");
        assert_eq!(stream.next().await, None);
    }
    let stopped = tokio::time::timeout(Duration::from_secs(20), host.stopped()).await;
    assert!(stopped.is_ok(), "the shutdown did not end the streams");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rapid_changes_end_with_a_notification() {
    let host = Host::watching(&[("a", &Guest::saying("a", "one"))], |_| {}).await;
    let client = host.client();
    let mut stream = listen(&client, 1, json!({ "toolsListChanged": true })).await;
    put_component(&host, "b", &Guest::saying("b", "two"));
    put_component(&host, "c", &Guest::saying("c", "three"));
    remove_component(&host, "a");
    // The changes may be merged into any number of notifications, but the last one comes after the last change.
    loop {
        expect_notification(&mut stream, 1, "notifications/tools/list_changed").await;
        if tool_names(&client).await == ["b", "c"] {
            break;
        }
    }
}

/// The number of resources and the length of their URIs are limited. The acknowledgement lists the accepted ones.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resource_subscriptions_are_limited() {
    let host = Host::watching(&[("doc", &resource_guest("one"))], |config| {
        config.server.sessions = true
    })
    .await;
    let uri_of_length = |bytes: usize| format!("doc://{}", "x".repeat(bytes - 6));
    let mut uris = vec![
        "doc://one".to_owned(),
        uri_of_length(2_049),
        uri_of_length(2_048),
    ];
    uris.extend((0..1_000).map(|number| format!("doc://{number}")));
    let mut accepted = uris.clone();
    accepted.remove(1);
    accepted.truncate(1_000);
    let client = host.client();
    let params = json!({ "notifications": { "resourceSubscriptions": uris } });
    let mut stream =
        Stream::open(client.post(&client.message("subscriptions/listen", params))).await;
    let first = stream.next().await.unwrap();
    let found = &first["params"]["notifications"]["resourceSubscriptions"];
    assert_eq!(found, &json!(accepted));
    put_component(&host, "doc", &resource_guest("two"));
    expect_notification(&mut stream, 1, "notifications/resources/updated").await;

    let client = host.client_of(Revision::November2025);
    let session = Session::open(client.clone(), json!({})).await;
    let subscribe = async |uri: &str| {
        let message = client.message("resources/subscribe", json!({ "uri": uri }));
        Answer::to(session.post(&message)).await
    };
    for uri in &accepted {
        subscribe(uri).await.result();
    }
    // A repeated subscription does not count again.
    subscribe("doc://one").await.result();
    for (uri, expected) in [
        ("doc://more", "at most"),
        (&uri_of_length(2_049), "longer than 2048 bytes"),
    ] {
        let rejected = subscribe(uri).await;
        assert_eq!(rejected.code(), -32602, "{rejected:?}");
        assert!(rejected.message().contains(expected), "{rejected:?}");
    }
}

/// The limit applies to each authenticated caller. Without authentication it would apply to all clients together, so
/// there is none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn open_streams_of_one_caller_are_limited() {
    let issuer = Issuer::start().await;
    let mut settings = GuardConfig::new(AUDIENCE, issuer.url(), AUDIENCE);
    settings.issuers[0].keys = KeySource::JwksUri(issuer.jwks_uri().parse().unwrap());
    let host = Host::watching(&[("a", &Guest::saying("a", "one"))], |config| {
        config.access = Access::Guarded(Box::new(settings));
    })
    .await;
    let client_of = |subject: &str| {
        let token = issuer.token(|claims| claims["sub"] = subject.into());
        host.client().with_token(&token)
    };
    let (alice, bob) = (client_of("alice"), client_of("bob"));
    let filter = json!({ "toolsListChanged": true });
    let mut open = Vec::new();
    for id in 0..64 {
        open.push(listen(&alice, id, filter.clone()).await);
    }
    let mut rejected = listen(&alice, 64, filter.clone()).await;
    let error = &rejected.next().await.unwrap()["error"];
    assert_eq!(error["code"], -32603);
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .contains("too many open streams"),
        "{error}"
    );
    let mut other = listen(&bob, 1, filter.clone()).await;
    put_component(&host, "b", &Guest::saying("b", "two"));
    expect_notification(&mut other, 1, "notifications/tools/list_changed").await;
    // Without authentication.
    let public = Host::watching(&[("a", &Guest::saying("a", "one"))], |_| {}).await;
    let client = public.client();
    let mut all = Vec::new();
    for id in 0..65 {
        all.push(listen(&client, id, filter.clone()).await);
    }
    put_component(&public, "b", &Guest::saying("b", "two"));
    let last = all.last_mut().unwrap();
    expect_notification(last, 64, "notifications/tools/list_changed").await;
    // A closed stream makes room for another one.
    drop(open.pop());
    let started = std::time::Instant::now();
    loop {
        let mut stream = listen(&alice, 65, filter.clone()).await;
        let message = tokio::time::timeout(Duration::from_millis(200), stream.next()).await;
        if message.is_err() {
            break;
        }
        assert!(
            started.elapsed().as_secs() < 10,
            "a closed stream still counts"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn updates_of_forbidden_resources_are_not_sent() {
    let issuer = Issuer::start().await;
    let text = format!(
        "[server]\npublic-url = \"https://tools.example\"\n\
         [auth]\nissuer = \"{}\"\naudience = \"{AUDIENCE}\"\njwks-uri = \"{}\"\n\
         [[component]]\nref = \"./\"\nscopes = [\"read\"]\n",
        issuer.url(),
        issuer.jwks_uri(),
    );
    let guests = [
        ("a", Guest::saying("a", "one")),
        ("doc", resource_guest("one")),
    ];
    let guests = guests.each_ref().map(|(name, guest)| (*name, guest));
    let host = Host::configured(&guests, &text).await;
    let client_of = |scope: &str| {
        let token = issuer.token(|claims| claims["scope"] = scope.into());
        host.client().with_token(&token)
    };
    let filter = json!({ "resourceSubscriptions": ["doc://one"], "toolsListChanged": true });
    let mut reader = listen(&client_of("read"), 1, filter.clone()).await;
    let mut other = listen(&client_of("write"), 2, filter).await;
    put_component(&host, "doc", &resource_guest("two"));
    expect_notification(&mut reader, 1, "notifications/resources/updated").await;
    put_component(&host, "b", &Guest::saying("b", "two"));
    expect_notification(&mut other, 2, "notifications/tools/list_changed").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_watching_no_notifications_are_announced() {
    let host = Host::watching(&[("doc", &resource_guest("one"))], |config| {
        config.watch = WatchMode::Never;
        config.server.sessions = true;
    })
    .await;
    let client = host.client();
    let found = client.request("server/discover", json!({})).await;
    let capabilities = &found.result()["capabilities"];
    assert_eq!(capabilities["tools"], json!({}), "{capabilities}");
    assert_eq!(capabilities["resources"], json!({}), "{capabilities}");
    let params = json!({ "notifications": { "toolsListChanged": true } });
    let answer = client.request("subscriptions/listen", params).await;
    assert_eq!(answer.code(), -32601);
    let client = host.client_of(Revision::November2025);
    let capabilities = &client.initialize().await.result()["capabilities"].clone();
    assert_eq!(capabilities["tools"], json!({}), "{capabilities}");
}

/// An embedder can call `App::reload` without a watcher, so notifications are announced by default.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn notifications_are_announced_for_manual_reloads() {
    let host = Host::of(&Guest::saying("a", "one")).await;
    let found = host.client().request("server/discover", json!({})).await;
    let capabilities = &found.result()["capabilities"];
    assert_eq!(capabilities["tools"]["listChanged"], true, "{capabilities}");
}
