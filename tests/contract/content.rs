//! Content blocks of tool results, and their annotations.

use serde_json::{Value, json};

use crate::support::client::Revision;
use crate::support::guest::{Audience, Block, Guest, Link, Reply, Tool};
use crate::support::server::Host;

#[tokio::test]
async fn every_content_type_reaches_every_revision() {
    let bytes: &[u8] = &[0, 1, 254, 255];
    let link = || Link {
        uri: "https://example.com/a",
        name: "a",
        ..Link::default()
    };
    let cases: Vec<(Block<'_>, Value)> = vec![
        (
            Block::Text("zażółć 世界 \u{1F980}\n"),
            json!({ "type": "text", "text": "zażółć 世界 \u{1F980}\n" }),
        ),
        (Block::Text(""), json!({ "type": "text", "text": "" })),
        (
            Block::Image(bytes, "image/png"),
            json!({ "type": "image", "data": "AAH+/w==", "mimeType": "image/png" }),
        ),
        (
            Block::Audio(bytes, "audio/wav"),
            json!({ "type": "audio", "data": "AAH+/w==", "mimeType": "audio/wav" }),
        ),
        (
            Block::Link(link()),
            json!({ "type": "resource_link", "uri": "https://example.com/a", "name": "a" }),
        ),
        (
            Block::Link(Link {
                title: Some("A"),
                description: Some("The first"),
                media_type: Some("text/html"),
                size: Some(5_000_000_000),
                ..link()
            }),
            json!({
                "type": "resource_link", "uri": "https://example.com/a", "name": "a", "title": "A",
                "description": "The first", "mimeType": "text/html", "size": 5_000_000_000_u64,
            }),
        ),
        (
            Block::EmbeddedText("test://text", Some("text/plain"), "inside"),
            json!({
                "type": "resource",
                "resource": { "uri": "test://text", "mimeType": "text/plain", "text": "inside" },
            }),
        ),
        (
            Block::EmbeddedText("test://text", None, "inside"),
            json!({ "type": "resource", "resource": { "uri": "test://text", "text": "inside" } }),
        ),
        (
            Block::EmbeddedBinary("test://bytes", Some("application/x"), bytes),
            json!({
                "type": "resource",
                "resource": { "uri": "test://bytes", "mimeType": "application/x", "blob": "AAH+/w==" },
            }),
        ),
    ];
    let expected: Vec<_> = cases.iter().map(|(_, expected)| expected.clone()).collect();
    let mut guest = Guest::new();
    let all = Reply {
        content: cases.into_iter().map(|(block, _)| (block, None)).collect(),
        ..Reply::default()
    };
    let all = guest.reply(&all);
    guest.tool(Tool::new("all"), all);
    let none = guest.reply(&Reply::default());
    guest.tool(Tool::new("none"), none);
    let host = Host::of(&guest).await;
    for revision in Revision::SINCE_JUNE_2025 {
        let client = host.client_of(revision);
        let answer = client.call("all", json!({})).await;
        assert_eq!(
            answer.result()["content"],
            Value::from(expected.clone()),
            "{revision:?}"
        );
        assert_eq!(answer.result()["isError"], false);
        let answer = client.call("none", json!({})).await;
        assert_eq!(answer.result()["content"], json!([]), "{revision:?}");
    }
}

#[tokio::test]
async fn content_annotations_reach_clients() {
    let cases: [(Option<Audience<'_>>, Value); 5] = [
        (None, Value::Null),
        (
            Some(Audience {
                roles: &[0],
                ..Audience::default()
            }),
            json!({ "audience": ["user"] }),
        ),
        (
            Some(Audience {
                roles: &[1, 0],
                ..Audience::default()
            }),
            json!({ "audience": ["assistant", "user"] }),
        ),
        (
            Some(Audience {
                priority: Some(0.25),
                ..Audience::default()
            }),
            json!({ "priority": 0.25 }),
        ),
        (
            Some(Audience {
                roles: &[1],
                priority: Some(1.0),
                last_modified: Some("2026-07-28T10:00:00Z"),
            }),
            json!({ "audience": ["assistant"], "priority": 1.0, "lastModified": "2026-07-28T10:00:00Z" }),
        ),
    ];
    let blocks = || {
        [
            Block::Text("text"),
            Block::Image(b"i", "image/png"),
            Block::Audio(b"a", "audio/wav"),
            Block::Link(Link {
                uri: "test://l",
                name: "l",
                ..Link::default()
            }),
            Block::EmbeddedText("test://e", None, "e"),
        ]
    };
    let mut guest = Guest::new();
    let mut expected = Vec::new();
    for (index, (audience, annotations)) in cases.into_iter().enumerate() {
        let audience = || {
            audience.as_ref().map(|a| Audience {
                roles: a.roles,
                priority: a.priority,
                last_modified: a.last_modified,
            })
        };
        let content = blocks()
            .into_iter()
            .map(|block| (block, audience()))
            .collect();
        let reply = guest.reply(&Reply {
            content,
            ..Reply::default()
        });
        guest.tool(Tool::new(&format!("case-{index}")), reply);
        expected.push(annotations);
    }
    let host = Host::of(&guest).await;
    for (index, expected) in expected.iter().enumerate() {
        let answer = host
            .client()
            .call(&format!("case-{index}"), json!({}))
            .await;
        for block in answer.result()["content"].as_array().unwrap() {
            assert_eq!(&block["annotations"], expected, "{block}");
        }
    }
}
