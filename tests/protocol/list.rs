//! `tools/list`: order, pages, and how long clients may keep it.

use serde_json::{Value, json};

use crate::support::client::{Client, Revision};
use crate::support::guest::{Guest, Tool};
use crate::support::server::Host;

fn guest_of(names: impl IntoIterator<Item = String>) -> Guest {
    let mut guest = Guest::new();
    for name in names {
        guest.tool(Tool::new(&name), "unreachable");
    }
    guest
}

fn names(result: &Value) -> Vec<String> {
    let tools = result["tools"].as_array().unwrap();
    tools
        .iter()
        .map(|tool| tool["name"].as_str().unwrap().to_owned())
        .collect()
}

async fn page(client: &Client, cursor: &str) -> Value {
    let answer = client
        .request("tools/list", json!({ "cursor": cursor }))
        .await;
    answer.result().clone()
}

/// The order is that of the names, whichever component a tool is of.
#[tokio::test]
async fn order() {
    let first = guest_of(["zebra", "apple", "Zebra", "_x"].map(String::from));
    let second = guest_of(["middle", "10", "9", "-"].map(String::from));
    let host = Host::serving(&[("b", &first), ("a", &second)]).await;
    for revision in Revision::ALL {
        let result = host.client_of(revision).list().await.result().clone();
        assert_eq!(
            names(&result),
            ["-", "10", "9", "Zebra", "_x", "apple", "middle", "zebra"]
        );
        assert_eq!(result["nextCursor"], Value::Null);
        if revision.is_modern() {
            assert_eq!(
                (&result["ttlMs"], &result["cacheScope"]),
                (&json!(60_000), &json!("public"))
            );
        }
    }
}

/// A thousand tools fit on the first page, which is all that many clients read; beyond that there are cursors.
#[tokio::test]
async fn pages() {
    let of = |range: std::ops::Range<u32>| guest_of(range.map(|number| format!("t{number:04}")));
    let (first, second) = (of(0..600), of(600..1000));
    let host = Host::serving(&[("a", &first), ("b", &second)]).await;
    let result = host.client().list().await.result().clone();
    assert_eq!(names(&result).len(), 1000);
    assert_eq!(result["nextCursor"], Value::Null);

    let more = of(1000..1900);
    let host = Host::serving(&[("a", &more), ("b", &first), ("c", &second)]).await;
    for revision in Revision::ALL {
        let client = host.client_of(revision);
        let first = client.list().await.result().clone();
        assert_eq!(names(&first).len(), 1000);
        let cursor = first["nextCursor"].as_str().unwrap();
        let second = page(&client, cursor).await;
        assert_eq!(second["nextCursor"], Value::Null);
        assert_eq!(second["cacheScope"], first["cacheScope"]);
        let all: Vec<_> = [names(&first), names(&second)].concat();
        let wanted: Vec<_> = (0..1900).map(|number| format!("t{number:04}")).collect();
        assert_eq!(all, wanted, "{revision:?}");
        // A cursor stays good.
        assert_eq!(names(&page(&client, cursor).await), names(&second));

        for cursor in [
            json!(""),
            json!("no-such"),
            json!("t9999"),
            json!("\u{0}"),
            json!(7),
            json!([]),
        ] {
            let answer = client
                .request("tools/list", json!({ "cursor": cursor }))
                .await;
            assert_eq!(answer.last()["error"]["code"], -32602, "{cursor:?}");
        }
    }
}

/// A prefix in the configuration stands before every tool of its component, in the list and in calls.
#[tokio::test]
async fn prefixes() {
    let (one, two) = (Guest::saying("hello", "one"), Guest::saying("hello", "two"));
    let text =
        "components = [\"one.wasm\"]\n[[component]]\nref = \"two.wasm\"\nprefix = \"second_\"\n";
    let host = Host::configured(&[("one", &one), ("two", &two)], text).await;
    let client = host.client();
    assert_eq!(
        names(client.list().await.result()),
        ["hello", "second_hello"]
    );
    assert_eq!(client.call("hello", json!({})).await.text(), "one");
    assert_eq!(client.call("second_hello", json!({})).await.text(), "two");
}
