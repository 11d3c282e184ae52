//! Small components and arguments that stand for much more: what the host makes of them has bounds.

use std::fmt::Write;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{MEMORY, tool, with_memory};
use crate::support::client::{Client, Revision};
use crate::support::command::Toolcrib;
use crate::support::guest::{component, documented, packaged};
use crate::support::process::{Process, TOOLCRIB};
use crate::support::server::{Host, write};

/// More than any of these needs, on a machine that has other things to do. Without bounds it is a minute.
const PROMPT: Duration = Duration::from_secs(15);

/// A server in a process of its own, whose memory can be told.
struct Watched {
    process: Process,
    _dir: tempfile::TempDir,
}

impl Watched {
    fn serving(bytes: &[u8]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = write(dir.path(), "guest", bytes);
        let mut command = Command::new(TOOLCRIB);
        command
            .arg("serve")
            .arg(path)
            .args(["--no-auth", "--listen", "127.0.0.1:0"])
            .env("HOME", dir.path());
        Self {
            process: Process::start(command),
            _dir: dir,
        }
    }

    fn client(&self) -> Client {
        let url = format!("http://{}/mcp", self.process.address);
        Client::new(&url, Revision::July2026)
    }

    /// The most memory that it has had, in MiB.
    fn peak(&self) -> usize {
        let status = format!("/proc/{}/status", self.process.id());
        let status = std::fs::read_to_string(status).unwrap();
        let line = status.lines().find(|l| l.starts_with("VmHWM:")).unwrap();
        let kib: usize = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        kib >> 10
    }
}

/// Words of this length together, each a letter.
fn long_name(letters: usize) -> String {
    "abcdefghi-"
        .repeat(letters / 10)
        .trim_end_matches('-')
        .to_owned()
}

/// Every record has the names of its fields with it in the host.
#[tokio::test]
async fn long_names_of_fields() {
    let long = long_name(80_000);
    let host = Host::of_component(&with_memory(
        &format!("record r {{ {long}: option<u8> }} export f: func(x: list<r>);"),
        r#"(func (export "f") (param i32 i32))"#,
    ))
    .await;
    let call = async |count| {
        let x = vec![json!({}); count];
        host.client().call("f", json!({ "x": x })).await
    };
    assert_eq!(call(1_000).await.result()["isError"], false);
    let answer = call(3_000).await;
    let sentence = answer.failure();
    assert!(
        sentence.contains("more than 2000000 values"),
        "{sentence:.99}"
    );
}

/// What names something is found at once, however many names there are.
#[tokio::test]
async fn many_names() {
    let cases: String = (0..9_000).map(|n| format!("c{n},")).collect();
    let payloads: String = (0..900).map(|n| format!("c{n}(bool),")).collect();
    let component = with_memory(
        &format!(
            "enum e {{ {cases} }} variant v {{ {payloads} }}
             export count: func(x: list<e>) -> u32;
             export weigh: func(x: list<v>) -> u32;
             export give: func() -> list<v>;"
        ),
        r#"(func (export "count") (param i32 i32) (result i32) (local.get 1))
           (func (export "weigh") (param i32 i32) (result i32) (local.get 1))
           (func (export "give") (result i32)
             (local $at i32)
             (local.set $at (i32.const 65536))
             ;; The last case, a hundred thousand times.
             (loop $next
               (i32.store16 (local.get $at) (i32.const 899))
               (local.set $at (i32.add (local.get $at) (i32.const 4)))
               (br_if $next (i32.lt_u (local.get $at) (i32.const 465536))))
             (i32.store (i32.const 16) (i32.const 65536))
             (i32.store (i32.const 20) (i32.const 100000))
             (i32.const 16))"#,
    );
    let host = Host::of_component(&component).await;
    for (name, item, count) in [
        ("count", json!("c8999"), 400_000),
        ("weigh", json!({ "c899": true }), 200_000),
    ] {
        let begun = Instant::now();
        let x = vec![item; count];
        let answer = host.client().call(name, json!({ "x": x })).await;
        assert_eq!(answer.text(), count.to_string());
        assert!(begun.elapsed() < PROMPT, "{name}: {:?}", begun.elapsed());
    }
    let answer = host.client().call("count", json!({ "x": ["d"] })).await;
    let sentence = answer.failure();
    let start = "`/x/0`: \"d\" is not one of `c0`, `c1`, ";
    assert!(sentence.starts_with(start), "{sentence}");
    assert!(sentence.ends_with("`c19`, 8980 more"), "{sentence}");
    let begun = Instant::now();
    let answer = host.client().call("give", json!({})).await;
    let given = answer.result()["structuredContent"]["result"].as_array();
    let given = given.unwrap();
    assert_eq!(
        (given.len(), &given[0]),
        (100_000, &json!({ "c899": false }))
    );
    assert!(begun.elapsed() < PROMPT, "{:?}", begun.elapsed());
}

