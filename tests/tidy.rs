//! The shape of the source: which module uses which, which library is named where, and how long a file may be.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

const MAX_LINES: usize = 500;

/// The modules of the host in the order of `lib.rs`, and those among them that each may use.
const MODULES: [(&str, &[&str]); 14] = [
    ("network", &[]),
    ("auth", &["network"]),
    ("reference", &[]),
    ("engine", &[]),
    ("telemetry", &[]),
    ("sandbox", &["network", "engine"]),
    ("component", &["sandbox", "engine"]),
    ("catalog", &["reference", "component"]),
    ("mcp", &["auth", "catalog", "component"]),
    (
        "config",
        &[
            "auth",
            "reference",
            "sandbox",
            "component",
            "catalog",
            "telemetry",
        ],
    ),
    ("http", &["auth", "catalog", "mcp"]),
    (
        "app",
        &[
            "auth",
            "reference",
            "engine",
            "sandbox",
            "component",
            "catalog",
            "mcp",
            "config",
            "http",
        ],
    ),
    (
        "cli",
        &[
            "app",
            "auth",
            "catalog",
            "component",
            "config",
            "mcp",
            "telemetry",
        ],
    ),
    ("main", &["cli"]),
];

/// So many modules stand together below all others.
const LOWEST: usize = 5;

/// A library's crates, and the modules that may name them.
const LIBRARIES: [(&[&str], &[&str]); 10] = [
    (&["rmcp"], &["mcp", "http"]),
    (
        &[
            "wasmtime",
            "wasmtime_wasi",
            "wasmtime_wasi_config",
            "wasmtime_wasi_http",
            "wasmparser",
            "wit_component",
            "wit_parser",
        ],
        &["engine", "sandbox", "component"],
    ),
    (&["reqwest"], &["network", "auth", "sandbox"]),
    (&["redb", "redis"], &["sandbox"]),
    (&["jsonwebtoken"], &["auth"]),
    // TLS names its provider.
    (&["aws_lc_rs"], &["auth", "http"]),
    (&["tokio_rustls"], &["http"]),
    (&["clap"], &["cli"]),
    (&["toml", "bytesize", "humantime", "strsim"], &["config"]),
    (&["jsonschema"], &["component"]),
];

/// Every Rust file below a directory, but for what is built.
fn sources(dir: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut dirs = vec![Path::new(ROOT).join(dir)];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("target") && !path.ends_with("node_modules") {
                dirs.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                found.push((path.strip_prefix(ROOT).unwrap().to_owned(), text));
            }
        }
    }
    assert!(!found.is_empty(), "{dir}");
    found.sort();
    found
}

/// The text without comments and strings, so that only code is judged.
fn code(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if let Some(raw) = rest.strip_prefix("r#\"") {
            4 + raw.find("\"#").unwrap() + 1
        } else if rest.starts_with("'\"'") {
            3
        } else if let Some(mut string) = rest.strip_prefix('"') {
            while let Some(at) = string.find(['"', '\\']) {
                let escaped = string[at..].starts_with('\\');
                string = &string[at + if escaped { 2 } else { 1 }..];
                if !escaped {
                    break;
                }
            }
            rest.len() - string.len()
        } else {
            code.push(c);
            c.len_utf8()
        };
        rest = &rest[skipped..];
    }
    code
}

/// The host's files by their top module.
fn modules() -> BTreeMap<String, Vec<(PathBuf, String)>> {
    let mut modules: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (path, text) in sources("host/src") {
        let below = path.strip_prefix("host/src").unwrap();
        let first = below.iter().next().unwrap().to_str().unwrap();
        let module = first.strip_suffix(".rs").unwrap_or(first).to_owned();
        modules.entry(module).or_default().push((path, code(&text)));
    }
    modules
}

/// The words that follow `before` in the code, up to the end of each.
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

