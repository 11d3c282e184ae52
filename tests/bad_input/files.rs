//! Files that are not plain files, and hidden files.

use std::io::Write;
use std::process::Command;

use super::{FAILED, check};
use crate::support::command::Toolcrib;
use crate::support::guest::Guest;

/// A pipe is read if somebody writes into it. Nothing makes the command wait forever.
#[test]
fn pipes_are_read_or_rejected() {
    let toolcrib = Toolcrib::new();
    for pipe in ["written", "silent", "rubbish"] {
        let made = Command::new("mkfifo")
            .arg(toolcrib.path().join(pipe))
            .status();
        assert!(made.unwrap().success());
    }
    let write_to = |pipe: &str, bytes: Vec<u8>| {
        let path = toolcrib.path().join(pipe);
        std::thread::spawn(move || {
            let mut pipe = std::fs::File::options().write(true).open(path).unwrap();
            pipe.write_all(&bytes).unwrap();
        })
    };
    let hello = Guest::saying("hello", "hello").component();
    let writing = write_to("written", hello);
    let output = toolcrib.run(&["call", "written", "hello"]);
    assert_eq!(output.stdout, "hello\n", "{output:?}");
    writing.join().unwrap();

    let writing = write_to("rubbish", b"rubbish".into());
    let output = toolcrib.run(&["inspect", "rubbish"]);
    check(
        "rubbish",
        &output,
        FAILED,
        &[&["`rubbish`", "not a WebAssembly component"]],
    );
    writing.join().unwrap();

    let output = toolcrib.run(&["inspect", "silent"]);
    check(
        "silent",
        &output,
        FAILED,
        &[&["`silent`", "nobody wrote into the pipe for 10 s"]],
    );
    // An endless one.
    let output = toolcrib.run(&["inspect", "/dev/zero"]);
    check(
        "device",
        &output,
        FAILED,
        &[&["`/dev/zero`", "neither a file nor a pipe"]],
    );
}

/// Archives of macOS have a hidden file beside each file. Directories and patterns leave hidden files out, as a shell
/// does; a hidden file that is named is served.
#[test]
fn hidden_files_are_left_out() {
    let toolcrib = Toolcrib::new();
    let hello = Guest::saying("hello", "hello").component();
    std::fs::create_dir_all(toolcrib.path().join("tools/.hidden")).unwrap();
    toolcrib.write("tools/hello", &hello);
    toolcrib.write("tools/.named", &hello);
    toolcrib.write("tools/.hidden/other", &hello);
    toolcrib.file("tools/._hello.wasm", b"\0\x05\x16\x07\0\x02\0\0Mac OS X");
    for (reference, components) in [
        ("tools", 1),
        ("tools/*.wasm", 1),
        ("tools/**/*.wasm", 1),
        ("tools/.named.wasm", 1),
        ("tools/.hidden/*.wasm", 1),
    ] {
        let output = toolcrib.run(&["inspect", "--json", reference]);
        assert_eq!(output.status, 0, "{reference}: {output:?}");
        let found: serde_json::Value = serde_json::from_str(&output.stdout).unwrap();
        assert_eq!(found.as_array().unwrap().len(), components, "{reference}");
    }
    let output = toolcrib.run(&["inspect", "tools/._hello.wasm"]);
    check("named", &output, FAILED, &[&["._hello.wasm"]]);
}

/// File systems without case, and people who shout: a directory includes `*.WASM` too. A pattern is as exact as in a shell.
#[test]
fn extensions_in_upper_case_count() {
    let toolcrib = Toolcrib::new();
    std::fs::create_dir(toolcrib.path().join("tools")).unwrap();
    for name in ["lower.wasm", "UPPER.WASM", "Mixed.Wasm"] {
        let stem = name.split('.').next().unwrap();
        toolcrib.file(
            &format!("tools/{name}"),
            Guest::saying(stem, stem).component(),
        );
    }
    toolcrib.file("tools/other.wasm.txt", "text");
    toolcrib.file("tools/._UPPER.WASM", "rubbish");
    for (reference, components) in [("tools", 3), ("tools/*.wasm", 1), ("tools/UPPER.WASM", 1)] {
        let output = toolcrib.run(&["inspect", "--json", reference]);
        assert_eq!(output.status, 0, "{reference}: {output:?}");
        let found: serde_json::Value = serde_json::from_str(&output.stdout).unwrap();
        assert_eq!(found.as_array().unwrap().len(), components, "{reference}");
    }
}
