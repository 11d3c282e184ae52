//! `resources/read`: fixed URIs, templates, contents of several parts, and failures.

use serde_json::{Value, json};

use super::{INTERNAL_ERROR, INVALID_PARAMS, message_with_id, one_of_each, read, text};
use crate::support::client::{Answer, Client, Revision};
use crate::support::guest::{Guest, Resource, ResourceContents, ResourceTemplate};
use crate::support::server::{Host, load_problems_with};

/// Asserts that a resource was not found. The error code depends on the revision.
fn assert_not_found(client: &Client, uri: &str, answer: &Answer) {
    let code = if client.revision.is_modern() {
        INVALID_PARAMS
    } else {
        -32002
    };
    assert_eq!(answer.code(), code, "{uri}: {answer:?}");
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.message(), "there is no such resource");
    assert_eq!(answer.last()["error"]["data"]["uri"], uri);
}

#[tokio::test]
async fn contents_of_every_kind_are_returned() {
    let bytes: &[u8] = &[0, 1, 254, 255];
    let mut guest = Guest::new();
    let cases = [
        (
            "test://text",
            vec![ResourceContents::Text(
                "test://text",
                Some("text/plain"),
                "zażółć 世界",
            )],
            json!([{ "uri": "test://text", "mimeType": "text/plain", "text": "zażółć 世界" }]),
        ),
        (
            "test://bare",
            vec![ResourceContents::Text("test://bare", None, "")],
            json!([{ "uri": "test://bare", "text": "" }]),
        ),
        (
            "test://binary",
            vec![ResourceContents::Binary(
                "test://binary",
                Some("application/x"),
                bytes,
            )],
            json!([{ "uri": "test://binary", "mimeType": "application/x", "blob": "AAH+/w==" }]),
        ),
        (
            "test://directory",
            vec![
                ResourceContents::Text("test://directory/a", None, "a"),
                ResourceContents::Binary("test://directory/b", None, b""),
            ],
            json!([
                { "uri": "test://directory/a", "text": "a" },
                { "uri": "test://directory/b", "blob": "" },
            ]),
        ),
        ("test://nothing", vec![], json!([])),
    ];
    let mut expected = Vec::new();
    for (uri, parts, contents) in cases {
        let body = guest.resource_contents(&parts);
        guest.resource(Resource::new(uri), body);
        expected.push((uri, contents));
    }
    let host = Host::of(&guest).await;
    for revision in Revision::ALL {
        let client = host.client_of(revision);
        for (uri, contents) in &expected {
            let answer = read(&client, uri).await;
            let result = answer.result();
            assert_eq!(&result["contents"], contents, "{revision:?}");
            let info = &result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"];
            if revision.is_modern() {
                // The contents may depend on the caller, so they are not cacheable.
                assert_eq!(
                    (&result["ttlMs"], &result["cacheScope"], info),
                    (&json!(0), &json!("private"), &json!("toolcrib"))
                );
                assert_eq!(result["resultType"], "complete");
            } else {
                assert!(result["ttlMs"].is_null() && info.is_null(), "{result}");
            }
        }
    }
}

#[tokio::test]
async fn a_template_serves_exactly_the_uris_that_it_matches() {
    let templates = [
        "test://name/{name}",
        "test://path/{+path}",
        "test://two/{a}/of/{b}.txt",
        "test://query{+rest}?q={q}",
        "te.st:+[x]{y}",
        "test://é/{y}",
    ];
    let mut guest = Guest::new();
    for template in templates {
        guest.resource_template(
            ResourceTemplate::new(template),
            "(call $resource (local.get $uri) (local.get $uri_len) (local.get $uri) (local.get $uri_len))",
        );
    }
    let named = guest.string("named");
    guest.resource(
        Resource::new("test://name/own"),
        format!("(call $resource (local.get $uri) (local.get $uri_len) {named})"),
    );
    let host = Host::of(&guest).await;
    let long = format!("test://name/{}", "x".repeat(2_048 - 12));
    let cases = [
        ("test://name/a", true),
        ("test://name/世界", true),
        ("test://name/a%2Fb", true),
        ("test://name/a.b-c_d~e", true),
        (&long, true),
        (&format!("{long}x"), false),
        ("test://name/", false),
        ("test://name", false),
        ("test://name/a/b", false),
        ("test://name/a?b", false),
        ("test://name/a#b", false),
        ("TEST://name/a", false),
        ("xtest://name/a", false),
        ("test://path/a", true),
        ("test://path/a/b/../c?d#e", true),
        ("test://path/", false),
        ("test://two/1/of/2.txt", true),
        ("test://two/1/of/2.txt.txt", true),
        ("test://two/1/of/2xtxt", false),
        ("test://two/1/2/of/2.txt", false),
        ("test://two//of/2.txt", false),
        ("test://query/a/b?q=c", true),
        ("test://query/a/b", false),
        // The text between expressions is literal, not a pattern.
        ("te.st:+[x]a", true),
        ("texst:+[x]a", false),
        ("te.st:xa", false),
        ("test://é/a", true),
        ("", false),
        ("not-a-uri", false),
        ("test://name/{name}", true),
        ("test://other", false),
    ];
    for revision in Revision::ALL {
        let client = host.client_of(revision);
        for (uri, is_match) in cases {
            // In the newest revision, an empty URI cannot be mirrored in a header.
            if revision.is_modern() && uri.is_empty() {
                continue;
            }
            let answer = read(&client, uri).await;
            if is_match {
                assert_eq!(text(&answer), uri);
            } else {
                assert_not_found(&client, uri, &answer);
            }
        }
        // A fixed URI takes precedence over a template that matches it.
        let answer = read(&client, "test://name/own").await;
        assert_eq!(text(&answer), "named");
    }
}

