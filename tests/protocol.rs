//! MCP over Streamable HTTP: five protocol revisions at one endpoint, and error responses that clients of each
//! understand.

mod accept;
mod admission;
mod call_limits;
mod connections;
mod disconnects;
mod http_rules;
mod keep_alive;
mod lifecycle;
mod log;
mod message_limits;
mod messages;
mod mirrored_headers;
mod older_revisions;
mod origins;
mod page;
mod sessions;
mod shutdown;
mod tools_list;

use reqwest::Response;
use serde_json::json;

use crate::support::client::Client;
use crate::support::guest::{Guest, Tool};

/// `spin` reports progress once and never returns, `spin-silently` never returns, `hello` returns at once.
fn spinning_guest() -> Guest {
    let mut guest = Guest::saying("hello", "hello");
    guest
        .tool(
            Tool::new("spin"),
            "(call $progress (f64.const 1) (i32.const 0) (f64.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
             (call $spin)",
        )
        .tool(Tool::new("spin-silently"), "(call $spin)");
    guest
}

/// Starts a call of `spin` and waits until it runs.
async fn start_spinning(client: &Client) -> Response {
    let params = json!({ "name": "spin", "arguments": {}, "_meta": { "progressToken": 1 } });
    let message = client.message("tools/call", params);
    let mut response = client.post(&message).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let mut received = Vec::new();
    while !String::from_utf8_lossy(&received).contains("notifications/progress") {
        received.extend(response.chunk().await.unwrap().unwrap());
    }
    response
}
