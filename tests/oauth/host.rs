//! The real host in front of `echo` and `whoami`, guarded by a provider.

use std::process::Command;

use http::header::{ACCEPT, WWW_AUTHENTICATE};
use reqwest::Response;
use serde_json::json;

use super::free_port;
use super::provider::Provider;
use crate::EXAMPLES;
use crate::process::{Process, TOOLCRIB};

/// The host. Every call needs `tools:use`, and `echo` needs `tools:admin` too.
pub(super) struct Host {
    /// The URL that clients use.
    pub(super) resource: String,
    // Ended when this is dropped.
    _process: Process,
}

impl Host {
    pub(super) fn start(provider: &Provider) -> Self {
        Self::start_with(provider, "")
    }

    /// With this line in its configuration too.
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

    /// A call of a tool as it stands on the wire; without a token where it is `None`.
    pub(super) async fn call(&self, token: Option<&str>, tool: &str) -> Response {
        let params = json!({ "name": tool, "arguments": {} });
        let request = reqwest::Client::new()
            .post(&self.resource)
            .header(ACCEPT, "application/json, text/event-stream")
            .json(&json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params }));
        let request = match token {
            None => request,
            Some(token) => request.bearer_auth(token),
        };
        request.send().await.unwrap()
    }
}

/// The one challenge of a refusal.
pub(super) fn challenge(response: &Response) -> &str {
    let mut challenges = response.headers().get_all(WWW_AUTHENTICATE).iter();
    let (Some(challenge), None) = (challenges.next(), challenges.next()) else {
        panic!("not one challenge: {response:?}");
    };
    challenge.to_str().unwrap()
}
