//! The processor instructions of one call: a guard against changes after which every call does more work.
//!
//! Unlike time, they do not depend on what else the machine does. The connection thread of the real binary is run step by
//! step with ptrace(2), because virtual machines often have no counters, and the instance pool exceeds the address space
//! that valgrind offers.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use serde_json::json;

use crate::support::guest::Guest;
use crate::support::issuer::{AUDIENCE, Issuer};
use crate::support::process::{Process, measured};

/// Instructions of one call in a build for tests, of which a quarter is reserve for other compilers and libraries.
const MAX_INSTRUCTIONS: usize = 610_000;
/// Calls that are counted. The smallest count applies: the others contain rare work, such as that of timers.
const CALLS: usize = 2;
/// Calls before, after which caches are filled.
const WARM_UP_CALLS: usize = 40;
/// Time of one call while it is counted, of which an idle machine needs ten seconds.
const MAX_CALL_TIME: Duration = Duration::from_secs(300);

#[tokio::test(flavor = "multi_thread")]
async fn a_call_takes_a_limited_number_of_instructions() {
    let issuer = Issuer::start().await;
    let dir = tempfile::tempdir().unwrap();
    let server = serve(&issuer, dir.path());
    let request = request(server.address, &issuer.token(|_| {}));
    let (address, process) = (server.address, server.id());
    // Only the thread that attaches may control the other one. As it ends, it detaches, and the server can be stopped.
    let counting = std::thread::spawn(move || count_calls(address, process, &request));
    let instructions = counting.join().unwrap();
    println!("{instructions} instructions");
    assert!(
        instructions <= MAX_INSTRUCTIONS,
        "a call takes {instructions} instructions, not at most {MAX_INSTRUCTIONS}"
    );
}

/// Returns the smallest number of instructions of a call.
fn count_calls(address: SocketAddr, process: u32, request: &[u8]) -> usize {
    let mut client = TcpStream::connect(address).unwrap();
    client.set_read_timeout(Some(MAX_CALL_TIME)).unwrap();
    let mut call = || {
        client.write_all(request).unwrap();
        assert_called(&read_response(&mut client));
    };
    // The server starts its threads at the first connection.
    call();
    let thread = connection_thread(process, || (0..WARM_UP_CALLS).for_each(|_| call()));
    attach(thread);
    client.write_all(&request[..1]).unwrap();
    (0..CALLS)
        .map(|_| count_call(thread, &mut client, request))
        .min()
        .unwrap()
}

/// Serves a minimal guest behind the guard.
fn serve(issuer: &Issuer, dir: &Path) -> Process {
    let (component, config) = (dir.join("echo.wasm"), dir.join("toolcrib.toml"));
    std::fs::write(&component, Guest::saying("echo", "hello").component()).unwrap();
    // Spare instances are made at times that depend on other requests.
    let text = format!(
        "[server]\npublic-url = \"https://tools.example\"\nkeep-alive = \"10m\"\n[auth]\nissuer = {:?}\naudience = {AUDIENCE:?}\n\
         jwks-uri = {:?}\n[limits]\nspare-instances = 0\ntime = \"10m\"\ncpu = \"10m\"\n[telemetry]\nlevel = \"warn\"\n",
        issuer.url(),
        issuer.jwks_uri()
    );
    std::fs::write(&config, text).unwrap();
    let mut command = Command::new(measured());
    command
        .arg("serve")
        .arg(component)
        .arg("--config")
        .arg(config)
        .args(["--listen", "127.0.0.1:0"])
        // Each repetition of an instruction counts, and the sizes from which the C library repeats one depend on the
        // processor.
        .env(
            "GLIBC_TUNABLES",
            "glibc.cpu.x86_rep_movsb_threshold=1000000000:glibc.cpu.x86_rep_stosb_threshold=1000000000",
        );
    Process::start(command)
}

