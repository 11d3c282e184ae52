//! The structure and style of the source: which module may use which, where each library may be named, how comments
//! read, and how long a file may be.

mod imports;
mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

pub(crate) use source::ROOT;
use source::{Source, comments, sources};

const MAX_LINES: usize = 500;

/// The modules of the host in the order of `lib.rs`, and those that each may use.
const MODULES: [(&str, &[&str]); 24] = [
    ("boxed_future", &[]),
    ("cache", &[]),
    ("files", &[]),
    ("json", &[]),
    ("network", &[]),
    ("text", &[]),
    ("auth", &["json", "network", "text"]),
    ("engine", &["cache", "text"]),
    ("reference", &["files", "network"]),
    ("telemetry", &["json", "text", "auth"]),
    ("trust", &["json", "text"]),
    (
        "artifact",
        &["cache", "json", "network", "text", "reference", "trust"],
    ),
    ("shared", &["text"]),
    (
        "sandbox",
        &["telemetry", "network", "text", "engine", "shared"],
    ),
    (
        "component",
        &[
            "boxed_future",
            "json",
            "text",
            "engine",
            "telemetry",
            "sandbox",
        ],
    ),
    ("catalog", &["telemetry", "shared", "component"]),
    (
        "mcp",
        &[
            "boxed_future",
            "json",
            "text",
            "auth",
            "telemetry",
            "shared",
            "component",
            "catalog",
        ],
    ),
    (
        "config",
        &[
            "network",
            "text",
            "auth",
            "reference",
            "telemetry",
            "trust",
            "shared",
            "sandbox",
            "component",
            "catalog",
        ],
    ),
    (
        "reload",
        &[
            "files",
            "network",
            "text",
            "engine",
            "reference",
            "trust",
            "artifact",
            "telemetry",
            "shared",
            "sandbox",
            "component",
            "catalog",
            "config",
        ],
    ),
    (
        "http",
        &[
            "boxed_future",
            "files",
            "json",
            "text",
            "auth",
            "telemetry",
            "shared",
            "catalog",
            "mcp",
        ],
    ),
    (
        "app",
        &[
            "auth",
            "telemetry",
            "network",
            "shared",
            "catalog",
            "mcp",
            "config",
            "reload",
            "http",
        ],
    ),
    ("fuzzing", &["engine", "trust", "sandbox", "component"]),
    (
        "cli",
        &[
            "network",
            "text",
            "auth",
            "engine",
            "reference",
            "telemetry",
            "artifact",
            "component",
            "catalog",
            "mcp",
            "config",
            "reload",
            "http",
            "app",
        ],
    ),
    ("main", &["cli"]),
];

/// The first modules of [`MODULES`] use only each other in alphabetical groups; `lib.rs` may declare them in any order.
const LOWEST: usize = 10;

/// Libraries, and the modules that may name them.
const LIBRARIES: [(&[&str], &[&str]); 18] = [
    (&["rmcp"], &["mcp", "http"]),
    (
        &[
            "wasmtime",
            "wasmtime_wasi",
            "wasmtime_wasi_config",
            "wasmtime_wasi_http",
            "wasm_compose",
            "wasmparser",
            "wit_component",
            "wit_parser",
        ],
        &["engine", "sandbox", "component"],
    ),
    (
        &["reqwest"],
        &["network", "auth", "artifact", "sandbox", "telemetry"],
    ),
    (&["docker_credential", "http_auth"], &["artifact"]),
    (&["redb"], &["sandbox"]),
    (&["redis"], &["shared", "sandbox"]),
    (&["jsonwebtoken"], &["auth"]),
    // TLS is told its cryptography provider.
    (&["aws_lc_rs"], &["auth", "http", "telemetry", "shared"]),
    (
        &[
            "prometheus_client",
            "opentelemetry",
            "opentelemetry_http",
            "opentelemetry_otlp",
            "opentelemetry_sdk",
        ],
        &["telemetry"],
    ),
    (&["tokio_rustls"], &["http"]),
    (&["clap", "clap_complete", "clap_mangen"], &["cli"]),
    (&["toml", "bytesize", "strsim"], &["config"]),
    (&["humantime"], &["artifact", "config", "telemetry", "cli"]),
    (&["jsonschema_regex", "regex_automata"], &["component"]),
    (&["percent_encoding"], &["component", "cli"]),
    (&["jsonc_parser", "zip", "flate2"], &["cli"]),
    (&["minisign_verify", "sigstore_verify"], &["trust"]),
    (&["notify"], &["reload"]),
];

/// Words that start a noun clause, with which no sentence of a comment begins. A question may.
const NOUN_CLAUSES: [&str; 9] = [
    "What ",
    "Who ",
    "Whom ",
    "Whose ",
    "Which ",
    "Whoever ",
    "Whatever ",
    "With which ",
    "From which ",
];

/// The host's files by their top module.
fn modules() -> BTreeMap<String, Vec<Source>> {
    let mut modules: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for source in sources("host/src") {
        let module = source.module()[0].clone();
        modules.entry(module).or_default().push(source);
    }
    modules
}

/// The files whose text is checked: those of the host, the tests and the fuzz targets.
fn checked_sources() -> impl Iterator<Item = Source> {
    ["host", "tests", "fuzz"].into_iter().flat_map(sources)
}

/// The words that follow `before` in the code, each up to its end.
fn words_after<'t>(code: &'t str, before: &str) -> Vec<&'t str> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(before)
        .filter(|(at, _)| !code[..*at].ends_with(is_word))
        .map(|(at, _)| {
            let rest = &code[at + before.len()..];
            &rest[..rest.find(|c| !is_word(c)).unwrap_or(rest.len())]
        })
        .collect()
}

