//! `toolcrib bundle`: what it refuses. `tests/bundles.rs` unpacks bundles and starts them with a real client.

use std::fs;

use crate::support::command::Toolcrib;
use crate::support::guest::Guest;

#[test]
fn bundle_says_how_to_go_on() {
    let toolcrib = Toolcrib::new();
    for folder in ["other", "conf"] {
        fs::create_dir(toolcrib.path().join(folder)).unwrap();
    }
    let guest = Guest::saying("a", "a").component();
    for name in ["a", "[b]", "conf/a"] {
        toolcrib.write(name, &guest);
    }
    toolcrib.write("other/a", &Guest::saying("b", "b").component());
    let absolute = toolcrib.path().canonicalize().unwrap().join("a.wasm");
    toolcrib
        .file("broken.wasm", "rubbish")
        .file("key", "secret")
        .file("conf/up.toml", "components = [\"../a.wasm\"]\n")
        .file(
            "conf/absolute.toml",
            format!("components = [{absolute:?}]\n"),
        )
        .file(
            "secret.toml",
            "[[component]]\nref = \"a.wasm\"\nallow.env = { K = { file = \"key\" } }\n",
        );
    for (arguments, status, words) in [
        (
            &["a.wasm", "-o", "x.zip"][..],
            2,
            &["x.zip", "ends in .mcpb"][..],
        ),
        (
            &["a.wasm", "-o", "My Tools.mcpb"],
            2,
            &["\"My Tools\"", "--name"],
        ),
        (
            &["a.wasm", "-o", "x.mcpb", "--name", "../x"],
            2,
            &["\"../x\"", "--name"],
        ),
        (
            &["a.wasm", "-o", "x.mcpb", "--version", "1.2"],
            2,
            &["\"1.2\"", "1.2.0"],
        ),
        (&["-o", "x.mcpb"], 2, &["nothing is named"]),
        (
            &["no.wasm", "-o", "x.mcpb"],
            1,
            &["no.wasm", "no such file"],
        ),
        (&["broken.wasm", "-o", "x.mcpb"], 1, &["broken.wasm"]),
        (&["[[]b].wasm", "-o", "x.mcpb"], 1, &["[b].wasm", "rename"]),
        (
            &["a.wasm", "other/a.wasm", "-o", "x.mcpb"],
            1,
            &["`components/a.wasm`", "rename one"],
        ),
        (
            &["a.wasm", "-o", "nowhere/x.mcpb"],
            1,
            &["`nowhere/x.mcpb` cannot be written"],
        ),
        (
            &["--config", "secret.toml", "-o", "x.mcpb"],
            1,
            &["`key`", "env = \"NAME\""],
        ),
        (
            &["--config", "conf/up.toml", "-o", "x.mcpb"],
            1,
            &["conf/../a.wasm", "move it"],
        ),
        (
            &["--config", "conf/absolute.toml", "-o", "x.mcpb"],
            1,
            &["a.wasm", "move it"],
        ),
        (
            &["a.wasm", "--config", "conf/up.toml", "-o", "x.mcpb"],
            1,
            &["`a.wasm`", "move it"],
        ),
    ] {
        let arguments = [&["bundle"], arguments].concat();
        let output = toolcrib.run(&arguments);
        assert_eq!(output.status, status, "{arguments:?}: {output:?}");
        let error = output.stderr.strip_prefix("error: ").unwrap();
        assert_eq!(error.lines().count(), 1, "{arguments:?}: {error}");
        for word in words {
            assert!(error.contains(word), "{arguments:?}: {error}");
        }
    }
    let left: Vec<_> = fs::read_dir(toolcrib.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("mcpb") || name.starts_with(".tmp"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}
