//! The requests of the stream. Each asserts that its answer is one of those that are right.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::fuzz_corpus::{corpus, mutate};
use crate::support::client::{Client, Revision};
use crate::support::rng::Rng;

/// Time after which a client gives up. Longer than every limit of the server.
const TIMEOUT: Duration = Duration::from_secs(20);

/// The server and the tokens for it.
pub(super) struct Target {
    address: SocketAddr,
    pub(super) valid_tokens: Vec<String>,
    rejected_tokens: Vec<String>,
    /// Bodies to mutate.
    messages: Vec<Vec<u8>>,
}

/// The answers of one or more clients, by kind.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Good requests that were answered.
    pub(super) good: usize,
    /// Good requests that were rejected because of the load.
    pub(super) busy: usize,
    /// Hostile calls that ended with an error of the tool.
    pub(super) contained: usize,
    /// Broken requests that were refused.
    pub(super) refused: usize,
    /// Requests without an answer to judge, such as those that the client abandoned.
    pub(super) other: usize,
}

/// One client.
pub(super) struct Requester {
    target: Arc<Target>,
    rng: Rng,
    client: Client,
    pub(super) counts: Counts,
}

impl Target {
    pub(super) fn new(
        address: SocketAddr,
        valid_tokens: Vec<String>,
        rejected_tokens: Vec<String>,
    ) -> Self {
        Self {
            address,
            valid_tokens,
            rejected_tokens,
            messages: corpus("message"),
        }
    }
}

impl Counts {
    pub(super) fn add(&mut self, other: &Self) {
        self.good += other.good;
        self.busy += other.busy;
        self.contained += other.contained;
        self.refused += other.refused;
        self.other += other.other;
    }
}

impl Requester {
    pub(super) fn new(target: Arc<Target>, rng: Rng) -> Self {
        let url = format!("http://{}/mcp", target.address);
        let mut client = Client::new(&url, Revision::July2026);
        client.http = reqwest::Client::builder()
            .no_proxy()
            .timeout(TIMEOUT)
            .build()
            .unwrap();
        Self {
            target,
            rng,
            client,
            counts: Counts::default(),
        }
    }

    /// Sends one random request.
    pub(super) async fn send_one(&mut self) {
        let token = self.rng.choose(&self.target.valid_tokens).clone();
        self.client.token = Some(token);
        self.client.revision = *self.rng.choose(&Revision::SINCE_JUNE_2025);
        match self.rng.below(16) {
            0..5 => self.good_request().await,
            5 | 6 => self.mutated_body().await,
            7 => self.rejected_token().await,
            8 => self.wrong_header().await,
            9 => self.large_body().await,
            10 | 11 => self.raw_bytes().await,
            12 => self.abandoned_call().await,
            _ => self.hostile_call().await,
        }
    }

    async fn good_request(&mut self) {
        let (a, b) = (self.rng.bits() as u32, self.rng.bits() as u32);
        let sum = a.wrapping_add(b);
        let (method, params, expected) = match self.rng.below(4) {
            0 => ("tools/list", json!({}), "\"hello\"".to_owned()),
            1 => (
                "tools/call",
                json!({ "name": "hello", "arguments": {} }),
                "\"hello\"".to_owned(),
            ),
            2 => (
                "tools/call",
                json!({ "name": "add", "arguments": { "a": a, "b": b } }),
                format!("{{\"result\":{sum}}}"),
            ),
            _ => (
                "tools/call",
                json!({ "name": "say", "arguments": { "text": format!("{a}") } }),
                format!("{{\"result\":\"{a}\"}}"),
            ),
        };
        let request = self.client.post(&self.client.message(method, params));
        let response = request.send().await.unwrap();
        if response.status() == 503 || response.status() == 429 {
            assert!(
                response.headers().contains_key("retry-after"),
                "{response:?}"
            );
            self.counts.busy += 1;
            return;
        }
        assert_eq!(response.status(), 200, "{response:?}");
        let body = response.text().await.unwrap();
        assert!(body.contains(&expected), "{method}: {body}");
        self.counts.good += 1;
    }

    async fn hostile_call(&mut self) {
        let tools = ["spins", "grows", "logs", "floods", "traps", "nosuch"];
        let params = json!({ "name": *self.rng.choose(&tools), "arguments": {} });
        let request = self.client.post(&self.client.message("tools/call", params));
        let response = request.send().await.unwrap();
        let status = response.status();
        assert!(status != 500 && status != 502, "{response:?}");
        let answer: Value = response.json().await.unwrap();
        let is_error = answer["result"]["isError"] == true || answer["error"].is_object();
        assert!(is_error, "{answer}");
        self.counts.contained += 1;
    }

    /// Starts a call that takes long, and closes the connection.
    async fn abandoned_call(&mut self) {
        let params = json!({ "name": "naps", "arguments": {} });
        let request = self.client.post(&self.client.message("tools/call", params));
        let patience = Duration::from_millis(self.rng.below(300) as u64);
        let _ = tokio::time::timeout(patience, request.send()).await;
        self.counts.other += 1;
    }

