//! The cache: starts without the network, damaged entries, bounds.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::{FAILED, check_refused, greet, greeting};
use crate::support::command::Toolcrib;
use crate::support::web::{Reply, Web, digest};

/// Returns the path of a component in the cache.
fn entry(toolcrib: &Toolcrib, digest: &str) -> PathBuf {
    let dir = toolcrib.path().join(".cache/toolcrib/components/sha256");
    dir.join(digest.trim_start_matches("sha256:"))
}

fn set_unused(path: &Path) {
    let file = std::fs::File::options().append(true).open(path).unwrap();
    let an_hour_ago = SystemTime::now() - Duration::from_secs(3600);
    file.set_modified(an_hour_ago).unwrap();
}

/// Pinned components need no network; others are served from the cache if the server is away, but not if it refuses.
#[test]
fn cached_components_need_no_server() {
    let (web, toolcrib) = (Web::start(), Toolcrib::new());
    let hello = greeting("hello");
    let (manifest_digest, layer_digest) = web.push("1", &hello);
    web.reply("/x.wasm", Reply::new(&*hello));
    let pinned = web.oci(&format!("@{manifest_digest}"));
    let (tag, url) = (web.oci(":1"), web.url("/x.wasm"));
    for reference in [&pinned, &tag, &url] {
        assert_eq!(greet(&toolcrib, reference).stdout, "hello\n");
    }
    let text = format!("[[component]]\nref = \"{tag}\"\ndigest = \"{layer_digest}\"\n");
    toolcrib.file("toolcrib.toml", text);
    let configured = ["call", "--config", "toolcrib.toml", &tag, "greet"];
    let before = web.requests().len();
    assert_eq!(toolcrib.run(&["call", &pinned, "greet"]).stdout, "hello\n");
    assert_eq!(toolcrib.run(&configured).stdout, "hello\n");
    assert_eq!(web.requests().len(), before, "{:?}", web.requests());

    // A server that is overloaded counts as away. One that knows no such component does not.
    web.reply("/v2/team/tool/manifests/1", Reply::status(503));
    let output = greet(&toolcrib, &tag);
    assert_eq!(output.stdout, "hello\n", "{output:?}");
    web.reply("/v2/team/tool/manifests/1", Reply::status(404));
    let output = greet(&toolcrib, &tag);
    check_refused("gone", &output, FAILED, &["has no `team/tool:1`"]);

    drop(web);
    for reference in [&tag, &url] {
        let output = greet(&toolcrib, reference);
        assert_eq!(output.stdout, "hello\n", "{output:?}");
        for part in [
            "serving its last known version",
            &layer_digest,
            "cannot be reached",
            "Z",
        ] {
            assert!(output.stderr.contains(part), "{part}: {output:?}");
        }
        let offline = ["call", "--offline", "--allow-unpinned", reference, "greet"];
        let output = toolcrib.run(&offline);
        assert_eq!(output.stdout, "hello\n", "{output:?}");
        assert_eq!(output.stderr, "", "{output:?}");
    }
    for arguments in [&["call", &*pinned, "greet"][..], &configured] {
        let output = toolcrib.run(arguments);
        assert_eq!(output.stdout, "hello\n", "{output:?}");
        assert!(!output.stderr.contains("WARN"), "{output:?}");
    }
    // Another digest than the cached one is not served instead.
    let other = digest(b"other");
    let text = format!("[[component]]\nref = \"{tag}\"\ndigest = \"{other}\"\n");
    toolcrib.file("toolcrib.toml", text);
    let output = toolcrib.run(&configured);
    check_refused("other digest", &output, FAILED, &["cannot be reached"]);
}

#[test]
fn offline_never_asks() {
    let (web, toolcrib) = (Web::start(), Toolcrib::new());
    web.push("1", &greeting("hello"));
    web.push("2", &greeting("two"));
    let (first, second) = (web.oci(":1"), web.oci(":2"));
    assert_eq!(greet(&toolcrib, &first).stdout, "hello\n");
    let before = web.requests().len();
    toolcrib.file("toolcrib.toml", "[cache]\noffline = true\n");
    let offline = |reference: &str| {
        let arguments = ["--allow-unpinned", "--config", "toolcrib.toml", reference];
        toolcrib.run(&[&["inspect"], &arguments[..]].concat())
    };
    assert_eq!(offline(&first).status, 0);
    let parts = ["not in the cache", "toolcrib pull"];
    check_refused("second", &offline(&second), FAILED, &parts);
    assert_eq!(web.requests().len(), before);
    let output = toolcrib.run(&["pull", "--offline", &second]);
    check_refused("pull", &output, FAILED, &["offline"]);
}

