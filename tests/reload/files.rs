//! What happens to the tools when their files come, change, break, mend and go.

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::json;

use super::{
    PATIENCE, client, listeners, names, problems, put, remove, serve, until, until_names,
    until_problem, until_ready, until_says,
};
use crate::support::client::{Client, Stream};
use crate::support::command::Toolcrib;
use crate::support::guest::{Guest, Tool, component};
use crate::support::process::Process;
use crate::support::server::{Host, write};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn come_and_go() {
    let host = Host::watching(&[("a", &Guest::saying("a", "one"))], |_| {}).await;
    let client = host.client();
    assert_eq!(names(&client).await, ["a"]);
    put(&host, "b", &Guest::saying("b", "two"));
    until_names(&client, &["a", "b"]).await;
    assert_eq!(client.call("b", json!({})).await.text(), "two");
    put(&host, "b", &Guest::saying("b", "three"));
    until_says(&client, "b", "three").await;
    remove(&host, "a");
    until_names(&client, &["b"]).await;
    assert_eq!(client.call("a", json!({})).await.code(), -32602);
    // The last one leaves nothing but the word that nothing is there.
    remove(&host, "b");
    until_names(&client, &[]).await;
    until_problem(&host, &["names no component"]).await;
    put(&host, "b", &Guest::saying("b", "four"));
    until_names(&client, &["b"]).await;
    until_ready(&host).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_and_mended() {
    let guests = [
        ("a", &Guest::saying("a", "one")),
        ("b", &Guest::saying("b", "one")),
    ];
    let host = Host::watching(&guests, |_| {}).await;
    let client = host.client();
    let path = host.dir().join("a.wasm");
    let whole = Guest::saying("a", "two").component();
    // In place, as an editor writes; in each case the rest of the change happens.
    let broken: [(&str, Vec<u8>, &[&str]); 3] = [
        ("text", b"(component)".to_vec(), &["a.wasm", "text"]),
        ("half", whole[..whole.len() / 2].to_vec(), &["a.wasm"]),
        ("nothing", Vec::new(), &["a.wasm"]),
    ];
    for (how, bytes, parts) in broken {
        std::fs::write(&path, bytes).unwrap();
        put(&host, "b", &Guest::saying("b", how));
        until_says(&client, "b", how).await;
        until_problem(&host, parts).await;
        assert_eq!(client.call("a", json!({})).await.text(), "one", "{how}");
    }
    // Gone and broken at the next look.
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, "rubbish").unwrap();
    until_problem(&host, &["a.wasm"]).await;
    assert_eq!(client.call("a", json!({})).await.text(), "one");
    std::fs::write(&path, &whole).unwrap();
    until_says(&client, "a", "two").await;
    until_ready(&host).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clashes() {
    let guests = [
        ("a", &Guest::saying("one", "a")),
        ("b", &Guest::saying("two", "b")),
    ];
    let host = Host::watching(&guests, |_| {}).await;
    let client = host.client();
    // A newcomer takes no name from who has it, and the rest happens.
    put(&host, "0", &Guest::saying("one", "0"));
    put(&host, "c", &Guest::saying("three", "c"));
    until_names(&client, &["one", "three", "two"]).await;
    until_problem(&host, &["`one`", "`a`", "`0`", "prefix"]).await;
    assert_eq!(client.call("one", json!({})).await.text(), "a");
    // Neither does a new version: the old one stays.
    put(&host, "b", &Guest::saying("three", "b"));
    until("two problems", async || problems(&host).await.len() == 2).await;
    assert_eq!(client.call("two", json!({})).await.text(), "b");
    assert_eq!(client.call("three", json!({})).await.text(), "c");
    // Who had it goes.
    remove(&host, "a");
    remove(&host, "c");
    until_names(&client, &["one", "three"]).await;
    until_ready(&host).await;
    assert_eq!(client.call("one", json!({})).await.text(), "0");
    assert_eq!(client.call("three", json!({})).await.text(), "b");
    // Two that exchange their names do so at once.
    put(&host, "0", &Guest::saying("three", "0"));
    put(&host, "b", &Guest::saying("one", "b"));
    until_says(&client, "one", "b").await;
    until_says(&client, "three", "0").await;
    until_ready(&host).await;
}

/// A file that takes its time to arrive is not blamed for what it is not yet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slowly_written() {
    let host = Host::watching(&[("a", &Guest::saying("a", "one"))], |_| {}).await;
    let client = host.client();
    let path = host.dir().join("a.wasm");
    let mut before = Vec::new();
    for (now, next) in [("one", "two"), ("two", "three")] {
        let mut guest = Guest::saying("a", next);
        guest.string(vec![b'x'; 256 << 10]);
        let bytes = guest.component();
        let mut file = std::fs::File::create(&path).unwrap();
        // Longer than a change waits for the next one, and with a pause.
        for (index, part) in bytes.chunks(bytes.len() / 100 + 1).enumerate() {
            file.write_all(part).unwrap();
            let written = Instant::now();
            let pause = if index == 50 { 500 } else { 20 };
            tokio::time::sleep(Duration::from_millis(pause)).await;
            let said = problems(&host).await;
            assert_eq!(client.call("a", json!({})).await.text(), now);
            // On a machine that is busy the pause may be longer than anybody's patience.
            if written.elapsed() < Duration::from_millis(900) {
                assert_eq!(said, before);
            }
        }
        drop(file);
        until_says(&client, "a", next).await;
        until_ready(&host).await;
        // Neither is one that was to blame before praised for what it is not yet.
        std::fs::write(&path, "rubbish").unwrap();
        until_problem(&host, &["a.wasm"]).await;
        before = problems(&host).await;
    }
}

