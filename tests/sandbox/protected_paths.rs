//! `allow.dirs`: no component gets write access to files that the host itself uses.

use std::os::unix::fs::symlink;
use std::path::Path;

use super::filesystem_guest::{FileOp, entry, guest};
use crate::support::command::Toolcrib;

/// A guest with write access to components, configuration, cache or key-value data could change what the host runs.
#[test]
fn writable_grants_over_host_files_are_rejected() {
    let toolcrib = Toolcrib::new();
    for dir in [
        "tools",
        "data/sub",
        "cache/sub",
        "state",
        "more",
        "plug-in",
        "other",
    ] {
        std::fs::create_dir_all(toolcrib.path().join(dir)).unwrap();
    }
    symlink("tools", toolcrib.path().join("alias")).unwrap();
    let component = guest(0, &[FileOp::Read("x", true)]).component();
    toolcrib.write("tools/guest", &component);
    toolcrib.write("more/other", &component);
    for (host_path, reason) in [
        ("data", None),
        ("data/sub", None),
        ("other", None),
        (".", Some("the compiled components are")),
        ("cache", Some("the compiled components are")),
        ("cache/sub", Some("the compiled components are")),
        ("state", Some("the data of `wasi:keyvalue` is")),
        ("tools", Some("components are")),
        ("alias", Some("components are")),
        ("more", Some("components are")),
        // Matches the pattern of a reference, but has no component yet.
        ("plug-in", Some("components are")),
        ("config", Some("the configuration is")),
    ] {
        std::fs::create_dir_all(toolcrib.path().join("config")).unwrap();
        for write in [false, true] {
            let dirs = entry(Path::new("..").join(host_path).as_path(), "/data", write);
            toolcrib.file(
                "config/c.toml",
                format!(
                    "cache.dir = \"../cache\"\nkv.url = \"../state/kv.redb\"\ncomponents = [\"../more/*.wasm\", \"../[mp]*/*.wasm\"]\n\
                     [[component]]\nref = \"../tools/guest.wasm\"\nprefix = \"g_\"\n[component.allow]\ndirs = [{dirs}]\n"
                ),
            );
            let ended = toolcrib.run(&["check", "--no-auth", "--config", "config/c.toml"]);
            match reason.filter(|_| write) {
                None => assert_eq!(ended.status, 0, "{host_path}: {ended:?}"),
                Some(reason) => {
                    assert_ne!(ended.status, 0, "{host_path}");
                    assert!(
                        ended.stderr.contains("`allow.dirs` gives"),
                        "{host_path}: {ended:?}"
                    );
                    assert!(ended.stderr.contains(reason), "{host_path}: {ended:?}");
                }
            }
        }
    }
}
