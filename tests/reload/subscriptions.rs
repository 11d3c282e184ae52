//! How clients hear of a change: on a stream of their own since 2026-07-28, before that in a session.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use toolcrib::auth::{GuardConfig, KeySource};
use toolcrib::config::{Access, WatchMode};

use super::{names, put, remove, until_names};
use crate::support::client::{Answer, Client, Revision, Stream};
use crate::support::command::Toolcrib;
use crate::support::guest::{Document, Guest, Part, Prompt};
use crate::support::issuer::{AUDIENCE, Issuer};
use crate::support::pipes::Pipes;
use crate::support::server::Host;
use crate::support::session::Session;

const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

/// A guest with one document, which is all that its versions differ in.
fn documented(text: &str) -> Guest {
    let mut guest = Guest::new();
    let body = guest.parts(&[Part::Text("doc://one", None, text)]);
    guest.document(Document::new("doc://one"), body);
    guest
}

/// A guest with one prompt.
fn prompting(name: &str) -> Guest {
    let mut guest = Guest::new();
    guest.prompt(Prompt::new(name), "unreachable");
    guest
}

/// Opens a stream under this id, and takes its acknowledgement.
async fn listen(client: &Client, id: u64, wanted: Value) -> Stream {
    let params = json!({ "notifications": wanted });
    let mut message = client.message("subscriptions/listen", params);
    message["id"] = id.into();
    let mut stream = Stream::open(client.post(&message)).await;
    let first = stream.next().await.unwrap();
    assert_eq!(first["method"], "notifications/subscriptions/acknowledged");
    assert_eq!(first["params"]["notifications"], wanted, "{first}");
    assert_eq!(first["params"]["_meta"][SUBSCRIPTION], id, "{first}");
    stream
}

