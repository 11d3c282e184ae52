//! A session of a pre-2026 revision, in which the server sends requests to the client while a call waits for the
//! responses.

use reqwest::RequestBuilder;
use serde_json::{Value, json};

use super::client::{Answer, Client, Stream};

/// An open session.
pub(crate) struct Session {
    pub(crate) client: Client,
    pub(crate) id: String,
}

impl Session {
    /// Initializes a session with these client capabilities.
    pub(crate) async fn open(client: Client, capabilities: Value) -> Self {
        let params = json!({
            "protocolVersion": client.revision.name(),
            "capabilities": capabilities,
            "clientInfo": { "name": "test", "version": "1" },
        });
        let answer = client.request("initialize", params).await;
        let id = answer.header("mcp-session-id").to_owned();
        let session = Self { client, id };
        let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        assert_eq!(Answer::to(session.post(&initialized)).await.status, 202);
        session
    }

    /// Returns an HTTP request that carries a message of this session.
    pub(crate) fn post(&self, message: &Value) -> RequestBuilder {
        let request = self.client.post(message);
        request.header("mcp-session-id", &self.id)
    }

    /// Sends a request and returns the event stream of its response.
    pub(crate) async fn begin(&self, id: usize, method: &str, params: Value) -> Stream {
        let mut message = self.client.message(method, params);
        message["id"] = id.into();
        Stream::open(self.post(&message)).await
    }

    /// Sends a request, answers every server request with `answer`, and returns the server requests and the response.
    pub(crate) async fn converse(
        &self,
        method: &str,
        params: Value,
        answer: impl Fn(&Value) -> Value,
    ) -> (Vec<Value>, Value) {
        let mut stream = self.begin(1, method, params).await;
        let mut questions = Vec::new();
        loop {
            let message = stream.next().await;
            let message = message.unwrap_or_else(|| panic!("no response after {questions:?}"));
            if message.get("method").is_none() {
                return (questions, message);
            }
            if message.get("id").is_some() {
                self.reply(&message, answer(&message)).await;
                questions.push(message);
            }
        }
    }

    /// Responds to a server request.
    pub(crate) async fn reply(&self, question: &Value, mut answer: Value) {
        answer["jsonrpc"] = "2.0".into();
        answer["id"] = question["id"].clone();
        assert_eq!(Answer::to(self.post(&answer)).await.status, 202);
    }
}

/// Returns the response of a client that accepts every server request.
pub(crate) fn accept(question: &Value) -> Value {
    match question["method"].as_str().unwrap() {
        "elicitation/create" => {
            json!({ "result": { "action": "accept", "content": { "name": "Ada" } } })
        }
        "sampling/createMessage" => json!({ "result": {
            "role": "assistant", "model": "m", "content": { "type": "text", "text": "hi" },
        } }),
        "roots/list" => json!({ "result": { "roots": [{ "uri": "file:///home" }] } }),
        method => panic!("unexpected request {method}"),
    }
}
