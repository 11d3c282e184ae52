//! Invalid command lines, missing access control, unusable addresses, and several errors at once.

use std::net::TcpListener;

use super::{FAILED, USAGE, check, hello};
use crate::support::command::Toolcrib;

/// `--no-auth` is accepted on loopback addresses only, unless the operator confirms it.
#[test]
fn serving_requires_a_choice_of_access_control() {
    let toolcrib = Toolcrib::new();
    toolcrib.write("hello", &hello());
    let no_access_control: &[&str] = &["who may call", "[auth]", "--no-auth"];
    toolcrib.file("c.toml", "components = [\"hello.wasm\"]\n");
    for command in ["serve", "check"] {
        let output = toolcrib.run(&[command, "--config", "c.toml"]);
        check(command, &output, USAGE, &[no_access_control]);
        for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
            let output = toolcrib.run(&[command, "hello.wasm", "--no-auth", "--listen", address]);
            check(
                command,
                &output,
                USAGE,
                &[&[
                    "--no-auth is refused on",
                    address,
                    "127.0.0.1",
                    "[auth]",
                    "--i-know-this-is-open",
                ]],
            );
        }
        let output = toolcrib.run(&[command, "--no-auth"]);
        check(
            command,
            &output,
            USAGE,
            &[&["nothing is named to be served"]],
        );
    }
    toolcrib.file(
        "c.toml",
        "components = [\"hello.wasm\"]\nserver.listen = \"0.0.0.0:0\"\n",
    );
    let output = toolcrib.run(&["serve", "--no-auth", "--config", "c.toml"]);
    check(
        "file",
        &output,
        USAGE,
        &[&["--no-auth is refused on 0.0.0.0:0"]],
    );
    check(
        "serve",
        &toolcrib.run(&["serve", "hello.wasm"]),
        USAGE,
        &[no_access_control],
    );
    // Commands that do not serve need no access control.
    assert_eq!(toolcrib.run(&["check", "hello.wasm"]).status, 0);
    assert_eq!(toolcrib.run(&["inspect", "hello.wasm"]).status, 0);
    assert_eq!(toolcrib.run(&["call", "hello.wasm", "hello"]).status, 0);
}

#[test]
fn a_used_port_is_reported() {
    let toolcrib = Toolcrib::new();
    toolcrib.write("hello", &hello());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let output = toolcrib.run(&["serve", "hello.wasm", "--no-auth", "--listen", &address]);
    assert_eq!(output.status, FAILED, "{output:?}");
    let last = output.stderr.lines().last().unwrap();
    assert!(
        last.starts_with("error: ") && last.contains(&address),
        "{last}"
    );
    assert!(last.contains("--listen"), "{last}");
}

#[test]
fn all_errors_are_reported_at_once() {
    let toolcrib = Toolcrib::new();
    toolcrib.file(
        "c.toml",
        "components = [\"ftp://x/y\"]\n\
         [server]\nlisten = \"nowhere\"\nnmae = \"x\"\n\
         [limits]\nmemory = 64\ntime = 10\n\
         [[component]]\nprefix = \"x y\"\n\
         [auth]\n",
    );
    let output = toolcrib.run(&["check", "--config", "c.toml"]);
    assert_eq!(output.status, USAGE);
    for words in [
        &["c.toml:1:", "ftp"][..],
        &["c.toml:3:", "`server.listen`"],
        &["c.toml:4:", "`server.nmae`"],
        &["c.toml:6:", "`limits.memory`"],
        &["c.toml:7:", "`limits.time`"],
        &["c.toml:8:", "ref"],
        &["c.toml:9:", "prefix"],
        &["c.toml:10:", "`auth.issuer`"],
        &["c.toml:10:", "`auth.audience`"],
    ] {
        let found = output
            .stderr
            .lines()
            .any(|line| words.iter().all(|word| line.contains(word)));
        assert!(found, "{words:?} in {}", output.stderr);
    }
    assert_eq!(output.stderr.lines().count(), 9, "{}", output.stderr);

    // Errors of components, together with missing access control.
    toolcrib.file("broken.wasm", "hello");
    toolcrib.file("core.wasm", wat::parse_str("(module)").unwrap());
    toolcrib.write("good", &hello());
    toolcrib.file("c.toml", "");
    let output = toolcrib.run(&[
        "check",
        "--config",
        "c.toml",
        "broken.wasm",
        "core.wasm",
        "nowhere.wasm",
        "good.wasm",
    ]);
    assert_eq!(
        (output.status, output.stderr.lines().count()),
        (USAGE, 4),
        "{}",
        output.stderr
    );
    for word in ["who may call", "broken.wasm", "core.wasm", "nowhere.wasm"] {
        assert!(output.stderr.contains(word), "{word}: {}", output.stderr);
    }
}

