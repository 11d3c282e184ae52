//! `dirs`: a guest sees the directories that are listed, as they are listed, and cannot leave them.

use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::command::Toolcrib;
use crate::support::guest::{Guest, Tool};
use crate::support::server::{Host, refusal_with};

/// `wasi:filesystem/types.error-code`, by number.
const NO_ENTRY: &str = "E20";
const NOT_PERMITTED: &str = "E31";
const CROSS_DEVICE: &str = "E36";
const LOOP: &str = "E15";

pub(super) const IMPORTS: &str = r#"
(import "wasi:filesystem/preopens@0.2.0" "get-directories" (func $directories (param i32)))
(import "wasi:filesystem/types@0.2.0" "[method]descriptor.open-at" (func $open_at (param i32 i32 i32 i32 i32 i32 i32)))
(import "wasi:filesystem/types@0.2.0" "[method]descriptor.read" (func $read (param i32 i64 i64 i32)))
(import "wasi:filesystem/types@0.2.0" "[method]descriptor.write" (func $write (param i32 i32 i32 i64 i32)))
(import "wasi:filesystem/types@0.2.0" "[method]descriptor.create-directory-at"
  (func $create_directory (param i32 i32 i32 i32)))
(import "wasi:filesystem/types@0.2.0" "[method]descriptor.link-at" (func $link (param i32 i32 i32 i32 i32 i32 i32 i32)))
(import "wasi:filesystem/types@0.2.0" "[method]descriptor.rename-at" (func $rename (param i32 i32 i32 i32 i32 i32 i32)))
(import "wasi:filesystem/types@0.2.0" "[method]descriptor.symlink-at" (func $symlink (param i32 i32 i32 i32 i32 i32)))
(import "wasi:filesystem/types@0.2.0" "[method]descriptor.set-size" (func $set_size (param i32 i64 i32)))
(import "wasi:filesystem/types@0.2.0" "[method]descriptor.set-times-at"
  (func $set_times (param i32 i32 i32 i32 i32 i64 i32 i32 i64 i32 i32)))
(import "wasi:filesystem/types@0.2.0" "[method]descriptor.unlink-file-at" (func $unlink (param i32 i32 i32 i32)))
"#;

const ITEMS: &str = r"
;; The handle of a directory, by its place in the list.
(func $dir (param $index i32) (result i32)
  (call $directories (i32.const 256))
  (i32.load (i32.add (i32.load (i32.const 256)) (i32.mul (local.get $index) (i32.const 12)))))

;; ok, or E and the error's number.
(func $say_result (param $failed i32) (param $code i32)
  (if (local.get $failed)
    (then (call $say_byte (i32.const 69)) (call $say_number (i64.extend_i32_u (local.get $code))))
    (else (call $say_byte (i32.const 111)) (call $say_byte (i32.const 107)))))

;; Opens and reads, or writes where there is something to write.
(func $file (param $dir i32) (param $follow i32) (param $path i32) (param $path_len i32) (param $open i32)
  (param $flags i32)
  (call $open_at (call $dir (local.get $dir)) (local.get $follow) (local.get $path) (local.get $path_len)
    (local.get $open) (local.get $flags) (i32.const 272))
  (if (i32.load8_u (i32.const 272))
    (then (call $say_result (i32.const 1) (i32.load8_u (i32.const 276))) (return)))
  (if (i32.and (local.get $flags) (i32.const 2))
    (then
      (call $write (i32.load (i32.const 276)) (local.get $path) (local.get $path_len) (i64.const 0) (i32.const 288))
      (call $say_result (i32.load8_u (i32.const 288)) (i32.load8_u (i32.const 296))))
    (else
      (call $read (i32.load (i32.const 276)) (i64.const 100) (i64.const 0) (i32.const 288))
      (if (i32.load8_u (i32.const 288))
        (then (call $say_result (i32.const 1) (i32.load8_u (i32.const 292))))
        (else (call $say (i32.load (i32.const 292)) (i32.load (i32.const 296))))))))
";