/// The next message, which must be this notification of this subscription.
async fn hear(stream: &mut Stream, id: u64, method: &str) -> Value {
    let message = stream.next().await.unwrap();
    assert_eq!(message["method"], method, "{message}");
    assert_eq!(message["params"]["_meta"][SUBSCRIPTION], id, "{message}");
    message
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_of_their_own() {
    let mut host = Host::watching(
        &[
            ("a", &Guest::saying("a", "one")),
            ("doc", &documented("one")),
            ("p", &prompting("first")),
        ],
        |_| {},
    )
    .await;
    let client = host.client();
    let found = client.request("server/discover", json!({})).await;
    let can = &found.result()["capabilities"];
    assert_eq!(can["tools"]["listChanged"], true, "{can}");
    assert_eq!(can["resources"]["subscribe"], true, "{can}");

    let mut tools = listen(&client, 7, json!({ "toolsListChanged": true })).await;
    let mut prompts = listen(&client, 8, json!({ "promptsListChanged": true })).await;
    let wanted = json!({ "resourceSubscriptions": ["doc://one", "doc://none"] });
    let mut documents = listen(&client, 9, wanted).await;

    put(&host, "b", &Guest::saying("b", "two"));
    hear(&mut tools, 7, "notifications/tools/list_changed").await;
    assert_eq!(names(&client).await, ["a", "b"]);
    // Who asked for something else hears of that first.
    put(&host, "p", &prompting("second"));
    hear(&mut prompts, 8, "notifications/prompts/list_changed").await;
    put(&host, "doc", &documented("two"));
    let updated = hear(&mut documents, 9, "notifications/resources/updated").await;
    assert_eq!(updated["params"]["uri"], "doc://one");
    let read = client.request("resources/read", json!({ "uri": "doc://one" }));
    assert_eq!(read.await.result()["contents"][0]["text"], "two");
    // A new version with the same tools is no change of the list.
    put(&host, "a", &Guest::saying("a", "three"));
    super::until_says(&client, "a", "three").await;
    remove(&host, "b");
    hear(&mut tools, 7, "notifications/tools/list_changed").await;
    assert_eq!(names(&client).await, ["a"]);

    // At the end each gets a result, so that it knows of no accident.
    host.stop();
    for (stream, id) in [(&mut tools, 7), (&mut prompts, 8), (&mut documents, 9)] {
        let last = stream.next().await.unwrap();
        assert_eq!(last["id"], id, "{last}");
        assert_eq!(last["result"]["_meta"][SUBSCRIPTION], id, "{last}");
        assert_eq!(stream.next().await, None);
    }
    let stopped = tokio::time::timeout(Duration::from_secs(20), host.stopped()).await;
    assert!(stopped.is_ok(), "the shutdown waits for a stream");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quick_changes() {
    let host = Host::watching(&[("a", &Guest::saying("a", "one"))], |_| {}).await;
    let client = host.client();
    let mut stream = listen(&client, 1, json!({ "toolsListChanged": true })).await;
    put(&host, "b", &Guest::saying("b", "two"));
    put(&host, "c", &Guest::saying("c", "three"));
    remove(&host, "a");
    // However they fall together, nothing is left to hear when the list is right.
    loop {
        hear(&mut stream, 1, "notifications/tools/list_changed").await;
        if names(&client).await == ["b", "c"] {
            break;
        }
    }
}

/// A client may follow so many documents; it is told which it follows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bounds() {
    let host = Host::watching(&[("doc", &documented("one"))], |config| {
        config.server.sessions = true
    })
    .await;
    let long = |bytes: usize| format!("doc://{}", "x".repeat(bytes - 6));
    let mut uris = vec!["doc://one".to_owned(), long(2_049), long(2_048)];
    uris.extend((0..1_000).map(|number| format!("doc://{number}")));
    let mut granted = uris.clone();
    granted.remove(1);
    granted.truncate(1_000);
    let client = host.client();
    let params = json!({ "notifications": { "resourceSubscriptions": uris } });
    let mut stream =
        Stream::open(client.post(&client.message("subscriptions/listen", params))).await;
    let first = stream.next().await.unwrap();
    let found = &first["params"]["notifications"]["resourceSubscriptions"];
    assert_eq!(found, &json!(granted));
    put(&host, "doc", &documented("two"));
    hear(&mut stream, 1, "notifications/resources/updated").await;

    let client = host.client_of(Revision::November2025);
    let session = Session::open(client.clone(), json!({})).await;
    let subscribe = async |uri: &str| {
        let message = client.message("resources/subscribe", json!({ "uri": uri }));
        Answer::to(session.post(&message)).await
    };
    for uri in &granted {
        subscribe(uri).await.result();
    }
    // What it follows already is no more.
    subscribe("doc://one").await.result();
    for (uri, says) in [
        ("doc://more", "at most"),
        (&long(2_049), "longer than 2048 bytes"),
    ] {
        let refused = subscribe(uri).await;
        assert_eq!(refused.code(), -32602, "{refused:?}");
        assert!(refused.message().contains(says), "{refused:?}");
    }
}

/// One caller cannot have all streams.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_of_a_caller() {
    let issuer = Issuer::start().await;
    let mut settings = GuardConfig::new(AUDIENCE, issuer.url(), AUDIENCE);
    settings.issuers[0].keys = KeySource::JwksUri(issuer.jwks_uri().parse().unwrap());
    let host = Host::watching(&[("a", &Guest::saying("a", "one"))], |config| {
        config.access = Access::Guarded(Box::new(settings));
    })
    .await;
    let of = |subject: &str| {
        let token = issuer.token(|claims| claims["sub"] = subject.into());
        host.client().with_token(&token)
    };
    let (alice, bob) = (of("alice"), of("bob"));
    let wanted = json!({ "toolsListChanged": true });
    let mut open = Vec::new();
    for id in 0..64 {
        open.push(listen(&alice, id, wanted.clone()).await);
    }
    let mut refused = listen(&alice, 64, wanted.clone()).await;
    let error = &refused.next().await.unwrap()["error"];
    assert_eq!(error["code"], -32603);
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .contains("too many open streams"),
        "{error}"
    );
    let mut other = listen(&bob, 1, wanted.clone()).await;
    put(&host, "b", &Guest::saying("b", "two"));
    hear(&mut other, 1, "notifications/tools/list_changed").await;
    // Where callers are not told apart, nobody has them all.
    let public = Host::watching(&[("a", &Guest::saying("a", "one"))], |_| {}).await;
    let client = public.client();
    let mut all = Vec::new();
    for id in 0..65 {
        all.push(listen(&client, id, wanted.clone()).await);
    }
    put(&public, "b", &Guest::saying("b", "two"));
    let last = all.last_mut().unwrap();
    hear(last, 64, "notifications/tools/list_changed").await;
    // Who closes one has a place for another.
    drop(open.pop());
    let begun = std::time::Instant::now();
    loop {
        let mut stream = listen(&alice, 65, wanted.clone()).await;
        let heard = tokio::time::timeout(Duration::from_millis(200), stream.next()).await;
        if heard.is_err() {
            break;
        }
        assert!(
            begun.elapsed().as_secs() < 10,
            "the place is never given back"
        );
    }
}

