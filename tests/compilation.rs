//! Compilation: the compiler processes and their limits, the entries of the cache, and the start with many components.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::json;
use toolcrib::App;
use toolcrib::config::Config;

use crate::support::client::{Client, Revision};
use crate::support::command::{Toolcrib, files_in};
use crate::support::guest::{Guest, Tool};
use crate::support::process::{Process, TOOLCRIB, processor_time, resident_mb};
use crate::support::server::{add_component, config, write};

/// Time after which a process must have ended, even on a busy machine.
const MAX_END_TIME: Duration = Duration::from_secs(30);
/// Growth of the server while a component is compiled, which happens in another process.
const MAX_GROWTH_MB: f64 = 100.0;

/// A component of some 20 KB whose compilation takes minutes and gigabytes: nested loops over as many variables.
fn slow_to_compile() -> Vec<u8> {
    const DEPTH: usize = 1_000;
    let mut guest = Guest::saying("slow", "slow");
    let increments: String = (0..DEPTH)
        .map(|n| format!("(local.set {n} (i32.add (local.get {n}) (i32.const 1)))"))
        .collect();
    guest.item(format!(
        "(func {} {} {increments} {})",
        "(local i32)".repeat(DEPTH),
        "(loop ".repeat(DEPTH),
        "(br_if 0 (local.get 0)))".repeat(DEPTH)
    ));
    guest.component()
}

/// Returns the processes that a process has started and that have not ended.
fn children(process: u32) -> BTreeSet<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).unwrap();
    tasks
        .flatten()
        .filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok())
        .flat_map(|text| {
            let ids = text.split_whitespace().map(|id| id.parse().unwrap());
            ids.collect::<Vec<u32>>()
        })
        .collect()
}

