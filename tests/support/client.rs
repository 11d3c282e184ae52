//! A small MCP client that exposes status, headers and messages of each HTTP response.
//!
//! It speaks all protocol revisions without a session: each request is one POST.

use base64::Engine as _;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

/// A revision of the MCP specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub(crate) enum Revision {
    November2024,
    March2025,
    June2025,
    November2025,
    July2026,
}

impl Revision {
    pub(crate) const ALL: [Self; 5] = [
        Self::November2024,
        Self::March2025,
        Self::June2025,
        Self::November2025,
        Self::July2026,
    ];

    /// The revisions with titles, structured results and links to resources.
    pub(crate) const SINCE_JUNE_2025: [Self; 3] =
        [Self::June2025, Self::November2025, Self::July2026];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::November2024 => "2024-11-05",
            Self::March2025 => "2025-03-26",
            Self::June2025 => "2025-06-18",
            Self::November2025 => "2025-11-25",
            Self::July2026 => "2026-07-28",
        }
    }

    pub(crate) fn is_modern(self) -> bool {
        self == Self::July2026
    }
}

/// A client of one MCP endpoint.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) http: reqwest::Client,
    pub(crate) url: String,
    pub(crate) revision: Revision,
    /// The access token, sent as a bearer token.
    pub(crate) token: Option<String>,
}

/// An open server-sent event stream.
pub(crate) struct EventStream {
    response: reqwest::Response,
    text: String,
}

/// A complete HTTP response.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: http::HeaderMap,
    /// The JSON-RPC messages in order: one in a JSON body, any number in an event stream.
    pub(crate) messages: Vec<Value>,
    /// The undecoded body.
    pub(crate) body: String,
}

impl Client {
    pub(crate) fn new(url: &str, revision: Revision) -> Self {
        Self {
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            url: url.into(),
            revision,
            token: None,
        }
    }

    pub(crate) fn with_token(&self, token: &str) -> Self {
        Self {
            token: Some(token.into()),
            ..self.clone()
        }
    }

    /// Returns a JSON-RPC request with the `_meta` fields that this revision requires.
    pub(crate) fn message(&self, method: &str, mut params: Value) -> Value {
        if self.revision.is_modern() {
            let meta = &mut params["_meta"];
            meta["io.modelcontextprotocol/protocolVersion"] = self.revision.name().into();
            if meta["io.modelcontextprotocol/clientCapabilities"].is_null() {
                meta["io.modelcontextprotocol/clientCapabilities"] = json!({});
            }
        }
        json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params })
    }

    /// Returns an HTTP request that carries a message, with the headers that this revision requires.
    pub(crate) fn post(&self, message: &Value) -> RequestBuilder {
        let mut request = self
            .bare(Method::POST)
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream");
        if message["method"] != "initialize" {
            request = request.header("mcp-protocol-version", self.revision.name());
        }
        if self.revision.is_modern() {
            if let Some(method) = message["method"].as_str() {
                request = request.header("mcp-method", method);
            }
            let params = &message["params"];
            let mut named = ["name", "uri", "taskId"].iter().map(|key| &params[key]);
            if let Some(name) = named.find_map(Value::as_str) {
                request = request.header("mcp-name", header_value(name));
            }
        }
        request.body(message.to_string())
    }

    /// Returns an HTTP request with the access token and no other header.
    pub(crate) fn bare(&self, method: Method) -> RequestBuilder {
        let request = self.http.request(method, &self.url);
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    pub(crate) async fn request(&self, method: &str, params: Value) -> Answer {
        Answer::to(self.post(&self.message(method, params))).await
    }

    pub(crate) async fn initialize(&self) -> Answer {
        let params = json!({
            "protocolVersion": self.revision.name(),
            "capabilities": {},
            "clientInfo": { "name": "test", "version": "1" },
        });
        self.request("initialize", params).await
    }

    pub(crate) async fn list(&self) -> Answer {
        self.request("tools/list", json!({})).await
    }

    pub(crate) async fn call(&self, tool: &str, arguments: Value) -> Answer {
        self.request(
            "tools/call",
            json!({ "name": tool, "arguments": arguments }),
        )
        .await
    }

    /// Calls a tool with a progress token.
    pub(crate) async fn call_with_progress(&self, tool: &str, token: Value) -> Answer {
        let params = json!({ "name": tool, "arguments": {}, "_meta": { "progressToken": token } });
        self.request("tools/call", params).await
    }
}

