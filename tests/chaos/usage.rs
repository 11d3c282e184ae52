//! Resources of the server process and the latency of its health check, sampled and bounded.

use std::time::{Duration, Instant};

use crate::support::process::{Process, resident_mb};

/// Growth of the memory during the stream. Twelve guests may have 4 MiB each at a time, and as many bodies of 1 MiB are
/// parsed.
const MAX_GROWTH_MB: f64 = 160.0;
/// Growth of the memory that remains afterwards: memory of used call slots stays mapped.
const MAX_REMAINING_GROWTH_MB: f64 = 64.0;
/// Open files and sockets beside those of the idle server: those of the clients, and of connections that are closing.
const MAX_MORE_FILES: usize = 100;
const MAX_MORE_THREADS: usize = 16;
/// Threads that may remain afterwards. Idle ones end after a while.
const MAX_REMAINING_THREADS: usize = 8;
/// Longest health check on a machine whose cores are all busy.
const MAX_LATENCY: Duration = Duration::from_secs(4);
/// Median of the health checks.
const MAX_MEDIAN_LATENCY: Duration = Duration::from_millis(250);
const MAX_SETTLE_TIME: Duration = Duration::from_secs(45);
const INTERVAL: Duration = Duration::from_millis(50);

#[derive(Debug, Clone, Copy)]
struct Usage {
    /// Open files and sockets.
    files: usize,
    threads: usize,
    memory_mb: f64,
}

/// Samples a server and asserts the bounds.
pub(super) struct Monitor {
    process: u32,
    url: String,
    http: reqwest::Client,
    idle: Usage,
    peak: Usage,
    latencies: Vec<Duration>,
}

impl Usage {
    fn of(process: u32) -> Self {
        let count = |directory| {
            std::fs::read_dir(format!("/proc/{process}/{directory}"))
                .unwrap()
                .count()
        };
        Self {
            files: count("fd"),
            threads: count("task"),
            memory_mb: resident_mb(process),
        }
    }
}

impl Monitor {
    /// Measures the idle server.
    pub(super) async fn new(process: &Process) -> Self {
        let idle = Usage::of(process.id());
        let http = reqwest::Client::builder()
            .no_proxy()
            // Each health check opens a connection, as those of an orchestrator do.
            .pool_max_idle_per_host(0)
            .timeout(MAX_LATENCY)
            .build();
        Self {
            process: process.id(),
            url: format!("http://{}/healthz", process.address),
            http: http.unwrap(),
            idle,
            peak: idle,
            latencies: Vec::new(),
        }
    }

    /// Waits for the next sample and asserts that it is within the bounds.
    pub(super) async fn sample(&mut self) {
        tokio::time::sleep(INTERVAL).await;
        let started = Instant::now();
        let answer = self.http.get(&self.url).send().await;
        let answer = answer.unwrap_or_else(|error| panic!("no health check: {error:?}"));
        assert_eq!(answer.status(), 200);
        self.latencies.push(started.elapsed());
        let now = Usage::of(self.process);
        self.peak.files = self.peak.files.max(now.files);
        self.peak.threads = self.peak.threads.max(now.threads);
        self.peak.memory_mb = self.peak.memory_mb.max(now.memory_mb);
        let is_bounded = now.files <= self.idle.files + MAX_MORE_FILES
            && now.threads <= self.idle.threads + MAX_MORE_THREADS
            && now.memory_mb <= self.idle.memory_mb + MAX_GROWTH_MB;
        assert!(is_bounded, "idle: {:?}, now: {now:?}", self.idle);
    }

    /// Asserts the median latency, and that the server uses no more than when it was idle, after a while.
    pub(super) async fn assert_released(&mut self) {
        self.latencies.sort();
        let median = self.latencies[self.latencies.len() / 2];
        assert!(median < MAX_MEDIAN_LATENCY, "{median:?}");
        let started = Instant::now();
        loop {
            let now = Usage::of(self.process);
            let is_released = now.files <= self.idle.files
                && now.threads <= self.idle.threads + MAX_REMAINING_THREADS
                && now.memory_mb <= self.idle.memory_mb + MAX_REMAINING_GROWTH_MB;
            if is_released {
                return;
            }
            let is_late = started.elapsed() > MAX_SETTLE_TIME;
            assert!(!is_late, "idle: {:?}, now: {now:?}", self.idle);
            tokio::time::sleep(INTERVAL).await;
        }
    }
}
