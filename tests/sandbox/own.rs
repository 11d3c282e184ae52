//! `dirs`: what is the host's own is given to no component for writing.

use std::os::unix::fs::symlink;
use std::path::Path;

use super::dirs::{Do, entry, guest};
use crate::support::command::Toolcrib;

/// Who may write what the host runs could change it: grants of that are refused.
#[test]
fn the_hosts_own() {
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
    let component = guest(0, &[Do::Read("x", true)]).component();
    toolcrib.write("tools/guest", &component);
    toolcrib.write("more/other", &component);
    for (host, what) in [
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
        // Where there is none yet.
        ("plug-in", Some("components are")),
        ("config", Some("the configuration is")),
    ] {
        std::fs::create_dir_all(toolcrib.path().join("config")).unwrap();
        for write in [false, true] {
            let dirs = entry(Path::new("..").join(host).as_path(), "/data", write);
            toolcrib.file(
                "config/c.toml",
                format!(
                    "cache.dir = \"../cache\"\nkv.url = \"../state/kv.redb\"\ncomponents = [\"../more/*.wasm\", \"../[mp]*/*.wasm\"]\n\
                     [[component]]\nref = \"../tools/guest.wasm\"\nprefix = \"g_\"\n[component.allow]\ndirs = [{dirs}]\n"
                ),
            );
            let ended = toolcrib.run(&["check", "--no-auth", "--config", "config/c.toml"]);
            match what.filter(|_| write) {
                None => assert_eq!(ended.status, 0, "{host}: {ended:?}"),
                Some(what) => {
                    assert_ne!(ended.status, 0, "{host}");
                    assert!(
                        ended.stderr.contains("`allow.dirs` gives"),
                        "{host}: {ended:?}"
                    );
                    assert!(ended.stderr.contains(what), "{host}: {ended:?}");
                }
            }
        }
    }
}