/// Who may not read a document does not hear of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn documents_of_others() {
    let issuer = Issuer::start().await;
    let text = format!(
        "[server]\npublic-url = \"https://tools.example\"\n\
         [auth]\nissuer = \"{}\"\naudience = \"{AUDIENCE}\"\njwks-uri = \"{}\"\n\
         [[component]]\nref = \"./\"\nscopes = [\"read\"]\n",
        issuer.url(),
        issuer.jwks_uri(),
    );
    let guests = [("a", Guest::saying("a", "one")), ("doc", documented("one"))];
    let guests = guests.each_ref().map(|(name, guest)| (*name, guest));
    let host = Host::configured(&guests, &text).await;
    let of = |scope: &str| {
        let token = issuer.token(|claims| claims["scope"] = scope.into());
        host.client().with_token(&token)
    };
    let wanted = json!({ "resourceSubscriptions": ["doc://one"], "toolsListChanged": true });
    let mut reader = listen(&of("read"), 1, wanted.clone()).await;
    let mut other = listen(&of("write"), 2, wanted).await;
    put(&host, "doc", &documented("two"));
    hear(&mut reader, 1, "notifications/resources/updated").await;
    put(&host, "b", &Guest::saying("b", "two"));
    hear(&mut other, 2, "notifications/tools/list_changed").await;
}

/// Where nothing can change, nothing is promised.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_to_hear() {
    let host = Host::watching(&[("doc", &documented("one"))], |config| {
        config.changes = WatchMode::Never;
        config.server.sessions = true;
    })
    .await;
    let client = host.client();
    let found = client.request("server/discover", json!({})).await;
    let can = &found.result()["capabilities"];
    assert_eq!(can["tools"], json!({}), "{can}");
    assert_eq!(can["resources"], json!({}), "{can}");
    let params = json!({ "notifications": { "toolsListChanged": true } });
    let answer = client.request("subscriptions/listen", params).await;
    assert_eq!(answer.code(), -32601);
    let client = host.client_of(Revision::November2025);
    let can = &client.initialize().await.result()["capabilities"].clone();
    assert_eq!(can["tools"], json!({}), "{can}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions() {
    let host = Host::watching(
        &[
            ("a", &Guest::saying("a", "one")),
            ("doc", &documented("one")),
        ],
        |config| config.server.sessions = true,
    )
    .await;
    for revision in [Revision::June2025, Revision::November2025] {
        let client = host.client_of(revision);
        let answer = client.initialize().await;
        let can = &answer.result()["capabilities"];
        assert_eq!(can["tools"]["listChanged"], true, "{can}");
        assert_eq!(can["resources"]["subscribe"], true, "{can}");
        let id = answer.header("mcp-session-id").to_owned();
        let of_session = async |message: Value| {
            Answer::to(client.post(&message).header("mcp-session-id", &id)).await
        };
        // Who says it again hears of nothing twice.
        for _ in 0..2 {
            let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
            assert_eq!(of_session(initialized).await.status, 202);
        }
        let request = client
            .bare(Method::GET)
            .header("accept", "text/event-stream")
            .header("mcp-protocol-version", revision.name())
            .header("mcp-session-id", &id);
        let mut stream = Stream::open(request).await;
        let wanted = json!({ "uri": "doc://one" });

        put(&host, "b", &Guest::saying("b", "two"));
        let heard = stream.next().await.unwrap();
        assert_eq!(heard["method"], "notifications/tools/list_changed");
        assert_eq!(names(&host.client()).await, ["a", "b"]);
        let message = client.message("resources/subscribe", wanted.clone());
        of_session(message).await.result();
        put(&host, "doc", &documented("two"));
        let heard = stream.next().await.unwrap();
        assert_eq!(heard["method"], "notifications/resources/updated");
        assert_eq!(heard["params"], wanted);
        // Who no longer asks hears of the next thing instead.
        let message = client.message("resources/unsubscribe", wanted);
        of_session(message).await.result();
        put(&host, "doc", &documented("one"));
        remove(&host, "b");
        let heard = stream.next().await.unwrap();
        assert_eq!(heard["method"], "notifications/tools/list_changed");
        put(&host, "b", &Guest::saying("b", "two"));
        let heard = stream.next().await.unwrap();
        assert_eq!(heard["method"], "notifications/tools/list_changed");
        remove(&host, "b");
        until_names(&host.client(), &["a"]).await;
    }
}