/// A file that is written again and again holds up no other one, and is looked at no more often than it helps.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn never_settled() {
    let place = Toolcrib::new();
    let slow = place.write("a", &Guest::saying("a", "one").component());
    let process = serve(&place, &["."]);
    let client = client(&process);
    let (second, third) = (Guest::saying("a", "two"), Guest::saying("b", "b"));
    let is_over = Arc::new(AtomicBool::new(false));
    let writing = std::thread::spawn({
        let (is_over, bytes) = (is_over.clone(), second.component());
        move || {
            let (mut longest, mut last) = (Duration::ZERO, Instant::now());
            while !is_over.load(Ordering::Relaxed) {
                std::fs::write(&slow, &bytes).unwrap();
                std::thread::sleep(Duration::from_millis(5));
                longest = longest.max(last.elapsed());
                last = Instant::now();
            }
            longest
        }
    });
    let (begun, mut looks, mut served) = (Instant::now(), BTreeSet::new(), false);
    place.write("b", &third.component());
    // Longer than it takes until the other one is served.
    while (!served && begun.elapsed() < PATIENCE) || begun.elapsed() < Duration::from_secs(3) {
        looks.extend(listeners(&process));
        served = served || names(&client).await == ["a", "b"];
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let most = begun.elapsed().as_millis() / 100 + 2;
    let answer = client.call("a", json!({})).await;
    is_over.store(true, Ordering::Relaxed);
    // On a machine that is busy it may look as if nobody wrote any more.
    if writing.join().unwrap() < Duration::from_millis(90) {
        assert_eq!(answer.text(), "one");
    }
    assert!(served, "never: b");
    assert!(looks.len() as u128 <= most, "{} looks", looks.len());
    until_says(&client, "a", "two").await;
}

/// Neither reading nor what the references do not name is a reason to look.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_to_see() {
    let place = Toolcrib::new();
    let path = place.write("a", &Guest::saying("a", "one").component());
    let process = serve(&place, &["."]);
    let client = client(&process);
    // The first look after a change may come with a second one.
    std::fs::write(&path, Guest::saying("a", "two").component()).unwrap();
    until_says(&client, "a", "two").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = listeners(&process);
    assert_eq!(before.len(), 1, "{before:?}");
    for _ in 0..40 {
        std::fs::read(&path).unwrap();
        place.file("readme.txt", "hello");
        std::fs::create_dir(place.path().join("more")).unwrap();
        std::fs::remove_dir(place.path().join("more")).unwrap();
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    assert_eq!(listeners(&process), before);
    std::fs::write(&path, Guest::saying("a", "three").component()).unwrap();
    until_says(&client, "a", "three").await;
    assert_ne!(listeners(&process), before);
}

/// What was loaded once, or found to be broken, is not loaded again before it changes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loaded_once() {
    const LOAD: Duration = Duration::from_secs(8);
    let place = Toolcrib::new();
    place.write("a", &Guest::saying("run", "one").component());
    place.file(
        "c.toml",
        format!(
            "components = [\".\"]\nlimits.time = \"{}s\"\n",
            LOAD.as_secs()
        ),
    );
    let heard = Arc::new(Mutex::new(String::new()));
    let mut command = place.command(&["serve", "--no-auth", "--config", "c.toml"]);
    command.args(["--listen", "127.0.0.1:0"]);
    let said = heard.clone();
    let process = Process::start_heard(command, move |line| said.lock().unwrap().push_str(line));
    let count = |text: &str| heard.lock().unwrap().matches(text).count();
    let client = client(&process);
    // It stays out, since its tool has the name of one that is served.
    place.write("clash", &skipping());
    // It takes all the time there is, and says nothing.
    place.write("broken", &endless());
    until("both are blamed", async || {
        let answer = client
            .http
            .get(format!("http://{}/readyz", process.address))
            .send()
            .await;
        answer.unwrap().text().await.unwrap().lines().count() == 3
    })
    .await;
    for name in ["b", "c", "d"] {
        let begun = Instant::now();
        place.write(name, &Guest::saying(name, name).component());
        until(name, async || {
            names(&client).await.contains(&name.to_owned())
        })
        .await;
        assert!(begun.elapsed() < LOAD, "{name}: {:?}", begun.elapsed());
    }
    assert_eq!(count("export skipped"), 1);
    // And what is wrong is said once.
    assert_eq!(count("not everything is served"), 2);
    assert_eq!(count("problem gone"), 0);
    std::fs::remove_file(place.path().join("clash.wasm")).unwrap();
    until("it is gone", async || count("problem gone") == 1).await;
}

