//! A composition is loaded again when any of its parts changes, and never taken from the cache with an old one.

use serde_json::json;

use super::{ADD, CONFIGURATION, adder, composed, compute, inspect};
use crate::reload::{wait_for_no_problems, wait_for_problem, wait_until};
use crate::support::server::{Host, write};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_part_replaces_the_composition() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "compute", &compute());
    write(dir.path(), "adder", &adder(ADD));
    let host = Host::configured_and_watching(dir, CONFIGURATION).await;
    let client = host.client();
    let computes =
        async |expected: &str| client.call("compute", json!({ "x": 20 })).await.text() == expected;
    assert!(computes("21").await);
    write(
        host.dir(),
        "adder",
        &adder("(i32.mul (local.get 0) (i32.const 3))"),
    );
    wait_until("the new part", async || computes("60").await).await;
    // A damaged part leaves the last version in place.
    std::fs::write(host.dir().join("adder.wasm"), "rubbish").unwrap();
    wait_for_problem(&host, &["compute.wasm", "its part", "adder.wasm"]).await;
    assert!(computes("60").await);
    write(host.dir(), "adder", &adder(ADD));
    wait_until("the new part", async || computes("21").await).await;
    wait_for_no_problems(&host).await;
}

#[test]
fn compiled_compositions_are_cached_by_all_parts() {
    let toolcrib = composed(&adder(ADD));
    let arguments = [
        "call",
        "compute.wasm",
        "compute",
        "{\"x\":20}",
        "--config",
        "toolcrib.toml",
    ];
    let call = || toolcrib.run(&arguments);
    let digest = || inspect(&toolcrib, "compute.wasm")[0]["digest"].clone();
    let first = digest();
    assert_eq!(call().stdout.trim(), "21", "{:?}", call());
    assert_eq!(digest(), first);
    toolcrib.write("adder", &adder("(i32.const 7)"));
    assert_eq!(call().stdout.trim(), "7");
    assert_ne!(digest(), first);
    toolcrib.write("adder", &adder(ADD));
    assert_eq!(call().stdout.trim(), "21");
    assert_eq!(digest(), first);
}
