//! Debian's `docker-registry` on loopback.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// Time for the registry to start on a busy machine.
const MAX_START: Duration = Duration::from_secs(30);

/// A registry with its files in a temporary directory. Dropping it stops it.
pub(super) struct Registry {
    address: SocketAddr,
    child: Child,
    _dir: TempDir,
}

impl Registry {
    pub(super) fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let address = {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            listener.local_addr().unwrap()
        };
        let config = format!(
            "version: 0.1\nlog: {{ level: error }}\nstorage: {{ filesystem: {{ rootdirectory: {} }} }}\n\
             http: {{ addr: \"{address}\" }}\n",
            dir.path().join("data").display()
        );
        let file = dir.path().join("config.yml");
        std::fs::write(&file, config).unwrap();
        let child = Command::new("docker-registry")
            .arg("serve")
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let registry = Self {
            address,
            child,
            _dir: dir,
        };
        let started = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(started.elapsed() < MAX_START, "the registry does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
        registry
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns a manifest.
    pub(super) fn manifest(&self, repository: &str, tag: &str) -> String {
        let url = self.url(repository, tag);
        let accept = format!("Accept: {MANIFEST}");
        super::run(Command::new("curl").args(["-sSf", "-H", &accept, &url]))
    }

    /// Returns a blob, which must be text.
    pub(super) fn blob(&self, repository: &str, digest: &str) -> String {
        let url = format!("http://{}/v2/{repository}/blobs/{digest}", self.address);
        super::run(Command::new("curl").args(["-sSfL", &url]))
    }

    /// Writes a manifest under a tag.
    pub(super) fn put_manifest(&self, repository: &str, tag: &str, manifest: &str) {
        let url = self.url(repository, tag);
        let content = format!("Content-Type: {MANIFEST}");
        let arguments = [
            "-sSf",
            "-X",
            "PUT",
            "-H",
            &content,
            "--data-binary",
            manifest,
            &url,
        ];
        super::run(Command::new("curl").args(arguments));
    }

    fn url(&self, repository: &str, tag: &str) -> String {
        format!("http://{}/v2/{repository}/manifests/{tag}", self.address)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
