//! The Rust files of the project, with comments and code separated.

use std::path::{Path, PathBuf};

pub(crate) const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// A Rust file of the project.
pub(super) struct Source {
    /// Relative to the root of the project.
    pub(super) path: PathBuf,
    pub(super) text: String,
    /// The text without comments and without the contents of strings.
    pub(super) code: String,
}

impl Source {
    /// The file's module path below `host/src`: `["component", "schema"]` for `component/schema/mod.rs`.
    pub(super) fn module(&self) -> Vec<String> {
        let path = self.path.strip_prefix("host/src").unwrap();
        let path = path.with_extension("");
        let segments = path.iter().map(|part| part.to_str().unwrap().to_owned());
        segments.filter(|part| part != "mod").collect()
    }

    /// The code without the unit tests, which end a file.
    pub(super) fn production_code(&self) -> &str {
        self.code.split("#[cfg(test)]\n").next().unwrap()
    }
}

/// Returns every Rust file below a directory, except build products.
pub(super) fn sources(dir: &str) -> Vec<Source> {
    let mut found = Vec::new();
    let mut dirs = vec![Path::new(ROOT).join(dir)];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("target") && !path.ends_with("node_modules") {
                dirs.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                found.push(Source {
                    path: path.strip_prefix(ROOT).unwrap().to_owned(),
                    code: code(&text),
                    text,
                });
            }
        }
    }
    assert!(!found.is_empty(), "{dir}");
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// Removes comments and the contents of strings.
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

/// Returns the blocks of adjacent comment lines, each joined to one text, with the line of its start.
pub(super) fn comments(text: &str) -> Vec<(usize, String)> {
    let mut blocks: Vec<(usize, String)> = Vec::new();
    let mut is_open = false;
    let mut is_example = false;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim_start();
        let comment = ["//! ", "/// ", "// "]
            .iter()
            .find_map(|start| line.strip_prefix(start));
        if comment.is_some_and(|comment| comment.starts_with("```")) {
            is_example = !is_example;
        }
        match comment.filter(|comment| !is_example && !comment.starts_with(['|', '#', '`'])) {
            Some(comment) if is_open => {
                let block = &mut blocks.last_mut().unwrap().1;
                block.push(' ');
                block.push_str(comment);
            }
            Some(comment) => blocks.push((index + 1, comment.to_owned())),
            None => {}
        }
        is_open = comment.is_some() && !is_example;
    }
    blocks
}
