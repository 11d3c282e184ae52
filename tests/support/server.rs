//! Hosts in this process, each on its own loopback port.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use toolcrib::App;
use toolcrib::config::{Access, Config, Overrides, WatchMode};
use toolcrib::reference::Reference;

use super::client::{Client, Revision};
use super::guest::Guest;

/// Default of `max-concurrent-calls` in tests. Small, because every test has an engine and each slot reserves address
/// space.
const MAX_CONCURRENT_CALLS: u32 = 8;

/// A running host. It serves until it is stopped or dropped.
pub(crate) struct Host {
    address: SocketAddr,
    path: String,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<()>,
    dir: TempDir,
}

/// Returns a configuration without authentication that serves these guests, and the directory of their components.
pub(crate) fn config(guests: &[(&str, &Guest)]) -> (TempDir, Config) {
    let dir = tempfile::tempdir().unwrap();
    let mut config = Config {
        access: Access::Open,
        cache: None,
        ..Config::default()
    };
    config.server.max_concurrent_calls = MAX_CONCURRENT_CALLS;
    for (name, guest) in guests {
        add_component(&mut config, &dir, name, &guest.component());
    }
    (dir, config)
}

/// Writes a component into the directory and adds it to the configuration.
pub(crate) fn add_component(config: &mut Config, dir: &TempDir, name: &str, bytes: &[u8]) {
    let path = write(dir.path(), name, bytes);
    let reference = Reference::parse(path.to_str().unwrap(), Path::new("")).unwrap();
    config.references.push(reference);
}

/// Writes a component to `<name>.wasm` and returns its path.
pub(crate) fn write(dir: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = dir.join(format!("{name}.wasm"));
    std::fs::write(&path, bytes).unwrap();
    path
}

/// Returns the problems that keep a host from serving this guest, one line each.
pub(crate) async fn load_problems(guest: &Guest) -> Vec<String> {
    load_problems_with(guest, |_| {}).await
}

/// Like [`load_problems`], after `change` has modified the configuration.
pub(crate) async fn load_problems_with(
    guest: &Guest,
    change: impl FnOnce(&mut Config),
) -> Vec<String> {
    let (_dir, mut config) = config(&[("guest", guest)]);
    change(&mut config);
    match App::build(config).await {
        Ok(_) => Vec::new(),
        Err(error) => error.problems.iter().map(ToString::to_string).collect(),
    }
}

impl Host {
    /// Serves these guests without authentication.
    pub(crate) async fn serving(guests: &[(&str, &Guest)]) -> Self {
        Self::start(guests, |_| {}).await
    }

    /// Serves one guest without authentication.
    pub(crate) async fn of(guest: &Guest) -> Self {
        Self::serving(&[("guest", guest)]).await
    }

    /// Like [`Host::serving`], after `change` has modified the configuration.
    pub(crate) async fn start(guests: &[(&str, &Guest)], change: impl FnOnce(&mut Config)) -> Self {
        let (dir, mut config) = config(guests);
        change(&mut config);
        Self::run(dir, config).await
    }

    /// Serves the components named in `text`, a configuration file beside the guests. Authentication is off unless it
    /// has `[auth]`.
    pub(crate) async fn configured(guests: &[(&str, &Guest)], text: &str) -> Self {
        let (dir, _) = config(guests);
        Self::configured_in(dir, text).await
    }

    /// Like [`Host::configured`], with the components in a directory.
    pub(crate) async fn configured_in(dir: TempDir, text: &str) -> Self {
        Self::configured_with(dir, text, |_| {}).await
    }

    /// Like [`Host::configured_in`], and reloads on changes of every file.
    pub(crate) async fn configured_and_watching(dir: TempDir, text: &str) -> Self {
        Self::configured_with(dir, text, |config| config.watch = WatchMode::Everything).await
    }

    async fn configured_with(dir: TempDir, text: &str, change: impl FnOnce(&mut Config)) -> Self {
        let file = dir.path().join("toolcrib.toml");
        std::fs::write(&file, text).unwrap();
        let overrides = Overrides {
            file: Some(file),
            no_auth: !text.contains("[auth]"),
            ..Overrides::default()
        };
        let mut config = Config::load(&overrides).unwrap();
        config.cache = None;
        if !text.contains("max-concurrent-calls") {
            config.server.max_concurrent_calls = MAX_CONCURRENT_CALLS;
        }
        change(&mut config);
        Self::run(dir, config).await
    }

    /// Serves a directory that initially contains these guests, and reloads on changes.
    pub(crate) async fn watching(
        guests: &[(&str, &Guest)],
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let (dir, mut config) = config(guests);
        let reference = Reference::parse(dir.path().to_str().unwrap(), Path::new("")).unwrap();
        config.references = vec![reference];
        config.watch = WatchMode::Directories;
        change(&mut config);
        Self::run(dir, config).await
    }

    /// Serves one component without authentication.
    pub(crate) async fn serving_component(bytes: &[u8]) -> Self {
        Self::serving_component_with(bytes, |_| {}).await
    }

    /// Like [`Host::serving_component`], after `change` has modified the configuration.
    pub(crate) async fn serving_component_with(
        bytes: &[u8],
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let (dir, mut config) = config(&[]);
        add_component(&mut config, &dir, "guest", bytes);
        change(&mut config);
        Self::run(dir, config).await
    }

    pub(crate) async fn run(dir: TempDir, config: Config) -> Self {
        let path = config.server.path.clone();
        let app = App::build(config).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(app.serve(listener, async {
            // Dropping the sender stops the host too.
            let _ = stopped.await;
        }));
        Self {
            address,
            path,
            stop: Some(stop),
            serving,
            dir,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the directory of the components.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Returns the URL of a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Returns a client that speaks the newest revision.
    pub(crate) fn client(&self) -> Client {
        self.client_of(Revision::July2026)
    }

    pub(crate) fn client_of(&self, revision: Revision) -> Client {
        Client::new(&self.url(&self.path), revision)
    }

    /// Starts a graceful shutdown.
    pub(crate) fn stop(&mut self) {
        drop(self.stop.take());
    }

    /// Waits until the host has shut down.
    pub(crate) async fn stopped(&mut self) {
        (&mut self.serving).await.unwrap();
    }
}
