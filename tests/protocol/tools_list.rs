//! `tools/list`: order, pagination, caching hints and prefixes.

use serde_json::{Value, json};

use crate::support::client::{Client, Revision};
use crate::support::guest::{Guest, Tool};
use crate::support::server::Host;

fn guest_with_tools(names: impl IntoIterator<Item = String>) -> Guest {
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

#[tokio::test]
async fn tools_of_all_components_are_sorted_by_name() {
    let first = guest_with_tools(["zebra", "apple", "Zebra", "_x"].map(String::from));
    let second = guest_with_tools(["middle", "10", "9", "-"].map(String::from));
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

/// Many clients read only the first page, so it is large.
#[tokio::test]
async fn the_first_page_has_a_thousand_tools_and_cursors_lead_to_the_rest() {
    let numbered =
        |range: std::ops::Range<u32>| guest_with_tools(range.map(|number| format!("t{number:04}")));
    let (first, second) = (numbered(0..600), numbered(600..1000));
    let host = Host::serving(&[("a", &first), ("b", &second)]).await;
    let result = host.client().list().await.result().clone();
    assert_eq!(names(&result).len(), 1000);
    assert_eq!(result["nextCursor"], Value::Null);

    let more = numbered(1000..1900);
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
        let expected: Vec<_> = (0..1900).map(|number| format!("t{number:04}")).collect();
        assert_eq!(all, expected, "{revision:?}");
        // A cursor can be used more than once.
        assert_eq!(names(&page(&client, cursor).await), names(&second));

        // An empty cursor asks for the first page.
        assert_eq!(names(&page(&client, "").await), names(&first));

        for cursor in [
            json!(" "),
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

#[tokio::test]
async fn a_configured_prefix_applies_to_lists_and_calls() {
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