fn request(address: SocketAddr, token: &str) -> Vec<u8> {
    let params = json!({ "name": "echo", "arguments": {} });
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    let body = body.to_string();
    format!(
        "POST /mcp HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
         accept: application/json, text/event-stream\r\nmcp-protocol-version: 2025-11-25\r\n\
         authorization: Bearer {token}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into()
}

/// Returns a response, which the server sends in one piece, or why there is none.
fn read_response(client: &mut TcpStream) -> String {
    let mut response = vec![0; 64 << 10];
    match client.read(&mut response) {
        Ok(length) => String::from_utf8_lossy(&response[..length]).into(),
        Err(error) => error.to_string(),
    }
}

fn assert_called(response: &str) {
    assert!(response.starts_with("HTTP/1.1 200 OK"), "{response}");
    assert!(response.contains("hello"), "{response}");
}

/// Returns the thread of the process that runs longest during `calls`.
fn connection_thread(process: u32, calls: impl FnOnce()) -> Pid {
    let run_time = |thread: &Path| -> u64 {
        let schedstat = std::fs::read_to_string(thread.join("schedstat")).unwrap();
        schedstat.split(' ').next().unwrap().parse().unwrap()
    };
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).unwrap();
    let before: Vec<_> = threads
        .map(|thread| thread.unwrap().path())
        .filter(|thread| {
            std::fs::read_to_string(thread.join("comm")).unwrap().trim() == "connections"
        })
        .map(|thread| (run_time(&thread), thread))
        .collect();
    calls();
    let busiest = before
        .iter()
        .max_by_key(|(before, thread)| run_time(thread) - before);
    let (_, thread) = busiest.expect("the server has connection threads");
    let id = thread.file_name().unwrap().to_str().unwrap();
    Pid::from_raw(id.parse().unwrap())
}

/// Stops the thread once, and lets it go on to its next instruction. Both threads run on one processor from now on: waking
/// one on another processor takes ten times as long as a step.
fn attach(thread: Pid) {
    let this_thread = Pid::from_raw(0);
    let allowed = sched_getaffinity(this_thread).unwrap();
    let mut one = CpuSet::new();
    let first = (0..CpuSet::count()).find(|&cpu| allowed.is_set(cpu).unwrap());
    one.set(first.expect("a processor")).unwrap();
    sched_setaffinity(this_thread, &one).unwrap();
    sched_setaffinity(thread, &one).unwrap();
    ptrace::seize(thread, Options::empty()).unwrap();
    ptrace::interrupt(thread).unwrap();
    wait_for_stop(thread);
    ptrace::step(thread, None).unwrap();
}

/// Sends a request, of which the first byte has been sent, and counts the instructions of `thread` until it waits for
/// the next request. Then sends the first byte of that, which ends the wait.
fn count_call(thread: Pid, client: &mut TcpStream, request: &[u8]) -> usize {
    let has_ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let client = scope.spawn(|| {
            client.write_all(&request[1..]).unwrap();
            let response = read_response(client);
            wait_until_asleep(thread);
            has_ended.store(true, Ordering::SeqCst);
            client.write_all(&request[..1]).unwrap();
            response
        });
        let mut instructions = 0;
        loop {
            let signal = wait_for_stop(thread);
            if has_ended.load(Ordering::SeqCst) {
                ptrace::step(thread, signal).unwrap();
                assert_called(&client.join().unwrap());
                return instructions;
            }
            instructions += 1;
            ptrace::step(thread, signal).unwrap();
        }
    })
}

/// Waits until the thread stops. Returns the signal that it is to receive, if it was stopped by one.
fn wait_for_stop(thread: Pid) -> Option<Signal> {
    match waitpid(thread, Some(WaitPidFlag::__WALL)).unwrap() {
        WaitStatus::Stopped(_, signal) if signal != Signal::SIGTRAP => Some(signal),
        WaitStatus::Stopped(..) | WaitStatus::PtraceEvent(..) => None,
        ended => panic!("the server ended: {ended:?}"),
    }
}

/// Waits until the thread has slept for a while, as it does when it waits for a request.
fn wait_until_asleep(thread: Pid) {
    const READINGS: usize = 20;
    let mut asleep = 0;
    while asleep < READINGS {
        std::thread::sleep(Duration::from_millis(1));
        let stat = std::fs::read_to_string(format!("/proc/{thread}/stat")).unwrap();
        let state = &stat[stat.rfind(')').unwrap() + 2..];
        asleep = if state.starts_with('S') {
            asleep + 1
        } else {
            0
        };
    }
}
