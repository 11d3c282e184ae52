//! The versions of the contract (`wit/README.md`): what was published stays as it was, and components that were built for it
//! run on the host of today.

mod reading;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use reading::{Contract, faults};

use crate::support::client::{Answer, Revision};
use crate::support::command::Toolcrib;
use crate::support::guest::{CONTRACT, Document, Guest, Prompt, VERSION};
use crate::support::server::{self, Host};

/// Every version that was published: its number and where it lies.
fn frozen() -> Vec<(String, PathBuf)> {
    let entries = fs::read_dir(Path::new(CONTRACT).join("frozen")).unwrap();
    let version = |entry: fs::DirEntry| (entry.file_name().into_string().unwrap(), entry.path());
    let mut versions: Vec<_> = entries.map(|entry| version(entry.unwrap())).collect();
    versions.sort();
    assert!(!versions.is_empty());
    versions
}

#[test]
fn published_versions_stay() {
    let today = Contract::read(Path::new(CONTRACT));
    assert_eq!(today.version, VERSION);
    for (version, path) in frozen() {
        let published = Contract::read(&path);
        assert_eq!(published.version, version, "{}", path.display());
        if version == today.version {
            // What has been published under this number is not changed under it.
            assert_eq!(files(&path), files(Path::new(CONTRACT)), "{version}");
        }
        assert_eq!(faults(&published, &today), [""; 0], "{version}");
    }
}

/// The check above finds what a later version must not do, and lets through what it may.
#[test]
fn what_a_later_version_may_do() {
    let published = Contract::read(Path::new(CONTRACT));
    for (file, from, to, wanted) in [
        // What it may: say more, offer more to components, and have more for them to offer.
        (
            "tool.wit",
            "/// Runs one call, in",
            "/// Runs a call, in",
            &[][..],
        ),
        (
            "tool.wit",
            "    caller: func()",
            "    now: func() -> u64;\n    caller: func()",
            &[],
        ),
        (
            "tool.wit",
            "    enum level {",
            "    record place { name: string }\n    enum level {",
            &[],
        ),
        (
            "prompts.wit",
            "/// A component that offers prompts",
            "interface more { more: func(); }\nworld more-component { import call; export more; }\n///",
            &[],
        ),
        // What it must not.
        (
            "tool.wit",
            "call: func(request: request) -> result<outcome, error>",
            "call: func(request: request) -> outcome",
            &["`call` of the interface `tool` has changed"],
        ),
        (
            "tool.wit",
            "call: func(request: request)",
            "call: func(asked: request)",
            &["`call` of the interface `tool` has changed"],
        ),
        (
            "tool.wit",
            "    time-left: func() -> u64;",
            "",
            &["`time-left` of the interface `call` is gone"],
        ),
        (
            "tool.wit",
            "can-ask: func(method: string) -> bool",
            "can-ask: func(method: string) -> option<bool>",
            &["`can-ask` of the interface `call` has changed"],
        ),
        (
            "tool.wit",
            "        tool: string,",
            "        tool: string,\n        more: u8,",
            &["`request` of the interface `types` has changed"],
        ),
        (
            "tool.wit",
            "        failed(string),",
            "        failed(string),\n        later,",
            &["`error` of the interface `types` has changed"],
        ),
        (
            "tool.wit",
            "enum role { user, assistant }",
            "enum role { assistant, user }",
            &["`role` of the interface `types` has changed"],
        ),
        (
            "tool.wit",
            "type json = string",
            "type json = list<u8>",
            &["`json` of the interface `types` has changed"],
        ),
        (
            "tool.wit",
            "        priority: option<f32>,",
            "        priority: option<f64>,",
            &["`audience` of the interface `types` has changed"],
        ),
        (
            "tool.wit",
            "    enum role {",
            "    enum mood { good }\n    enum role {",
            &["`mood` is new in the interface `types`"],
        ),
        (
            "resources.wit",
            "    read: func(",
            "    count: func() -> u32;\n    read: func(",
            &["`count` is new in the interface `resources`"],
        ),
        (
            "resources.wit",
            "        not-found,\n",
            "",
            &["`error` of the interface `resources` has changed"],
        ),
        (
            "completions.wit",
            "        total: option<u32>,",
            "        total: u32,",
            &["`completion` of the interface `completions` has changed"],
        ),
        (
            "completions.wit",
            "world completion-component",
            "world completing-component",
            &["the world `completion-component` is gone"],
        ),
        (
            "prompts.wit",
            "    export prompts;",
            "    export prompts;\n    export tool;",
            &["`toolcrib:mcp/tool` is new in the world `prompt-component`"],
        ),
        (
            "prompts.wit",
            "    import call;\n",
            "    import types;\n",
            &["`toolcrib:mcp/call` of the world `prompt-component` is gone"],
        ),
    ] {
        let copy = copy();
        edit(&copy.path().join(file), from, to);
        let later = Contract::read(copy.path());
        let found = faults(&published, &later);
        for wanted in wanted {
            assert!(found.iter().any(|fault| fault == wanted), "{to}: {found:?}");
        }
        assert_eq!(found.is_empty(), wanted.is_empty(), "{to}: {found:?}");
    }
    // A whole interface.
    let copy = copy();
    fs::remove_file(copy.path().join("completions.wit")).unwrap();
    assert_eq!(
        faults(&published, &Contract::read(copy.path())),
        [
            "the interface `completions` is gone",
            "the world `completion-component` is gone",
        ]
    );
    // Published under its own number with other content.
    edit(
        &copy.path().join("tool.wit"),
        "Runs one call",
        "Runs a call",
    );
    assert_ne!(files(copy.path()), files(Path::new(CONTRACT)));
}

