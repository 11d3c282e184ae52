//! Bundles of `toolcrib bundle`, unpacked and started by a real client as its manifest says.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::CLIENTS;
use crate::support::command::{CommandOutput, Toolcrib};
use crate::support::guest::{Guest, Tool};

/// Unpacks a bundle, prints its entries as JSON, and keeps the permissions, as desktop clients do.
const UNPACK: &str = r#"
import json, os, sys, zipfile
bundle, folder = sys.argv[1:]
with zipfile.ZipFile(bundle) as archive:
    assert archive.testzip() is None
    entries = []
    for entry in archive.infolist():
        path = archive.extract(entry, folder)
        os.chmod(path, entry.external_attr >> 16)
        entries.append([entry.filename, list(entry.date_time), oct(entry.external_attr >> 16 & 0o777)])
print(json.dumps(entries))
"#;

/// Starts the server of an unpacked bundle with the official client, lists its tools and calls one.
const RUN: &str = r#"
import asyncio, json, sys
import mcp
from mcp.client.stdio import StdioServerParameters, stdio_client

async def main(folder, tool):
    config = json.load(open(folder + "/manifest.json"))["server"]["mcp_config"]
    insert = lambda text: text.replace("${__dirname}", folder)
    server = StdioServerParameters(
        command=insert(config["command"]), args=[insert(text) for text in config["args"]], env=config["env"])
    async with mcp.Client(stdio_client(server)) as client:
        tools = [tool.name for tool in (await client.list_tools()).tools]
        result = await client.call_tool(tool, {})
        print(json.dumps([tools, result.content[0].text]))

asyncio.run(main(*sys.argv[1:]))
"#;

fn python(arguments: &[&str]) -> Value {
    let python = format!("{CLIENTS}/python/.venv/bin/python");
    let output = CommandOutput::of(Command::new(python).arg("-c").args(arguments));
    assert_eq!(output.status, 0, "{output:?}");
    serde_json::from_str(&output.stdout).unwrap()
}

/// Unpacks a bundle into a folder with a space in its name. Returns its entries.
fn unpack(bundle: &Path, folder: &Path) -> Value {
    python(&[UNPACK, bundle.to_str().unwrap(), folder.to_str().unwrap()])
}

#[test]
fn a_client_starts_the_server_in_a_bundle() {
    let toolcrib = Toolcrib::new();
    fs::create_dir(toolcrib.path().join("tools")).unwrap();
    let mut two = Guest::new();
    let (one, other) = (two.string("one"), two.string("other"));
    two.tool(Tool::new("one"), format!("(call $text {one})"));
    two.tool(Tool::new("other"), format!("(call $text {other})"));
    toolcrib.write("tools/two", &two.component());
    toolcrib.write("b", &Guest::saying("b", "b").component());

    // Components alone, one of which is only in part.
    let arguments = [
        "bundle",
        "tools/two.wasm#one",
        "b.wasm",
        "-o",
        "my-tools.mcpb",
    ];
    let output = toolcrib.run(&arguments);
    assert_eq!((output.status, &*output.stderr), (0, ""), "{output:?}");
    assert!(
        output
            .stdout
            .starts_with("my-tools.mcpb: 2 tools from 2 components, "),
        "{output:?}"
    );
    let bundle = toolcrib.path().join("my-tools.mcpb");
    let bytes = fs::read(&bundle).unwrap();
    let folder = toolcrib.path().join("Claude Extensions");
    let start_of_time = [1980, 1, 1, 0, 0, 0];
    assert_eq!(
        unpack(&bundle, &folder),
        json!([
            ["components/b.wasm", start_of_time, "0o644"],
            ["components/two.wasm", start_of_time, "0o644"],
            ["manifest.json", start_of_time, "0o644"],
            ["server/toolcrib", start_of_time, "0o755"],
        ])
    );
    let manifest = fs::read_to_string(folder.join("manifest.json")).unwrap();
    let manifest: Value = serde_json::from_str(&manifest).unwrap();
    assert_eq!(manifest["manifest_version"], "0.3");
    assert_eq!(manifest["name"], "my-tools");
    assert_eq!(manifest["server"]["type"], "binary");
    assert_eq!(manifest["server"]["entry_point"], "server/toolcrib");
    assert_eq!(manifest["tools"][0]["name"], "b");
    let result = python(&[RUN, folder.to_str().unwrap(), "one"]);
    assert_eq!(result, json!([["b", "one"], "one"]));

    // The same files make the same bundle, whatever their times.
    let again = toolcrib.run(&[&arguments[..4], &["again.mcpb", "--name", "my-tools"]].concat());
    assert_eq!(again.status, 0, "{again:?}");
    assert!(fs::read(toolcrib.path().join("again.mcpb")).unwrap() == bytes);
}

#[test]
fn a_bundle_has_the_configuration_with_it() {
    let toolcrib = Toolcrib::new();
    for folder in ["conf", "conf/tools"] {
        fs::create_dir(toolcrib.path().join(folder)).unwrap();
    }
    toolcrib.write("conf/tools/a", &Guest::saying("a", "from a").component());
    toolcrib.file(
        "conf/any-name.toml",
        "[[component]]\nref = \"tools/a.wasm\"\nprefix = \"my_\"\n",
    );
    let output = toolcrib.run(&["bundle", "--config", "conf/any-name.toml", "-o", "x.mcpb"]);
    assert_eq!((output.status, &*output.stderr), (0, ""), "{output:?}");
    let folder = toolcrib.path().join("unpacked");
    let entries = unpack(&toolcrib.path().join("x.mcpb"), &folder);
    let names: Vec<_> = entries.as_array().unwrap().iter().map(|e| &e[0]).collect();
    assert_eq!(
        names,
        [
            "manifest.json",
            "server/toolcrib",
            "toolcrib.toml",
            "tools/a.wasm"
        ]
    );
    let result = python(&[RUN, folder.to_str().unwrap(), "my_a"]);
    assert_eq!(result, json!([["my_a"], "from a"]));
}
