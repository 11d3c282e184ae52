//! Configurations with one error each.

use super::{FAILED, USAGE, check, hello};
use crate::support::command::Toolcrib;

/// The error has the line, the key, the found and the expected value.
#[test]
fn invalid_configurations_are_rejected() {
    let toolcrib = Toolcrib::new();
    toolcrib.write("hello", &hello());
    let wrong_digest = format!("sha256:{}", "0".repeat(64));
    let digest = format!("[[component]]\nref = \"hello.wasm\"\ndigest = \"{wrong_digest}\"");
    let cases: Vec<(&str, i32, &[&str])> = vec![
        // unknown keys
        (
            "[sever]",
            USAGE,
            &["c.toml:1", "`sever`", "did you mean `server`?"],
        ),
        (
            "[server]\nlisten = \"127.0.0.1:0\"\nnmae = \"x\"",
            USAGE,
            &["c.toml:3", "`server.nmae`", "did you mean `name`?"],
        ),
        (
            "[server]\nmax_body = \"1MiB\"",
            USAGE,
            &["c.toml:2", "`server.max_body`", "did you mean `max-body`?"],
        ),
        (
            "[limits]\nqqq = 1",
            USAGE,
            &["`limits.qqq`", "the keys here are", "`memory`", "`time`"],
        ),
        (
            "[[component]]\nref = \"hello.wasm\"\nprefiks = \"x\"",
            USAGE,
            &["c.toml:3", "prefiks", "did you mean `prefix`?"],
        ),
        // values
        (
            "[server]\nstate-key = \"short\"",
            USAGE,
            &["c.toml:2", "`server.state-key`", "32 bytes", "openssl rand"],
        ),
        (
            "[server]\nsession-prefix = \"a.b\"",
            USAGE,
            &["c.toml:2", "`server.session-prefix`", "`A-Z a-z 0-9 -`"],
        ),
        (
            "[shared]\nprefix = \"x\"",
            USAGE,
            &[
                "c.toml:1",
                "`shared.url`",
                "is missing",
                "redis://host:6379",
            ],
        ),
        (
            "[shared]\nurl = \"redis://redis:6379\"",
            USAGE,
            &[
                "c.toml:2",
                "`shared.url` needs `server.state-key`",
                "openssl rand",
            ],
        ),
        (
            "[shared]\nurl = \"file:state\"",
            USAGE,
            &[
                "c.toml:2",
                "`shared.url`",
                "is not a Redis server",
                "\"rediss://host:6379\"",
            ],
        ),
        (
            "[server]\nstate-key = \"0123456789abcdef0123456789abcdef\"\n[shared]\nurl = \"redis://redis\"\nprefix = \"{x}\"",
            USAGE,
            &["c.toml:5", "`shared.prefix`", "`A-Z a-z 0-9 _ . : -`"],
        ),
        (
            "[server]\nstate-key = \"0123456789abcdef0123456789abcdef\"\n[shared]\nurl = \"redis://redis\"\nreplicas = 0",
            USAGE,
            &[
                "c.toml:5",
                "`shared.replicas`",
                "a whole number of at least 1",
            ],
        ),
        (
            "[server]\nstate-key = \"0123456789abcdef0123456789abcdef\"\n[shared]\nurl = \"redis://redis\"\ntimeout = \"0s\"",
            USAGE,
            &["c.toml:5", "`shared.timeout`", "longer than zero"],
        ),
        (
            "[server]\nstate-key = \"0123456789abcdef0123456789abcdef\"\n[shared]\nurl = \"redis://redis\"\ntimeout = \"11s\"",
            USAGE,
            &["c.toml:5", "`shared.timeout`", "at most 10 s"],
        ),
        (
            "[server]\ntask-ttl = \"0s\"",
            USAGE,
            &["c.toml:2", "`server.task-ttl`", "longer than zero"],
        ),
        (
            "[limits]\nmemory = 64",
            USAGE,
            &["c.toml:2", "`limits.memory`", "\"64MiB\"", "not 64"],
        ),
        (
            "[limits]\nmemory = \"64\"",
            USAGE,
            &["`limits.memory`", "unit", "not \"64\""],
        ),
        (
            "[limits]\nmemory = \"lots\"",
            USAGE,
            &["`limits.memory`", "unit"],
        ),
        ("[limits]\nmemory = \"-1MiB\"", USAGE, &["`limits.memory`"]),
        ("[limits]\nmemory = \"0MiB\"", USAGE, &["`limits.memory`"]),
        (
            "[limits]\nmemory = \"5GiB\"",
            USAGE,
            &["`limits.memory`", "4GiB"],
        ),
        (
            "[limits]\ntime = 10",
            USAGE,
            &["`limits.time`", "\"10s\"", "not 10"],
        ),
        ("[limits]\ntime = \"10\"", USAGE, &["`limits.time`", "unit"]),
        ("[limits]\ntime = \"0s\"", USAGE, &["`limits.time`", "zero"]),
        (
            "[limits]\nconcurrency = 0",
            USAGE,
            &["`limits.concurrency`", "at least 1"],
        ),
        (
            "[limits]\nconcurrency = -5",
            USAGE,
            &["`limits.concurrency`", "at least 1"],
        ),
        (
            "[limits]\nconcurrency = 1.5",
            USAGE,
            &["`limits.concurrency`"],
        ),
        (
            "[limits]\ncalls-per-minute = 0",
            USAGE,
            &["`limits.calls-per-minute`", "at least 1"],
        ),
        ("limits = 5", USAGE, &["`limits`", "table"]),
        (
            "[server]\nlisten = \"localhost\"",
            USAGE,
            &[
                "`server.listen`",
                "127.0.0.1:8080",
                "localhost:8080",
                "unix:",
            ],
        ),
        (
            "[server]\nlisten = \"tools.example.com:8080\"",
            USAGE,
            &["`server.listen`", "127.0.0.1:8080"],
        ),
        (
            "[server]\nlisten = \"unix:\"",
            USAGE,
            &["`server.listen`", "unix:/run/toolcrib.sock"],
        ),
        (
            "[server]\nlisten = 8080",
            USAGE,
            &["`server.listen`", "127.0.0.1:8080"],
        ),
        (
            "[server]\npath = \"mcp\"",
            USAGE,
            &["`server.path`", "/mcp"],
        ),
        (
            "[server]\npath = \"/mcp/\"",
            USAGE,
            &["`server.path`", "slash"],
        ),
        ("[server]\npath = \"//\"", USAGE, &["`server.path`"]),
        ("[server]\npath = \"/a/../b\"", USAGE, &["`server.path`"]),
        ("[server]\npath = \"/healthz\"", USAGE, &["`server.path`"]),
        ("[server]\npath = \"/a{b}\"", USAGE, &["`server.path`"]),
        (
            "[server]\npublic-url = \"tools.example.com\"",
            USAGE,
            &["`server.public-url`", "https://tools.example.com"],
        ),
        (
            "[server]\npublic-url = \"https://tools.example.com/\"",
            USAGE,
            &["`server.public-url`", "slash"],
        ),
        (
            "[server]\npublic-url = \"https://u:p@tools.example.com\"",
            USAGE,
            &["`server.public-url`"],
        ),
        (
            "[server]\nallowed-origins = [\"app.example.com\"]",
            USAGE,
            &["`server.allowed-origins`", "app.example.com", "scheme"],
        ),
        (
            "[server]\nallowed-origins = \"https://app.example.com\"",
            USAGE,
            &["`server.allowed-origins`", "list"],
        ),
        (
            "[server]\nallowed-origins = [\"https://App.example\"]",
            USAGE,
            &["`server.allowed-origins`", "lower case"],
        ),
        (
            "[server]\nallowed-origins = [\"https://app.example:443\"]",
            USAGE,
            &["`server.allowed-origins`", "default port"],
        ),
        (
            "[server]\nallowed-origins = [\"*\"]",
            USAGE,
            &["`server.allowed-origins`"],
        ),
        (
            "[server]\nallowed-origins = [\"https://a.example/x\"]",
            USAGE,
            &["`server.allowed-origins`"],
        ),
        (
            "[server]\nname = 7",
            USAGE,
            &["`server.name`", "a string", "not 7"],
        ),
        (
            "[server]\nsessions = \"yes\"",
            USAGE,
            &["`server.sessions`", "true or false", "not \"yes\""],
        ),
        (
            "[server]\npage = \"auto\"",
            USAGE,
            &["`server.page`", "true or false", "not \"auto\""],
        ),
        (
            "[server]\npage-client-id = \"\"",
            USAGE,
            &["`server.page-client-id`", "the id of an OAuth client"],
        ),
        (
            "[telemetry]\nlog = \"xml\"",
            USAGE,
            &["`telemetry.log`", "\"text\"", "\"json\""],
        ),
        (
            "[telemetry]\nlevel = \"loud\"",
            USAGE,
            &["`telemetry.level`", "\"info\""],
        ),
        ("[cache]\ndir = true", USAGE, &["`cache.dir`", "false"]),
        (
            "[wasi]\npreview3 = \"yes\"",
            USAGE,
            &["`wasi.preview3`", "true or false"],
        ),
        (
            "[wasi]\npreview2 = true",
            USAGE,
            &["`wasi.preview2`", "`preview3`"],
        ),
        (
            "components = \"tools/\"",
            USAGE,
            &["`components`", "a list of strings"],
        ),
        (
            "components = [5]",
            USAGE,
            &["`components`", "a list of strings"],
        ),
        (
            "components = [\"ftp://example.com/x\"]",
            USAGE,
            &["ftp", "not supported"],
        ),
        ("component = 5", USAGE, &["[[component]]"]),
        (
            "[component]\nref = \"hello.wasm\"",
            USAGE,
            &["[[component]]"],
        ),
        (
            "[[component]]\nprefix = \"x\"",
            USAGE,
            &["ref", "is missing"],
        ),
        ("[[component]]\nref = 5", USAGE, &["ref", "a string"]),
        (
            "[[component]]\nref = \"hello.wasm\"\nprefix = \"a.b\"",
            USAGE,
            &["prefix", "`A-Z a-z 0-9 _ -`"],
        ),
        (
            "[[component]]\nref = \"hello.wasm\"\ndigest = \"sha256:abc\"",
            USAGE,
            &["digest", "64"],
        ),
        (
            &digest,
            FAILED,
            &["hello.wasm", "not the pinned", "sha256:0000", "review"],
        ),
        (
            "[[component]]\nref = \"nowhere.wasm\"",
            FAILED,
            &["`nowhere.wasm`", "no such file"],
        ),
        (
            "[server]\nstate-key = { file = \"short.key\" }",
            USAGE,
            &["`server.state-key`", "less than 32 bytes"],
        ),
        (
            "[limits]\ntime = \"300000000000y\"",
            USAGE,
            &["c.toml:2", "`limits.time`", "at most \"100y\""],
        ),
        // syntax
        ("[server", USAGE, &["c.toml:1", "not valid TOML"]),
        ("a = 1\na = 2", USAGE, &["c.toml:2", "not valid TOML"]),
        (
            "[limits]\nmemory = 64MiB",
            USAGE,
            &["c.toml:2", "not valid TOML"],
        ),
        // auth
        (
            "[auth]\nissuer = \"https://login.example\"",
            USAGE,
            &["`auth.audience`", "missing"],
        ),
        (
            "[auth]\naudience = \"x\"",
            USAGE,
            &["`auth.issuer`", "missing"],
        ),
        (
            "[auth]\nissuer = \"https://login.example\"\naudience = \"x\"\njwks-uri = \"nowhere\"",
            USAGE,
            &["`auth.jwks-uri`"],
        ),
        (
            "[auth]\nissuer = \"https://login.example\"\naudience = \"x\"\nalgorithms = [\"none\"]",
            USAGE,
            &["`auth.algorithms`", "none"],
        ),
        (
            "[auth]\nissuer = \"https://login.example\"\naudience = \"x\"\npublic-key = { env = \"NO_SUCH_VARIABLE\" }",
            USAGE,
            &["`auth.public-key`", "`NO_SUCH_VARIABLE`", "not set"],
        ),
        (
            "[auth]\nissuer = \"https://login.example\"\naudience = \"x\"\npublic-key = { file = \"no.pem\" }",
            USAGE,
            &["`auth.public-key`", "no.pem", "cannot be read"],
        ),
        (
            "[auth]\nissuer = \"https://login.example\"\naudience = \"x\"\npublic-key = \"rubbish\"",
            USAGE,
            &["auth.public-key"],
        ),
    ];
    // The trailing line break does not count towards the length of the key.
    toolcrib.file("short.key", format!("{}\n", "x".repeat(31)));
    for (text, status, words) in cases {
        // Every case has a component and a choice of access control.
        let has_components = text.contains("component");
        let text = match has_components {
            true => text.to_owned(),
            false => format!("{text}\n[[component]]\nref = \"hello.wasm\"\n"),
        };
        toolcrib.file("c.toml", &text);
        let open = if text.contains("[auth]") {
            None
        } else {
            Some("--no-auth")
        };
        let arguments: Vec<_> = ["check", "--config", "c.toml"]
            .into_iter()
            .chain(open)
            .collect();
        check(&text, &toolcrib.run(&arguments), status, &[words]);
    }
    let output = toolcrib.run(&["check", "--config", "nowhere.toml"]);
    check(
        "no file",
        &output,
        USAGE,
        &[&["nowhere.toml", "cannot be read"]],
    );
    toolcrib.file("binary.toml", [0xff, 0xfe]);
    let output = toolcrib.run(&["check", "--config", "binary.toml"]);
    check(
        "no text",
        &output,
        USAGE,
        &[&["binary.toml", "cannot be read"]],
    );
}
