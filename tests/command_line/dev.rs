//! `toolcrib dev`: builds after each change, serves the old version while it does not build, and prints each call.
//! `tests/dev_templates.rs` does the same with the projects of `toolcrib new`.

use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::client::{Client, Revision};
use crate::support::command::Toolcrib;
use crate::support::dev::{Dev, wait_until};
use crate::support::guest::{Guest, Tool};

/// Builds `tool.wasm` from `src/version`, and counts the builds. It writes sources as well, as some builds do.
const BUILD: &str = r#"#!/bin/sh
trap 'rm -f new-in-each-build' EXIT
echo x >> .builds
echo generated > src/generated
echo "tmp $$" > new-in-each-build
version=$(cat src/version)
case $version in
  wrong) echo "src/version:1: no such version" >&2; exit 3 ;;
  restless) echo $$ > src/restless; version=two ;;
  slow) sleep 1000 & echo $! > .sleeping; wait ;;
esac
cp "parts/$version" .new && mv .new tool.wasm
"#;
const MAKEFILE: &str = ".PHONY: build\nbuild:\n\t@sh build.sh\n";

/// A project whose tool says its version.
fn project() -> Toolcrib {
    let toolcrib = Toolcrib::new();
    for folder in ["src", "parts"] {
        std::fs::create_dir(toolcrib.path().join(folder)).unwrap();
    }
    for version in ["one", "two", "three"] {
        let guest = Guest::saying("tool", version).component();
        toolcrib.file(&format!("parts/{version}"), guest);
    }
    toolcrib
        .file("Makefile", MAKEFILE)
        .file("build.sh", BUILD)
        .file("src/version", "one");
    toolcrib
}

fn builds(toolcrib: &Toolcrib) -> usize {
    let counted = std::fs::read_to_string(toolcrib.path().join(".builds")).unwrap();
    counted.lines().count()
}

/// The process that a slow build has started.
fn sleeping(toolcrib: &Toolcrib) -> String {
    let path = toolcrib.path().join(".sleeping");
    let id = wait_until(|| {
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        text.ends_with('\n').then_some(text)
    });
    std::fs::remove_file(path).unwrap();
    id.trim().to_owned()
}

/// Waits until a process is gone, or is only waited for.
fn wait_for_end(process: &str) {
    wait_until(|| {
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat"));
        let is_running = stat.is_ok_and(|stat| !stat.contains(") Z "));
        (!is_running).then_some(())
    });
}

async fn says(dev: &Dev) -> String {
    let client = Client::new(&dev.url(), Revision::July2026);
    client.call("tool", json!({})).await.text().to_owned()
}

