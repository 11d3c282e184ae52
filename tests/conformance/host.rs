//! The real host over the fixture, in a directory that changes when the fixture asks for it.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::FIXTURE;
use crate::issuer::{AUDIENCE, Issuer};
use crate::process::{Process, TOOLCRIB};

/// What the fixture logs when the list of tools or of prompts is to change.
const CHANGE: &str = "the extra component is to come or to go";

pub(super) struct Host {
    process: Process,
    // Gone after the process.
    _dir: TempDir,
}

impl Host {
    /// Serves everybody, or those with a token of the issuer, whose requests may come from this origin.
    pub(super) fn start(cache: &Path, sessions: bool, guard: Option<(&Issuer, &str)>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let served = dir.path().join("served");
        fs::create_dir(&served).unwrap();
        fs::copy(
            format!("{FIXTURE}/everything.wasm"),
            served.join("everything.wasm"),
        )
        .unwrap();
        let (away, here) = (dir.path().join("extra.wasm"), served.join("extra.wasm"));
        fs::copy(format!("{FIXTURE}/extra.wasm"), &away).unwrap();

        let config = dir.path().join("toolcrib.toml");
        let mut text = format!(
            "components = [\"served/\"]\nserver.sessions = {sessions}\ntelemetry.log = \"json\"\ncache.dir = {cache:?}\n"
        );
        let mut command = Command::new(TOOLCRIB);
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--config"])
            .arg(&config);
        match guard {
            None => {
                command.arg("--no-auth");
            }
            Some((issuer, origin)) => text.push_str(&format!(
                "server.public-url = \"https://tools.example\"\nserver.allowed-origins = [{origin:?}]\n\
                 [auth]\nissuer = {:?}\naudience = {AUDIENCE:?}\n",
                issuer.url()
            )),
        }
        fs::write(&config, text).unwrap();
        let hear = move |line: &str| {
            if line.contains(CHANGE) {
                // In one step, and back again the next time.
                let (from, to) = if here.exists() {
                    (&here, &away)
                } else {
                    (&away, &here)
                };
                fs::rename(from, to).unwrap();
            }
        };
        Self {
            process: Process::start_heard(command, hear),
            _dir: dir,
        }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.process.address
    }
}