impl EventStream {
    pub(crate) async fn open(request: RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{response:?}");
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self {
            response,
            text: String::new(),
        }
    }

    /// Returns the next message, or `None` at the end of the stream. Panics after 30 seconds without a message.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        let next = async {
            loop {
                if let Some((event, rest)) = self.text.split_once("\n\n") {
                    let mut lines = event.lines().filter_map(|line| line.strip_prefix("data:"));
                    let data = lines.next().unwrap_or_default().trim().to_owned();
                    self.text = rest.to_owned();
                    if !data.is_empty() {
                        return Some(serde_json::from_str(&data).unwrap());
                    }
                    continue;
                }
                let chunk = self.response.chunk().await.unwrap()?;
                self.text.push_str(std::str::from_utf8(&chunk).unwrap());
            }
        };
        let timeout = std::time::Duration::from_secs(30);
        tokio::time::timeout(timeout, next)
            .await
            .expect("a message within 30 seconds")
    }
}

/// Encodes a name for a header: in base64 if it has characters that a header value cannot have (2026-07-28, value
/// encoding).
fn header_value(name: &str) -> String {
    let is_plain = |b: u8| (0x20..0x7f).contains(&b);
    if name.bytes().all(is_plain) && name.trim() == name {
        return name.to_owned();
    }
    let encoded = base64::engine::general_purpose::STANDARD.encode(name);
    format!("=?base64?{encoded}?=")
}

impl Answer {
    pub(crate) async fn to(request: RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        let status = response.status();
        let headers = response.headers().clone();
        let body = response.text().await.unwrap();
        let is_media_type = |media_type: &str| {
            let found = headers.get("content-type").and_then(|v| v.to_str().ok());
            found.is_some_and(|found| found.starts_with(media_type))
        };
        let messages = if is_media_type("text/event-stream") {
            body.lines()
                .filter_map(|line| line.strip_prefix("data:"))
                .filter(|data| !data.trim().is_empty())
                .map(|data| serde_json::from_str(data).unwrap())
                .collect()
        } else if is_media_type("application/json") {
            vec![serde_json::from_str(&body).unwrap()]
        } else {
            Vec::new()
        };
        Self {
            status,
            headers,
            messages,
            body,
        }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn is_stream(&self) -> bool {
        self.header("content-type").starts_with("text/event-stream")
    }

    /// Returns the last message, which is the JSON-RPC response.
    pub(crate) fn last(&self) -> &Value {
        self.messages
            .last()
            .unwrap_or_else(|| panic!("no message in {self:?}"))
    }

    /// Returns the result. Panics if the response is an error.
    pub(crate) fn result(&self) -> &Value {
        let result = &self.last()["result"];
        assert!(result.is_object(), "no result in {self:?}");
        result
    }

    /// Returns the code of the JSON-RPC error. Panics if there is none.
    pub(crate) fn code(&self) -> i64 {
        self.last()["error"]["code"]
            .as_i64()
            .unwrap_or_else(|| panic!("no error in {self:?}"))
    }

    /// Returns the message of the JSON-RPC error. Panics if there is none.
    pub(crate) fn message(&self) -> &str {
        self.last()["error"]["message"]
            .as_str()
            .unwrap_or_else(|| panic!("no error in {self:?}"))
    }

    /// Returns the only content block, a text, of a successful tool result.
    pub(crate) fn text(&self) -> &str {
        assert_ne!(self.result()["isError"], true, "{self:?}");
        self.only_text()
    }

    /// Returns the only content block, a text, of a tool result with `isError`.
    pub(crate) fn failure(&self) -> &str {
        assert_eq!(self.result()["isError"], true, "{self:?}");
        self.only_text()
    }

    /// Like [`Answer::failure`] for an error whose cause is only in the host's log. Strips the call id.
    pub(crate) fn failure_with_id(&self) -> &str {
        let (text, id) = self
            .failure()
            .split_once("; the host's log has the cause under call ")
            .unwrap_or_else(|| panic!("no call id in {self:?}"));
        assert!(
            id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()),
            "{id}"
        );
        text
    }

    fn only_text(&self) -> &str {
        let content = self.result()["content"].as_array().unwrap();
        assert_eq!(content.len(), 1, "{self:?}");
        content[0]["text"].as_str().unwrap()
    }

    /// Returns the parameters of the notifications of this method.
    pub(crate) fn notifications(&self, method: &str) -> Vec<&Value> {
        self.messages
            .iter()
            .filter(|message| message["method"] == method)
            .map(|message| &message["params"])
            .collect()
    }
}
