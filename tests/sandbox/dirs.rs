//! `allow.dirs`: a guest can access the listed directories with the listed permissions, and cannot escape from them.

use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use super::filesystem_guest::{FileOp, entry, guest};
use crate::support::command::Toolcrib;
use crate::support::server::{Host, load_problems_with};

/// Codes of `wasi:filesystem/types.error-code`.
const NO_ENTRY: &str = "E20";
const NOT_PERMITTED: &str = "E31";
const CROSS_DEVICE: &str = "E36";
const LOOP: &str = "E15";

/// Performs the operations in the directory with the index `dir` of the entries `dirs`, and returns their results.
async fn perform(dirs: &str, dir: u8, operations: &[FileOp]) -> Vec<String> {
    let guest = guest(dir, operations);
    let text = format!("[[component]]\nref = \"guest.wasm\"\n[component.allow]\ndirs = [{dirs}]\n");
    let host = Host::configured(&[("guest", &guest)], &text).await;
    let mut results = Vec::new();
    for index in 0..operations.len() {
        let started = Instant::now();
        let answer = host.client().call(&format!("t{index}"), json!({})).await;
        results.push(answer.text().to_owned());
        assert!(
            started.elapsed() < Duration::from_secs(5),
            "t{index} took {:?}",
            started.elapsed()
        );
    }
    results
}

/// Creates `root/data` with files, links that lead out of it, and special files.
fn create_data_dir(root: &Path) -> std::path::PathBuf {
    let data = root.join("data");
    std::fs::create_dir_all(data.join("sub")).unwrap();
    std::fs::write(root.join("secret.txt"), "secret").unwrap();
    std::fs::write(data.join("hello.txt"), "hello").unwrap();
    std::fs::write(data.join("sub/in.txt"), "inside").unwrap();
    symlink("hello.txt", data.join("link")).unwrap();
    symlink("../hello.txt", data.join("sub/link")).unwrap();
    symlink("../secret.txt", data.join("out")).unwrap();
    symlink(root.join("secret.txt"), data.join("absolute")).unwrap();
    symlink("..", data.join("up")).unwrap();
    symlink("/proc/self/environ", data.join("environ")).unwrap();
    symlink("/proc/self/cwd", data.join("cwd")).unwrap();
    symlink("/dev/zero", data.join("zero")).unwrap();
    symlink("round", data.join("round")).unwrap();
    assert!(
        Command::new("mkfifo")
            .arg(data.join("fifo"))
            .status()
            .unwrap()
            .success()
    );
    symlink("fifo", data.join("to-fifo")).unwrap();
    UnixListener::bind(data.join("socket")).unwrap();
    data
}

#[tokio::test]
async fn reads_stay_inside_a_read_only_directory() {
    let root = tempfile::tempdir().unwrap();
    let data = create_data_dir(root.path());
    let cases = [
        (FileOp::Read("hello.txt", true), "hello"),
        (FileOp::Read("sub/in.txt", true), "inside"),
        (FileOp::Read("sub/../hello.txt", true), "hello"),
        (FileOp::Read("link", true), "hello"),
        (FileOp::Read("link", false), LOOP),
        (FileOp::Read("sub/link", true), "hello"),
        (FileOp::Read("nowhere", true), NO_ENTRY),
        (FileOp::Read("../secret.txt", true), NOT_PERMITTED),
        (FileOp::Read("sub/../../secret.txt", true), NOT_PERMITTED),
        (FileOp::Read("out", true), NOT_PERMITTED),
        (FileOp::Read("absolute", true), NOT_PERMITTED),
        (FileOp::Read("up/secret.txt", true), NOT_PERMITTED),
        (FileOp::Read("/etc/passwd", true), NOT_PERMITTED),
        (FileOp::Read("environ", true), NOT_PERMITTED),
        (FileOp::Read("cwd/Cargo.toml", true), NOT_PERMITTED),
        (FileOp::Read("zero", true), NOT_PERMITTED),
        (FileOp::Read("round", true), LOOP),
        (FileOp::Read("fifo", true), NOT_PERMITTED),
        (FileOp::Read("to-fifo", true), NOT_PERMITTED),
        (FileOp::Read("socket", true), NOT_PERMITTED),
        (FileOp::Write("new.txt"), NOT_PERMITTED),
        (FileOp::Write("hello.txt"), NOT_PERMITTED),
        (FileOp::CreateDirectory("made"), NOT_PERMITTED),
        (FileOp::Unlink("hello.txt"), NOT_PERMITTED),
        (FileOp::Rename("hello.txt", "other"), NOT_PERMITTED),
        (FileOp::Symlink("hello.txt", "made"), NOT_PERMITTED),
        (FileOp::Link(0, "hello.txt", 0, "made"), NOT_PERMITTED),
        (FileOp::Touch("hello.txt"), NOT_PERMITTED),
        // Opened for reading, with create, with truncate, for writing, and with all of these.
        (FileOp::Resize("hello.txt", 0, 1, 0), NOT_PERMITTED),
        (FileOp::Resize("made", 1, 1, 0), NOT_PERMITTED),
        (FileOp::Resize("hello.txt", 8, 1, 0), NOT_PERMITTED),
        (FileOp::Resize("hello.txt", 0, 2, 0), NOT_PERMITTED),
        (FileOp::Resize("hello.txt", 9, 3, 0), NOT_PERMITTED),
        (FileOp::Read("hello.txt", true), "hello"),
    ];
    let (operations, expected): (Vec<_>, Vec<_>) = cases.into_iter().unzip();
    let results = perform(&entry(&data, "/data", false), 0, &operations).await;
    for (index, (result, expected)) in results.iter().zip(expected).enumerate() {
        assert_eq!(result, expected, "case {index}");
    }
    assert_eq!(std::fs::read_dir(&data).unwrap().count(), 13);
}

