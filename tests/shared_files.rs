//! One file that several `[[component]]` sections name: each serves it as a component of its own.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use toolcrib::App;
use toolcrib::config::{Access, Config, Overrides};

use crate::support::command::Toolcrib;
use crate::support::guest::kv::keyvalue_guest;
use crate::support::guest::{Guest, Tool};
use crate::support::process::TOOLCRIB;
use crate::support::server::{Host, write};

const USAGE: i32 = 2;

/// A `[[component]]` section of `g.wasm`.
fn section(name: &str, settings: &str) -> String {
    format!("[[component]]\nref = \"g.wasm\"\nname = {name:?}\nprefix = \"{name}_\"\n{settings}\n")
}

/// A guest with the tools `a` and `b`, which return their names.
fn two_tools() -> Guest {
    let mut guest = Guest::saying("a", "a");
    let text = guest.string("b");
    guest.tool(Tool::new("b"), format!("(call $text {text})"));
    guest
}

#[tokio::test]
async fn grants_data_and_limits_are_of_each_component() {
    let dir = tempfile::tempdir().unwrap();
    let text = format!(
        "[kv]\nurl = {:?}\n{}{}{}",
        dir.path().join("kv.redb"),
        section("work", "[component.allow]\nkv = [\"cache\"]"),
        section(
            "home",
            "[component.allow]\nkv = [\"cache\"]\n[component.limits]\ncalls-per-minute = 4"
        ),
        section("bare", ""),
    );
    let host = Host::configured(&[("g", &keyvalue_guest("cache"))], &text).await;
    let client = host.client();
    let call = async |tool: &str| {
        let answer = client.call(tool, json!({ "k": "a" })).await;
        answer.text().to_owned()
    };
    assert_eq!(call("work_set").await, "ok");
    assert_eq!(call("work_exists").await, "1");
    // The data of the other component, under the same bucket and key.
    assert_eq!(call("home_exists").await, "0");
    assert_eq!(call("home_set").await, "ok");
    assert_eq!(call("work_delete").await, "ok");
    assert_eq!(call("home_exists").await, "1");
    // The other one has no grant.
    assert!(call("bare_exists").await.starts_with('E'));
    // Only one of them has a rate.
    assert_eq!(call("home_exists").await, "1");
    let refused = client.call("home_exists", json!({ "k": "a" })).await;
    assert_eq!(refused.status, 429);
    assert_eq!(call("work_exists").await, "0");
}

#[test]
fn every_command_shows_each_component() {
    let toolcrib = Toolcrib::new();
    toolcrib.write("g", &two_tools().component());
    let sections = [section("work", ""), section("home", "tools = [\"a\"]")].concat();
    toolcrib.file("c.toml", &sections);
    for arguments in [
        &["inspect", "--json", "--config", "c.toml", "g.wasm"][..],
        &["inspect", "--json", "--config", "c.toml", "."],
        &["inspect", "--json", "--config", "c.toml", "./*.wasm"],
    ] {
        let output = toolcrib.run(arguments);
        assert_eq!(output.status, 0, "{output:?}");
        let found: Value = serde_json::from_str(&output.stdout).unwrap();
        let found = found.as_array().unwrap();
        assert_eq!(found.len(), 2, "{arguments:?}");
        for (component, name, tools) in [
            (&found[0], "work", &["work_a", "work_b"][..]),
            (&found[1], "home", &["home_a"]),
        ] {
            assert_eq!(component["name"], name);
            let listed = component["tools"].as_array().unwrap().iter();
            let listed: Vec<_> = listed.map(|tool| tool["name"].as_str().unwrap()).collect();
            assert_eq!(listed, tools);
        }
    }
    let output = toolcrib.run(&["call", "--config", "c.toml", "g.wasm", "home_a"]);
    assert_eq!(output.stdout, "a\n", "{output:?}");
    let output = toolcrib.run(&["check", "--no-auth", "--config", "c.toml"]);
    assert!(output.stdout.contains("from 2 components"), "{output:?}");
    // Each reference selects the tools of its own component.
    let text = "[[component]]\nref = \"g.wasm#a\"\nname = \"first\"\n\
                [[component]]\nref = \"./g.wasm#b\"\nname = \"second\"\n";
    toolcrib.file("c.toml", text);
    let output = toolcrib.run(&["check", "--no-auth", "--config", "c.toml", "--json"]);
    let found: Value = serde_json::from_str(&output.stdout).unwrap();
    let found = found["components"].as_array().unwrap().iter();
    let tools: Vec<_> = found.map(|component| &component["tools"]).collect();
    assert_eq!(tools.len(), 2, "{output:?}");
    for (tools, name) in tools.into_iter().zip(["a", "b"]) {
        assert_eq!(tools.as_array().unwrap().len(), 1);
        assert_eq!(tools[0]["name"], name);
    }
}