    async fn mutated_body(&mut self) {
        let body = mutate::mutated(&mut self.rng, &self.target.messages);
        let message = serde_json::from_slice(&body).unwrap_or_default();
        let request = self.client.post(&message).body(body);
        let response = self.send_any(request).await;
        self.counts.other += usize::from(response.is_some());
    }

    async fn rejected_token(&mut self) {
        let token = self.rng.choose(&self.target.rejected_tokens);
        let client = self.client.with_token(token);
        let message = client.message("tools/call", json!({ "name": "hello", "arguments": {} }));
        let request = client.post(&message);
        let request = match self.rng.below(5) {
            // Two headers, one of them valid.
            0 => request.bearer_auth(&self.target.valid_tokens[0]),
            1 => client
                .http
                .post(&client.url)
                .basic_auth("alice", Some("secret")),
            2 => client.http.post(&client.url).body(message.to_string()),
            _ => request,
        };
        self.assert_refused(request).await;
    }

    async fn wrong_header(&mut self) {
        let message = self.client.message("tools/list", json!({}));
        let mut request = self.client.post(&message);
        request = match self.rng.below(5) {
            0 => request.header("origin", "https://evil.example"),
            1 => request.header("host", "evil.example"),
            2 => self.client.bare(Method::POST).body(message.to_string()),
            3 => self.client.bare(Method::PUT).body(message.to_string()),
            _ => self
                .client
                .bare(Method::GET)
                .header("x", "y".repeat(300_000)),
        };
        self.assert_refused(request).await;
    }

    /// A body near the limit or beyond it, from a caller with or without a token.
    async fn large_body(&mut self) {
        let zeros = "0,".repeat(40_000 + self.rng.below(40_000));
        let body = format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"params\":{{\"_meta\":{{\"x\":[{zeros}0]}}}}}}"
        );
        match self.rng.below(3) {
            0 => {
                let request = self.client.post(&Value::Null).body(body);
                self.send_any(request).await;
                self.counts.other += 1;
            }
            1 => {
                let body = "x".repeat((1 << 20) + self.rng.below(1 << 20));
                self.assert_refused(self.client.post(&Value::Null).body(body))
                    .await;
            }
            _ => {
                self.client.token = None;
                self.assert_refused(self.client.post(&Value::Null).body(body))
                    .await;
            }
        }
    }

    /// Bytes that are no HTTP request, or a part of one. The server may answer or close.
    async fn raw_bytes(&mut self) {
        let Ok(mut stream) = TcpStream::connect(self.target.address).await else {
            panic!("the server accepts no connection");
        };
        let mut bytes = self.rng.choose(RAW).to_vec();
        if self.rng.bool() {
            bytes.truncate(self.rng.below(bytes.len() + 1));
        }
        if self.rng.bool() {
            bytes.extend((0..self.rng.below(2_000)).map(|_| self.rng.bits() as u8));
        }
        let _ = stream.write_all(&bytes).await;
        let patience = Duration::from_millis(self.rng.below(400) as u64);
        let mut answer = [0; 64];
        let read = tokio::time::timeout(patience, stream.read(&mut answer)).await;
        if let Ok(Ok(length)) = read {
            let answer = String::from_utf8_lossy(&answer[..length]);
            assert!(!answer.starts_with("HTTP/1.1 500"), "{answer}");
        }
        self.counts.other += 1;
    }

    /// Sends a request whose answer must be an error of the client. The server may close while a body is sent.
    async fn assert_refused(&mut self, request: RequestBuilder) {
        if let Some(response) = self.send_any(request).await {
            assert!(response.status().is_client_error(), "{response:?}");
        }
        self.counts.refused += 1;
    }

    /// Sends a request whose answer must not be a failure of the server. Returns `None` if the server closed.
    async fn send_any(&self, request: RequestBuilder) -> Option<Response> {
        let response = request.send().await;
        let response = match response {
            Ok(response) => response,
            Err(error) => {
                assert!(!error.is_timeout() && !error.is_connect(), "{error:?}");
                return None;
            }
        };
        let status = response.status();
        let is_failure = status.is_server_error() && status != 503;
        assert!(!is_failure, "{response:?}");
        Some(response)
    }
}

/// Beginnings of connections.
const RAW: &[&[u8]] = &[
    b"",
    b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n\
      GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 99999999999\r\n\r\n{",
    b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
    b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n",
    b"GET /mcp HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
    b"GET http://evil.example/mcp HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    b"GET /%00/..%2f\xff HTTP/1.1\r\nHost: \r\n\r\n",
    b"PRI * HTT",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\0\0\x01\x01\x05\0\0\0\x01\x82\0\0\x04\x03\0\0\0\0\x01\0\0\0\x08",
    b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
    b"\0\0\0\0\0\0\0\0",
];