/// What `crate::…` names in the code: modules, also those in braces.
fn used_modules(code: &str) -> Vec<&str> {
    let mut used = words_after(code, "crate::");
    for (at, start) in code.match_indices("crate::{") {
        let list = &code[at + start.len()..];
        let mut depth = 0;
        let mut item = 0;
        for (index, c) in list.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => {
                    used.push(list[item..index].trim());
                    break;
                }
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    used.push(list[item..index].trim());
                    item = index + 1;
                }
                _ => {}
            }
        }
    }
    used.into_iter()
        .map(|name| name.split([':', ' ']).next().unwrap())
        .filter(|name| !name.is_empty())
        .collect()
}

#[test]
fn modules_use_only_what_is_below_them() {
    let allowed: BTreeMap<_, _> = MODULES.into_iter().collect();
    let found = modules();
    let names: Vec<_> = found.keys().filter(|name| *name != "lib").collect();
    let mut known: Vec<_> = allowed.keys().collect();
    known.sort();
    assert_eq!(names, known, "a module that is not in the order");
    let mut edges = Vec::new();
    for (module, files) in &found {
        for (path, code) in files {
            for used in used_modules(code).into_iter().filter(|used| used != module) {
                let is_module = allowed.contains_key(used);
                if module != "lib" && is_module && !allowed[module.as_str()].contains(&used) {
                    edges.push(format!("{}: {module} uses {used}", path.display()));
                }
            }
        }
    }
    assert!(edges.is_empty(), "{edges:#?}");
    // The order itself: nobody uses who comes later.
    let place = |name: &str| {
        MODULES
            .iter()
            .position(|(module, _)| *module == name)
            .unwrap()
    };
    for (module, uses) in MODULES {
        assert!(
            uses.iter().all(|used| place(used) < place(module)),
            "{module}"
        );
    }
}

/// `lib.rs` declares the modules in that order, and its table says the same.
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
    // The lowest layer stands together, and rustfmt sorts neighbours.
    declared[..LOWEST].sort_by_key(|name| order.iter().position(|module| module == name));
    assert_eq!(declared, order, "the declarations");
}

#[test]
fn libraries_are_named_in_few_places() {
    let mut wrong = Vec::new();
    for (module, files) in modules() {
        for (path, code) in files {
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

/// `unsafe` stands where compiled code is mapped, and nowhere else.
#[test]
fn unsafe_code() {
    let with_unsafe: Vec<_> = sources("host/src")
        .into_iter()
        .chain(sources("tests"))
        .filter(|(_, text)| {
            let code = code(text);
            code.split(|c: char| !c.is_alphanumeric() && c != '_')
                .any(|word| word == "unsafe")
        })
        .map(|(path, _)| path)
        .collect();
    assert_eq!(with_unsafe, [Path::new("host/src/engine/cache.rs")]);
}

#[test]
fn files() {
    let mut wrong = Vec::new();
    for (path, text) in sources("host").into_iter().chain(sources("tests")) {
        let path = path.display();
        let lines = text.lines().count();
        if lines > MAX_LINES {
            wrong.push(format!("{path} has {lines} lines"));
        }
        if !text.starts_with("//! ") {
            wrong.push(format!("{path} does not say what it is for"));
        }
        let code = code(&text);
        for (bad, why) in [
            ("#[ignore", "a test that is ignored"),
            ("todo!", "unfinished"),
            ("unimplemented!", "unfinished"),
            ("dbg!", "left over"),
        ] {
            if code.contains(bad) {
                wrong.push(format!("{path} has `{bad}`: {why}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// A dev-dependency would change the features of what the engine is built of, so that `cargo test` and `cargo build` each
/// compile it.
#[test]
fn one_feature_set() {
    for manifest in ["host/Cargo.toml", "tests/Cargo.toml"] {
        let text = std::fs::read_to_string(format!("{ROOT}/{manifest}")).unwrap();
        assert!(!text.contains("dev-dependencies]"), "{manifest}");
    }
}