#[test]
fn invalid_command_lines_are_rejected() {
    let toolcrib = Toolcrib::new();
    toolcrib.write("hello", &hello());
    for arguments in [
        &[][..],
        &["fly"],
        &["serve", "--no-such-flag"],
        &["serve", "--listen", "nowhere"],
        &["inspect"],
        &["call"],
        &["call", "hello.wasm"],
    ] {
        let output = toolcrib.run(arguments);
        assert_eq!(output.status, USAGE, "{arguments:?}: {output:?}");
        assert!(!output.stderr.is_empty(), "{arguments:?}");
    }
    for arguments in [&["--help"][..], &["--version"], &["serve", "--help"]] {
        let output = toolcrib.run(arguments);
        assert_eq!(
            (output.status, output.stderr.as_str()),
            (0, ""),
            "{arguments:?}"
        );
        assert!(!output.stdout.is_empty());
    }
    for (arguments, status, words) in [
        (
            &["call", "hello.wasm", "nothing"][..],
            FAILED,
            &["`hello.wasm` has no tool `nothing`", "hello"][..],
        ),
        (
            &["call", "hello.wasm", "hello", "{"],
            USAGE,
            &["arguments", "not valid JSON"],
        ),
        (
            &["call", "hello.wasm", "hello", "[]"],
            USAGE,
            &["arguments", "JSON object"],
        ),
        (
            &["call", "hello.wasm", "hello", "-"],
            USAGE,
            &["arguments", "not valid JSON"],
        ),
    ] {
        check(
            &format!("{arguments:?}"),
            &toolcrib.run(arguments),
            status,
            &[words],
        );
    }
}

#[test]
fn components_that_cannot_be_pushed_are_refused() {
    const PLACE: &str = "oci://127.0.0.1:1/team/tool:1";
    let toolcrib = Toolcrib::new();
    toolcrib.write("hello", &hello());
    toolcrib.file("module.wasm", b"\0asm\x01\0\0\0");
    toolcrib.file("text.wasm", "(component)");
    let digest = format!("{PLACE}@sha256:{}", "0".repeat(64));
    let tool = format!("{PLACE}#hello");
    for (file, place, status, words) in [
        (
            "none.wasm",
            PLACE,
            FAILED,
            &["`none.wasm`", "No such file"][..],
        ),
        (".", PLACE, FAILED, &["`.`", "neither a file nor a pipe"]),
        (
            "module.wasm",
            PLACE,
            FAILED,
            &["`module.wasm`", "core module"],
        ),
        (
            "text.wasm",
            PLACE,
            FAILED,
            &["`text.wasm`", "WebAssembly text"],
        ),
        ("hello.wasm", PLACE, FAILED, &[PLACE, "cannot be reached"]),
        (
            "hello.wasm",
            "https://a.b/x.wasm",
            USAGE,
            &["not in a registry", "oci://REGISTRY"],
        ),
        ("hello.wasm", "x.wasm", USAGE, &["`x.wasm`", "oci://"]),
        ("hello.wasm", "oci://a.b", USAGE, &["names no repository"]),
        ("hello.wasm", &digest, USAGE, &["has a digest"]),
        ("hello.wasm", &tool, USAGE, &["selects a tool"]),
    ] {
        let output = toolcrib.run(&["push", file, place]);
        check(&format!("{file} {place}"), &output, status, &[words]);
    }
}