/// What a guest does.
pub(super) enum Do {
    /// Follows links where it is true.
    Read(&'static str, bool),
    /// Makes a file and writes its name into it.
    Write(&'static str),
    CreateDirectory(&'static str),
    Unlink(&'static str),
    /// With flags of the opening and of the descriptor, and makes it so large.
    Resize(&'static str, u8, u8, u64),
    Touch(&'static str),
    Rename(&'static str, &'static str),
    Symlink(&'static str, &'static str),
    /// From one directory into another, by their places in the list.
    Link(u8, &'static str, u8, &'static str),
}

/// A guest with a tool for each of these, all in the directory at this place of the list but for links.
pub(super) fn guest(dir: u8, all: &[Do]) -> Guest {
    let mut guest = Guest::new();
    guest.import(IMPORTS).item(ITEMS);
    let at = format!("(i32.const {dir})");
    let dir = format!("(call $dir {at})");
    for (index, what) in all.iter().enumerate() {
        let said = "(call $say_result (i32.load8_u (i32.const 304)) (i32.load8_u (i32.const 305)))";
        let body = match what {
            Do::Read(path, follow) => {
                let path = guest.string(path);
                format!(
                    "(call $file {at} (i32.const {}) {path} (i32.const 0) (i32.const 1))",
                    u8::from(*follow)
                )
            }
            Do::Write(path) => {
                let path = guest.string(path);
                format!("(call $file {at} (i32.const 1) {path} (i32.const 1) (i32.const 2))")
            }
            Do::CreateDirectory(path) => {
                let path = guest.string(path);
                format!("(call $create_directory {dir} {path} (i32.const 304)) {said}")
            }
            Do::Unlink(path) => {
                let path = guest.string(path);
                format!("(call $unlink {dir} {path} (i32.const 304)) {said}")
            }
            Do::Resize(path, open, flags, size) => {
                let path = guest.string(path);
                format!(
                    "(call $open_at {dir} (i32.const 1) {path} (i32.const {open}) (i32.const {flags}) (i32.const 272))
                     (if (i32.load8_u (i32.const 272))
                       (then (call $say_result (i32.const 1) (i32.load8_u (i32.const 276))))
                       (else
                         (call $set_size (i32.load (i32.const 276)) (i64.const {size}) (i32.const 304)) {said}))"
                )
            }
            Do::Touch(path) => {
                let path = guest.string(path);
                let then = "(i32.const 2) (i64.const 1) (i32.const 0)";
                format!(
                    "(call $set_times {dir} (i32.const 1) {path} {then} {then} (i32.const 304)) {said}"
                )
            }
            Do::Rename(from, to) => {
                let (from, to) = (guest.string(from), guest.string(to));
                format!("(call $rename {dir} {from} {dir} {to} (i32.const 304)) {said}")
            }
            Do::Symlink(to, path) => {
                let (to, path) = (guest.string(to), guest.string(path));
                format!("(call $symlink {dir} {to} {path} (i32.const 304)) {said}")
            }
            Do::Link(from_dir, from, to_dir, to) => {
                let (from, to) = (guest.string(from), guest.string(to));
                format!(
                    "(call $link (call $dir (i32.const {from_dir})) (i32.const 0) {from}
                       (call $dir (i32.const {to_dir})) {to} (i32.const 304)) {said}"
                )
            }
        };
        guest.tool(
            Tool::new(&format!("t{index}")),
            format!("{body} (call $said)"),
        );
    }
    guest
}

/// What a guest hears that is granted these entries of `dirs`.
async fn heard(dirs: &str, dir: u8, all: &[Do]) -> Vec<String> {
    let guest = guest(dir, all);
    let text = format!("[[component]]\nref = \"guest.wasm\"\n[component.allow]\ndirs = [{dirs}]\n");
    let host = Host::configured(&[("guest", &guest)], &text).await;
    let mut heard = Vec::new();
    for index in 0..all.len() {
        let started = Instant::now();
        let answer = host.client().call(&format!("t{index}"), json!({})).await;
        heard.push(answer.text().to_owned());
        assert!(
            started.elapsed() < Duration::from_secs(5),
            "t{index} took {:?}",
            started.elapsed()
        );
    }
    heard
}

/// A directory with files, and with ways out of it.
fn make(root: &Path) -> std::path::PathBuf {
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

pub(super) fn entry(host: &Path, guest: &str, write: bool) -> String {
    format!("{{ host = {host:?}, guest = {guest:?}, write = {write} }}")
}

#[tokio::test]
async fn reading() {
    let root = tempfile::tempdir().unwrap();
    let data = make(root.path());
    let cases = [
        (Do::Read("hello.txt", true), "hello"),
        (Do::Read("sub/in.txt", true), "inside"),
        (Do::Read("sub/../hello.txt", true), "hello"),
        (Do::Read("link", true), "hello"),
        (Do::Read("link", false), LOOP),
        (Do::Read("sub/link", true), "hello"),
        (Do::Read("nowhere", true), NO_ENTRY),
        (Do::Read("../secret.txt", true), NOT_PERMITTED),
        (Do::Read("sub/../../secret.txt", true), NOT_PERMITTED),
        (Do::Read("out", true), NOT_PERMITTED),
        (Do::Read("absolute", true), NOT_PERMITTED),
        (Do::Read("up/secret.txt", true), NOT_PERMITTED),
        (Do::Read("/etc/passwd", true), NOT_PERMITTED),
        (Do::Read("environ", true), NOT_PERMITTED),
        (Do::Read("cwd/Cargo.toml", true), NOT_PERMITTED),
        (Do::Read("zero", true), NOT_PERMITTED),
        (Do::Read("round", true), LOOP),
        (Do::Read("fifo", true), NOT_PERMITTED),
        (Do::Read("to-fifo", true), NOT_PERMITTED),
        (Do::Read("socket", true), NOT_PERMITTED),
        (Do::Write("new.txt"), NOT_PERMITTED),
        (Do::Write("hello.txt"), NOT_PERMITTED),
        (Do::CreateDirectory("made"), NOT_PERMITTED),
        (Do::Unlink("hello.txt"), NOT_PERMITTED),
        (Do::Rename("hello.txt", "other"), NOT_PERMITTED),
        (Do::Symlink("hello.txt", "made"), NOT_PERMITTED),
        (Do::Link(0, "hello.txt", 0, "made"), NOT_PERMITTED),
        (Do::Touch("hello.txt"), NOT_PERMITTED),
        // Flags: to read, to create, to truncate, to write, and all at once.
        (Do::Resize("hello.txt", 0, 1, 0), NOT_PERMITTED),
        (Do::Resize("made", 1, 1, 0), NOT_PERMITTED),
        (Do::Resize("hello.txt", 8, 1, 0), NOT_PERMITTED),
        (Do::Resize("hello.txt", 0, 2, 0), NOT_PERMITTED),
        (Do::Resize("hello.txt", 9, 3, 0), NOT_PERMITTED),
        (Do::Read("hello.txt", true), "hello"),
    ];
    let (all, expected): (Vec<_>, Vec<_>) = cases.into_iter().unzip();
    let heard = heard(&entry(&data, "/data", false), 0, &all).await;
    for (index, (heard, expected)) in heard.iter().zip(expected).enumerate() {
        assert_eq!(heard, expected, "case {index}");
    }
    assert_eq!(std::fs::read_dir(&data).unwrap().count(), 13);
}

#[tokio::test]
async fn writing() {
    let root = tempfile::tempdir().unwrap();
    let data = make(root.path());
    let cases = [
        (Do::Write("new.txt"), "ok"),
        (Do::Read("new.txt", true), "new.txt"),
        (Do::Write("link"), "ok"),
        (Do::CreateDirectory("made"), "ok"),
        (Do::Write("made/x"), "ok"),
        (Do::Rename("made/x", "made/y"), "ok"),
        (Do::Unlink("made/y"), "ok"),
        (Do::Touch("new.txt"), "ok"),
        (Do::Touch("../secret.txt"), NOT_PERMITTED),
        (Do::Touch("out"), NOT_PERMITTED),
        (Do::Resize("out", 8, 2, 0), NOT_PERMITTED),
        (Do::Resize("new.txt", 8, 2, 3), "ok"),
        (Do::Symlink("../secret.txt", "own-out"), "ok"),
        (Do::Read("own-out", true), NOT_PERMITTED),
        (Do::Write("own-out"), NOT_PERMITTED),
        (Do::Symlink("/etc/passwd", "own-absolute"), NOT_PERMITTED),
        (Do::Write("../beside.txt"), NOT_PERMITTED),
        (Do::Write("out"), NOT_PERMITTED),
        (Do::Write("fifo"), NOT_PERMITTED),
        (Do::CreateDirectory("../beside"), NOT_PERMITTED),
        (Do::Unlink("../secret.txt"), NOT_PERMITTED),
        (Do::Rename("new.txt", "../moved"), NOT_PERMITTED),
        (Do::Rename("../secret.txt", "moved"), NOT_PERMITTED),
        (Do::Link(0, "../secret.txt", 0, "linked"), NOT_PERMITTED),
        (Do::Link(0, "new.txt", 0, "linked"), "ok"),
    ];
    let (all, expected): (Vec<_>, Vec<_>) = cases.into_iter().unzip();
    let heard = heard(&entry(&data, "/data", true), 0, &all).await;
    for (index, (heard, expected)) in heard.iter().zip(expected).enumerate() {
        assert_eq!(heard, expected, "case {index}");
    }
    assert_eq!(
        std::fs::read_to_string(root.path().join("secret.txt")).unwrap(),
        "secret"
    );
    // Through a link that stays inside.
    assert_eq!(
        std::fs::read_to_string(data.join("hello.txt")).unwrap(),
        "linko"
    );
    assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 2);
}

/// What may only be read in one place cannot be linked to where it may be written, nor the other way round.
#[tokio::test]
async fn links_between_directories() {
    let root = tempfile::tempdir().unwrap();
    for name in ["one", "two"] {
        std::fs::create_dir(root.path().join(name)).unwrap();
        std::fs::write(root.path().join(name).join("x"), name).unwrap();
    }
    let dirs = [
        entry(&root.path().join("one"), "/one", false),
        entry(&root.path().join("two"), "/two", true),
    ];
    let all = [
        Do::Link(0, "x", 1, "y"),
        Do::Link(1, "x", 0, "y"),
        Do::Read("x", true),
    ];
    let heard = heard(&dirs.join(", "), 1, &all).await;
    assert_eq!(heard, [NOT_PERMITTED, NOT_PERMITTED, "two"]);
    assert!(heard.iter().all(|heard| heard != CROSS_DEVICE));
}

/// A directory that cannot be given as it is written refuses the component; relative ones start at the file.
#[test]
fn entries() {
    let toolcrib = Toolcrib::new();
    toolcrib.write("guest", &guest(0, &[Do::Read("x", true)]).component());
    for dir in ["data/sub", "more"] {
        std::fs::create_dir_all(toolcrib.path().join(dir)).unwrap();
    }
    toolcrib.file("file", "x");
    symlink("data", toolcrib.path().join("alias")).unwrap();
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
    for (dirs, words) in cases {
        toolcrib.file(
            "c.toml",
            format!("[[component]]\nref = \"guest.wasm\"\n[component.allow]\ndirs = [{dirs}]\n"),
        );
        // From another directory: what is relative starts at the file.
        let mut command = toolcrib.command(&["check", "--no-auth", "--config"]);
        let output = command
            .arg(toolcrib.path().join("c.toml"))
            .current_dir("/")
            .output()
            .unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        let status = if words.is_empty() { 0 } else { 2 };
        assert_eq!(output.status.code(), Some(status), "{dirs}: {stderr}");
        for word in *words {
            assert!(stderr.contains(word), "{dirs}: {stderr}");
        }
    }
}

/// Who builds the configuration by hand is held to the same.
#[tokio::test]
async fn grants_of_an_embedder() {
    let guest = guest(0, &[Do::Read("x", true)]);
    let refused = refusal_with(&guest, |config| {
        let reference = config.references[0].clone();
        config.components.push(toolcrib::config::ComponentConfig {
            reference,
            name: None,
            digest: None,
            prefix: String::new(),
            include: None,
            exclude: Vec::new(),
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
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert!(
        refused[0].contains("`allow.dirs` has the guest path \"relative\""),
        "{refused:?}"
    );
}