#[tokio::test]
async fn writes_stay_inside_a_writable_directory() {
    let root = tempfile::tempdir().unwrap();
    let data = create_data_dir(root.path());
    let cases = [
        (FileOp::Write("new.txt"), "ok"),
        (FileOp::Read("new.txt", true), "new.txt"),
        (FileOp::Write("link"), "ok"),
        (FileOp::CreateDirectory("made"), "ok"),
        (FileOp::Write("made/x"), "ok"),
        (FileOp::Rename("made/x", "made/y"), "ok"),
        (FileOp::Unlink("made/y"), "ok"),
        (FileOp::Touch("new.txt"), "ok"),
        (FileOp::Touch("../secret.txt"), NOT_PERMITTED),
        (FileOp::Touch("out"), NOT_PERMITTED),
        (FileOp::Resize("out", 8, 2, 0), NOT_PERMITTED),
        (FileOp::Resize("new.txt", 8, 2, 3), "ok"),
        (FileOp::Symlink("../secret.txt", "own-out"), "ok"),
        (FileOp::Read("own-out", true), NOT_PERMITTED),
        (FileOp::Write("own-out"), NOT_PERMITTED),
        (
            FileOp::Symlink("/etc/passwd", "own-absolute"),
            NOT_PERMITTED,
        ),
        (FileOp::Write("../sibling.txt"), NOT_PERMITTED),
        (FileOp::Write("out"), NOT_PERMITTED),
        (FileOp::Write("fifo"), NOT_PERMITTED),
        (FileOp::CreateDirectory("../sibling"), NOT_PERMITTED),
        (FileOp::Unlink("../secret.txt"), NOT_PERMITTED),
        (FileOp::Rename("new.txt", "../moved"), NOT_PERMITTED),
        (FileOp::Rename("../secret.txt", "moved"), NOT_PERMITTED),
        (FileOp::Link(0, "../secret.txt", 0, "linked"), NOT_PERMITTED),
        (FileOp::Link(0, "new.txt", 0, "linked"), "ok"),
    ];
    let (operations, expected): (Vec<_>, Vec<_>) = cases.into_iter().unzip();
    let results = perform(&entry(&data, "/data", true), 0, &operations).await;
    for (index, (result, expected)) in results.iter().zip(expected).enumerate() {
        assert_eq!(result, expected, "case {index}");
    }
    assert_eq!(
        std::fs::read_to_string(root.path().join("secret.txt")).unwrap(),
        "secret"
    );
    // Written through a link that stays inside.
    assert_eq!(
        std::fs::read_to_string(data.join("hello.txt")).unwrap(),
        "linko"
    );
    assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 2);
}

/// A hard link would make a file of a read-only directory writable.
#[tokio::test]
async fn hard_links_between_directories_are_rejected() {
    let root = tempfile::tempdir().unwrap();
    for name in ["one", "two"] {
        std::fs::create_dir(root.path().join(name)).unwrap();
        std::fs::write(root.path().join(name).join("x"), name).unwrap();
    }
    let dirs = [
        entry(&root.path().join("one"), "/one", false),
        entry(&root.path().join("two"), "/two", true),
    ];
    let operations = [
        FileOp::Link(0, "x", 1, "y"),
        FileOp::Link(1, "x", 0, "y"),
        FileOp::Read("x", true),
    ];
    let results = perform(&dirs.join(", "), 1, &operations).await;
    assert_eq!(results, [NOT_PERMITTED, NOT_PERMITTED, "two"]);
    assert!(results.iter().all(|result| result != CROSS_DEVICE));
}

