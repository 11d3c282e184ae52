//! `toolcrib new`: projects from templates. `tests/templates.rs` builds them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::support::command::Toolcrib;
use crate::tidy::ROOT;

const LANGUAGES: [&str; 6] = ["rust", "python", "typescript", "javascript", "c", "go"];

/// The files below a folder, relative to it.
fn files(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(current) = folders.pop() {
        for entry in fs::read_dir(&current).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let path = path.strip_prefix(folder).unwrap();
                found.insert(path.to_str().unwrap().to_owned());
            }
        }
    }
    found
}

#[test]
fn new_creates_a_project_and_says_how_to_go_on() {
    for language in LANGUAGES {
        for functions in [false, true] {
            if functions && ["c", "go"].contains(&language) {
                continue;
            }
            let toolcrib = Toolcrib::new();
            let mut arguments = vec!["new", language, "word-count"];
            arguments.extend(functions.then_some("--functions"));
            let output = toolcrib.run(&arguments);
            assert_eq!(output.status, 0, "{output:?}");
            let project = toolcrib.path().join("word-count");
            let found = files(&project);
            for file in ["README.md", "Makefile", ".gitignore"] {
                assert!(found.contains(file), "{language}: {found:#?}");
            }
            // For `toolcrib dev`.
            let makefile = fs::read_to_string(project.join("Makefile")).unwrap();
            assert!(
                makefile.contains("\nbuild: word-count.wasm\n"),
                "{makefile}"
            );
            for file in &found {
                let text = fs::read_to_string(project.join(file)).unwrap();
                let has_placeholder = text.contains("my-tool") || text.contains("my_tool");
                assert!(!has_placeholder, "{language}: {file}");
            }
            let test = found.iter().find(|file| file.starts_with("tests/"));
            let test = fs::read_to_string(project.join(test.unwrap())).unwrap();
            assert!(test.contains("\"word-count.wasm\""), "{test}");
            let count = format!("created word-count/ with {} files", found.len());
            for words in [
                &count,
                "cd word-count",
                "make test",
                "toolcrib dev",
                "serve --no-auth word-count.wasm",
            ] {
                assert!(output.stdout.contains(words), "{}", output.stdout);
            }
            // There is no `PATH` here, so that everything is missing.
            assert!(
                output
                    .stderr
                    .contains("`make` is missing: install it with `apt-get install make`"),
                "{}",
                output.stderr
            );
        }
    }
}

#[test]
fn new_names_the_missing_tools_of_the_language() {
    for (language, missing) in [
        ("rust", &["make", "cargo", "cc"][..]),
        ("python", &["make", "python3"]),
        ("typescript", &["make", "node", "npm"]),
        ("javascript", &["make", "node", "npm"]),
        ("c", &["make", "python3"]),
        ("go", &["make", "go", "python3"]),
    ] {
        let toolcrib = Toolcrib::new();
        let output = toolcrib.run(&["new", language, "a"]);
        let lines: Vec<_> = output.stderr.lines().collect();
        assert_eq!(lines.len(), missing.len(), "{language}: {lines:#?}");
        for (line, program) in lines.iter().zip(missing) {
            assert!(
                line.starts_with(&format!("`{program}` is missing: install ")),
                "{line}"
            );
        }

        // A program that is there is not missing; a file that cannot be run is.
        let bin = toolcrib.path().join("bin");
        fs::create_dir(&bin).unwrap();
        fs::write(bin.join("make"), "").unwrap();
        for program in &missing[1..] {
            std::os::unix::fs::symlink("/bin/sh", bin.join(program)).unwrap();
        }
        let output = toolcrib
            .command(&["new", language, "b"])
            .env("PATH", &bin)
            .output()
            .unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(
            stderr.starts_with("`make` is missing") && stderr.lines().count() == 1,
            "{stderr}"
        );
    }
}

