//! Changes of the configuration while a server runs: after SIGHUP, with `--watch-config`, and of the files that it names.

mod files;
mod outcomes;
mod refusals;
mod settings;
mod signals;

use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::support::client::{Client, Revision};
use crate::support::command::Toolcrib;
use crate::support::guest::Guest;
use crate::support::issuer::{AUDIENCE, Issuer};
use crate::support::process::Process;

/// A server in a process of its own, with the components `hello` and `other` beside its configuration.
struct Server {
    toolcrib: Toolcrib,
    issuer: Issuer,
    process: Process,
    log: Arc<Mutex<Vec<String>>>,
}

/// The configuration file `c.toml` of a [`Server`].
struct Text {
    max_concurrent_calls: u32,
    server: String,
    auth: String,
    components: String,
    rest: String,
}

impl Text {
    fn new(issuer: &Issuer) -> Self {
        Self {
            max_concurrent_calls: 8,
            server: "public-url = \"https://tools.example\"".into(),
            auth: format!(
                "issuer = \"{}\"\njwks-uri = \"{}\"\naudience = \"{AUDIENCE}\"",
                issuer.url(),
                issuer.jwks_uri()
            ),
            components: "[[component]]\nref = \"hello.wasm\"".into(),
            rest: String::new(),
        }
    }

    fn write(&self, toolcrib: &Toolcrib) {
        let Self {
            max_concurrent_calls,
            server,
            auth,
            components,
            rest,
        } = self;
        let text = format!(
            "[server]\nmax-concurrent-calls = {max_concurrent_calls}\n{server}\n[auth]\n{auth}\n{components}\n{rest}\n"
        );
        toolcrib.file("c.toml", text);
    }
}

impl Server {
    /// Starts a server after `change` has modified its configuration and its directory.
    async fn start(change: impl FnOnce(&mut Text, &Toolcrib)) -> Self {
        Self::start_with(&[], change).await
    }

    async fn start_with(arguments: &[&str], change: impl FnOnce(&mut Text, &Toolcrib)) -> Self {
        let (toolcrib, issuer) = (Toolcrib::new(), Issuer::start().await);
        toolcrib.write("hello", &Guest::saying("hello", "hello").component());
        toolcrib.write("other", &Guest::saying("other", "other").component());
        let mut text = Text::new(&issuer);
        change(&mut text, &toolcrib);
        text.write(&toolcrib);
        let serve = ["serve", "--config", "c.toml", "--listen", "127.0.0.1:0"];
        let command = toolcrib.command(&[&serve, arguments].concat());
        let log = Arc::new(Mutex::new(Vec::new()));
        let lines = log.clone();
        let process = Process::start_with_log(command, move |line| {
            lines.lock().unwrap().push(line.to_owned());
        });
        Self {
            toolcrib,
            issuer,
            process,
            log,
        }
    }

    /// Returns a client with a token of the issuer.
    fn client(&self) -> Client {
        let url = format!("http://{}/mcp", self.process.address);
        Client::new(&url, Revision::July2026).with_token(&self.issuer.token(|_| {}))
    }

    fn text(&self) -> Text {
        Text::new(&self.issuer)
    }

    /// Returns the lines of the log with this text.
    fn logged(&self, text: &str) -> Vec<String> {
        let log = self.log.lock().unwrap();
        let lines = log.iter().filter(|line| line.contains(text));
        lines.cloned().collect()
    }

    /// Waits for a further line of the log with this text, after `act`. Returns all further ones.
    async fn logged_after(&self, text: &str, act: impl FnOnce()) -> Vec<String> {
        self.logged_times_after(1, text, act).await
    }

    /// The same, but waits for so many lines.
    async fn logged_times_after(
        &self,
        count: usize,
        text: &str,
        act: impl FnOnce(),
    ) -> Vec<String> {
        let before = self.logged(text).len();
        act();
        let started = Instant::now();
        loop {
            let lines = self.logged(text);
            if lines.len() >= before + count {
                return lines[before..].to_vec();
            }
            let log = || self.log.lock().unwrap().join("\n");
            assert!(
                started.elapsed() < Duration::from_secs(60),
                "{text}: {}",
                log()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Writes the configuration and takes it in with SIGHUP.
    async fn take_in(&self, text: &Text) {
        text.write(&self.toolcrib);
        self.logged_after("configuration taken in", || self.hang_up())
            .await;
    }

    /// Writes a configuration with so many faults and sends SIGHUP. Returns the lines about its faults.
    async fn refuse(&self, text: &Text, faults: usize) -> Vec<String> {
        text.write(&self.toolcrib);
        let hang_up = || self.hang_up();
        self.logged_times_after(faults, "configuration not taken in", hang_up)
            .await
    }

    fn hang_up(&self) {
        signal(self.process.id(), "-HUP");
    }

    /// Returns the names of the tools.
    async fn tools(&self) -> Vec<String> {
        let answer = self.client().list().await;
        let tools = answer.result()["tools"].as_array().unwrap().iter();
        tools
            .map(|tool| tool["name"].as_str().unwrap().to_owned())
            .collect()
    }
}

fn signal(process: u32, signal: &str) {
    let sent = Command::new("kill")
        .args([signal, &process.to_string()])
        .status();
    assert!(sent.unwrap().success());
}
