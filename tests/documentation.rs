//! The documentation agrees with the program: `docs/configuration.md` has each key of the configuration, and no other.

use std::collections::{BTreeMap, BTreeSet};

use toolcrib::config::{Config, Overrides};

use crate::tidy::ROOT;

/// A table of the configuration: its heading in the documentation, the TOML that opens it, and the tables below it.
const TABLES: [(&str, &str, &[&str]); 18] = [
    (
        "Top level",
        "",
        &[
            "server",
            "auth",
            "network",
            "limits",
            "component",
            "mount",
            "trust",
            "kv",
            "shared",
            "cache",
            "telemetry",
            "wasi",
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
    ("[[mount]]", "[[mount]]", &["limits", "allow"]),
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
    ("[trust]", "[trust]", &["rule"]),
    ("[[trust.rule]]", "[[trust.rule]]", &[]),
    ("[kv]", "[kv]", &[]),
    ("[shared]", "[shared]", &[]),
    ("[cache]", "[cache]", &[]),
    ("[wasi]", "[wasi]", &[]),
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

/// Each source file that `ARCHITECTURE.md` names exists, and has the function that is named after it.
#[test]
fn architecture_names_existing_files_and_functions() {
    let text = std::fs::read_to_string(format!("{ROOT}/ARCHITECTURE.md")).unwrap();
    let mut functions = 0;
    for line in text.lines() {
        let quoted: Vec<_> = line.split('`').skip(1).step_by(2).collect();
        for (index, name) in quoted.iter().enumerate() {
            if !name.ends_with(".rs") || name.starts_with("tests/") {
                continue;
            }
            let path = format!("{ROOT}/host/src/{name}");
            let source = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{name}: {e}"));
            // In the answers, the function follows its file.
            let function = quoted.get(index + 1).filter(|next| {
                line.contains(&format!("`{name}`, `{next}`")) && !next.contains(['/', '.'])
            });
            if let Some(function) = function {
                let function = function.rsplit("::").next().unwrap();
                let is_there = ["fn ", "struct ", "const ", "enum "]
                    .iter()
                    .any(|kind| source.contains(&format!("{kind}{function}")));
                assert!(is_there, "{name} has no {function}");
                functions += 1;
            }
        }
    }
    assert!(functions >= 10, "{functions}");
}
