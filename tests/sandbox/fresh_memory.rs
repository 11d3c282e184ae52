//! The memory of a call is not left to the next one, of whatever size it is.

use serde_json::json;

use crate::support::client::{Client, Revision};
use crate::support::guest::component_from_wit;
use crate::support::process::Process;

/// A component with the tool `count`, which returns how many pages of its memory are not empty, and then writes to all of them.
fn counter(memory_pages: u32) -> Vec<u8> {
    let module = format!(
        r#"(module
          (memory (export "memory") {memory_pages})
          (func (export "count") (result i32) (local $at i32) (local $found i32)
            (loop $again
              (if (i64.ne (i64.load (local.get $at)) (i64.const 0))
                (then (local.set $found (i32.add (local.get $found) (i32.const 1)))))
              (i64.store (local.get $at) (i64.const -1))
              (local.set $at (i32.add (local.get $at) (i32.const 4096)))
              (br_if $again (i32.lt_u (local.get $at) (i32.mul (memory.size) (i32.const 65536)))))
            (local.get $found)))"#
    );
    component_from_wit("world guest { export count: func() -> u32; }", &module)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_call_finds_its_memory_empty() {
    let dir = tempfile::tempdir().unwrap();
    // On both sides of the size up to which the host resets memory by writing to it.
    for memory_pages in [1, 3, 4, 64] {
        let component = dir.path().join("counter.wasm");
        std::fs::write(&component, counter(memory_pages)).unwrap();
        let process = Process::serve([component.to_str().unwrap(), "--no-auth"]);
        let url = format!("http://{}/mcp", process.address);
        let client = Client::new(&url, Revision::November2025);
        for _ in 0..20 {
            let answer = client.call("count", json!({})).await;
            let found = &answer.result()["structuredContent"]["result"];
            assert_eq!(*found, json!(0), "{memory_pages} pages");
        }
        // The engine's scan of the page table for what to reset misses pages that the kernel has swapped out or moves.
        let files = std::fs::read_dir(format!("/proc/{}/fd", process.id())).unwrap();
        let opens_page_table = files
            .filter_map(|file| std::fs::read_link(file.unwrap().path()).ok())
            .any(|target| target.ends_with("pagemap"));
        assert!(!opens_page_table, "the engine scans the page table");
    }
}