/// Waits until `condition` returns a value.
fn wait_for<T>(description: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        let is_in_time = started.elapsed() < MAX_END_TIME;
        assert!(is_in_time, "timed out waiting for: {description}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Whether a process runs; one that has ended and is not yet reaped does not.
fn runs(process: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let state = stat.rfind(") ").map(|end| &stat[end + 2..=end + 2]);
    !matches!(state, None | Some("Z" | "X"))
}

/// Serves a directory with the tool `good` and returns the process and a directory to write more components to.
fn serve_directory(toolcrib: &Toolcrib, limits: &str) -> (Process, PathBuf) {
    let tools = toolcrib.path().join("tools");
    std::fs::create_dir(&tools).unwrap();
    write(&tools, "good", &Guest::saying("good", "good").component());
    toolcrib.file(
        "c.toml",
        format!("components = [\"tools/\"]\n[cache]\ndir = false\n[limits]\n{limits}\n"),
    );
    let arguments = [
        "serve",
        "--no-auth",
        "--config",
        "c.toml",
        "--listen",
        "127.0.0.1:0",
    ];
    (Process::start(toolcrib.command(&arguments)), tools)
}

/// The compiler of a refused component does not go on, and its memory was never the server's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compilation_ends_at_its_time_limit() {
    let toolcrib = Toolcrib::new();
    let (process, tools) = serve_directory(&toolcrib, "compile = \"2s\"");
    let server = process.id();
    wait_for("idle compilers end", || {
        children(server).is_empty().then_some(())
    });
    let memory_before = resident_mb(server);
    write(&tools, "slow", &slow_to_compile());
    wait_for("the compiler starts", || {
        (!children(server).is_empty()).then_some(())
    });
    wait_for("the compiler ends", || {
        children(server).is_empty().then_some(())
    });
    let url = format!("http://{}", process.address);
    let ready = loop {
        let ready = reqwest::get(format!("{url}/readyz")).await.unwrap();
        let ready = ready.text().await.unwrap();
        if ready.contains("slow.wasm") {
            break ready;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert!(ready.contains("was not compiled within 2s"), "{ready}");
    let growth = resident_mb(server) - memory_before;
    assert!(growth < MAX_GROWTH_MB, "{growth} MiB");
    assert!(processor_time(server) < Duration::from_secs(10));
    let client = Client::new(&format!("{url}/mcp"), Revision::July2026);
    assert_eq!(client.call("good", json!({})).await.text(), "good");
}

#[test]
fn a_compiler_ends_with_the_host() {
    let toolcrib = Toolcrib::new();
    let (process, tools) = serve_directory(&toolcrib, "compile = \"10m\"");
    let server = process.id();
    write(&tools, "slow", &slow_to_compile());
    let compilers = wait_for("the compiler starts", || {
        Some(children(server)).filter(|children| !children.is_empty())
    });
    // Kills the server, which cannot end anything any more.
    drop(process);
    wait_for("the compiler ends", || {
        compilers.iter().all(|id| !runs(*id)).then_some(())
    });
}

#[test]
fn the_memory_of_a_compilation_is_limited() {
    let toolcrib = Toolcrib::new();
    toolcrib.write("slow", &slow_to_compile());
    toolcrib.write("good", &Guest::saying("good", "good").component());
    toolcrib.file(
        "c.toml",
        "[limits]\ncompile = \"10m\"\ncompile-memory = \"400MiB\"\n",
    );
    let output = toolcrib.run(&["inspect", "--config", "c.toml", "slow.wasm"]);
    assert_eq!(output.status, 1, "{output:?}");
    assert!(
        output.stderr.contains(
            "`slow.wasm`: it was not compiled within 400 MiB of memory; raise `compile-memory`"
        ),
        "{output:?}"
    );
    let output = toolcrib.run(&["inspect", "--config", "c.toml", "good.wasm"]);
    assert_eq!(output.status, 0, "{output:?}");
}

/// An embedder names a compiler, or compiles in its own process.
#[tokio::test]
async fn the_compiler_of_an_embedder_is_optional() {
    for (compiler, problem) in [
        (None, None),
        (Some(TOOLCRIB), None),
        (Some("/bin/false"), Some("the compiler failed")),
        (Some("/bin/echo"), Some("the compiler failed")),
        (Some("/nowhere/toolcrib"), Some("the compiler failed")),
    ] {
        let (_dir, mut config) = config(&[("guest", &Guest::saying("hello", "hello"))]);
        config.cache = None;
        config.compiler = compiler.map(PathBuf::from);
        match (App::build(config).await, problem) {
            (Ok(app), None) => assert_eq!(app.catalog().tools().len(), 1, "{compiler:?}"),
            (Err(error), Some(problem)) => {
                assert!(error.to_string().contains(problem), "{compiler:?}: {error}");
            }
            (result, _) => panic!("{compiler:?}: {:?}", result.err()),
        }
    }
    // An error of the compiler reads the same from both.
    let mut invalid = Guest::saying("hello", "hello").component();
    let code = invalid.len() / 2;
    invalid[code..code + 64].fill(0xff);
    let mut errors = BTreeSet::new();
    for compiler in [None, Some(PathBuf::from(TOOLCRIB))] {
        let (dir, mut config) = config(&[]);
        config.cache = None;
        config.compiler = compiler;
        add_component(&mut config, &dir, "guest", &invalid);
        let error = App::build(config).await.err().unwrap().to_string();
        let (_, error) = error.split_once("`: ").unwrap();
        errors.insert(error.to_owned());
    }
    assert_eq!(errors.len(), 1, "{errors:?}");
}

/// Each entry is checked when it is opened: its kind, its owner, and that nobody else can write it.
#[test]
fn untrusted_cache_entries_are_replaced() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};

    let toolcrib = Toolcrib::new();
    toolcrib.write("guest", &Guest::saying("hello", "hello").component());
    toolcrib.file("c.toml", "[cache]\ndir = \"cached\"\n");
    let call = || toolcrib.run(&["call", "--config", "c.toml", "guest.wasm", "hello"]);
    assert_eq!(call().stdout, "hello\n");
    let [entry] = &files_in(&toolcrib.path().join("cached"))[..] else {
        panic!("one compiled component");
    };
    let compiled = std::fs::read(entry).unwrap();
    let is_trusted = || {
        let metadata = std::fs::symlink_metadata(entry).unwrap();
        metadata.is_file() && metadata.mode() & 0o777 == 0o600
    };
    let own = std::fs::metadata(entry).unwrap().ino();
    assert!(!call().stderr.contains("removed"));
    assert_eq!(std::fs::metadata(entry).unwrap().ino(), own, "kept");

    let elsewhere = toolcrib.path().join("elsewhere");
    std::fs::write(&elsewhere, &compiled).unwrap();
    let set_mode = |mode| std::fs::set_permissions(entry, PermissionsExt::from_mode(mode)).unwrap();
    let replacements: [(&str, &dyn Fn()); 5] = [
        ("group may write", &|| set_mode(0o620)),
        ("everybody may write", &|| set_mode(0o602)),
        ("link", &|| {
            std::fs::remove_file(entry).unwrap();
            symlink(&elsewhere, entry).unwrap();
        }),
        ("pipe", &|| {
            std::fs::remove_file(entry).unwrap();
            let made = std::process::Command::new("mkfifo").arg(entry).status();
            assert!(made.unwrap().success());
        }),
        // Only root can give a file away.
        ("other owner", &|| {
            if chown(entry, Some(12_345), None).is_err() {
                set_mode(0o666);
            }
        }),
    ];
    for (name, replace) in replacements {
        replace();
        let output = call();
        assert_eq!(output.stdout, "hello\n", "{name}: {output:?}");
        assert!(
            output.stderr.contains("invalid cache entry removed"),
            "{name}: {output:?}"
        );
        assert!(is_trusted(), "{name}");
        assert!(!call().stderr.contains("removed"), "{name}");
    }
}

/// The guest is not run at the next start, unless its limits have changed or the entry is damaged.
#[test]
fn accepted_definitions_are_kept_with_the_compiled_component() {
    let toolcrib = Toolcrib::new();
    let mut guest = Guest::new();
    let text = guest.string("hello");
    let tool = Tool::new("hello").with_description("From the guest.");
    guest.tool(tool, format!("(call $text {text})"));
    toolcrib.write("guest", &guest.component());
    let description = |limits: &str| {
        let settings = format!("[cache]\ndir = \"cached\"\n[limits]\n{limits}");
        toolcrib.file("c.toml", settings);
        let output = toolcrib.run(&["inspect", "--config", "c.toml", "guest.wasm", "--json"]);
        let inspected: serde_json::Value = serde_json::from_str(&output.stdout).unwrap();
        let tool = inspected[0]["tools"][0]["description"].as_str();
        tool.unwrap().to_owned()
    };
    assert_eq!(description(""), "From the guest.");
    let [entry] = &files_in(&toolcrib.path().join("cached/definitions"))[..] else {
        panic!("the definitions of one component");
    };
    let kept = std::fs::read_to_string(entry).unwrap();
    std::fs::write(entry, kept.replace("guest", "cache")).unwrap();
    assert_eq!(description(""), "From the cache.");
    assert_eq!(description("concurrency = 3"), "From the cache.");
    assert_eq!(description("memory = \"64MiB\""), "From the guest.");

    std::fs::write(entry, &kept[1..]).unwrap();
    assert_eq!(description(""), "From the guest.");
    assert_eq!(std::fs::read_to_string(entry).unwrap(), kept);
}

/// The system may map the whole file when loading reads its start.
#[tokio::test]
async fn compiled_code_of_a_component_that_is_not_called_takes_no_memory() {
    let toolcrib = Toolcrib::new();
    toolcrib.write("guest", &Guest::saying("hello", "hello").component());
    toolcrib.file(
        "c.toml",
        "components = [\"guest.wasm\"]\n[cache]\ndir = \"cached\"\n",
    );
    let config = ["--config", "c.toml"];
    // Fills the cache.
    let output = toolcrib.run(&["call", config[0], config[1], "guest.wasm", "hello"]);
    assert_eq!(output.stdout, "hello\n");
    let arguments = [
        "serve",
        "--no-auth",
        config[0],
        config[1],
        "--listen",
        "127.0.0.1:0",
    ];
    let process = Process::start(toolcrib.command(&arguments));
    let resident_kb = || {
        let maps = std::fs::read_to_string(format!("/proc/{}/smaps", process.id())).unwrap();
        let mut lines = maps.lines();
        let mut sizes = Vec::new();
        while lines.any(|line| line.ends_with(".cwasm")) {
            let resident = lines.find_map(|line| line.strip_prefix("Rss:")).unwrap();
            let (kb, _) = resident.trim().split_once(' ').unwrap();
            sizes.push(kb.parse::<u64>().unwrap());
        }
        assert!(!sizes.is_empty(), "compiled code is mapped");
        sizes.iter().sum::<u64>()
    };
    assert_eq!(resident_kb(), 0);
    let client = Client::new(
        &format!("http://{}/mcp", process.address),
        Revision::July2026,
    );
    assert_eq!(client.call("hello", json!({})).await.text(), "hello");
    assert_ne!(resident_kb(), 0);
}

/// Many small components share a few compiler processes, none of which is left; the embedder learns the progress.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_components_are_loaded_in_parallel_with_progress() {
    const COMPONENTS: usize = 40;
    static REPORTS: Mutex<Vec<(usize, usize)>> = Mutex::new(Vec::new());

    let (dir, mut config): (_, Config) = config(&[]);
    config.compiler = Some(TOOLCRIB.into());
    config.cache = Some(dir.path().join("cached"));
    config.on_load_progress = Some(|loaded, total| REPORTS.lock().unwrap().push((loaded, total)));
    for index in 0..COMPONENTS {
        let mut guest = Guest::new();
        let text = guest.string(format!("text {index}"));
        guest.tool(
            Tool::new(&format!("t{index}")),
            format!("(call $text {text})"),
        );
        add_component(&mut config, &dir, &format!("g{index}"), &guest.component());
    }
    let app = App::build(config.clone()).await.unwrap();
    assert_eq!(app.catalog().tools().len(), COMPONENTS);
    let expected: Vec<_> = (1..=COMPONENTS).map(|n| (n, COMPONENTS)).collect();
    assert_eq!(std::mem::take(&mut *REPORTS.lock().unwrap()), expected);
    let own_compilers = || {
        let is_compiler = |id: &u32| {
            let program = std::fs::read_link(format!("/proc/{id}/exe")).unwrap_or_default();
            let arguments = std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
            program == Path::new(TOOLCRIB) && arguments.ends_with(b"compiler-process\0")
        };
        children(std::process::id())
            .into_iter()
            .filter(is_compiler)
            .count()
    };
    // Other tests of this process start compilers too, but not for long.
    wait_for("idle compilers end", || {
        (own_compilers() == 0).then_some(())
    });
    // The cache serves the component without a compiler.
    config.compiler = Some("/bin/false".into());
    let app = App::build(config).await.unwrap();
    assert_eq!(app.catalog().tools().len(), COMPONENTS);
}