#[test]
fn sections_of_one_file_need_different_names() {
    let toolcrib = Toolcrib::new();
    toolcrib.write("g", &two_tools().component());
    let unnamed = "[[component]]\nref = \"g.wasm\"\n";
    for (text, words) in [
        (unnamed.repeat(2), &["one file", "`name`", "`prefix`"][..]),
        (
            section("same", "").repeat(2),
            &["one file", "`name`", "`prefix`"],
        ),
        // The name of the other one is the stem of the file.
        (
            format!("{unnamed}{}", section("g", "")),
            &["one file", "`name`", "`prefix`"],
        ),
        // The names differ, and the tools do not.
        (
            format!(
                "{unnamed}{}",
                section("other", "").replace("prefix = \"other_\"", "")
            ),
            &["`a`", "`g` and `other`", "`prefix`"],
        ),
        // A pattern cannot name the file once more.
        (
            format!(
                "{}[[component]]\nref = \"*.wasm#a\"\nname = \"b\"\n",
                section("a", "")
            ),
            &["one file", "name the file"],
        ),
    ] {
        toolcrib.file("c.toml", &text);
        let output = toolcrib.run(&["check", "--no-auth", "--config", "c.toml"]);
        assert_ne!(output.status, 0, "{text}: {output:?}");
        let line = output.stderr.lines().next().unwrap();
        for word in words {
            assert!(line.contains(word), "{text}: {line}");
        }
        if words[0] == "one file" {
            assert_eq!(output.status, USAGE, "{text}");
            assert_eq!(output.stderr.lines().count(), 1, "{text}: {output:?}");
        }
    }
    // A section of the directory is for the files without a section of their own.
    toolcrib.write("h", &Guest::saying("h", "h").component());
    let sections = [section("work", ""), section("home", "")].concat();
    let text = format!("{sections}[[component]]\nref = \".\"\nprefix = \"dir_\"\n");
    toolcrib.file("c.toml", text);
    let output = toolcrib.run(&["call", "--config", "c.toml", ".", "none"]);
    let expected = "it has dir_h, home_a, home_b, work_a, work_b";
    assert!(output.stderr.contains(expected), "{output:?}");
}

/// Reads the configuration for an application in this process, without a cache of compiled components.
fn read_config(dir: &Path, text: &str) -> Config {
    let file = dir.join("c.toml");
    fs::write(&file, text).unwrap();
    let overrides = Overrides {
        file: Some(file),
        keep_going: true,
        ..Overrides::default()
    };
    let mut config = Config::load(&overrides).unwrap();
    config.access = Access::Open;
    config.watch = toolcrib::config::WatchMode::Manual;
    config.cache = None;
    config.server.max_concurrent_calls = 4;
    config
}

#[tokio::test]
async fn the_file_is_compiled_once() {
    let dir = tempfile::tempdir().unwrap();
    let names = ["x", "y", "z"].map(|name| section(name, ""));
    let mut config = read_config(dir.path(), &names.concat());
    // A compiler that records its input. Written by another process, because a program that is open for writing in this
    // one cannot be started.
    let compiler = dir.path().join("compiler");
    let input = dir.path().join("input");
    let script = format!(
        "printf '#!/bin/sh\\ntee -a {} | {TOOLCRIB} \"$@\"\\n' > {path}; chmod +x {path}",
        input.display(),
        path = compiler.display()
    );
    let written = Command::new("sh").args(["-c", &script]).status().unwrap();
    assert!(written.success());
    config.compiler = Some(compiler);
    let mut expected = 0;
    let mut app = None;
    for round in ["one", "two"] {
        let component = Guest::saying("t", round).component();
        write(dir.path(), "g", &component);
        let app = match &app {
            None => app.insert(App::build(config.clone()).await.unwrap()),
            Some(app) => {
                assert!(app.reload().await.is_empty());
                app
            }
        };
        let catalog = app.catalog();
        assert_eq!(catalog.components().len(), 3);
        let digest = toolcrib::component::digest(&component);
        let mut components = catalog.components().iter();
        assert!(components.all(|entry| entry.component.digest == digest));
        // The size of the request: four numbers and the component.
        expected += 32 + component.len() as u64;
        assert_eq!(fs::metadata(&input).unwrap().len(), expected, "{round}");
    }
}

/// A fault in the settings of one component concerns this one only, and is reported under its name.
#[tokio::test]
async fn faults_are_of_one_component() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(dir.path(), "g", &two_tools().component());
    let grant = "[component.allow]\ndirs = [{ host = \"data\", guest = \"/data\" }]";
    let text = [section("work", ""), section("home", grant)].concat();
    let app = App::build(read_config(dir.path(), &text)).await.unwrap();
    let names = |app: &App| -> Vec<String> {
        let catalog = app.catalog();
        let components = catalog.components().iter();
        components
            .map(|entry| entry.component.name.clone())
            .collect()
    };
    assert_eq!(names(&app), ["work"]);
    let problems = app.reload().await;
    let line = problems[0].to_string();
    assert_eq!(problems.len(), 1, "{line}");
    let expected = format!("`{}` as `home`: ", path.display());
    assert!(line.starts_with(&expected), "{line}");
    fs::create_dir(dir.path().join("data")).unwrap();
    assert!(app.reload().await.is_empty());
    assert_eq!(names(&app), ["work", "home"]);
    // A damaged file is reported for both, and both keep their version.
    fs::write(&path, "rubbish").unwrap();
    let problems: Vec<_> = app.reload().await.iter().map(|p| p.to_string()).collect();
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].contains("as `work`") && problems[1].contains("as `home`"));
    assert_eq!(names(&app), ["work", "home"]);
}
