//! A real client in a process of its own, told line by line what to do; `clients/node/oauth-conversation.mjs` says how.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::PATIENCE;
use super::provider::Person;
use crate::CLIENTS;

/// The most logins that any test here needs of one client.
const LOGINS_MAX: usize = 3;

/// A client, and the person before it.
pub(super) struct Client {
    // Ended when this is dropped.
    _process: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    person: Person,
    /// The URLs that it has sent its person to, to log in.
    pub(super) logins: Vec<String>,
}

impl Client {
    /// Starts one that knows the URL of the server and what else it is given: nothing, and it registers; a client id;
    /// or, in Python, a client id, its secret and who issued them.
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
            person: Person::default(),
            logins: Vec::new(),
        }
    }

    /// The revision, and whether there is a session.
    pub(super) async fn connect(&mut self) -> Value {
        self.done(json!({ "do": "connect" })).await
    }

    pub(super) async fn try_connect(&mut self) -> Result<Value, String> {
        self.ask(json!({ "do": "connect" })).await
    }

    /// The names of the tools that it is shown.
    pub(super) async fn tools(&mut self) -> Value {
        self.done(json!({ "do": "tools" })).await
    }

    /// The caller as a tool sees it.
    pub(super) async fn whoami(&mut self) -> Value {
        let call = json!({ "do": "call", "name": "whoami", "arguments": {} });
        let mut result = self.done(call).await;
        result["structuredContent"]["caller"].take()
    }

    /// What comes back.
    pub(super) async fn echo(&mut self, text: &str) -> Result<Value, String> {
        let arguments = json!({ "text": text });
        let call = json!({ "do": "call", "name": "echo", "arguments": arguments });
        let mut result = self.ask(call).await?;
        Ok(result["structuredContent"]["text"].take())
    }

    /// The access token that it holds.
    pub(super) async fn token(&mut self) -> String {
        let token = self.done(json!({ "do": "token" })).await;
        token.as_str().unwrap().to_owned()
    }

    async fn done(&mut self, request: Value) -> Value {
        let answer = self.ask(request.clone()).await;
        answer.unwrap_or_else(|failed| panic!("{request} failed: {failed}"))
    }

    /// Has something done, and its person log in wherever it says.
    async fn ask(&mut self, request: Value) -> Result<Value, String> {
        self.say(&request).await;
        loop {
            let mut answer = self.hear().await;
            if let Some(url) = answer["authorize"].as_str() {
                self.logins.push(url.to_owned());
                assert!(self.logins.len() <= LOGINS_MAX, "{:#?}", self.logins);
                let callback = self.person.go(url).await;
                self.say(&json!({ "callback": callback })).await;
            } else if let Some(failed) = answer["failed"].as_str() {
                return Err(failed.to_owned());
            } else {
                return Ok(answer["done"].take());
            }
        }
    }

    async fn say(&mut self, message: &Value) {
        let line = format!("{message}\n");
        self.input.write_all(line.as_bytes()).await.unwrap();
    }

    async fn hear(&mut self) -> Value {
        let line = tokio::time::timeout(PATIENCE, self.output.next_line()).await;
        let line = line.expect("an answer in time").unwrap();
        serde_json::from_str(&line.expect("the client runs")).unwrap()
    }
}
