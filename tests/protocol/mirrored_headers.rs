//! `x-mcp-header`: in the newest revision, clients mirror the marked arguments in `Mcp-Param-*` headers.

use serde_json::{Value, json};

use crate::support::client::{Answer, Revision};
use crate::support::guest::{Guest, Tool};
use crate::support::server::Host;

#[tokio::test]
async fn mirrored_arguments_must_match_the_body() {
    let schema = json!({
        "type": "object",
        "properties": {
            "region": { "type": "string", "x-mcp-header": "Region" },
            "count": { "type": "integer", "x-mcp-header": "Count" },
            "dry": { "type": "boolean", "x-mcp-header": "Dry-Run" },
            "inner": {
                "type": "object",
                "properties": { "deep": { "type": "string", "x-mcp-header": "Deep" } },
            },
            "free": { "type": "string" },
        },
    });
    let mut guest = Guest::new();
    let done = guest.string("done");
    guest.tool(
        Tool::new("run").taking(&schema),
        format!("(call $text {done})"),
    );
    let host = Host::of(&guest).await;
    // The listed schema contains the markers.
    let listed = host.client().list().await.result()["tools"][0]["inputSchema"].clone();
    assert_eq!(listed, schema);

    let call = async |revision: Revision, arguments: &Value, headers: &[(&str, &str)]| {
        let client = host.client_of(revision);
        let message = client.message(
            "tools/call",
            json!({ "name": "run", "arguments": arguments }),
        );
        let mut request = client.post(&message);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Answer::to(request).await
    };
    let eu = json!({ "region": "eu" });
    type Headers<'a> = &'a [(&'a str, &'a str)];
    let cases: [(Value, Headers<'_>, bool); 18] = [
        (json!({}), &[], true),
        (json!({ "free": "x" }), &[], true),
        (eu.clone(), &[("mcp-param-region", "eu")], true),
        (eu.clone(), &[("MCP-PARAM-REGION", "eu")], true),
        (
            json!({ "region": "世界" }),
            &[("mcp-param-region", "=?base64?5LiW55WM?=")],
            true,
        ),
        (json!({ "count": -7 }), &[("mcp-param-count", "-7")], true),
        (
            json!({ "dry": true }),
            &[("mcp-param-dry-run", "true")],
            true,
        ),
        (
            json!({ "region": "eu", "count": 1 }),
            &[("mcp-param-region", "eu"), ("mcp-param-count", "1")],
            true,
        ),
        (
            json!({ "inner": { "deep": "x" } }),
            &[("mcp-param-deep", "x")],
            true,
        ),
        (eu.clone(), &[], false),
        (eu.clone(), &[("mcp-param-region", "us")], false),
        (eu.clone(), &[("mcp-param-region", "EU")], false),
        (eu.clone(), &[("mcp-param-region", "=?base64?!!?=")], false),
        (
            eu,
            &[("mcp-param-region", "eu"), ("mcp-param-region", "us")],
            false,
        ),
        (json!({ "count": 7 }), &[("mcp-param-count", "8")], false),
        (
            json!({ "dry": false }),
            &[("mcp-param-dry-run", "true")],
            false,
        ),
        (json!({ "inner": { "deep": "x" } }), &[], false),
        (json!({}), &[("mcp-param-region", "eu")], false),
    ];
    for (arguments, headers, is_match) in cases {
        let answer = call(Revision::July2026, &arguments, headers).await;
        if is_match {
            assert_eq!(answer.text(), "done", "{arguments} {headers:?}");
        } else {
            let found = (answer.status.as_u16(), answer.code());
            assert_eq!(found, (400, -32020), "{arguments} {headers:?}: {answer:?}");
        }
        // Earlier revisions ignore these headers.
        let answer = call(Revision::November2025, &arguments, headers).await;
        assert_eq!(answer.text(), "done", "{arguments} {headers:?}");
    }
}
