//! A real Redis, which each test starts itself.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// The password of each server.
const PASSWORD: &str = "correct horse";

/// A Redis server in a temporary directory, stopped when dropped.
pub(crate) struct Redis {
    pub(crate) dir: TempDir,
    pub(crate) port: u16,
    child: Child,
}

impl Redis {
    pub(crate) fn start() -> Self {
        Self::with(&[])
    }

    /// Starts a server with additional arguments. If one of them is a `--tls…` option, it listens with TLS only.
    pub(crate) fn with(arguments: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let port = {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            listener.local_addr().unwrap().port()
        };
        let has_tls = arguments
            .iter()
            .any(|argument| argument.starts_with("--tls"));
        let ports = if has_tls {
            ["--port", "0", "--tls-port", &port.to_string()].map(str::to_owned)
        } else {
            ["--port", &port.to_string(), "--databases", "2"].map(str::to_owned)
        };
        if has_tls {
            let certificate = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
            std::fs::write(dir.path().join("cert.pem"), certificate.cert.pem()).unwrap();
            std::fs::write(
                dir.path().join("key.pem"),
                certificate.signing_key.serialize_pem(),
            )
            .unwrap();
        }
        let mut child = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .args(["--requirepass", PASSWORD])
            .args(ports)
            .args(arguments)
            .current_dir(dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        while !output.contains("Ready to accept connections") {
            assert!(
                stdout.read_line(&mut output).unwrap() > 0,
                "redis-server ended: {output}"
            );
        }
        std::thread::spawn(move || std::io::copy(&mut stdout, &mut std::io::sink()));
        Self { dir, port, child }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://:correct%20horse@127.0.0.1:{}", self.port)
    }

    /// Stops or continues the process without ending it.
    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args([signal, &pid]).status();
        assert!(status.unwrap().success());
    }

    /// Kills the process.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Returns the output of a command.
    pub(crate) fn command(&self, arguments: &[&str]) -> String {
        let output = Command::new("redis-cli")
            .args(["-p", &self.port.to_string(), "-a", PASSWORD])
            .arg("--no-auth-warning")
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The `[kv]` section for this server.
    pub(crate) fn kv_section(&self) -> String {
        format!("[kv]\nurl = {:?}", self.url())
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
