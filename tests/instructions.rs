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
const MAX_INSTRUCTIONS: usize = 715_000;
/// Calls before the counted one, which fill the caches.
const WARM_UP_CALLS: usize = 40;
/// Time limit of the counted call, which takes ten seconds on an idle machine.
const MAX_CALL_TIME: Duration = Duration::from_secs(300);

#[tokio::test(flavor = "multi_thread")]
async fn a_call_takes_a_limited_number_of_instructions() {
    let issuer = Issuer::start().await;
    let dir = tempfile::tempdir().unwrap();
    let server = serve(&issuer, dir.path());
    let request = request(server.address, &issuer.token(|_| {}));
    let (address, process) = (server.address, server.id());
    // Only the thread that attaches may control the other one. As it ends, it detaches, and the server can be stopped.
    let counting = std::thread::spawn(move || count(address, process, &request));
    let instructions = counting.join().unwrap();
    println!("{instructions} instructions");
    assert!(
        instructions <= MAX_INSTRUCTIONS,
        "a call takes {instructions} instructions, not at most {MAX_INSTRUCTIONS}"
    );
}

/// Returns the number of instructions of a call.
fn count(address: SocketAddr, process: u32, request: &[u8]) -> usize {
    let mut client = TcpStream::connect(address).unwrap();
    client.set_read_timeout(Some(MAX_CALL_TIME)).unwrap();
    let mut call = || {
        client.write_all(request).unwrap();
        assert_called(&read_response(&mut client));
    };
    // The server starts its threads at the first connection.
    call();
    let thread = busiest_thread(process, || (0..WARM_UP_CALLS).for_each(|_| call()));
    // Without its ticks, the guest does not move to another thread when its time on this one is over.
    for clock in threads(process, "epoch-clock") {
        stop(clock);
    }
    share_processor_with(thread);
    stop(thread);
    count_call(thread, &mut client, request)
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

/// Returns the connection thread of the process that runs longest during `calls`.
fn busiest_thread(process: u32, calls: impl FnOnce()) -> Pid {
    let run_time = |thread: Pid| -> u64 {
        let path = format!("/proc/{process}/task/{thread}/schedstat");
        let schedstat = std::fs::read_to_string(path).unwrap();
        schedstat.split(' ').next().unwrap().parse().unwrap()
    };
    let before: Vec<_> = threads(process, "connections")
        .map(|thread| (run_time(thread), thread))
        .collect();
    calls();
    let busiest = before
        .iter()
        .max_by_key(|&&(before, thread)| run_time(thread) - before);
    busiest.expect("the server has connection threads").1
}

/// Returns the threads of the process with this name.
fn threads(process: u32, name: &str) -> impl Iterator<Item = Pid> {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).unwrap();
    threads
        .map(|thread| thread.unwrap())
        .filter(move |thread| {
            std::fs::read_to_string(thread.path().join("comm"))
                .is_ok_and(|comm| comm.trim() == name)
        })
        .map(|thread| Pid::from_raw(thread.file_name().to_str().unwrap().parse().unwrap()))
}

/// Runs both threads on one processor from now on: waking one on another processor takes ten times as long as a step.
fn share_processor_with(thread: Pid) {
    let this_thread = Pid::from_raw(0);
    let allowed = sched_getaffinity(this_thread).unwrap();
    let mut one = CpuSet::new();
    let first = (0..CpuSet::count()).find(|&cpu| allowed.is_set(cpu).unwrap());
    one.set(first.expect("a processor")).unwrap();
    sched_setaffinity(this_thread, &one).unwrap();
    sched_setaffinity(thread, &one).unwrap();
}

/// Attaches to the thread and stops it.
fn stop(thread: Pid) {
    ptrace::seize(thread, Options::empty()).unwrap();
    ptrace::interrupt(thread).unwrap();
    wait_for_stop(thread);
}

/// Sends a request to the stopped thread, and counts its instructions until it waits for the next request.
fn count_call(thread: Pid, client: &mut TcpStream, request: &[u8]) -> usize {
    client.write_all(request).unwrap();
    let has_ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let client = scope.spawn(|| {
            let response = read_response(client);
            wait_until_asleep(thread);
            has_ended.store(true, Ordering::SeqCst);
            // Ends the wait below.
            client.write_all(&request[..1]).unwrap();
            response
        });
        let (mut instructions, mut signal) = (0, None);
        while !has_ended.load(Ordering::SeqCst) {
            ptrace::step(thread, signal).unwrap();
            signal = wait_for_stop(thread);
            instructions += 1;
        }
        assert_called(&client.join().unwrap());
        instructions
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
