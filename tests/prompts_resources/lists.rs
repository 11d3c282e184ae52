//! `prompts/list`, `resources/list` and `resources/templates/list`: fields, order, pagination and capabilities.

use serde_json::{Value, json};

use super::{METHOD_NOT_FOUND, one_of_each};
use crate::support::client::{Client, Revision};
use crate::support::guest::{Argument, Audience, Guest, Icon, Prompt, Resource, ResourceTemplate};
use crate::support::server::Host;

/// The list methods and the member of the result that contains the list.
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
async fn lists_contain_every_field() {
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
        .resource(
            Resource {
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
        .resource(Resource::new("test://bare"), "unreachable")
        .resource_template(
            ResourceTemplate {
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
        .resource_template(ResourceTemplate::new("test://bare/{+name}"), "unreachable");
    let icons = json!([{
        "src": "https://example.com/i.png", "mimeType": "image/png", "sizes": ["48x48", "any"],
    }]);
    let annotations = json!({
        "audience": ["assistant", "user"], "priority": 0.5, "lastModified": "2026-07-28T10:00:00Z",
    });
    let expected = [
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
    for revision in Revision::SINCE_JUNE_2025 {
        for ((method, key), expected) in LISTS.iter().zip(&expected) {
            let result = list(&host.client_of(revision), method).await;
            assert_eq!(&result[key], expected, "{revision:?}");
            let first_page = json!({ "cursor": "" });
            let answer = host.client_of(revision).request(method, first_page).await;
            assert_eq!(&answer.result()[key], expected, "{revision:?}");
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

/// Prompts are sorted by name, resources by URI, across components. A component's prefix applies to prompts, not to
/// URIs.
#[tokio::test]
async fn lists_are_sorted_and_prompts_are_prefixed() {
    let guest_of = |prompts: &[&str], uris: &[&str]| {
        let mut guest = Guest::new();
        for name in prompts {
            guest.prompt(Prompt::new(name), "unreachable");
        }
        for uri in uris {
            guest.resource(Resource::new(uri), "unreachable");
            let template = format!("{uri}/{{x}}");
            guest.resource_template(ResourceTemplate::new(&template), "unreachable");
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
        let expected = ["_x", "apple", "two_10", "two_zebra", "zebra"];
        assert_eq!(names(&result, "prompts", "name"), expected);
        let result = list(&client, "resources/list").await;
        let expected = ["a:z", "test://a", "test://b"];
        assert_eq!(names(&result, "resources", "uri"), expected);
        let result = list(&client, "resources/templates/list").await;
        let expected = ["a:z/{x}", "test://a/{x}", "test://b/{x}"];
        assert_eq!(names(&result, "resourceTemplates", "uriTemplate"), expected);
    }
}

#[tokio::test]
async fn long_lists_are_paginated() {
    let mut first = Guest::new();
    let mut second = Guest::new();
    for number in 0..1_000 {
        first.prompt(Prompt::new(&format!("p{number:04}")), "unreachable");
    }
    for number in 0..1_300 {
        let uri = format!("test://{number:04}");
        second.resource(Resource::new(&uri), "unreachable");
    }
    second.prompt(Prompt::new("q"), "unreachable");
    let host = Host::serving(&[("a", &first), ("b", &second)]).await;
    for revision in Revision::ALL {
        let client = host.client_of(revision);
        for (method, key, name, total) in [
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
            assert_eq!(found.len(), total);
            assert!(found.is_sorted(), "{revision:?}");
            // An empty cursor asks for the first page.
            let answer = client.request(method, json!({ "cursor": "" })).await;
            assert_eq!(names(answer.result(), key, name), names(&first, key, name));
            for cursor in [json!("no-such"), json!(" "), json!(7)] {
                let answer = client.request(method, json!({ "cursor": cursor })).await;
                assert_eq!(answer.code(), -32602, "{cursor}");
            }
        }
    }
}

/// Methods without the capability do not exist.
#[tokio::test]
async fn capabilities_are_announced_only_for_what_is_served() {
    let tools = Guest::saying("hello", "hello");
    let mut prompts = Guest::new();
    prompts.prompt(Prompt::new("p"), "unreachable");
    let mut resources = Guest::new();
    resources.resource(Resource::new("test://d"), "unreachable");
    let mut templates = Guest::new();
    templates.resource_template(ResourceTemplate::new("test://{d}"), "unreachable");
    // Completions alone announce nothing.
    let mut completing = Guest::saying("hello", "hello");
    completing.completions("unreachable");
    let all = one_of_each();
    let completion_params = json!({ "ref": { "type": "ref/prompt", "name": "p" }, "argument": { "name": "a", "value": "" } });
    type Case<'a> = (&'a str, &'a Guest, [bool; 3]);
    let cases: [Case<'_>; 6] = [
        ("tools", &tools, [false, false, false]),
        ("prompts", &prompts, [true, false, false]),
        ("resources", &resources, [false, true, false]),
        ("templates", &templates, [false, true, false]),
        ("completing", &completing, [false, false, false]),
        ("all", &all, [true, true, true]),
    ];
    for (case, guest, expected) in cases {
        let host = Host::of(guest).await;
        for revision in Revision::SINCE_JUNE_2025 {
            let client = host.client_of(revision);
            let answer = match revision.is_modern() {
                true => client.request("server/discover", json!({})).await,
                false => client.initialize().await,
            };
            let capabilities = &answer.result()["capabilities"];
            let kinds = ["prompts", "resources", "completions"];
            let found = kinds.map(|kind| capabilities[kind].is_object());
            assert_eq!(found, expected, "{case}: {capabilities}");
            assert!(capabilities["tools"].is_object(), "{case}: {capabilities}");
            assert_eq!(client.list().await.status, 200, "{case}");

            let methods = [
                (0, "prompts/list", json!({})),
                (0, "prompts/get", json!({ "name": "p" })),
                (0, "prompts/get", json!({})),
                (1, "resources/list", json!({})),
                (1, "resources/templates/list", json!({})),
                (1, "resources/read", json!({ "uri": "test://d" })),
                (1, "resources/read", json!({ "uri": 7 })),
                (2, "completion/complete", completion_params.clone()),
            ];
            for (kind, method, params) in methods {
                let answer = client.request(method, params).await;
                let error = &answer.last()["error"]["code"];
                if expected[kind] {
                    assert_ne!(error, METHOD_NOT_FOUND, "{case}: {method}: {answer:?}");
                } else if error != -32020 {
                    // Requests without a name lack a header as well, which is reported first.
                    assert_eq!(error, METHOD_NOT_FOUND, "{case}: {method}: {answer:?}");
                    let status = if revision.is_modern() { 404 } else { 200 };
                    assert_eq!(answer.status, status, "{case}: {method}: {answer:?}");
                }
            }
        }
    }
}
