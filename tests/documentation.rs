//! The documentation agrees with the program: `docs/configuration.md` has each key of the configuration, and no other.

use std::collections::{BTreeMap, BTreeSet};

use toolcrib::config::{Config, Overrides};

use crate::tidy::ROOT;

/// A table of the configuration: its heading in the documentation, the TOML that opens it, and the tables below it.
const TABLES: [(&str, &str, &[&str]); 13] = [
    (
        "Top level",
        "",
        &[
            "server",
            "auth",
            "network",
            "limits",
            "component",
            "kv",
            "cache",
            "telemetry",
        ],
    ),
    ("[server]", "[server]", &["tls"]),
    ("[server.tls]", "[server.tls]", &[]),
    ("[auth]", "[auth]", &["issuers"]),
    ("[[auth.issuers]]", "[auth]\n[[auth.issuers]]", &[]),
    ("[network]", "[network]", &[]),
    ("[limits] and [component.limits]", "[limits]", &[]),
    (
        "[limits] and [component.limits]",
        "[[component]]\nref = \"a.wasm\"\n[component.limits]",
        &[],
    ),
    (
        "[[component]]",
        "[[component]]",
        &["limits", "tool", "allow"],
    ),
    (
        "[component.tool.NAME]",
        "[[component]]\nref = \"a.wasm\"\n[component.tool.a]",
        &[],
    ),
    (
        "[component.allow]",
        "[[component]]\nref = \"a.wasm\"\n[component.allow]",
        &[],
    ),
    ("[kv]", "[kv]", &[]),
    ("[cache]", "[cache]", &[]),
];

/// The keys in the first column of the table below each heading.
fn documented() -> BTreeMap<String, BTreeSet<String>> {
    let text = std::fs::read_to_string(format!("{ROOT}/docs/configuration.md")).unwrap();
    let mut sections: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut heading = String::new();
    for line in text.lines() {
        if let Some(text) = line.strip_prefix("## ") {
            heading = text.replace('`', "");
        } else if let Some(row) = line.strip_prefix("| `") {
            let column = format!("`{}", row.split_once(" |").unwrap().0);
            let keys = column
                .split(", ")
                .map(|key| key.trim_matches('`').to_owned());
            sections.entry(heading.clone()).or_default().extend(keys);
        }
    }
    sections
}

/// The keys that the program knows in a table, from its message about an unknown key.
fn known(table: &str) -> BTreeSet<String> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("toolcrib.toml");
    std::fs::write(&file, format!("{table}\nzzqx = 1\n")).unwrap();
    let overrides = Overrides {
        file: Some(file),
        ..Overrides::default()
    };
    let errors = Config::load(&overrides).unwrap_err();
    let message = errors
        .iter()
        .map(ToString::to_string)
        .find(|error| error.contains("zzqx"));
    let message = message.unwrap_or_else(|| panic!("{table}: {errors:?}"));
    let (_, keys) = message.split_once("the keys here are ").unwrap();
    keys.split(", ")
        .map(|key| key.trim_matches('`').to_owned())
        .collect()
}

#[test]
fn configuration_page_has_exactly_the_known_keys() {
    let documented = documented();
    let telemetry = ("[telemetry]", "[telemetry]", &[][..]);
    for (heading, table, below) in TABLES.into_iter().chain([telemetry]) {
        let mut expected = documented.get(heading).cloned().unwrap_or_default();
        expected.extend(below.iter().map(ToString::to_string));
        assert_eq!(expected, known(table), "{heading}");
    }
}

#[test]
fn readme_fits_on_a_page() {
    let readme = std::fs::read_to_string(format!("{ROOT}/README.md")).unwrap();
    assert!(
        readme.lines().count() <= 150,
        "{} lines",
        readme.lines().count()
    );
}