/// A component that was built for any published version is loaded and called.
#[tokio::test]
async fn components_of_every_version_run() {
    let current = (VERSION.to_owned(), PathBuf::from(CONTRACT));
    for (version, path) in frozen().into_iter().chain([current]) {
        let published = Contract::read(&path);
        let has = |interface: &str| published.interfaces.contains_key(interface);
        let guest = guest_of(&has);
        let bytes = guest.component_for(&path, &version);
        let host = Host::start(&[], |config| serve(config, &bytes)).await;
        for revision in Revision::ALL {
            let client = host.client_of(revision);
            let progress = client.call_with_progress("echo", json!(1)).await;
            assert_eq!(progress.text(), "{}", "{version}");
            assert_eq!(progress.notifications("notifications/progress").len(), 1);
            let text = |answer: Answer, pointer: &str| -> Value {
                let text = answer.result().pointer(pointer);
                text.unwrap_or_else(|| panic!("{version}: {answer:?}"))
                    .clone()
            };
            if has("prompts") {
                let answer = client
                    .request("prompts/get", json!({ "name": "hello" }))
                    .await;
                assert_eq!(text(answer, "/messages/0/content/text"), "hello");
            }
            if has("resources") {
                let params = json!({ "uri": "test://hello" });
                let answer = client.request("resources/read", params).await;
                assert_eq!(text(answer, "/contents/0/text"), "hello");
            }
            if has("completions") {
                let params = json!({
                    "ref": { "type": "ref/prompt", "name": "hello" },
                    "argument": { "name": "a", "value": "" },
                });
                let answer = client.request("completion/complete", params).await;
                assert_eq!(text(answer, "/completion/values/0"), "hello");
            }
        }
    }
}

/// A component of another minor version is refused, and one that says a version but is not it.
#[test]
fn components_of_other_versions() {
    let toolcrib = Toolcrib::new();
    let other = copy();
    for file in files(other.path()).keys() {
        let package = "package toolcrib:mcp@0.1.1;";
        edit(
            &other.path().join(file),
            package,
            "package toolcrib:mcp@0.2.0;",
        );
    }
    let guest = Guest::saying("hello", "hello");
    toolcrib.write("other", &guest.component_for(other.path(), "0.2.0"));
    let ended = toolcrib.run(&["check", "--no-auth", "other.wasm"]);
    assert_eq!(ended.status, 1, "{ended:?}");
    assert!(ended.stderr.contains("@0.2.0"), "{ended:?}");
    assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");

    // One of a later patch runs, for it uses nothing that is not here.
    let later = copy();
    for file in files(later.path()).keys() {
        let package = "package toolcrib:mcp@0.1.1;";
        edit(
            &later.path().join(file),
            package,
            "package toolcrib:mcp@0.1.9;",
        );
    }
    toolcrib.write("later", &guest.component_for(later.path(), "0.1.9"));
    let ended = toolcrib.run(&["call", "later.wasm", "hello"]);
    assert_eq!(
        (ended.status, ended.stdout.as_str()),
        (0, "hello\n"),
        "{ended:?}"
    );

    let unlike = copy();
    edit(
        &unlike.path().join("tool.wit"),
        "    time-left: func() -> u64;",
        "    time-left: func() -> s64;",
    );
    toolcrib.write("unlike", &guest.component_for(unlike.path(), VERSION));
    let ended = toolcrib.run(&["check", "--no-auth", "unlike.wasm"]);
    assert_eq!(ended.status, 1, "{ended:?}");
    assert!(ended.stderr.contains("time-left"), "{ended:?}");
    assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
}

/// A guest that uses what a version has.
fn guest_of(has: &impl Fn(&str) -> bool) -> Guest {
    let mut guest = Guest::new();
    let hello = guest.string("hello");
    guest.tool(
        crate::support::guest::Tool::new("echo"),
        "(call $progress (f64.const 1) (i32.const 0) (f64.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
         (call $text (local.get $arguments) (local.get $arguments_len))",
    );
    if has("prompts") {
        let prompt = Prompt::new("hello").taking(&["a"]);
        guest.prompt(prompt, format!("(call $message {hello})"));
    }
    if has("resources") {
        let body = format!("(call $document (local.get $uri) (local.get $uri_len) {hello})");
        guest.document(Document::new("test://hello"), body);
    }
    if has("completions") {
        let completion = guest.completion(&["hello"], None, false);
        guest.completing(completion);
    }
    guest
}

/// Serves these bytes; the file has been read when the host is built.
fn serve(config: &mut toolcrib::config::Config, bytes: &[u8]) {
    let dir = tempfile::tempdir().unwrap().keep();
    let path = server::write(&dir, "guest", bytes);
    let path = path.to_str().unwrap();
    let reference = toolcrib::reference::Reference::parse(path, Path::new(""));
    config.references.push(reference.unwrap());
}

/// The contract of today, to be changed.
fn copy() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files(Path::new(CONTRACT)) {
        fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}

fn edit(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{} has no {from:?}", path.display());
    fs::write(path, text.replacen(from, to, 1)).unwrap();
}

/// The files of a contract by name.
fn files(contract: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(contract).unwrap().map(|entry| entry.unwrap());
    let name = |entry: &fs::DirEntry| entry.file_name().into_string().unwrap();
    let files = entries.filter(|entry| name(entry).ends_with(".wit"));
    files
        .map(|entry| (name(&entry), fs::read_to_string(entry.path()).unwrap()))
        .collect()
}