/// The response contains one sentence and no internal details.
#[tokio::test]
async fn failed_reads_are_protocol_errors() {
    let mut guest = Guest::new();
    let message = guest.string("the disk is full");
    guest
        .resource_template(ResourceTemplate::new("gone:{x}"), "(call $not_found)")
        .resource(
            Resource::new("test://failed"),
            format!("(call $failed {message})"),
        )
        .resource(Resource::new("test://traps"), "unreachable")
        .resource(
            Resource::new("test://invalid-result"),
            "(i32.store8 (i32.const 16) (i32.const 9)) (i32.const 16)",
        );
    let host = Host::of(&guest).await;
    for revision in Revision::ALL {
        let client = host.client_of(revision);
        assert_not_found(&client, "gone:a", &read(&client, "gone:a").await);
        assert_not_found(&client, "other:a", &read(&client, "other:a").await);
        let answer = read(&client, "test://failed").await;
        assert_eq!(answer.code(), INTERNAL_ERROR);
        assert_eq!(answer.message(), "the disk is full");
        for uri in ["test://traps", "test://invalid-result"] {
            let answer = read(&client, uri).await;
            assert_eq!(answer.code(), INTERNAL_ERROR, "{answer:?}");
            assert_eq!(message_with_id(&answer), "the resource crashed");
            assert!(!answer.body.contains("wasm"), "{answer:?}");
        }
        for params in [json!({}), json!({ "uri": 7 }), json!({ "uri": null })] {
            let answer = client.request("resources/read", params).await;
            // Without a URI, the newest revision reports the missing header first.
            assert!(
                [INVALID_PARAMS, -32020].contains(&answer.code()),
                "{answer:?}"
            );
        }
    }
}

/// Only the newest revision has this header.
#[tokio::test]
async fn the_header_mcp_name_must_match_the_body() {
    let host = Host::of(&one_of_each()).await;
    let client = host.client();
    let read_request = client.message("resources/read", json!({ "uri": "test://one" }));
    let get_request = client.message(
        "prompts/get",
        json!({ "name": "greet", "arguments": { "who": "x" } }),
    );
    let send = async |message: &Value, name: Option<&str>| {
        let mut request = client.post(message).build().unwrap();
        request.headers_mut().remove("mcp-name");
        if let Some(name) = name {
            request
                .headers_mut()
                .insert("mcp-name", name.parse().unwrap());
        }
        let response = client.http.execute(request).await.unwrap();
        let status = response.status();
        let body: Value = response.json().await.unwrap();
        (status.as_u16(), body["error"]["code"].as_i64())
    };
    for (message, name, other) in [
        (&read_request, "test://one", "test://of/x"),
        (&get_request, "greet", "other"),
    ] {
        assert_eq!(send(message, Some(name)).await, (200, None));
        for mismatched in [None, Some(other), Some("")] {
            let refused = (400, Some(-32020));
            assert_eq!(send(message, mismatched).await, refused, "{mismatched:?}");
        }
    }
}

#[tokio::test]
async fn two_components_cannot_serve_the_same_uri() {
    let mut guest = Guest::new();
    guest
        .resource(Resource::new("test://d"), "unreachable")
        .resource_template(ResourceTemplate::new("test://of/{d}"), "unreachable");
    let lines = load_problems_with(&guest, |config| {
        let path = config.references[0].to_string();
        let second = path.replace("guest.wasm", "second.wasm");
        std::fs::copy(&path, &second).unwrap();
        let second = toolcrib::reference::Reference::parse(&second, std::path::Path::new(""));
        config.references.push(second.unwrap());
    })
    .await;
    let message = |uri: &str| {
        format!(
            "the resource `{uri}` is in both `guest` and `second`; give one of them a `uri-prefix` in \
             its [[component]], such as uri-prefix = \"second+\""
        )
    };
    assert_eq!(lines, [message("test://d"), message("test://of/{d}")]);
}