async fn wait_for_text(dev: &Dev, text: &str) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while says(dev).await != text {
        assert!(Instant::now() < deadline, "{text} is not served");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_project_is_built_and_served_after_each_change() {
    let toolcrib = project();
    let mut dev = Dev::start(&toolcrib, &[]);
    dev.wait("building with `make build`");
    dev.wait("built in ");
    dev.wait("serving 1 tool from 1 component");
    assert_eq!(says(&dev).await, "one");
    let line = dev.wait("call tool: ok in ");
    assert!(
        line.contains(" ms, processor ") && line.ends_with(" MiB"),
        "{line}"
    );

    toolcrib.file("src/version", "two");
    dev.wait("building: src/version has changed");
    let line = dev.wait("serving 1 tool from 1 component");
    assert!(line.ends_with(" s after the change"), "{line}");
    assert_eq!(says(&dev).await, "two");

    // The error is shown, and the version before is served.
    toolcrib.file("src/version", "wrong");
    dev.wait("src/version:1: no such version");
    let line = dev.wait("error: ");
    assert!(
        line.contains("`make build` failed with exit status: 2; correct the sources"),
        "{line}"
    );
    assert_eq!(says(&dev).await, "two");
    toolcrib.file("src/version", "three");
    dev.wait("serving 1 tool from 1 component");
    assert_eq!(says(&dev).await, "three");

    let client = Client::new(&dev.url(), Revision::July2026);
    client.call("nothing", json!({})).await.code();
    let line = dev.wait("call: invalid in ");
    assert!(line.contains("unknown"), "{line}");

    // Outputs, and what a build writes, start no further build, except for a new source of the first one.
    assert!(
        (5..=6).contains(&builds(&toolcrib)),
        "{}",
        builds(&toolcrib)
    );
    assert_eq!(dev.stop().code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_build_ends_with_all_its_processes() {
    let toolcrib = project();
    toolcrib.file("src/version", "slow");
    // After a change.
    let mut dev = Dev::start(&toolcrib, &[]);
    let process = sleeping(&toolcrib);
    toolcrib.file("src/version", "one");
    dev.wait("serving 1 tool");
    assert_eq!(says(&dev).await, "one");
    wait_for_end(&process);
    // With the server.
    toolcrib.file("src/version", "slow");
    let process = sleeping(&toolcrib);
    assert_eq!(dev.stop().code(), Some(0));
    wait_for_end(&process);
    // At the limit of time, after which the next change is built.
    let mut dev = Dev::start(&toolcrib, &["--build-timeout", "2s"]);
    let process = sleeping(&toolcrib);
    let line = dev.wait("error: ");
    assert!(
        line.contains("`make build` has not ended within 2s and is stopped")
            && line.contains("--build-timeout"),
        "{line}"
    );
    wait_for_end(&process);
    toolcrib.file("src/version", "two");
    dev.wait("serving 1 tool");
    assert_eq!(says(&dev).await, "two");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_build_that_changes_its_sources_does_not_follow_itself() {
    let toolcrib = project();
    let mut dev = Dev::start(&toolcrib, &[]);
    dev.wait("serving 1 tool");
    toolcrib.file("src/version", "restless");
    let line = dev.wait("changes during each build");
    assert!(line.starts_with("src/restless "), "{line}");
    wait_for_text(&dev, "two").await;
    assert!(builds(&toolcrib) <= 20, "{}", builds(&toolcrib));
    toolcrib.file("src/version", "three");
    wait_for_text(&dev, "three").await;
}

/// A project that has never been built is served as soon as it can be.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_project_that_does_not_build_at_first_is_built_when_it_changes() {
    let toolcrib = project();
    toolcrib.file("src/version", "wrong");
    let mut dev = Dev::start(&toolcrib, &[]);
    dev.wait("correct the sources");
    toolcrib.file("src/version", "one");
    dev.wait("serving 1 tool");
    assert_eq!(says(&dev).await, "one");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn components_without_a_project_are_served_and_watched() {
    let toolcrib = Toolcrib::new();
    toolcrib.write("tool", &Guest::saying("tool", "one").component());
    let mut dev = Dev::start(&toolcrib, &[]);
    assert_eq!(says(&dev).await, "one");
    dev.wait("call tool: ok in ");
    toolcrib.write("tool", &Guest::saying("tool", "two").component());
    dev.wait("serving 1 tool");
    assert_eq!(says(&dev).await, "two");

    // With another folder, its configuration, and a command of its own.
    let dir = Toolcrib::new();
    let folder = dir.path().join("my [tool]#x");
    std::fs::create_dir(&folder).unwrap();
    let bytes = Guest::with(Tool::new("tool"), "(call $spin)").component();
    std::fs::write(folder.join("part"), bytes).unwrap();
    let config = "[server]\npublic-url = \"https://tools.example.com\"\n\
                  [auth]\nissuer = \"https://login.example.com\"\naudience = \"x\"\n\
                  [[component]]\nref = \"tool.wasm\"\nprefix = \"my_\"\nlimits.cpu = \"100ms\"\n";
    std::fs::write(folder.join("toolcrib.toml"), config).unwrap();
    let mut dev = Dev::start(&dir, &["my [tool]#x", "--build", "cp part tool.wasm"]);
    dev.wait("building with `cp part tool.wasm`");
    dev.wait("serving 1 tool");
    let client = Client::new(&dev.url(), Revision::July2026);
    client.call("my_tool", json!({})).await.failure();
    let line = dev.wait("call my_tool: stopped in ");
    assert!(line.contains("processor time"), "{line}");
}

#[tokio::test]
async fn the_page_is_opened_on_request() {
    let toolcrib = Toolcrib::new();
    toolcrib.write("tool", &Guest::saying("tool", "one").component());
    let bin = toolcrib.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    let start = || {
        let mut command = toolcrib.command(&["dev", "--open", "--listen", "127.0.0.1:0"]);
        command.env("PATH", &bin);
        Dev::start_command(command)
    };
    let mut dev = start();
    dev.wait("`xdg-open` cannot be started");
    drop(dev);
    toolcrib.file("bin/xdg-open", "#!/bin/sh\necho \"$@\" > opened\n");
    let status = Command::new("chmod")
        .arg("+x")
        .arg(bin.join("xdg-open"))
        .status();
    assert!(status.unwrap().success());
    let mut dev = start();
    let origin = dev.url().replace("/mcp", "/");
    assert!(dev.wait("open http").contains(&origin));
    let opened = toolcrib.path().join("opened");
    let url = wait_until(|| {
        let text = std::fs::read_to_string(&opened).unwrap_or_default();
        text.ends_with('\n').then_some(text)
    });
    assert_eq!(url.trim(), origin);
}

#[test]
fn dev_says_how_to_go_on() {
    let toolcrib = project();
    let used = TcpListener::bind("127.0.0.1:0").unwrap();
    let used = used.local_addr().unwrap().to_string();
    let empty = toolcrib.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    // A Makefile that builds something else is not run.
    std::fs::create_dir(toolcrib.path().join("other")).unwrap();
    toolcrib.file("other/Makefile", "all:\n\ttouch ran\n");
    toolcrib.file("bad.toml", "x = 1\n");
    for (arguments, status, words) in [
        (
            &["empty"][..],
            2,
            &[
                "`empty` has no Makefile with the target `build`",
                "toolcrib new",
                "--build",
            ][..],
        ),
        (&["other"], 2, &["`other` has no Makefile with"]),
        (
            &["nowhere"],
            2,
            &["there is no folder `nowhere`", "toolcrib new"],
        ),
        (&["Makefile"], 2, &["`Makefile` is not a folder"]),
        (
            &["--listen", &used],
            1,
            &["cannot listen on", "choose another with --listen"],
        ),
        (
            &["--listen", "0.0.0.0:0"],
            2,
            &["not on 0.0.0.0:0", "toolcrib serve"],
        ),
        (&["--listen", "unix:x.sock"], 2, &["not on unix:x.sock"]),
        (&["--config", "bad.toml"], 2, &["bad.toml:1", "`x`"]),
        (&["--build-timeout", "0s"], 2, &["must be a time such as"]),
    ] {
        let arguments = [&["dev"], arguments].concat();
        let output = toolcrib.run(&arguments);
        assert_eq!(output.status, status, "{arguments:?}: {output:?}");
        let errors: Vec<_> = output
            .stderr
            .lines()
            .filter(|line| line.starts_with("error: "))
            .collect();
        let [error] = errors[..] else {
            panic!("{arguments:?}: {output:?}");
        };
        for word in words {
            assert!(error.contains(word), "{arguments:?}: {error}");
        }
    }
    assert!(!toolcrib.path().join("other/ran").exists());
    assert!(!toolcrib.path().join(".builds").exists());

    // Without `make`, the components that are there are served.
    let mut command = toolcrib.command(&["dev", "--listen", "127.0.0.1:0"]);
    command.env("PATH", &empty);
    let mut dev = Dev::start_command(command);
    let line = dev.wait("error: ");
    assert!(
        line.contains("`make` is missing") && line.contains("--build"),
        "{line}"
    );
}