#[test]
fn modules_use_only_modules_below_them() {
    let allowed: BTreeMap<_, _> = MODULES.into_iter().collect();
    let found = sources("host/src");
    let names: BTreeSet<_> = found
        .iter()
        .map(|source| source.module()[0].clone())
        .collect();
    let known: BTreeSet<_> = allowed
        .keys()
        .map(ToString::to_string)
        .chain(["lib".into()])
        .collect();
    assert_eq!(names, known, "a module is missing in MODULES");
    let mut wrong = BTreeSet::new();
    for (module, used) in imports::uses(&found) {
        for used in used
            .iter()
            .filter(|used| used[0] != module[0] && module[0] != "lib")
        {
            if !allowed[module[0].as_str()].contains(&used[0].as_str()) {
                wrong.insert(format!("{} uses {}", module.join("::"), used.join("::")));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let position = |name: &str| {
        MODULES
            .iter()
            .position(|(module, _)| *module == name)
            .unwrap()
    };
    for (module, uses) in MODULES {
        assert!(
            uses.iter().all(|used| position(used) < position(module)),
            "{module}"
        );
    }
}

#[test]
fn files_of_a_module_do_not_use_each_other_in_circles() {
    let cycles = imports::cycles(&imports::uses(&sources("host/src")));
    assert!(cycles.is_empty(), "{cycles:#?}");
}

/// `lib.rs` declares the modules in the order of [`MODULES`], and so does the table in its documentation.
#[test]
fn lib_states_the_order() {
    let text = std::fs::read_to_string(Path::new(ROOT).join("host/src/lib.rs")).unwrap();
    let order: Vec<_> = MODULES
        .iter()
        .map(|(module, _)| *module)
        .filter(|module| *module != "main")
        .collect();
    let table: Vec<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("//! | ")?.split('`').nth(1))
        .map(|name| name.trim_matches(['[', ']']).trim_start_matches("mod@"))
        .collect();
    assert_eq!(table, order, "the table");
    let mut declared: Vec<_> = text
        .lines()
        .filter_map(|line| {
            line.trim_start_matches("pub ")
                .strip_prefix("mod ")?
                .strip_suffix(';')
        })
        .collect();
    declared[..LOWEST].sort_by_key(|name| order.iter().position(|module| module == name));
    assert_eq!(declared, order, "the declarations");
}

#[test]
fn libraries_are_named_in_few_places() {
    let mut wrong = Vec::new();
    for (module, files) in modules() {
        for Source { path, code, .. } in files {
            for (crates, allowed) in LIBRARIES {
                for name in crates {
                    let is_named = !words_after(&code, &format!("{name}::")).is_empty()
                        || words_after(&code, "use ").contains(name);
                    if is_named && !allowed.contains(&module.as_str()) {
                        wrong.push(format!("{} names {name}", path.display()));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn files_are_short_finished_and_say_what_they_are_for() {
    let mut wrong = Vec::new();
    for Source { path, text, code } in checked_sources() {
        let path = path.display();
        let lines = text.lines().count();
        if lines > MAX_LINES {
            wrong.push(format!("{path} has {lines} lines"));
        }
        if !text.starts_with("//! ") {
            wrong.push(format!("{path} has no head comment"));
        }
        for unfinished in ["#[ignore", "todo!", "unimplemented!", "dbg!"] {
            if code.contains(unfinished) {
                wrong.push(format!("{path} has `{unfinished}`"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_sentence_of_a_comment_starts_with_a_noun_clause() {
    let mut wrong = Vec::new();
    for Source { path, text, .. } in checked_sources() {
        for (line, comment) in comments(&text) {
            for sentence in comment
                .split_inclusive(['.', '?', '!', ':'])
                .map(str::trim_start)
            {
                if NOUN_CLAUSES.iter().any(|word| sentence.starts_with(word))
                    && !sentence.ends_with('?')
                {
                    wrong.push(format!("{}:{line}: {sentence}", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Building the host alone, with the tests, or with all of them gives shared dependencies the same features, so that none
/// of these selections compiles the engine again.
#[test]
fn every_build_has_the_same_features() {
    let features = |selection: &[&str]| -> BTreeSet<String> {
        let tree = Command::new(env!("CARGO"))
            .args([
                "tree",
                "--offline",
                "--locked",
                "--edges=normal,build",
                "--prefix=none",
            ])
            .args(["--format={p} [{f}]"])
            .args(selection)
            .current_dir(ROOT)
            .output()
            .unwrap();
        assert!(
            tree.status.success(),
            "{}",
            String::from_utf8_lossy(&tree.stderr)
        );
        let lines = String::from_utf8(tree.stdout).unwrap();
        let lines = lines.lines().map(|line| line.trim_end_matches(" (*)"));
        lines
            .filter(|line| !line.starts_with("toolcrib"))
            .map(str::to_owned)
            .collect()
    };
    let host = features(&["--package=toolcrib"]);
    let tests = features(&["--workspace"]);
    let all = features(&["--workspace", "--all-features"]);
    assert!(host.is_subset(&tests), "{:#?}", host.difference(&tests));
    assert!(tests.is_subset(&all), "{:#?}", tests.difference(&all));
    for manifest in ["host/Cargo.toml", "tests/Cargo.toml"] {
        let text = std::fs::read_to_string(format!("{ROOT}/{manifest}")).unwrap();
        assert!(
            !text.contains("dev-dependencies]"),
            "dev-dependencies of {manifest} change features of `cargo test`"
        );
    }
}
