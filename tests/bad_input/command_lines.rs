//! Command lines, who may call, where to listen, and many faults together.

use std::net::TcpListener;

use super::{FAILED, USAGE, check, hello};
use crate::support::command::Toolcrib;

/// Who may call has to be said, and is not said lightly.
#[test]
fn access() {
    let toolcrib = Toolcrib::new();
    toolcrib.write("hello", &hello());
    let nobody: &[&str] = &["who may call", "[auth]", "--no-auth"];
    toolcrib.file("c.toml", "components = [\"hello.wasm\"]\n");
    for command in ["serve", "check"] {
        let ended = toolcrib.run(&[command, "--config", "c.toml"]);
        check(command, &ended, USAGE, &[nobody]);
        for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
            let ended = toolcrib.run(&[command, "hello.wasm", "--no-auth", "--listen", address]);
            check(
                command,
                &ended,
                USAGE,
                &[&["--no-auth is refused on", address, "127.0.0.1", "[auth]"]],
            );
        }
        let ended = toolcrib.run(&[command, "--no-auth"]);
        check(
            command,
            &ended,
            USAGE,
            &[&["nothing is named to be served"]],
        );
    }
    toolcrib.file(
        "c.toml",
        "components = [\"hello.wasm\"]\nserver.listen = \"0.0.0.0:0\"\n",
    );
    let ended = toolcrib.run(&["serve", "--no-auth", "--config", "c.toml"]);
    check(
        "file",
        &ended,
        USAGE,
        &[&["--no-auth is refused on 0.0.0.0:0"]],
    );
    check(
        "serve",
        &toolcrib.run(&["serve", "hello.wasm"]),
        USAGE,
        &[nobody],
    );
    // Who serves nobody needs no access: these run all the same.
    assert_eq!(toolcrib.run(&["check", "hello.wasm"]).status, 0);
    assert_eq!(toolcrib.run(&["inspect", "hello.wasm"]).status, 0);
    assert_eq!(toolcrib.run(&["call", "hello.wasm", "hello"]).status, 0);
}

#[test]
fn busy_port() {
    let toolcrib = Toolcrib::new();
    toolcrib.write("hello", &hello());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let ended = toolcrib.run(&["serve", "hello.wasm", "--no-auth", "--listen", &address]);
    assert_eq!(ended.status, FAILED, "{ended:?}");
    let last = ended.stderr.lines().last().unwrap();
    assert!(
        last.starts_with("error: ") && last.contains(&address),
        "{last}"
    );
    assert!(last.contains("--listen"), "{last}");
}

/// Everything that is wrong is told at once, as far as one fault does not hide another.
#[test]
fn all_faults_at_once() {
    let toolcrib = Toolcrib::new();
    toolcrib.file(
        "c.toml",
        "components = [\"ftp://x/y\"]\n\
         [server]\nlisten = \"nowhere\"\nnmae = \"x\"\n\
         [limits]\nmemory = 64\ntime = 10\n\
         [[component]]\nprefix = \"x y\"\n\
         [auth]\n",
    );
    let ended = toolcrib.run(&["check", "--config", "c.toml"]);
    assert_eq!(ended.status, USAGE);
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
        let found = ended
            .stderr
            .lines()
            .any(|line| words.iter().all(|word| line.contains(word)));
        assert!(found, "{words:?} in {}", ended.stderr);
    }
    assert_eq!(ended.stderr.lines().count(), 9, "{}", ended.stderr);

    // The components' own faults, and that nobody said who may call.
    toolcrib.file("broken.wasm", "hello");
    toolcrib.file("core.wasm", wat::parse_str("(module)").unwrap());
    toolcrib.write("good", &hello());
    toolcrib.file("c.toml", "");
    let ended = toolcrib.run(&[
        "check",
        "--config",
        "c.toml",
        "broken.wasm",
        "core.wasm",
        "nowhere.wasm",
        "good.wasm",
    ]);
    assert_eq!(
        (ended.status, ended.stderr.lines().count()),
        (USAGE, 4),
        "{}",
        ended.stderr
    );
    for word in ["who may call", "broken.wasm", "core.wasm", "nowhere.wasm"] {
        assert!(ended.stderr.contains(word), "{word}: {}", ended.stderr);
    }
}

#[test]
fn command_lines() {
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
        let ended = toolcrib.run(arguments);
        assert_eq!(ended.status, USAGE, "{arguments:?}: {ended:?}");
        assert!(!ended.stderr.is_empty(), "{arguments:?}");
    }
    for arguments in [&["--help"][..], &["--version"], &["serve", "--help"]] {
        let ended = toolcrib.run(arguments);
        assert_eq!(
            (ended.status, ended.stderr.as_str()),
            (0, ""),
            "{arguments:?}"
        );
        assert!(!ended.stdout.is_empty());
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
