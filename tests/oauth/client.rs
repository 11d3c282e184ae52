//! A real client in its own process, controlled by JSON lines. `clients/node/oauth-driver.mjs` documents the commands.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::STEP_TIMEOUT;
use super::provider::User;
use crate::CLIENTS;

/// No test needs more logins of one client.
const MAX_LOGINS: usize = 3;

/// A client process and its user.
pub(super) struct Client {
    // Killed when dropped.
    _process: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    user: User,
    /// The authorization URLs that the client sent its user to.
    pub(super) logins: Vec<String>,
}

impl Client {
    /// Starts a client that knows the server's URL and its own identity.
    ///
    /// `identity` is empty for a client that registers itself, or a client id. In Python it may also be a client id,
    /// its secret and their issuer.
    pub(super) fn start(client: &str, url: &str, identity: &[&str]) -> Self {
        let (program, script) = match client {
            "python" => ("python/.venv/bin/python", "python/oauth_client.py"),
            "typescript-1" => ("node", "node/oauth-legacy.mjs"),
            "typescript-2" => ("node", "node/oauth-modern.mjs"),
            _ => unreachable!("no such client"),
        };
        let mut command = match program {
            "node" => Command::new(program),
            program => Command::new(format!("{CLIENTS}/{program}")),
        };
        let mut process = command
            .arg(format!("{CLIENTS}/{script}"))
            .arg(url)
            .args(identity)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Self {
            input: process.stdin.take().unwrap(),
            output: BufReader::new(process.stdout.take().unwrap()).lines(),
            _process: process,
            user: User::default(),
            logins: Vec::new(),
        }
    }

    /// Connects and returns the negotiated revision and whether there is a session.
    pub(super) async fn connect(&mut self) -> Value {
        self.request(json!({ "do": "connect" })).await
    }

    pub(super) async fn try_connect(&mut self) -> Result<Value, String> {
        self.try_request(json!({ "do": "connect" })).await
    }

    /// Returns the names of the listed tools.
    pub(super) async fn tools(&mut self) -> Value {
        self.request(json!({ "do": "tools" })).await
    }

    /// Calls `whoami` and returns the caller as the tool sees it.
    pub(super) async fn whoami(&mut self) -> Value {
        let call = json!({ "do": "call", "name": "whoami", "arguments": {} });
        let mut result = self.request(call).await;
        result["structuredContent"]["caller"].take()
    }

    /// Calls `echo` and returns the echoed text.
    pub(super) async fn echo(&mut self, text: &str) -> Result<Value, String> {
        let arguments = json!({ "text": text });
        let call = json!({ "do": "call", "name": "echo", "arguments": arguments });
        let mut result = self.try_request(call).await?;
        Ok(result["structuredContent"]["text"].take())
    }

    /// Returns the client's current access token.
    pub(super) async fn token(&mut self) -> String {
        let token = self.request(json!({ "do": "token" })).await;
        token.as_str().unwrap().to_owned()
    }

    async fn request(&mut self, request: Value) -> Value {
        let result = self.try_request(request.clone()).await;
        result.unwrap_or_else(|error| panic!("{request} failed: {error}"))
    }

    /// Sends a command and returns its result. Logs the user in whenever the client asks for it.
    async fn try_request(&mut self, request: Value) -> Result<Value, String> {
        self.send(&request).await;
        loop {
            let mut reply = self.receive().await;
            if let Some(url) = reply["authorize"].as_str() {
                self.logins.push(url.to_owned());
                assert!(self.logins.len() <= MAX_LOGINS, "{:#?}", self.logins);
                let callback = self.user.log_in(url).await;
                self.send(&json!({ "callback": callback })).await;
            } else if let Some(error) = reply["failed"].as_str() {
                return Err(error.to_owned());
            } else {
                return Ok(reply["done"].take());
            }
        }
    }

    async fn send(&mut self, message: &Value) {
        let line = format!("{message}\n");
        self.input.write_all(line.as_bytes()).await.unwrap();
    }

    async fn receive(&mut self) -> Value {
        let line = tokio::time::timeout(STEP_TIMEOUT, self.output.next_line()).await;
        let line = line.expect("client did not reply in time").unwrap();
        serde_json::from_str(&line.expect("client process ended")).unwrap()
    }
}
