//! The real host serving `echo` and `whoami`, with the provider as its trusted issuer.

use std::process::Command;

use http::header::{ACCEPT, WWW_AUTHENTICATE};
use reqwest::Response;
use serde_json::json;

use super::free_port;
use super::provider::Provider;
use crate::EXAMPLES;
use crate::process::{Process, TOOLCRIB};

/// A running host. Every call needs the scope `tools:use`; `echo` also needs `tools:admin`.
pub(super) struct Host {
    /// The MCP endpoint, which is also the resource identifier.
    pub(super) resource: String,
    // Killed when dropped.
    _process: Process,
}

impl Host {
    pub(super) fn start(provider: &Provider) -> Self {
        Self::start_with(provider, "")
    }

    /// Starts a host with an additional configuration line.
    pub(super) fn start_with(provider: &Provider, line: &str) -> Self {
        let address = format!("127.0.0.1:{}", free_port());
        let resource = format!("http://{address}/mcp");
        let issuer = provider.issuer();
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("toolcrib.toml");
        let text = format!(
            r#"
            server.public-url = "http://{address}"
            {line}
            [auth]
            issuer = "{issuer}"
            audience = "{resource}"
            required-scopes = ["tools:use"]
            pass-claims = ["department"]
            [[component]]
            ref = "{EXAMPLES}/echo.wasm"
            [component.tool.echo]
            scopes = ["tools:admin"]
            "#
        );
        std::fs::write(&config, text).unwrap();
        let mut command = Command::new(TOOLCRIB);
        command
            .args(["serve", "--listen", &address, "--config"])
            .arg(config);
        Self {
            resource,
            _process: Process::start(command),
        }
    }

    /// Calls a tool by a plain HTTP request.
    pub(super) async fn call(&self, token: Option<&str>, tool: &str) -> Response {
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let params = json!({ "name": tool, "arguments": {}, "_meta": meta });
        let request = reqwest::Client::new()
            .post(&self.resource)
            .header(ACCEPT, "application/json, text/event-stream")
            .header("mcp-protocol-version", "2026-07-28")
            .header("mcp-method", "tools/call")
            .header("mcp-name", tool)
            .json(&json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params }));
        let request = match token {
            None => request,
            Some(token) => request.bearer_auth(token),
        };
        request.send().await.unwrap()
    }
}

/// Returns the response's only challenge.
pub(super) fn challenge(response: &Response) -> &str {
    let mut challenges = response.headers().get_all(WWW_AUTHENTICATE).iter();
    let (Some(challenge), None) = (challenges.next(), challenges.next()) else {
        panic!("expected one challenge: {response:?}");
    };
    challenge.to_str().unwrap()
}
