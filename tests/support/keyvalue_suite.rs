//! Tests of `wasi:keyvalue` for every backend. `make test` runs them with a file, `make test-all` with Redis.
//!
//! `backend` is the configuration text that selects the backend.

use serde_json::{Value, json};

use super::client::Client;
use super::guest::kv::{keyvalue_guest, keyvalue_guest_with_buckets};
use super::issuer::{AUDIENCE, Issuer};
use super::server::Host;

/// Returns the configuration of a component that is granted these buckets.
pub(crate) fn component(file: &str, name: &str, kv: &[&str]) -> String {
    format!(
        "[[component]]\nref = \"{file}.wasm\"\nname = {name:?}\nprefix = \"{file}_\"\n\
         [component.allow]\nkv = {kv:?}\n"
    )
}

async fn call(client: &Client, tool: &str, key: &str) -> String {
    let arguments: Value = if key.is_empty() {
        json!({})
    } else {
        json!({ "k": key })
    };
    client.call(tool, arguments).await.text().to_owned()
}

/// Every operation returns the result or error that the interface specifies.
pub(crate) async fn operations(backend: &str) {
    let guest = keyvalue_guest("cache");
    let text = format!("{backend}\n{}", component("g", "operations", &["cache"]));
    let host = Host::configured(&[("g", &guest)], &text).await;
    let client = host.client();
    let text = r#"{"k":"a"}"#;
    for (tool, key, expected) in [
        ("get", "a", "none"),
        ("exists", "a", "0"),
        ("list", "", ""),
        ("delete", "a", "ok"),
        ("set", "a", "ok"),
        ("get", "a", text),
        ("exists", "a", "1"),
        ("exists", "A", "0"),
        ("list", "", r#"{"k":"a"} "#),
        ("get_many", "a", &format!("{text}-{text}")),
        ("count", "a", "E2 the value is no number"),
        ("count", "n", "7"),
        ("count", "n", "14"),
        ("get", "n", "14"),
        ("delete", "n", "ok"),
        ("get", "n", "none"),
        ("count", "n", "7"),
        ("delete", "n", "ok"),
        ("set", "é 世界 \n", "ok"),
        ("exists", "é 世界 \n", "1"),
        ("delete", "é 世界 \n", "ok"),
        ("delete", "a", "ok"),
        ("list", "", ""),
        ("signed", "n", "ok"),
        ("count", "n", "E2 the value is no number"),
        ("zeros", "n", "ok"),
        ("count", "n", "E2 the value is no number"),
        ("get_lots", "n", "9"),
        ("delete", "n", "ok"),
        ("long_key", "", "E2 the key is longer than 1024 bytes"),
        ("larger", "v", "E2 the value is longer than 1048576 bytes"),
        ("large", "v", "ok"),
        (
            "get_lots",
            "v",
            "E2 the values are more than 8388608 bytes together",
        ),
        ("delete", "v", "ok"),
        ("too_many", "", "E2 the batch has more than 1000 keys"),
        ("pages", "", "0 0"),
        ("fill", "", "okokok"),
        ("pages", "", "1000 1000 500 3123750"),
        ("clear", "", "ok"),
        ("pages", "", "1000 500 2624250"),
        // Deleting twice has no further effect.
        ("clear", "", "ok"),
        ("pages", "", "1000 500 2624250"),
        ("batch", "", "ok"),
        ("small_batch", "", "ok"),
        (
            "large_batch",
            "",
            "E2 the values are more than 8388608 bytes together",
        ),
    ] {
        let output = call(&client, &format!("g_{tool}"), key).await;
        assert_eq!(output, expected, "{tool} {key}");
    }
    // The data is not even copied from the guest. The sentence is not that of an oversized result.
    let answer = client.call("g_huge_batch", json!({})).await;
    assert_eq!(
        answer.failure(),
        "the tool passed more than the limit of 10485760 bytes to one function of the host"
    );
    assert_eq!(call(&client, "g_exists", "a").await, "0");
}

/// Concurrent increments are atomic.
pub(crate) async fn concurrency(backend: &str) {
    let guest = keyvalue_guest("cache");
    let text = format!("{backend}\n{}", component("g", "concurrency", &["cache"]));
    let host = Host::configured(&[("g", &guest)], &text).await;
    let client = host.client();
    let calls = (0..40).map(|_| call(&client, "g_count", "n"));
    let mut counted: Vec<u64> = futures::future::join_all(calls)
        .await
        .iter()
        .map(|output| output.parse().unwrap())
        .collect();
    counted.sort_unstable();
    assert_eq!(counted, (1..=40).map(|n| n * 7).collect::<Vec<_>>());
}

/// Components never share data, whatever characters the names of components, buckets and keys contain.
pub(crate) async fn components(backend: &str) {
    let names = ["a", "b", "a/cache", "a%2Fcache", "a:cache", "{a}", "a}x{"];
    let (cache, other) = (keyvalue_guest("cache"), keyvalue_guest("other"));
    let files: Vec<_> = (0..names.len()).map(|index| format!("g{index}")).collect();
    let mut guests: Vec<_> = files.iter().map(|file| (file.as_str(), &cache)).collect();
    guests.push(("other", &other));
    let mut text = format!("{backend}\n");
    for (file, name) in files.iter().zip(names) {
        text.push_str(&component(file, name, &["cache", "other"]));
    }
    // A component with access to the other bucket only.
    text.push_str(&component("other", "c", &["other"]));
    let host = Host::configured(&guests, &text).await;
    let client = host.client();
    for (index, file) in files.iter().enumerate() {
        let key = format!("key{index}");
        assert_eq!(call(&client, &format!("{file}_set"), &key).await, "ok");
        assert_eq!(
            call(&client, &format!("{file}_count"), "n").await,
            "7",
            "{}",
            names[index]
        );
    }
    for (index, file) in files.iter().enumerate() {
        let mut listed: Vec<_> = call(&client, &format!("{file}_list"), "")
            .await
            .split(' ')
            .map(str::to_owned)
            .collect();
        listed.sort();
        let own = format!("{{\"k\":\"key{index}\"}}");
        assert_eq!(listed, ["", &own, r#"{"k":"n"}"#], "{}", names[index]);
    }
    assert_eq!(call(&client, "other_list", "").await, "");
}

/// A `@caller` bucket belongs to a subject of an issuer, independent of the client id.
pub(crate) async fn callers(backend: &str) {
    let guest = keyvalue_guest_with_buckets(&[("shared_", "cache"), ("own_", "cache@caller")]);
    let issuer = Issuer::start().await;
    let auth = format!(
        "[auth]\nissuer = {:?}\naudience = {AUDIENCE:?}\n",
        issuer.url()
    );
    let text = format!(
        "{backend}\nserver.public-url = \"https://tools.example\"\n{auth}{}{}",
        component("g", "callers", &["cache"]),
        component("only", "callers2", &["cache@caller"]),
    );
    let host = Host::configured(&[("g", &guest), ("only", &guest)], &text).await;
    let client = |subject: &str, id: &str| {
        let token = issuer.token(|claims| {
            claims["sub"] = subject.into();
            claims["client_id"] = id.into();
        });
        host.client().with_token(&token)
    };
    let (alice, bob) = (client("alice", "one"), client("bob", "one"));
    assert_eq!(call(&alice, "g_own_set", "mine").await, "ok");
    assert_eq!(call(&alice, "g_own_get", "mine").await, r#"{"k":"mine"}"#);
    assert_eq!(
        call(&client("alice", "two"), "g_own_exists", "mine").await,
        "1"
    );
    for other in ["bob", "alice ", "Alice", "alice/", "", "mine"]
        .into_iter()
        .filter(|s| !s.is_empty())
    {
        let other = client(other, "one");
        assert_eq!(call(&other, "g_own_get", "mine").await, "none");
        assert_eq!(call(&other, "g_own_list", "").await, "");
    }
    // The caller's bucket and the shared bucket are separate.
    assert_eq!(call(&alice, "g_shared_list", "").await, "");
    assert_eq!(call(&bob, "g_shared_set", "ours").await, "ok");
    assert_eq!(call(&alice, "g_shared_exists", "ours").await, "1");
    assert_eq!(call(&alice, "g_own_exists", "ours").await, "0");
    // A grant of `cache@caller` does not include `cache`.
    assert_eq!(call(&alice, "only_shared_list", "").await, "E1");
    assert_eq!(call(&alice, "only_own_list", "").await, "");

    let text = format!("{backend}\n{}", component("g", "callers", &["cache"]));
    let open = Host::configured(&[("g", &guest)], &text).await;
    assert_eq!(
        call(&open.client(), "g_own_set", "x").await,
        "E2 the bucket `cache@caller` belongs to a caller, and nobody is known: the host runs without \
         authentication"
    );
}

/// The quota limits each component's data, and deleting frees space. `backend` must end inside the `[kv]` table.
pub(crate) async fn quota(backend: &str) {
    let guest = keyvalue_guest("cache");
    let text = format!(
        "{backend}\nquota = \"2100KB\"\n{}{}",
        component("g", "quota", &["cache"]),
        component("h", "quota2", &["cache"])
    );
    let host = Host::configured(&[("g", &guest), ("h", &guest)], &text).await;
    let client = host.client();
    let over = "E2 the component keeps its 2100000 bytes already; delete something";
    for (tool, key, expected) in [
        ("g_large", "a", "ok"),
        ("g_large", "a", "ok"),
        ("g_large", "b", "ok"),
        ("g_large", "c", over),
        ("g_large", "a", "ok"),
        ("g_exists", "c", "0"),
        // Each component has its own quota.
        ("h_large", "a", "ok"),
        ("g_delete", "a", "ok"),
        ("g_large", "c", "ok"),
        ("g_count", "n", "7"),
        ("g_fill", "", &over.repeat(3)),
        ("g_exists", "0000", "0"),
        ("g_delete", "b", "ok"),
        ("g_delete", "c", "ok"),
        ("g_delete", "n", "ok"),
        ("g_large", "b", "ok"),
        ("g_large", "c", "ok"),
        ("g_large", "d", over),
    ] {
        let output = call(&client, tool, key).await;
        assert_eq!(output, expected, "{tool} {key}");
    }
    drop(host);

    // A counter entry uses 9 bytes for its key, 1 for its digit, and 64 for overhead.
    for (quota, expected) in [
        (9 + 1 + 64, "7"),
        (
            9 + 64,
            "E2 the component keeps its 73 bytes already; delete something",
        ),
    ] {
        let text = format!(
            "{backend}\nquota = \"{quota}B\"\n{}",
            component("g", &format!("quota{quota}"), &["cache"])
        );
        let mut host = Host::configured(&[("g", &guest)], &text).await;
        assert_eq!(call(&host.client(), "g_count", "n").await, expected);
        host.stop();
        host.stopped().await;
    }
}

/// Stored data survives a restart of the host.
pub(crate) async fn restart(backend: &str) {
    let guest = keyvalue_guest("cache");
    let text = format!("{backend}\n{}", component("g", "restart", &["cache"]));
    for expected in ["7", "14", "21"] {
        let mut host = Host::configured(&[("g", &guest)], &text).await;
        assert_eq!(call(&host.client(), "g_count", "n").await, expected);
        host.stop();
        host.stopped().await;
    }
}
