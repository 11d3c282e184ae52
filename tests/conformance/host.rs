//! The real host serving the fixture. The served directory changes when the fixture requests it.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::FIXTURE;
use crate::issuer::{AUDIENCE, Issuer};
use crate::process::{Process, TOOLCRIB};

/// The log line of the fixture that requests a change of the lists of tools and prompts.
const TOGGLE_REQUEST: &str = "toggle the extra component";

pub(super) struct Host {
    process: Process,
    // Removed after the process ended.
    _dir: TempDir,
}

impl Host {
    /// Compiles both components into the cache: the suite waits for the change of a list no longer than compiling takes.
    pub(super) fn fill_cache(cache: &Path) {
        let config = cache.join("toolcrib.toml");
        let text = format!("components = [{FIXTURE:?}]\ncache.dir = {cache:?}\n");
        fs::write(&config, text).unwrap();
        let mut check = Command::new(TOOLCRIB);
        check.args(["check", "--no-auth", "--config"]).arg(&config);
        let checked = check.output().unwrap();
        assert!(checked.status.success(), "{checked:?}");
    }

    /// Starts a host. `guard` is the trusted issuer and the allowed origin; without it, the host accepts every request.
    pub(super) fn start(cache: &Path, sessions: bool, guard: Option<(&Issuer, &str)>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let served = dir.path().join("served");
        fs::create_dir(&served).unwrap();
        fs::copy(
            format!("{FIXTURE}/everything.wasm"),
            served.join("everything.wasm"),
        )
        .unwrap();
        let removed = dir.path().join("extra.wasm");
        let added = served.join("extra.wasm");
        fs::copy(format!("{FIXTURE}/extra.wasm"), &removed).unwrap();

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
        let toggle_extra = move |line: &str| {
            if line.contains(TOGGLE_REQUEST) {
                // A rename is atomic. The next request reverses it.
                let (from, to) = if added.exists() {
                    (&added, &removed)
                } else {
                    (&removed, &added)
                };
                fs::rename(from, to).unwrap();
            }
        };
        Self {
            process: Process::start_with_log(command, toggle_extra),
            _dir: dir,
        }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.process.address
    }
}