/// An invalid entry rejects the component. Relative host paths are resolved against the configuration file.
#[test]
fn invalid_entries_are_rejected() {
    let toolcrib = Toolcrib::new();
    toolcrib.write("guest", &guest(0, &[FileOp::Read("x", true)]).component());
    for dir in ["data/sub", "more"] {
        std::fs::create_dir_all(toolcrib.path().join(dir)).unwrap();
    }
    toolcrib.file("file", "x");
    symlink("data", toolcrib.path().join("alias")).unwrap();
    // Entries, and parts of the expected error. No parts: the entries are valid.
    let cases: &[(&str, &[&str])] = &[
        (r#"{ host = "data", guest = "/data" }"#, &[]),
        (r#"{ host = "data", guest = "/" }"#, &[]),
        (
            r#"{ host = "data", guest = "/a" }, { host = "data", guest = "/b" }"#,
            &[],
        ),
        (
            r#"{ host = "data", guest = "/a" }, { host = "more", guest = "/ab", write = true }"#,
            &[],
        ),
        (
            r#"{ host = "nowhere", guest = "/data" }"#,
            &["`allow.dirs`", "nowhere", "No such file"],
        ),
        (
            r#"{ host = "file", guest = "/data" }"#,
            &["`allow.dirs`", "file", "directory"],
        ),
        (
            r#"{ host = "data", guest = "data" }"#,
            &["c.toml:4", "allow.dirs`", "absolute"],
        ),
        (
            r#"{ host = "data", guest = "/data/../x" }"#,
            &["allow.dirs`", "absolute"],
        ),
        (
            r#"{ host = "data", guest = "/data/" }"#,
            &["allow.dirs`", "absolute"],
        ),
        (
            r#"{ host = "data", guest = "/x" }, { host = "more", guest = "/x" }"#,
            &["allow.dirs`", "\"/x\" and \"/x\""],
        ),
        (
            r#"{ host = "data", guest = "/x" }, { host = "more", guest = "/x/y" }"#,
            &["allow.dirs`", "\"/x\" and \"/x/y\""],
        ),
        (
            r#"{ host = "data", guest = "/a" }, { host = "data/sub", guest = "/b", write = true }"#,
            &["`allow.dirs`", "data/sub", "undo"],
        ),
        (
            r#"{ host = "alias", guest = "/a" }, { host = "data", guest = "/b", write = true }"#,
            &["`allow.dirs`", "alias", "undo"],
        ),
        (r#"{ guest = "/data" }"#, &["dirs[0].host`", "missing"]),
        (r#"{ host = "data" }"#, &["dirs[0].guest`", "missing"]),
        (
            r#"{ host = "data", guest = "/d", wirte = true }"#,
            &["`write`"],
        ),
        (
            r#"{ host = "data", guest = "/d", write = "yes" }"#,
            &["write`", "true or false"],
        ),
    ];
    for (dirs, parts) in cases {
        toolcrib.file(
            "c.toml",
            format!("[[component]]\nref = \"guest.wasm\"\n[component.allow]\ndirs = [{dirs}]\n"),
        );
        // Run in another directory than the file's.
        let mut command = toolcrib.command(&["check", "--no-auth", "--config"]);
        let output = command
            .arg(toolcrib.path().join("c.toml"))
            .current_dir("/")
            .output()
            .unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        let status = if parts.is_empty() { 0 } else { 2 };
        assert_eq!(output.status.code(), Some(status), "{dirs}: {stderr}");
        for part in *parts {
            assert!(stderr.contains(part), "{dirs}: {stderr}");
        }
    }
}

/// A program that embeds Toolcrib and builds the configuration itself gets the same validation.
#[tokio::test]
async fn invalid_entries_of_an_embedder_are_rejected() {
    let guest = guest(0, &[FileOp::Read("x", true)]);
    let errors = load_problems_with(&guest, |config| {
        let reference = config.references[0].clone();
        config.components.push(toolcrib::config::ComponentConfig {
            reference,
            mount: None,
            name: None,
            digest: None,
            with: Vec::new(),
            allow_unpinned: false,
            follow: None,
            prefix: String::new(),
            uri_prefix: String::new(),
            include: None,
            exclude: Vec::new(),
            missing_imports: Default::default(),
            scopes: Vec::new(),
            tools: Default::default(),
            limits: config.limits.clone(),
            allow: toolcrib::sandbox::Grants {
                dirs: vec![toolcrib::sandbox::DirGrant {
                    host: "/".into(),
                    guest: "relative".into(),
                    write: false,
                }],
                ..Default::default()
            },
        });
    })
    .await;
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(
        errors[0].contains("`allow.dirs` has the guest path \"relative\""),
        "{errors:?}"
    );
}
