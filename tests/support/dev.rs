//! A running `toolcrib dev`, whose output is read line by line.

use std::process::{Command, ExitStatus};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::command::Toolcrib;
use super::process::Process;

/// Time within which a line must appear, on a machine that is busy.
const TIMEOUT: Duration = Duration::from_secs(240);

/// A running `toolcrib dev`. Dropping it kills the process.
pub(crate) struct Dev {
    process: Process,
    lines: mpsc::Receiver<String>,
    earlier: Vec<String>,
}

impl Dev {
    /// Starts it in the directory, on a free port.
    pub(crate) fn start(toolcrib: &Toolcrib, arguments: &[&str]) -> Self {
        let mut command = toolcrib.command(&["dev", "--listen", "127.0.0.1:0"]);
        let bin = toolcrib.path().join("bin");
        command
            .args(arguments)
            .env("PATH", format!("{}:/usr/bin:/bin", bin.display()));
        Self::start_command(command)
    }

    pub(crate) fn start_command(command: Command) -> Self {
        let (sender, lines) = mpsc::channel();
        let process = Process::start_with_log(command, move |line| {
            // Fails after the test.
            let _ = sender.send(line.to_owned());
        });
        Self {
            process,
            lines,
            earlier: Vec::new(),
        }
    }

    /// Returns the URL of the endpoint.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/mcp", self.process.address)
    }

    /// Returns the next line with this text.
    pub(crate) fn wait(&mut self, text: &str) -> String {
        let deadline = Instant::now() + TIMEOUT;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                panic!("no line with {text:?} in {:#?}", self.earlier);
            };
            self.earlier.push(line.clone());
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Sends SIGINT, as Ctrl-C does, and waits for the end.
    pub(crate) fn stop(&mut self) -> ExitStatus {
        let id = self.process.id().to_string();
        let status = Command::new("kill").args(["-INT", &id]).status().unwrap();
        assert!(status.success());
        self.process.ended()
    }
}

/// Returns the value as soon as there is one.
pub(crate) fn wait_until<T>(mut value: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        if let Some(value) = value() {
            return value;
        }
        assert!(Instant::now() < deadline, "nothing after {TIMEOUT:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
