//! `toolcrib pull` and `toolcrib outdated`.

use serde_json::Value;

use super::{FAILED, USAGE, check_refused, greeting};
use crate::support::command::Toolcrib;
use crate::support::web::{Reply, Web, digest};

#[test]
fn pull_prints_lines_that_pin() {
    let (web, toolcrib) = (Web::start(), Toolcrib::new());
    let hello = greeting("hello");
    let (manifest_digest, layer_digest) = web.push("1", &hello);
    let good_bye = greeting("good bye");
    web.reply("/bye.wasm?a=b", Reply::new(&*good_bye));
    let (tag, url) = (web.oci(":1"), web.url("/bye.wasm?a=b"));
    let output = toolcrib.run(&["pull", &tag, &url]);
    assert_eq!(output.status, 0, "{output:?}");
    let bye_digest = digest(&good_bye);
    let expected = format!(
        "[[component]]\nref = \"{tag}\"\n# manifest {manifest_digest}\ndigest = \"{layer_digest}\"\n\
         [[component]]\nref = \"{url}\"\ndigest = \"{bye_digest}\"\n"
    );
    assert_eq!(output.stdout, expected);
    // The lines are a configuration, which needs no network.
    let configuration = output.stdout.replace(
        "[[component]]\nref = \"http",
        "[[component]]\nprefix = \"b_\"\nref = \"http",
    );
    toolcrib.file("toolcrib.toml", configuration);
    let missing = web.oci(":2");
    let output = toolcrib.run(&["pull", &missing, &tag]);
    check_refused(
        "missing",
        &output,
        FAILED,
        &[&missing, "has no `team/tool:2`"],
    );
    assert!(output.stdout.contains(&layer_digest), "{output:?}");
    drop(web);
    let output = toolcrib.run(&["check", "--no-auth", "--config", "toolcrib.toml"]);
    assert_eq!(output.status, 0, "{output:?}");
    // Fetching is the purpose: an earlier version is no substitute.
    let output = toolcrib.run(&["pull", &tag]);
    check_refused("away", &output, FAILED, &["cannot be reached"]);
    let output = toolcrib.run(&["pull", "x.wasm"]);
    check_refused("local", &output, USAGE, &["local reference"]);
}

#[test]
fn outdated_shows_which_tags_have_moved() {
    let (web, toolcrib) = (Web::start(), Toolcrib::new());
    let (old_manifest, old_layer) = web.push("1", &greeting("old"));
    web.reply("/x.wasm", Reply::new(greeting("old")));
    let by_manifest = web.oci(&format!(":1@{old_manifest}"));
    let (by_layer, url) = (web.oci(":1"), web.url("/x.wasm"));
    let text = format!(
        "components = [\"{by_manifest}\", \"local.wasm\"]\n\
         [[component]]\nref = \"{by_layer}\"\ndigest = \"{old_layer}\"\n\
         [[component]]\nref = \"{url}\"\nallow-unpinned = true\n"
    );
    toolcrib.file("toolcrib.toml", text);
    let outdated = || toolcrib.run(&["outdated", "--config", "toolcrib.toml"]);
    let output = outdated();
    assert_eq!(output.status, 1, "{output:?}");
    assert!(
        output.stdout.contains(&format!("{url}: not fetched yet")),
        "{output:?}"
    );
    assert_eq!(toolcrib.run(&["pull", &url]).status, 0);
    let output = outdated();
    assert_eq!(output.status, 0, "{output:?}");
    let line = format!("{by_layer}: current ({old_layer})");
    assert_eq!(output.stdout.lines().nth(1), Some(&*line), "{output:?}");

    let (new_manifest, new_layer) = web.push("1", &greeting("new"));
    web.reply("/x.wasm", Reply::new(greeting("new")));
    let output = outdated();
    assert_eq!(output.status, 1, "{output:?}");
    let expected = format!(
        "{by_manifest}: moved from {old_manifest} to {new_manifest}\n\
         {by_layer}: moved from {old_layer} to {new_layer}\n\
         {url}: moved from {old_layer} to {new_layer}\n"
    );
    assert_eq!(output.stdout, expected);

    web.reply("/x.wasm", Reply::status(404));
    let output = toolcrib.run(&["outdated", "--json", "--config", "toolcrib.toml"]);
    assert_eq!(output.status, 1, "{output:?}");
    let report: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(report[1]["moved"], true, "{report}");
    assert_eq!(report[1]["current"], *new_layer, "{report}");
    assert!(
        report[2]["error"]
            .as_str()
            .unwrap()
            .contains("no such file"),
        "{report}"
    );
    let output = toolcrib.run(&["outdated", "local.wasm"]);
    check_refused("local", &output, USAGE, &["no https:// or oci://"]);
}
