//! The real binary, serving in a process of its own.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The binary under test.
pub(crate) const TOOLCRIB: &str = env!("CARGO_BIN_EXE_toolcrib-under-test");

/// A server in a process of its own, ended when it is dropped.
pub(crate) struct Process {
    pub(crate) address: SocketAddr,
    /// From the start of the process to its line that it listens.
    pub(crate) ready: Duration,
    child: Child,
}

impl Process {
    /// `toolcrib serve` with these arguments, on a free port.
    pub(crate) fn serve<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Self {
        let mut command = Command::new(TOOLCRIB);
        command
            .arg("serve")
            .args(arguments)
            .args(["--listen", "127.0.0.1:0"]);
        Self::start(command)
    }

    /// A program that says where it listens as `toolcrib serve` does.
    pub(crate) fn start(command: Command) -> Self {
        Self::start_heard(command, |_| {})
    }

    /// As [`Process::start`]; what it logs is heard line by line.
    pub(crate) fn start_heard(
        mut command: Command,
        mut hear: impl FnMut(&str) + Send + 'static,
    ) -> Self {
        let started = Instant::now();
        let mut child = command
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        let address = loop {
            let mut line = String::new();
            if stderr.read_line(&mut line).unwrap() == 0 {
                panic!("the server ended: {said}");
            }
            let told = line
                .strip_prefix("listening on http")
                .map(|rest| rest.strip_prefix('s').unwrap_or(rest));
            if let Some(rest) = told.and_then(|rest| rest.strip_prefix("://")) {
                break rest[..rest.find('/').unwrap()].parse().unwrap();
            }
            hear(line.trim_end());
            said.push_str(&line);
        };
        let ready = started.elapsed();
        // What it logs later must not block it.
        std::thread::spawn(move || {
            for line in stderr.lines() {
                let Ok(line) = line else { break };
                hear(&line);
            }
        });
        Self {
            address,
            ready,
            child,
        }
    }

    /// Waits for its end.
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

/// The processor time that a process has used, in steps of 10 ms.
pub(crate) fn processor_time(process: u32) -> Duration {
    // Fields 14 and 15 of proc_pid_stat(5), in ticks of 10 ms; the name before
    // them may hold spaces but ends at the last parenthesis.
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<_> = stat[stat.rfind(')').unwrap() + 2..].split(' ').collect();
    let ticks = |field: &str| field.parse::<u64>().unwrap();
    Duration::from_millis((ticks(fields[11]) + ticks(fields[12])) * 10)
}

/// The resident memory of a process, in MB.
pub(crate) fn resident_mb(process: u32) -> f64 {
    status_mb(process, "VmRSS:")
}

/// The most resident memory that a process had so far, in MB.
pub(crate) fn peak_mb(process: u32) -> f64 {
    status_mb(process, "VmHWM:")
}

fn status_mb(process: u32, field: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|l| l.starts_with(field)).unwrap();
    let kb: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kb / 1024.0
}