/// A local client hears on its connection, and since 2026-07-28 once it has asked.
#[test]
fn pipes() {
    for revision in Revision::ALL {
        let place = Toolcrib::new();
        place.write("a", &Guest::saying("a", "one").component());
        let mut client = Pipes::open(&place, ".");
        if revision.is_modern() {
            let mut meta = json!({});
            meta["io.modelcontextprotocol/protocolVersion"] = revision.name().into();
            meta["io.modelcontextprotocol/clientCapabilities"] = json!({});
            let params = json!({ "notifications": { "toolsListChanged": true }, "_meta": meta });
            client.send(&json!({
                "jsonrpc": "2.0", "id": 7, "method": "subscriptions/listen", "params": params,
            }));
            let first = client.read();
            assert_eq!(first["method"], "notifications/subscriptions/acknowledged");
        } else {
            let params = json!({
                "protocolVersion": revision.name(), "capabilities": {},
                "clientInfo": { "name": "test", "version": "1" },
            });
            let answer = client.ask(1, "initialize", params);
            let can = &answer["result"]["capabilities"];
            assert_eq!(can["tools"]["listChanged"], true, "{can}");
            client.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
            // Only what comes after an answer is sure to come after that.
            client.ask(2, "tools/list", json!({}));
        }
        for (name, id) in [("b", 3), ("c", 4)] {
            let made = place.write(&format!(".{name}"), &Guest::saying(name, name).component());
            std::fs::rename(made, place.path().join(format!("{name}.wasm"))).unwrap();
            let heard = client.read();
            assert_eq!(
                heard["method"], "notifications/tools/list_changed",
                "{heard}"
            );
            if revision.is_modern() {
                assert_eq!(heard["params"]["_meta"][SUBSCRIPTION], 7, "{heard}");
            } else {
                let tools = client.ask(id, "tools/list", json!({}))["result"]["tools"].clone();
                assert_eq!(tools.as_array().unwrap().last().unwrap()["name"], name);
            }
        }
        drop(client.input.take());
        assert!(client.child.wait().unwrap().success());
    }
}

/// Who can have everything looked at again can change it too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_hand() {
    let host = Host::of(&Guest::saying("a", "one")).await;
    let found = host.client().request("server/discover", json!({})).await;
    let can = &found.result()["capabilities"];
    assert_eq!(can["tools"]["listChanged"], true, "{can}");
}

/// A client of an older revision without a session has nothing on which it could hear.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_session() {
    let host = Host::watching(&[("a", &Guest::saying("a", "one"))], |_| {}).await;
    let client = host.client_of(Revision::November2025);
    let can = &client.initialize().await.result()["capabilities"].clone();
    assert_eq!(can["tools"], json!({}), "{can}");
    put(&host, "b", &Guest::saying("b", "two"));
    until_names(&client, &["a", "b"]).await;
}
