//! Debian's `docker-registry` on loopback, and the programs that push to it.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rcgen::CertifiedKey;
use tempfile::TempDir;

/// Time for the registry to start on a busy machine.
const MAX_START: Duration = Duration::from_secs(30);
/// `user` with the password `password`, as `htpasswd -B` writes it.
const HTPASSWD: &str = "user:$2b$05$fipsaAHjN06rTvjhj0xkhOuz0MfnsR7Qcyyme1f1Th1CVx0eu1f5e\n";

/// A registry with its files in a temporary directory. Dropping it stops it.
pub(crate) struct Registry {
    pub(crate) address: SocketAddr,
    child: Child,
    dir: TempDir,
}

impl Registry {
    /// Starts a registry over http that everybody may use.
    pub(crate) fn open() -> Self {
        Self::start(false)
    }

    /// Starts a registry over https, with the certificate [`Registry::ca`], that asks for `user` and `password`.
    pub(crate) fn guarded() -> Self {
        Self::start(true)
    }

    fn start(is_guarded: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str| dir.path().join(name);
        let address = {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            listener.local_addr().unwrap()
        };
        let mut config = format!(
            "version: 0.1\nlog: {{ level: error }}\nstorage: {{ filesystem: {{ rootdirectory: {} }} }}\n\
             http:\n  addr: \"{address}\"\n",
            file("data").display()
        );
        if is_guarded {
            let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
            let CertifiedKey { cert, signing_key } =
                rcgen::generate_simple_self_signed(names).unwrap();
            std::fs::write(file("cert.pem"), cert.pem()).unwrap();
            std::fs::write(file("key.pem"), signing_key.serialize_pem()).unwrap();
            std::fs::write(file("htpasswd"), HTPASSWD).unwrap();
            config += &format!(
                "  tls: {{ certificate: {}, key: {} }}\n\
                 auth: {{ htpasswd: {{ realm: registry, path: {} }} }}\n",
                file("cert.pem").display(),
                file("key.pem").display(),
                file("htpasswd").display()
            );
        }
        std::fs::write(file("config.yml"), config).unwrap();
        let child = Command::new("docker-registry")
            .arg("serve")
            .arg(file("config.yml"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let registry = Self {
            address,
            child,
            dir,
        };
        let started = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(started.elapsed() < MAX_START, "the registry does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
        registry
    }

    /// Returns the file with the certificate of a guarded registry.
    pub(crate) fn ca(&self) -> PathBuf {
        self.dir.path().join("cert.pem")
    }

    /// Returns the directory in which the registry keeps its files.
    pub(crate) fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// Returns a reference for the programs that push, which leave out the scheme.
    pub(crate) fn image(&self, name: &str) -> String {
        format!("{}/{name}", self.address)
    }

    /// Returns a reference for the host.
    pub(crate) fn oci(&self, name: &str) -> String {
        format!("oci://{}/{name}", self.address)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs oras in a directory to success and returns its standard output.
pub(crate) fn oras(dir: &Path, arguments: &[&str]) -> String {
    run_program(dir, "/system/trixie/usr/bin/oras", "oras", arguments)
}

/// Runs act-build in a directory to success and returns its standard output.
pub(crate) fn act_build(dir: &Path, arguments: &[&str]) -> String {
    run_program(dir, "/system/.venv/bin/act-build", "act-build", arguments)
}

/// Runs a program that was unpacked beside the tests, or the installed one.
fn run_program(dir: &Path, unpacked: &str, name: &str, arguments: &[&str]) -> String {
    let unpacked = format!("{}{unpacked}", env!("CARGO_MANIFEST_DIR"));
    let program = match Path::new(&unpacked).exists() {
        true => &unpacked,
        false => name,
    };
    let output = Command::new(program)
        .args(arguments)
        .current_dir(dir)
        .env("HOME", dir)
        .output()
        .unwrap();
    assert!(output.status.success(), "{name} {arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}