/// 32 flags take four bytes of a guest, and 2,000 of the host.
#[tokio::test]
async fn many_flags() {
    let flags: String = ('a'..='z')
        .map(String::from)
        .chain((0..6).map(|n| format!("f{n}")))
        .map(|name| format!("{name},"))
        .collect();
    let watched = Watched::serving(&with_memory(
        &format!(
            "flags all {{ {flags} }} record held {{ all: all }}
             export f: func(count: u32, bits: u32) -> list<held>;"
        ),
        r#"(func (export "f") (param $count i32) (param $bits i32) (result i32)
          (drop (memory.grow (i32.const 200)))
          (memory.fill (i32.const 65536) (local.get $bits) (i32.mul (local.get $count) (i32.const 4)))
          (i32.store (i32.const 16) (i32.const 65536))
          (i32.store (i32.const 20) (local.get $count))
          (i32.const 16))"#,
    ));
    let call = async |count: usize, bits: u8| {
        let arguments = json!({ "count": count, "bits": bits });
        watched.client().call("f", arguments).await
    };
    // As many as the output has room for.
    let answer = call(10_000, 0xff).await;
    let given = answer.result()["structuredContent"]["result"].as_array();
    let given = given.unwrap();
    assert_eq!(given.len(), 10_000);
    assert_eq!(given[9_999]["all"].as_array().unwrap().len(), 32);
    let before = watched.peak();
    for count in [100_000, 300_000, 1_000_000, 3_000_000] {
        let answer = call(count, 0xff).await;
        let sentence = answer.failure();
        assert!(sentence.contains("more than its limit"), "{sentence}");
    }
    let more = watched.peak() - before;
    assert!(more < 200, "{more} MiB more");
}

/// A type's documentation stands wherever the type does.
#[tokio::test]
async fn documentation_of_a_type_that_is_everywhere() {
    let fields: String = (0..2_000).map(|n| format!("n{n}: t,")).collect();
    let wit = |words: usize| {
        let docs = "word ".repeat(words);
        documented(
            &format!(
                "world guest {{
                   /// {docs}
                   type t = u8;
                   record r {{ {fields} }}
                   export f: func(x: r);
                   export plain: func();
                 }}"
            ),
            &format!(
                r#"(module {MEMORY} (func (export "f") (param i32)) (func (export "plain")))"#
            ),
        )
    };
    let watched = Watched::serving(&wit(180_000));
    assert!(watched.peak() < 500, "{} MiB", watched.peak());
    let list = watched.client().list().await;
    assert_eq!(list.result()["tools"].as_array().unwrap().len(), 1);
    let toolcrib = Toolcrib::new();
    let path = toolcrib.write("guest", &wit(180_000));
    let said = toolcrib.run(&["inspect", &path]).stdout;
    let wanted = "f: the names and the documentation of its types have more than 524288 bytes";
    assert!(said.contains(wanted), "{said}");
    // With few words it is a tool.
    let host = Host::of_component(&wit(5)).await;
    let list = host.client().list().await;
    let schema = &tool(list.result(), "f")["inputSchema"];
    let at = "/properties/x/properties/n1999/description";
    assert_eq!(schema.pointer(at), Some(&json!("word word word word word")));
}

/// Every function of an interface has its name.
#[test]
fn long_names_of_interfaces() {
    let long = long_name(20_000);
    let (mut functions, mut module) = (String::new(), String::new());
    for n in 0..20 {
        // The second half is no tool.
        let ty = if n < 10 { "u32" } else { "thing" };
        write!(functions, "call{n}: func(x: {ty});").unwrap();
        write!(module, r#"(func (export "{long}#call{n}") (param i32))"#).unwrap();
    }
    let component = packaged(
        &format!("world guest {{ export {long}: interface {{ resource thing; {functions} }} }}"),
        &format!("(module {module})"),
    );
    let toolcrib = Toolcrib::new();
    let path = toolcrib.write("guest", &component);
    let ended = toolcrib.run(&["inspect", &path, "--json"]);
    let all: Value = serde_json::from_str(&ended.stdout).unwrap();
    let tools = all[0]["tools"].as_array().unwrap();
    assert_eq!(tools.len(), 10);
    for tool in tools {
        let description = tool["description"].as_str().unwrap();
        assert!(description.len() < 2_000, "{}", description.len());
    }
    let skipped = all[0]["skipped"].as_array().unwrap();
    assert_eq!(skipped.len(), 10);
    for skipped in skipped {
        let export = skipped["export"].as_str().unwrap();
        assert!(export.len() < 200, "{}", export.len());
    }
}

/// Of very many exports that are no tools, the first are listed.
#[test]
fn many_that_are_skipped() {
    let functions: String = (0..1_100)
        .map(|n| format!("call{n}: func() -> thing;"))
        .collect();
    let module: String = (0..1_100)
        .map(|n| format!(r#"(func (export "things#call{n}") (result i32) unreachable)"#))
        .collect();
    let component = component(
        &format!(
            "export plain: func();
             export things: interface {{ resource thing; {functions} }}"
        ),
        &format!(r#"(module (func (export "plain")) {module})"#),
    );
    let toolcrib = Toolcrib::new();
    let path = toolcrib.write("guest", &component);
    let ended = toolcrib.run(&["inspect", &path, "--json"]);
    let all: Value = serde_json::from_str(&ended.stdout).unwrap();
    let skipped = all[0]["skipped"].as_array().unwrap();
    assert_eq!(skipped.len(), 1_001);
    assert_eq!(skipped[999]["export"], "things#call999");
    assert_eq!(
        skipped[1_000]["reason"],
        "1000 are listed, and there are more"
    );
}