/// A function component with the tool `run`, and an export of which the log has a line each time it is loaded.
fn skipping() -> Vec<u8> {
    component(
        "export run: func(); export wasi:cli/run@0.2.0;",
        "(module (func (export \"run\"))
           (func (export \"wasi:cli/run@0.2.0#run\") (result i32) (i32.const 0)))",
    )
}

/// A component that does not come to an end with its definitions.
fn endless() -> Vec<u8> {
    component(
        "export toolcrib:mcp/tool@0.1.1;",
        "(module
           (memory (export \"memory\") 1)
           (func (export \"cabi_realloc\") (param i32 i32 i32 i32) (result i32) unreachable)
           (func (export \"toolcrib:mcp/tool@0.1.1#definitions\") (result i32) (loop $l (br $l)) unreachable)
           (func (export \"toolcrib:mcp/tool@0.1.1#call\")
             (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) unreachable))",
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_once() {
    let host = Host::watching(&[("a", &Guest::saying("a", "one"))], |_| {}).await;
    let client = host.client();
    let mut expected = vec!["a".to_owned()];
    for index in 0..50 {
        let name = format!("b{index:02}");
        write(
            host.dir(),
            &name,
            &Guest::saying(&name, "hello").component(),
        );
        expected.push(name);
    }
    until("all of them", async || names(&client).await == expected).await;
    until_ready(&host).await;
}

/// Begins a call of a tool that says so.
async fn begin(client: &Client, tool: &str) -> Stream {
    let params = json!({ "name": tool, "arguments": {}, "_meta": { "progressToken": 1 } });
    let mut running = Stream::open(client.post(&client.message("tools/call", params))).await;
    let first = running.next().await.unwrap();
    assert_eq!(first["method"], "notifications/progress");
    running
}

/// A call that runs ends in what it began in, and has its place for as long as it runs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_go_on() {
    const BEGUN: &str = "(call $progress (f64.const 1) (i32.const 0) (f64.const 0) (i32.const 0) (i32.const 0) (i32.const 0))";
    let mut guest = Guest::saying("tool", "one");
    let text = guest.string("one");
    guest.tool(
        Tool::new("slow"),
        format!(
            "{BEGUN}
             (loop $again (br_if $again (i64.gt_u (call $time_left) (i64.const 597000))))
             (call $text {text})"
        ),
    );
    guest.tool(Tool::new("spin"), format!("{BEGUN} (call $spin)"));
    let host = Host::watching(&[("a", &guest)], |config| {
        config.limits.time = Duration::from_secs(600);
        config.limits.cpu = Duration::from_secs(600);
        config.limits.concurrency = 1;
        config.server.max_concurrent_calls = 1;
    })
    .await;
    let client = host.client();
    let mut slow = begin(&client, "slow").await;
    put(&host, "a", &Guest::saying("tool", "two"));
    until_names(&client, &["tool"]).await;
    let last = slow.next().await.unwrap();
    assert_eq!(last["result"]["content"][0]["text"], "one", "{last}");
    until_says(&client, "tool", "two").await;

    put(&host, "a", &guest);
    until_names(&client, &["slow", "spin", "tool"]).await;
    let spin = begin(&client, "spin").await;
    put(&host, "a", &Guest::saying("tool", "two"));
    put(&host, "b", &Guest::saying("b", "b"));
    until_names(&client, &["b", "tool"]).await;
    // The new version has the old one's places, and all have those of the server.
    for tool in ["tool", "b"] {
        assert_eq!(client.call(tool, json!({})).await.status, 503, "{tool}");
    }
    drop(spin);
    until_says(&client, "tool", "two").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rates_stay() {
    let host = Host::watching(&[("a", &Guest::saying("a", "one"))], |config| {
        config.limits.calls_per_minute = std::num::NonZeroU32::new(2);
    })
    .await;
    let client = host.client();
    for _ in 0..2 {
        assert_eq!(client.call("a", json!({})).await.text(), "one");
    }
    assert_eq!(client.call("a", json!({})).await.status, 429);
    // Another one comes, and then a new version.
    put(&host, "b", &Guest::saying("b", "b"));
    until_names(&client, &["a", "b"]).await;
    assert_eq!(client.call("a", json!({})).await.status, 429);
    let mut second = Guest::saying("a", "two");
    let text = second.string("more");
    second.tool(Tool::new("more"), format!("(call $text {text})"));
    put(&host, "a", &second);
    until_names(&client, &["a", "b", "more"]).await;
    assert_eq!(client.call("a", json!({})).await.status, 429);
    assert_eq!(client.call("b", json!({})).await.text(), "b");
}
