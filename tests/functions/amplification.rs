//! Small components and arguments that expand to much more in the host: time and memory stay bounded.

use std::fmt::Write;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{MEMORY, component_with_memory, tool};
use crate::support::client::{Client, Revision};
use crate::support::command::Toolcrib;
use crate::support::guest::{component, component_from_documented_wit, component_from_wit};
use crate::support::process::{Process, TOOLCRIB, peak_mb};
use crate::support::server::{Host, write};

/// Upper bound of each call on a busy machine. Without the limits under test a call takes about a minute.
const MAX_CALL_TIME: Duration = Duration::from_secs(15);

/// A server in a separate process, whose memory can be measured.
struct ServerProcess {
    process: Process,
    _dir: tempfile::TempDir,
}

impl ServerProcess {
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

    fn peak_mb(&self) -> f64 {
        peak_mb(self.process.id())
    }
}

/// Returns an identifier of up to `letters` characters, in words of nine letters.
fn long_name(letters: usize) -> String {
    "abcdefghi-"
        .repeat(letters / 10)
        .trim_end_matches('-')
        .to_owned()
}

/// Every record value in the host contains the names of its fields, so they count towards the limit.
#[tokio::test]
async fn long_field_names_count_towards_the_value_limit() {
    let long = long_name(80_000);
    let host = Host::serving_component(&component_with_memory(
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
    let message = answer.failure();
    assert!(
        message.contains("more than 2000000 values"),
        "{message:.99}"
    );
}

/// The lookup of an enum or variant case takes constant time.
#[tokio::test]
async fn cases_are_looked_up_in_constant_time() {
    let cases: String = (0..9_000).map(|n| format!("c{n},")).collect();
    let payloads: String = (0..900).map(|n| format!("c{n}(bool),")).collect();
    let component = component_with_memory(
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
             ;; The last case, 100,000 times.
             (loop $next
               (i32.store16 (local.get $at) (i32.const 899))
               (local.set $at (i32.add (local.get $at) (i32.const 4)))
               (br_if $next (i32.lt_u (local.get $at) (i32.const 465536))))
             (i32.store (i32.const 16) (i32.const 65536))
             (i32.store (i32.const 20) (i32.const 100000))
             (i32.const 16))"#,
    );
    let host = Host::serving_component(&component).await;
    for (name, item, count) in [
        ("count", json!("c8999"), 400_000),
        ("weigh", json!({ "c899": true }), 200_000),
    ] {
        let started = Instant::now();
        let x = vec![item; count];
        let answer = host.client().call(name, json!({ "x": x })).await;
        assert_eq!(answer.text(), count.to_string());
        assert!(
            started.elapsed() < MAX_CALL_TIME,
            "{name}: {:?}",
            started.elapsed()
        );
    }
    let answer = host.client().call("count", json!({ "x": ["d"] })).await;
    let message = answer.failure();
    let start = "`/x/0`: \"d\" is not one of `c0`, `c1`, ";
    assert!(message.starts_with(start), "{message}");
    assert!(message.ends_with("`c19`, 8980 more"), "{message}");
    let started = Instant::now();
    let answer = host.client().call("give", json!({})).await;
    let returned = answer.result()["structuredContent"]["result"].as_array();
    let returned = returned.unwrap();
    assert_eq!(
        (returned.len(), &returned[0]),
        (100_000, &json!({ "c899": false }))
    );
    assert!(started.elapsed() < MAX_CALL_TIME, "{:?}", started.elapsed());
}

/// 32 flags take 4 bytes in a guest and 2,000 in the host.
#[tokio::test]
async fn memory_for_flags_is_bounded_by_the_output_limit() {
    let flags: String = ('a'..='z')
        .map(String::from)
        .chain((0..6).map(|n| format!("f{n}")))
        .map(|name| format!("{name},"))
        .collect();
    let server = ServerProcess::serving(&component_with_memory(
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
        server.client().call("f", arguments).await
    };
    // Close to the limit of the output.
    let answer = call(10_000, 0xff).await;
    let returned = answer.result()["structuredContent"]["result"].as_array();
    let returned = returned.unwrap();
    assert_eq!(returned.len(), 10_000);
    assert_eq!(returned[9_999]["all"].as_array().unwrap().len(), 32);
    let before = server.peak_mb();
    for count in [100_000, 300_000, 1_000_000, 3_000_000] {
        let answer = call(count, 0xff).await;
        let message = answer.failure();
        assert!(message.contains("more than its limit"), "{message}");
    }
    let growth_mb = server.peak_mb() - before;
    assert!(growth_mb < 200.0, "{growth_mb} MiB");
}

/// The documentation of a type is repeated in the schema at each use of the type.
#[tokio::test]
async fn repeated_documentation_of_a_type_is_limited() {
    let fields: String = (0..2_000).map(|n| format!("n{n}: t,")).collect();
    let wit = |words: usize| {
        let docs = "word ".repeat(words);
        component_from_documented_wit(
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
    let server = ServerProcess::serving(&wit(180_000));
    assert!(server.peak_mb() < 500.0, "{} MiB", server.peak_mb());
    let list = server.client().list().await;
    assert_eq!(list.result()["tools"].as_array().unwrap().len(), 1);
    let toolcrib = Toolcrib::new();
    let path = toolcrib.write("guest", &wit(180_000));
    let listing = toolcrib.run(&["inspect", &path]).stdout;
    let expected = "f: the names and the documentation of its types have more than 524288 bytes";
    assert!(listing.contains(expected), "{listing}");
    // With short documentation the function is a tool.
    let host = Host::serving_component(&wit(5)).await;
    let list = host.client().list().await;
    let schema = &tool(list.result(), "f")["inputSchema"];
    let at = "/properties/x/properties/n1999/description";
    assert_eq!(schema.pointer(at), Some(&json!("word word word word word")));
}

/// The name of an interface is repeated in the description of each of its functions.
#[test]
fn long_names_of_interfaces_are_truncated() {
    let long = long_name(20_000);
    let (mut functions, mut module) = (String::new(), String::new());
    for n in 0..20 {
        // The second half uses a resource and is skipped.
        let ty = if n < 10 { "u32" } else { "thing" };
        write!(functions, "call{n}: func(x: {ty});").unwrap();
        write!(module, r#"(func (export "{long}#call{n}") (param i32))"#).unwrap();
    }
    let component = component_from_wit(
        &format!("world guest {{ export {long}: interface {{ resource thing; {functions} }} }}"),
        &format!("(module {module})"),
    );
    let toolcrib = Toolcrib::new();
    let path = toolcrib.write("guest", &component);
    let output = toolcrib.run(&["inspect", &path, "--json"]);
    let all: Value = serde_json::from_str(&output.stdout).unwrap();
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

#[test]
fn the_list_of_skipped_exports_is_truncated() {
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
    let output = toolcrib.run(&["inspect", &path, "--json"]);
    let all: Value = serde_json::from_str(&output.stdout).unwrap();
    let skipped = all[0]["skipped"].as_array().unwrap();
    assert_eq!(skipped.len(), 1_001);
    assert_eq!(skipped[999]["export"], "things#call999");
    assert_eq!(
        skipped[1_000]["reason"],
        "1000 are listed, and there are more"
    );
}
