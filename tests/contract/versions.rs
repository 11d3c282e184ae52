//! Versions of the contract (`wit/README.md`): published versions are never changed, and components built for them run
//! on the current host.

mod compatibility;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use compatibility::{Contract, incompatibilities};

use crate::support::client::{Answer, Revision};
use crate::support::command::Toolcrib;
use crate::support::guest::{CONTRACT, Document, Guest, Prompt, VERSION};
use crate::support::server::{self, Host};

/// Returns the number and the directory of every published version.
fn published_versions() -> Vec<(String, PathBuf)> {
    let entries = fs::read_dir(Path::new(CONTRACT).join("frozen")).unwrap();
    let version = |entry: fs::DirEntry| (entry.file_name().into_string().unwrap(), entry.path());
    let mut versions: Vec<_> = entries.map(|entry| version(entry.unwrap())).collect();
    versions.sort();
    assert!(!versions.is_empty());
    versions
}

#[test]
fn later_versions_are_compatible_with_published_ones() {
    let current = Contract::read(Path::new(CONTRACT));
    assert_eq!(current.version, VERSION);
    for (version, path) in published_versions() {
        let published = Contract::read(&path);
        assert_eq!(published.version, version, "{}", path.display());
        if version == current.version {
            // A published version number must not be reused for other content.
            assert_eq!(files(&path), files(Path::new(CONTRACT)), "{version}");
        }
        assert_eq!(
            incompatibilities(&published, &current),
            [""; 0],
            "{version}"
        );
    }
}

/// Tests [`incompatibilities`] itself: it reports breaking changes and accepts compatible ones.
#[test]
fn breaking_changes_of_the_contract_are_detected() {
    let published = Contract::read(Path::new(CONTRACT));
    for (file, from, to, expected) in [
        // Compatible: documentation, more imports for components, more interfaces to export.
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
        // Breaking.
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
        let copy = copy_contract();
        edit(&copy.path().join(file), from, to);
        let later = Contract::read(copy.path());
        let found = incompatibilities(&published, &later);
        for problem in expected {
            assert!(
                found.iter().any(|found| found == problem),
                "{to}: {found:?}"
            );
        }
        assert_eq!(found.is_empty(), expected.is_empty(), "{to}: {found:?}");
    }
    // Removing an interface is breaking.
    let copy = copy_contract();
    fs::remove_file(copy.path().join("completions.wit")).unwrap();
    assert_eq!(
        incompatibilities(&published, &Contract::read(copy.path())),
        [
            "the interface `completions` is gone",
            "the world `completion-component` is gone",
        ]
    );
    // A change of documentation only is still a different content.
    edit(
        &copy.path().join("tool.wit"),
        "Runs one call",
        "Runs a call",
    );
    assert_ne!(files(copy.path()), files(Path::new(CONTRACT)));
}

#[tokio::test]
async fn components_of_every_published_version_run() {
    let current = (VERSION.to_owned(), PathBuf::from(CONTRACT));
    for (version, path) in published_versions().into_iter().chain([current]) {
        let published = Contract::read(&path);
        let has = |interface: &str| published.interfaces.contains_key(interface);
        let guest = guest_with(&has);
        let bytes = guest.component_for(&path, &version);
        let host = Host::start(&[], |config| add_component(config, &bytes)).await;
        for revision in Revision::ALL {
            let client = host.client_of(revision);
            let progress = client.call_with_progress("echo", json!(1)).await;
            assert_eq!(progress.text(), "{}", "{version}");
            assert_eq!(progress.notifications("notifications/progress").len(), 1);
            let value_at = |answer: Answer, pointer: &str| -> Value {
                let value = answer.result().pointer(pointer);
                value
                    .unwrap_or_else(|| panic!("{version}: {answer:?}"))
                    .clone()
            };
            if has("prompts") {
                let answer = client
                    .request("prompts/get", json!({ "name": "hello" }))
                    .await;
                assert_eq!(value_at(answer, "/messages/0/content/text"), "hello");
            }
            if has("resources") {
                let params = json!({ "uri": "test://hello" });
                let answer = client.request("resources/read", params).await;
                assert_eq!(value_at(answer, "/contents/0/text"), "hello");
            }
            if has("completions") {
                let params = json!({
                    "ref": { "type": "ref/prompt", "name": "hello" },
                    "argument": { "name": "a", "value": "" },
                });
                let answer = client.request("completion/complete", params).await;
                assert_eq!(value_at(answer, "/completion/values/0"), "hello");
            }
        }
    }
}

/// A component is rejected if its minor version differs, or if its interfaces are not those of its version number. A
/// later patch version runs.
#[test]
fn components_of_incompatible_versions_are_rejected() {
    let toolcrib = Toolcrib::new();
    let other_minor = copy_contract();
    for file in files(other_minor.path()).keys() {
        let package = "package toolcrib:mcp@0.1.1;";
        edit(
            &other_minor.path().join(file),
            package,
            "package toolcrib:mcp@0.2.0;",
        );
    }
    let guest = Guest::saying("hello", "hello");
    toolcrib.write("other", &guest.component_for(other_minor.path(), "0.2.0"));
    let output = toolcrib.run(&["check", "--no-auth", "other.wasm"]);
    assert_eq!(output.status, 1, "{output:?}");
    assert!(output.stderr.contains("@0.2.0"), "{output:?}");
    assert_eq!(output.stderr.lines().count(), 1, "{output:?}");

    // A later patch version runs because the component uses nothing that is new in it.
    let later_patch = copy_contract();
    for file in files(later_patch.path()).keys() {
        let package = "package toolcrib:mcp@0.1.1;";
        edit(
            &later_patch.path().join(file),
            package,
            "package toolcrib:mcp@0.1.9;",
        );
    }
    toolcrib.write("later", &guest.component_for(later_patch.path(), "0.1.9"));
    let output = toolcrib.run(&["call", "later.wasm", "hello"]);
    assert_eq!(
        (output.status, output.stdout.as_str()),
        (0, "hello\n"),
        "{output:?}"
    );

    let changed = copy_contract();
    edit(
        &changed.path().join("tool.wit"),
        "    time-left: func() -> u64;",
        "    time-left: func() -> s64;",
    );
    toolcrib.write("changed", &guest.component_for(changed.path(), VERSION));
    let output = toolcrib.run(&["check", "--no-auth", "changed.wasm"]);
    assert_eq!(output.status, 1, "{output:?}");
    assert!(output.stderr.contains("time-left"), "{output:?}");
    assert_eq!(output.stderr.lines().count(), 1, "{output:?}");
}

/// Creates a guest that exports all interfaces of a version.
fn guest_with(has: &impl Fn(&str) -> bool) -> Guest {
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

/// Adds a component to the configuration.
fn add_component(config: &mut toolcrib::config::Config, bytes: &[u8]) {
    let dir = tempfile::tempdir().unwrap().keep();
    let path = server::write(&dir, "guest", bytes);
    let path = path.to_str().unwrap();
    let reference = toolcrib::reference::Reference::parse(path, Path::new(""));
    config.references.push(reference.unwrap());
}

/// Copies the current contract into a temporary directory.
fn copy_contract() -> TempDir {
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

/// Returns the WIT files of a contract by name.
fn files(contract: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(contract).unwrap().map(|entry| entry.unwrap());
    let name = |entry: &fs::DirEntry| entry.file_name().into_string().unwrap();
    let files = entries.filter(|entry| name(entry).ends_with(".wit"));
    files
        .map(|entry| (name(&entry), fs::read_to_string(entry.path()).unwrap()))
        .collect()
}
