//! Servers in a separate process, and what Linux reports about a process.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Path of the binary under test.
pub(crate) const TOOLCRIB: &str = env!("CARGO_BIN_EXE_toolcrib-under-test");

/// The environment variable with the path of the binary to measure instead, such as the packaged one.
const MEASURED: &str = "TOOLCRIB_MEASURED";

/// Returns the path of the binary that is measured, by default that under test.
pub(crate) fn measured() -> OsString {
    let measured = std::env::var_os(MEASURED).filter(|path| !path.is_empty());
    measured.unwrap_or(TOOLCRIB.into())
}

/// A server in a separate process. Dropping it kills the process.
pub(crate) struct Process {
    pub(crate) address: SocketAddr,
    /// Time from the start of the process to its `listening on` line.
    pub(crate) ready: Duration,
    child: Child,
}

impl Process {
    /// Runs `toolcrib serve` with these arguments on a free port.
    pub(crate) fn serve<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Self {
        let mut command = Command::new(measured());
        command
            .arg("serve")
            .args(arguments)
            .args(["--listen", "127.0.0.1:0"]);
        Self::start(command)
    }

    /// Runs a server that prints a `listening on` line as `toolcrib serve` does.
    pub(crate) fn start(command: Command) -> Self {
        Self::start_with_log(command, |_| {})
    }

    /// Like [`Process::start`], and passes each line of standard error to `on_line`.
    pub(crate) fn start_with_log(
        mut command: Command,
        mut on_line: impl FnMut(&str) + Send + 'static,
    ) -> Self {
        let started = Instant::now();
        let mut child = command
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut log = String::new();
        let address = loop {
            let mut line = String::new();
            if stderr.read_line(&mut line).unwrap() == 0 {
                panic!("the server exited: {log}");
            }
            let origin = line
                .strip_prefix("listening on http")
                .map(|rest| rest.strip_prefix('s').unwrap_or(rest));
            if let Some(rest) = origin.and_then(|rest| rest.strip_prefix("://")) {
                break rest[..rest.find('/').unwrap()].parse().unwrap();
            }
            on_line(line.trim_end());
            log.push_str(&line);
        };
        let ready = started.elapsed();
        // A full pipe would block the server.
        std::thread::spawn(move || {
            for line in stderr.lines() {
                let Ok(line) = line else { break };
                on_line(&line);
            }
        });
        Self {
            address,
            ready,
            child,
        }
    }

    /// Waits until the process exits.
    pub(crate) fn ended(&mut self) -> std::process::ExitStatus {
        self.child.wait().unwrap()
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the CPU time of a process, in steps of 10 ms.
pub(crate) fn processor_time(process: u32) -> Duration {
    // Fields 14 and 15 of proc_pid_stat(5), in ticks of 10 ms. The process name, field 2, may contain spaces but ends
    // at the last parenthesis.
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<_> = stat[stat.rfind(')').unwrap() + 2..].split(' ').collect();
    let ticks = |field: &str| field.parse::<u64>().unwrap();
    Duration::from_millis((ticks(fields[11]) + ticks(fields[12])) * 10)
}

/// Returns the resident memory of a process in MiB.
pub(crate) fn resident_mb(process: u32) -> f64 {
    status_mb(process, "VmRSS:")
}

/// Returns the peak resident memory of a process in MiB.
pub(crate) fn peak_mb(process: u32) -> f64 {
    status_mb(process, "VmHWM:")
}

fn status_mb(process: u32, field: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|l| l.starts_with(field)).unwrap();
    let kb: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kb / 1024.0
}
