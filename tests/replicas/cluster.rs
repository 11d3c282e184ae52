//! Three replicas behind nginx.

use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::guest;
use crate::support::client::{Client, Revision};
use crate::support::command::Toolcrib;
use crate::support::issuer::{AUDIENCE, Issuer};
use crate::support::process::Process;
use crate::support::redis::Redis;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/replicas.md");
/// Names of the replicas.
const NAMES: [&str; 3] = ["a", "b", "c"];
/// The addresses of the replicas in the documentation.
const DOCUMENTED: [&str; 3] = ["10.0.0.1:8080", "10.0.0.2:8080", "10.0.0.3:8080"];
/// Calls per minute of the component `limited`.
pub(super) const CALLS_PER_MINUTE: usize = 12;
/// Time for changes in other processes on a busy machine.
pub(super) const MAX_WAIT: Duration = Duration::from_secs(60);

pub(super) struct Cluster {
    pub(super) toolcrib: Toolcrib,
    pub(super) redis: Redis,
    issuer: Issuer,
    addresses: [SocketAddr; 3],
    replicas: [Option<Process>; 3],
    /// The lines of all logs.
    log: Arc<Mutex<Vec<String>>>,
    nginx: Child,
    url: String,
}

impl Cluster {
    /// Starts Redis, the replicas and nginx. `shared` is added to `[shared]`.
    pub(super) async fn start(shared: &str) -> Self {
        let redis = Redis::start();
        let issuer = Issuer::start().await;
        let toolcrib = Toolcrib::new();
        toolcrib.write("guest", &guest().component());
        toolcrib.write("limited", &guest().component());
        let addresses = std::array::from_fn(|_| free_address());
        for (name, address) in NAMES.into_iter().zip(addresses) {
            toolcrib.file(
                &format!("{name}.toml"),
                format!(
                    "[server]\nlisten = \"{address}\"\nsessions = true\nsession-prefix = {name:?}\n\
                     state-key = \"0123456789abcdef0123456789abcdef\"\npublic-url = \"{AUDIENCE_URL}\"\n\
                     [auth]\nissuer = {:?}\naudience = {AUDIENCE:?}\njwks-uri = {:?}\n\
                     [limits]\noutput = \"32MiB\"\n\
                     [shared]\nurl = {:?}\nreplicas = 3\n{shared}\n\
                     [[component]]\nref = \"guest.wasm\"\n\
                     [[component]]\nref = \"limited.wasm\"\nprefix = \"limited_\"\n\
                     [component.limits]\ncalls-per-minute = {CALLS_PER_MINUTE}\n",
                    issuer.url(),
                    issuer.jwks_uri(),
                    redis.url(),
                ),
            );
        }
        let (nginx, url) = start_nginx(&toolcrib, &addresses);
        let mut cluster = Self {
            toolcrib,
            redis,
            issuer,
            addresses,
            replicas: [None, None, None],
            log: Arc::default(),
            nginx,
            url,
        };
        // The first one compiles the components for the others.
        for index in 0..NAMES.len() {
            cluster.start_replica(index);
        }
        cluster
    }

    /// Starts a replica and waits until it listens.
    pub(super) fn start_replica(&mut self, index: usize) {
        let config = format!("{}.toml", NAMES[index]);
        let command = self.toolcrib.command(&["serve", "--config", &config]);
        let log = self.log.clone();
        let replica = Process::start_with_log(command, move |line| {
            log.lock().unwrap().push(line.to_owned());
        });
        self.replicas[index] = Some(replica);
    }

    /// Sends SIGTERM to a replica and waits for its end.
    pub(super) async fn stop_replica(&mut self, index: usize) {
        let mut replica = self.replicas[index].take().unwrap();
        signal(&replica, "-TERM");
        let ended = tokio::task::spawn_blocking(move || replica.ended());
        assert!(ended.await.unwrap().success());
    }

    /// Kills a replica.
    pub(super) fn kill_replica(&mut self, index: usize) {
        let mut replica = self.replicas[index].take().unwrap();
        signal(&replica, "-KILL");
        replica.ended();
    }

