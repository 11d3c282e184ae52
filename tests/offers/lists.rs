//! `prompts/list`, `resources/list`, `resources/templates/list`: every field, order, pages; and what a server that offers
//! nothing of a kind says of it.

use serde_json::{Value, json};

use super::{METHOD_NOT_FOUND, one_of_each};
use crate::support::client::{Client, Revision};
use crate::support::guest::{Argument, Audience, Document, Family, Guest, Icon, Prompt};
use crate::support::server::Host;

/// The methods that list, and where the list is in the result.
const LISTS: [(&str, &str); 3] = [
    ("prompts/list", "prompts"),
    ("resources/list", "resources"),
    ("resources/templates/list", "resourceTemplates"),
];

async fn list(client: &Client, method: &str) -> Value {
    let answer = client.request(method, json!({})).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.result().clone()
}

fn names(result: &Value, list: &str, key: &str) -> Vec<String> {
    let listed = result[list].as_array().unwrap();
    let names = listed
        .iter()
        .map(|item| item[key].as_str().unwrap().to_owned());
    names.collect()
}

#[tokio::test]
async fn every_field() {
    let icons = || {
        vec![Icon {
            src: "https://example.com/i.png".into(),
            media_type: Some("image/png".into()),
            sizes: vec!["48x48".into(), "any".into()],
        }]
    };
    let audience = || {
        Some(Audience {
            roles: &[1, 0],
            priority: Some(0.5),
            last_modified: Some("2026-07-28T10:00:00Z"),
        })
    };
    let meta = || Some(r#"{"com.example/rank":7}"#.into());
    let mut guest = Guest::new();
    guest
        .prompt(
            Prompt {
                name: "all".into(),
                title: Some("All".into()),
                description: Some("Every field.".into()),
                arguments: vec![
                    Argument {
                        name: "who".into(),
                        title: Some("Who".into()),
                        description: Some("Who it is.".into()),
                        required: true,
                    },
                    Argument {
                        name: "how".into(),
                        ..Argument::default()
                    },
                ],
                icons: icons(),
                meta: meta(),
            },
            "unreachable",
        )
        .prompt(Prompt::new("bare"), "unreachable")
        .document(
            Document {
                uri: "test://all".into(),
                name: "all".into(),
                title: Some("All".into()),
                description: Some("Every field.".into()),
                media_type: Some("text/plain".into()),
                size: Some(5_000_000_000),
                icons: icons(),
                audience: audience(),
                meta: meta(),
            },
            "unreachable",
        )
        .document(Document::new("test://bare"), "unreachable")
        .family(
            Family {
                uri_template: "test://all/{name}".into(),
                name: "all".into(),
                title: Some("All".into()),
                description: Some("Every field.".into()),
                media_type: Some("text/plain".into()),
                icons: icons(),
                audience: audience(),
                meta: meta(),
            },
            "unreachable",
        )
        .family(Family::new("test://bare/{+name}"), "unreachable");
    let icons = json!([{
        "src": "https://example.com/i.png", "mimeType": "image/png", "sizes": ["48x48", "any"],
    }]);
    let annotations = json!({
        "audience": ["assistant", "user"], "priority": 0.5, "lastModified": "2026-07-28T10:00:00Z",
    });
    let wanted = [
        json!([
            {
                "name": "all", "title": "All", "description": "Every field.",
                "arguments": [
                    { "name": "who", "title": "Who", "description": "Who it is.", "required": true },
                    { "name": "how", "required": false },
                ],
                "icons": icons, "_meta": { "com.example/rank": 7 },
            },
            { "name": "bare" },
        ]),
        json!([
            {
                "uri": "test://all", "name": "all", "title": "All", "description": "Every field.",
                "mimeType": "text/plain", "size": 5_000_000_000_u64, "icons": icons,
                "annotations": annotations, "_meta": { "com.example/rank": 7 },
            },
            { "uri": "test://bare", "name": "document" },
        ]),
        json!([
            {
                "uriTemplate": "test://all/{name}", "name": "all", "title": "All",
                "description": "Every field.", "mimeType": "text/plain", "icons": icons,
                "annotations": annotations, "_meta": { "com.example/rank": 7 },
            },
            { "uriTemplate": "test://bare/{+name}", "name": "family" },
        ]),
    ];
    let host = Host::of(&guest).await;
    for revision in Revision::ALL {
        for ((method, key), wanted) in LISTS.iter().zip(&wanted) {
            let result = list(&host.client_of(revision), method).await;
            assert_eq!(&result[key], wanted, "{revision:?}");
            assert_eq!(result["nextCursor"], Value::Null);
            let info = &result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"];
            if revision.is_modern() {
                assert_eq!(
                    (&result["ttlMs"], &result["cacheScope"], info),
                    (&json!(60_000), &json!("public"), &json!("toolcrib"))
                );
            } else {
                assert!(result["ttlMs"].is_null() && info.is_null(), "{result}");
            }
        }
    }
}

/// Prompts by name, documents by URI, whichever component they are of. The prefix of the component stands before its prompts;
/// URIs stay what they are.
#[tokio::test]
async fn order_and_prefixes() {
    let guest_of = |prompts: &[&str], uris: &[&str]| {
        let mut guest = Guest::new();
        for name in prompts {
            guest.prompt(Prompt::new(name), "unreachable");
        }
        for uri in uris {
            guest.document(Document::new(uri), "unreachable");
            let template = format!("{uri}/{{x}}");
            guest.family(Family::new(&template), "unreachable");
        }
        guest
    };
    let one = guest_of(&["zebra", "apple", "_x"], &["test://b", "a:z"]);
    let two = guest_of(&["zebra", "10"], &["test://a"]);
    let text =
        "components = [\"one.wasm\"]\n[[component]]\nref = \"two.wasm\"\nprefix = \"two_\"\n";
    let host = Host::configured(&[("one", &one), ("two", &two)], text).await;
    for revision in Revision::ALL {
        let client = host.client_of(revision);
        let result = list(&client, "prompts/list").await;
        let wanted = ["_x", "apple", "two_10", "two_zebra", "zebra"];
        assert_eq!(names(&result, "prompts", "name"), wanted);
        let result = list(&client, "resources/list").await;
        let wanted = ["a:z", "test://a", "test://b"];
        assert_eq!(names(&result, "resources", "uri"), wanted);
        let result = list(&client, "resources/templates/list").await;
        let wanted = ["a:z/{x}", "test://a/{x}", "test://b/{x}"];
        assert_eq!(names(&result, "resourceTemplates", "uriTemplate"), wanted);
    }
}

#[tokio::test]
async fn pages() {
    let mut first = Guest::new();
    let mut second = Guest::new();
    for number in 0..1_000 {
        first.prompt(Prompt::new(&format!("p{number:04}")), "unreachable");
    }
    for number in 0..1_300 {
        let uri = format!("test://{number:04}");
        second.document(Document::new(&uri), "unreachable");
    }
    second.prompt(Prompt::new("q"), "unreachable");
    let host = Host::serving(&[("a", &first), ("b", &second)]).await;
    for revision in Revision::ALL {
        let client = host.client_of(revision);
        for (method, key, name, all) in [
            ("prompts/list", "prompts", "name", 1_001),
            ("resources/list", "resources", "uri", 1_300),
        ] {
            let first = list(&client, method).await;
            let cursor = first["nextCursor"].as_str().unwrap();
            let answer = client.request(method, json!({ "cursor": cursor })).await;
            let second = answer.result();
            assert_eq!(second["nextCursor"], Value::Null);
            assert_eq!(second["cacheScope"], first["cacheScope"]);
            let found = [names(&first, key, name), names(second, key, name)].concat();
            assert_eq!(found.len(), all);
            assert!(found.is_sorted(), "{revision:?}");
            for cursor in [json!("no-such"), json!(""), json!(7)] {
                let answer = client.request(method, json!({ "cursor": cursor })).await;
                assert_eq!(answer.code(), -32602, "{cursor}");
            }
        }
    }
}

/// A server says what it can only where something of the kind is offered, and has no method for the rest.
#[tokio::test]
async fn capabilities() {
    let tools = Guest::saying("hello", "hello");
    let mut prompts = Guest::new();
    prompts.prompt(Prompt::new("p"), "unreachable");
    let mut documents = Guest::new();
    documents.document(Document::new("test://d"), "unreachable");
    let mut families = Guest::new();
    families.family(Family::new("test://{d}"), "unreachable");
    // Completions of nothing are none.
    let mut completing = Guest::saying("hello", "hello");
    completing.completing("unreachable");
    let all = one_of_each();
    let of_prompt = json!({ "ref": { "type": "ref/prompt", "name": "p" }, "argument": { "name": "a", "value": "" } });
    type Case<'a> = (&'a str, &'a Guest, [bool; 3]);
    let cases: [Case<'_>; 6] = [
        ("tools", &tools, [false, false, false]),
        ("prompts", &prompts, [true, false, false]),
        ("documents", &documents, [false, true, false]),
        ("families", &families, [false, true, false]),
        ("completing", &completing, [false, false, false]),
        ("all", &all, [true, true, true]),
    ];
    for (what, guest, wanted) in cases {
        let host = Host::of(guest).await;
        for revision in Revision::ALL {
            let client = host.client_of(revision);
            let told = match revision.is_modern() {
                true => client.request("server/discover", json!({})).await,
                false => client.initialize().await,
            };
            let can = &told.result()["capabilities"];
            let kinds = ["prompts", "resources", "completions"];
            let found = kinds.map(|kind| can[kind].is_object());
            assert_eq!(found, wanted, "{what}: {can}");
            assert!(can["tools"].is_object(), "{what}: {can}");
            assert_eq!(client.list().await.status, 200, "{what}");

            let methods = [
                (0, "prompts/list", json!({})),
                (0, "prompts/get", json!({ "name": "p" })),
                (0, "prompts/get", json!({})),
                (1, "resources/list", json!({})),
                (1, "resources/templates/list", json!({})),
                (1, "resources/read", json!({ "uri": "test://d" })),
                (1, "resources/read", json!({ "uri": 7 })),
                (2, "completion/complete", of_prompt.clone()),
            ];
            for (kind, method, params) in methods {
                let answer = client.request(method, params).await;
                let error = &answer.last()["error"]["code"];
                if wanted[kind] {
                    assert_ne!(error, METHOD_NOT_FOUND, "{what}: {method}: {answer:?}");
                } else if error != -32020 {
                    // Without a name there is no header for it, which comes first.
                    assert_eq!(error, METHOD_NOT_FOUND, "{what}: {method}: {answer:?}");
                    let status = if revision.is_modern() { 404 } else { 200 };
                    assert_eq!(answer.status, status, "{what}: {method}: {answer:?}");
                }
            }
        }
    }
}