/// The libraries for authors are in the projects as they are in the repository.
#[test]
fn new_vendors_the_contract_and_its_libraries() {
    for (language, library, source) in [
        ("rust", "wit/rust", "wit/rust/src"),
        ("rust", "wit/rust", "wit/rust/macros/src"),
        ("python", "wit/python", "wit/python/toolcrib_guest"),
        ("javascript", "wit/javascript", "wit/javascript"),
        ("typescript", "wit/javascript", "wit/javascript"),
        ("c", "wit/c", "wit/c"),
        ("go", "wit/go", "wit/go"),
    ] {
        let toolcrib = Toolcrib::new();
        assert_eq!(toolcrib.run(&["new", language, "a"]).status, 0);
        let project = toolcrib.path().join("a");
        assert!(project.join(library).is_dir());
        for (folder, is_wanted) in [
            (
                "wit",
                (|file: &str| file.ends_with(".wit") && !file.contains('/')) as fn(&str) -> bool,
            ),
            (source, |file| !file.ends_with(".pyc")),
        ] {
            let wanted = files(&Path::new(ROOT).join(folder));
            for file in wanted.iter().filter(|file| is_wanted(file)) {
                let path = format!("{folder}/{file}");
                let vendored = fs::read_to_string(project.join(&path)).ok();
                let original = fs::read_to_string(Path::new(ROOT).join(&path)).unwrap();
                assert!(
                    vendored == Some(original),
                    "{language}: {path} differs; see cli/new/files.rs"
                );
            }
        }
        assert!(!project.join("wit/frozen").exists());
    }
}

#[test]
fn new_overwrites_nothing() {
    let toolcrib = Toolcrib::new();
    let full = toolcrib.path().join("full");
    fs::create_dir(&full).unwrap();
    fs::write(full.join("README.md"), "mine").unwrap();
    fs::create_dir(toolcrib.path().join("empty")).unwrap();
    toolcrib.file("file", "mine");
    for (name, status, message) in [
        (
            "full",
            1,
            "error: the folder `full` is not empty; choose another name, or empty the folder\n",
        ),
        (
            "file",
            1,
            "error: `file` exists and is not a folder; choose another name\n",
        ),
        ("empty", 0, ""),
        ("fresh", 0, ""),
        (
            "fresh",
            1,
            "error: the folder `fresh` is not empty; choose another name, or empty the folder\n",
        ),
    ] {
        let output = toolcrib.run(&["new", "python", name]);
        assert_eq!(output.status, status, "{output:?}");
        if status != 0 {
            assert_eq!(
                (output.stderr.as_str(), output.stdout.as_str()),
                (message, "")
            );
        }
    }
    assert_eq!(files(&full), BTreeSet::from(["README.md".into()]));
    assert_eq!(fs::read_to_string(full.join("README.md")).unwrap(), "mine");
    assert_eq!(
        fs::read_to_string(toolcrib.path().join("file")).unwrap(),
        "mine"
    );
}

#[test]
fn new_refuses_names_and_languages_that_it_cannot_use() {
    let toolcrib = Toolcrib::new();
    let long = "a".repeat(41);
    for name in [
        "",
        "A",
        "1a",
        "a b",
        "a/b",
        "../a",
        ".",
        "a.b",
        "a--b",
        "-a",
        "_a",
        "a-",
        "é",
        "a\u{202e}",
        &long,
    ] {
        let output = toolcrib.run(&["new", "python", "--", name]);
        assert_eq!(output.status, 2, "{name}: {output:?}");
        let is_one_sentence = output.stderr.starts_with("error: `")
            && output.stderr.contains("is not the name of a project")
            && output.stderr.lines().count() == 1
            && !output.stderr.contains('\u{202e}');
        assert!(is_one_sentence, "{name}: {}", output.stderr);
    }
    for name in ["fn", "test", "serde", "toolcrib-guest"] {
        let output = toolcrib.run(&["new", "rust", name]);
        let expected = format!(
            "error: `{name}` means something else in Rust; choose another name, such as `{name}-tool`\n"
        );
        assert_eq!((output.status, output.stderr), (2, expected));
        let output = toolcrib.run(&["new", "python", name]);
        assert_eq!(output.status, 0, "{output:?}");
    }
    for (language, name) in [("c", "C"), ("go", "Go")] {
        let output = toolcrib.run(&["new", language, "a", "--functions"]);
        let message = format!(
            "error: there is no template of plain functions in {name}; leave out `--functions` or choose another language\n"
        );
        assert_eq!((output.status, output.stderr), (2, message));
    }
    let output = toolcrib.run(&["new", "cobol", "a"]);
    assert_eq!(output.status, 2);
    assert!(
        LANGUAGES
            .iter()
            .all(|language| output.stderr.contains(language)),
        "{}",
        output.stderr
    );
    assert!(!toolcrib.path().join("a").exists());
}