    /// Stops a replica with `-STOP` without ending it, or continues it with `-CONT`.
    pub(super) fn signal_replica(&self, index: usize, name: &str) {
        signal(self.replicas[index].as_ref().unwrap(), name);
    }

    /// Waits until a replica has logged a line with this text.
    pub(super) async fn wait_for_log(&self, text: &str) {
        let started = Instant::now();
        while !self
            .log
            .lock()
            .unwrap()
            .iter()
            .any(|line| line.contains(text))
        {
            assert!(started.elapsed() < MAX_WAIT, "{text}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Returns a client of nginx with an access token of this user.
    pub(super) fn client(&self, user: &str) -> Client {
        self.client_at(&self.url, user)
    }

    /// Returns a client of one replica.
    pub(super) fn client_of(&self, index: usize, user: &str) -> Client {
        self.client_at(&format!("http://{}/mcp", self.addresses[index]), user)
    }

    fn client_at(&self, url: &str, user: &str) -> Client {
        let token = self.issuer.token(|claims| claims["sub"] = user.into());
        Client::new(url, Revision::July2026).with_token(&token)
    }

    /// Returns the body of `/readyz` of a replica.
    pub(super) async fn readiness(&self, index: usize) -> String {
        let client = self.client_of(index, "alice");
        let url = format!("http://{}/readyz", self.addresses[index]);
        let response = client.http.get(url).send().await.unwrap();
        assert_eq!(response.status(), 200);
        response.text().await.unwrap()
    }

    /// Waits until each replica says that the shared state is, or is not, away.
    pub(super) async fn wait_until_away(&self, is_away: bool) {
        let started = Instant::now();
        for index in 0..NAMES.len() {
            loop {
                let readiness = self.readiness(index).await;
                if readiness.contains("the shared state at redis://127.0.0.1") == is_away {
                    break;
                }
                assert!(started.elapsed() < MAX_WAIT, "{readiness}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = self.nginx.kill();
        let _ = self.nginx.wait();
    }
}

/// The base URL of the resource whose identifier is [`AUDIENCE`].
const AUDIENCE_URL: &str = "https://tools.example";

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}

fn signal(process: &Process, signal: &str) {
    let status = Command::new("kill")
        .args([signal, &process.id().to_string()])
        .status();
    assert!(status.unwrap().success());
}

/// Starts nginx with the documented configuration, and returns it and the URL of the endpoint.
fn start_nginx(toolcrib: &Toolcrib, addresses: &[SocketAddr; 3]) -> (Child, String) {
    let page = std::fs::read_to_string(PAGE).unwrap();
    let (_, block) = page.split_once("```nginx\n").unwrap();
    let (mut http, _) = block
        .split_once("```")
        .map(|(a, b)| (a.to_owned(), b))
        .unwrap();
    for (documented, address) in DOCUMENTED.into_iter().zip(addresses) {
        assert!(http.contains(documented));
        http = http.replace(documented, &address.to_string());
    }
    let address = free_address();
    assert!(http.contains("listen 8443;"));
    http = http.replace("listen 8443;", &format!("listen {address};"));
    let paths: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {kind};\n"))
        .concat();
    toolcrib.file(
        "nginx.conf",
        format!(
            "user root;\ndaemon off;\nworker_processes 1;\npid nginx.pid;\nerror_log nginx.log;\n\
             events {{ worker_connections 512; }}\nhttp {{\naccess_log off;\n{paths}{http}}}\n"
        ),
    );
    let directory = format!("{}/", toolcrib.path().display());
    let mut nginx = Command::new("nginx")
        .args(["-p", &directory, "-c", "nginx.conf", "-e", "nginx.log"])
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let started = Instant::now();
    while std::net::TcpStream::connect(address).is_err() {
        let ended = nginx.try_wait().unwrap();
        let log = std::fs::read_to_string(toolcrib.path().join("nginx.log"));
        assert!(ended.is_none() && started.elapsed() < MAX_WAIT, "{log:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
    (nginx, format!("http://{address}/mcp"))
}
