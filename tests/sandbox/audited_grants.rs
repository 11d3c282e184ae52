//! The audit has the grants that a call used, and those that it was refused.

use serde_json::{Value, json};

use super::filesystem_guest::{self, FileOp, entry};
use crate::operations::{records, signal};
use crate::support::client::{Client, Revision};
use crate::support::command::Toolcrib;
use crate::support::guest::http::{Fetch, http_guest};
use crate::support::guest::kv::keyvalue_guest;
use crate::support::guest::sockets::{add_connect_tool, add_socket_imports};
use crate::support::guest::{Guest, Tool};
use crate::support::process::Process;
use crate::support::upstream::Upstream;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uses_and_refusals_are_recorded_without_paths() {
    let upstream = Upstream::start().await;
    let address = upstream.address;
    let toolcrib = Toolcrib::new();
    let requests = [
        Fetch::get(&format!("{}/secret-path?secret-query", upstream.origin())),
        Fetch::get("http://evil.example/secret-path"),
    ];
    let mut sockets = Guest::new();
    add_socket_imports(&mut sockets);
    for (name, to) in [
        ("connects", address.to_string()),
        ("strays", "127.0.0.2:9".into()),
    ] {
        add_connect_tool(&mut sockets, name, to.parse().unwrap());
    }
    let name = sockets.string("db.internal");
    sockets.tool(
        Tool::new("looks_up"),
        format!("(call $lookup {name}) (call $said)"),
    );
    let files = [
        FileOp::Write("secret-file"),
        FileOp::Read("../secret-file", true),
    ];
    for (file, guest) in [
        ("web", &http_guest(&requests)),
        ("tcp", &sockets),
        ("files", &filesystem_guest::guest(0, &files)),
        ("kv", &keyvalue_guest("notes")),
        ("none", &keyvalue_guest("notes")),
    ] {
        toolcrib.write(file, &guest.component());
    }
    let data = toolcrib.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let component = |file: &str, allow: &str| {
        format!(
            "[[component]]\nref = \"{file}.wasm\"\nprefix = \"{file}_\"\n[component.allow]\n{allow}\n"
        )
    };
    let private = "private-network = true";
    let config = [
        "[telemetry]\naudit = \"audit.jsonl\"\n[kv]\nurl = \"kv.redb\"\n".to_owned(),
        component(
            "web",
            &format!("http = [{:?}]\n{private}", upstream.origin()),
        ),
        component("tcp", &format!("tcp = [\"{address}\"]\n{private}")),
        component(
            "files",
            &format!("dirs = [{}]", entry(&data, "/data", true)),
        ),
        component("kv", "kv = [\"notes\"]"),
        component("none", ""),
    ];
    toolcrib.file("c.toml", config.concat());
    let mut command = toolcrib.command(&["serve", "--no-auth", "--config", "c.toml"]);
    command.args(["--listen", "127.0.0.1:0"]);
    let mut process = Process::start(command);
    let client = Client::new(
        &format!("http://{}/mcp", process.address),
        Revision::July2026,
    );
    let calls = [
        ("web_t0", json!([["http", "127.0.0.1", "allow", 1]])),
        ("web_t1", json!([["http", "evil.example", "deny", 1]])),
        (
            "tcp_connects",
            json!([["tcp", address.to_string(), "allow", 1]]),
        ),
        ("tcp_strays", json!([["tcp", "127.0.0.2:9", "deny", 1]])),
        ("tcp_looks_up", json!([["tcp", "db.internal", "deny", 1]])),
        ("files_t0", json!([["dirs", "/data", "allow", 1]])),
        ("files_t1", json!([["dirs", "/data", "deny", 1]])),
        ("kv_get", json!([["kv", "notes", "allow", 1]])),
        ("none_get", json!([["kv", "notes", "deny", 1]])),
    ];
    for (tool, _) in &calls {
        client.call(tool, json!({})).await;
    }
    signal(&process, "-TERM");
    process.ended();
    let records = records(&toolcrib.path().join("audit.jsonl"));
    for (tool, expected) in &calls {
        let mut found = records.iter();
        let record = found.find(|record| record["target"]["name"] == *tool);
        let record = record.unwrap_or_else(|| panic!("{tool}: {records:#?}"));
        let uses = record["grants"].as_array().into_iter().flatten();
        let uses: Vec<Value> = uses
            .map(|use_| {
                json!([
                    use_["capability"],
                    use_["resource"],
                    use_["decision"],
                    use_["count"]
                ])
            })
            .collect();
        assert_eq!(json!(uses), *expected, "{tool}: {record}");
        assert!(!record.to_string().contains("secret"), "{record}");
    }
}