/// A file on a web server is not sent again if it has not changed.
#[test]
fn unchanged_files_are_not_sent_again() {
    let (web, toolcrib) = (Web::start(), Toolcrib::new());
    web.reply(
        "/x.wasm",
        Reply::new(greeting("one")).header("etag", "\"1\""),
    );
    let url = web.url("/x.wasm");
    assert_eq!(greet(&toolcrib, &url).stdout, "one\n");
    web.reply("/x.wasm", Reply::status(304));
    assert_eq!(greet(&toolcrib, &url).stdout, "one\n");
    web.reply(
        "/x.wasm",
        Reply::new(greeting("two")).header("etag", "\"2\""),
    );
    assert_eq!(greet(&toolcrib, &url).stdout, "two\n");
    // Without the file, nothing may be left out.
    std::fs::remove_dir_all(toolcrib.path().join(".cache/toolcrib/components/sha256")).unwrap();
    assert_eq!(greet(&toolcrib, &url).stdout, "two\n");
}

#[test]
fn damaged_entries_are_fetched_again() {
    let (web, toolcrib) = (Web::start(), Toolcrib::new());
    let (manifest_digest, layer_digest) = web.push("1", &greeting("hello"));
    let pinned = web.oci(&format!("@{manifest_digest}"));
    let entry = entry(&toolcrib, &layer_digest);
    let fetches = || {
        let requests = web.requests();
        requests.iter().filter(|r| r.contains("/blobs/")).count()
    };
    assert_eq!(greet(&toolcrib, &pinned).stdout, "hello\n");
    assert_eq!(fetches(), 1);
    for (number, damaged) in [b"rubbish".to_vec(), Vec::new(), greeting("altered")]
        .into_iter()
        .enumerate()
    {
        std::fs::write(&entry, &damaged).unwrap();
        let output = toolcrib.run(&["call", &pinned, "greet"]);
        assert_eq!(output.stdout, "hello\n", "{output:?}");
        assert!(
            output.stderr.contains("invalid cache entry removed"),
            "{output:?}"
        );
        assert_eq!(fetches(), number + 2);
        assert_eq!(digest(&std::fs::read(&entry).unwrap()), layer_digest);
    }
    std::fs::write(&entry, "rubbish").unwrap();
    let output = toolcrib.run(&["call", "--offline", &pinned, "greet"]);
    check_refused("offline", &output, FAILED, &["not in the cache"]);
}

/// Fetched and compiled components share one bound. Those in use stay.
#[test]
fn the_least_recently_used_are_evicted() {
    let (web, toolcrib) = (Web::start(), Toolcrib::new());
    toolcrib.file("toolcrib.toml", "[cache]\nsize = \"1B\"\n");
    let run = |tag: &str| {
        let reference = web.oci(tag);
        let arguments = [
            "--config",
            "toolcrib.toml",
            "--allow-unpinned",
            &reference,
            "greet",
        ];
        toolcrib.run(&[&["call"], &arguments[..]].concat())
    };
    let (_, first) = web.push("1", &greeting("one"));
    let (_, second) = web.push("2", &greeting("two"));
    assert_eq!(run(":1").stdout, "one\n");
    let dir = toolcrib.path().join(".cache/toolcrib");
    let files = || {
        let mut found: Vec<_> = Vec::new();
        for dir in [
            dir.clone(),
            dir.join("components/sha256"),
            dir.join("components/references"),
        ] {
            let entries = std::fs::read_dir(dir).unwrap();
            found.extend(
                entries
                    .map(|e| e.unwrap().path())
                    .filter(|path| path.is_file()),
            );
        }
        found
    };
    // Component, record, compiled code.
    assert_eq!(files().len(), 3, "{:?}", files());
    files().iter().for_each(|path| set_unused(path));
    assert_eq!(run(":2").stdout, "two\n");
    assert_eq!(files().len(), 3, "{:?}", files());
    assert!(!entry(&toolcrib, &first).exists());
    assert!(entry(&toolcrib, &second).exists());
    assert_eq!(run(":1").stdout, "one\n");
}

/// Without a cache directory, or with one that others can write, components are fetched at each start.
#[test]
fn a_cache_is_not_needed() {
    let (web, toolcrib) = (Web::start(), Toolcrib::new());
    web.push("1", &greeting("hello"));
    let reference = web.oci(":1");
    let fetches = || {
        let requests = web.requests();
        requests.iter().filter(|r| r.contains("/blobs/")).count()
    };
    let open = toolcrib.path().join("open");
    std::fs::create_dir(&open).unwrap();
    std::fs::set_permissions(&open, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    for (number, (dir, warning)) in [("false", ""), ("\"open\"", "are not cached")]
        .into_iter()
        .enumerate()
    {
        toolcrib.file("toolcrib.toml", format!("[cache]\ndir = {dir}\n"));
        for again in 1..=2 {
            let output = toolcrib.run(&[
                "call",
                "--config",
                "toolcrib.toml",
                "--allow-unpinned",
                &reference,
                "greet",
            ]);
            assert_eq!(output.stdout, "hello\n", "{output:?}");
            assert!(output.stderr.contains(warning), "{output:?}");
            assert_eq!(fetches(), 2 * number + again);
        }
    }
}
