//! Reads one table of the configuration and records every error instead of stopping at the first.
//!
//! The tables are walked by hand because serde's derive stops at the first error and cannot suggest the nearest key.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::reference::Fingerprint;

/// Similarity (Jaro-Winkler, 0 to 1) above which a known key is suggested for an unknown one.
const MIN_SIMILARITY: f64 = 0.7;

/// One error in the configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{location}: {message}")]
pub struct ConfigError {
    /// File and line, such as `toolcrib.toml:12`, or `command line`.
    pub location: String,
    /// One sentence: what is wrong and what to do.
    pub message: String,
}

/// The text being read and the errors found so far.
pub(super) struct Source<'t> {
    pub(super) name: String,
    pub(super) text: &'t str,
    /// Directory that relative paths start at.
    pub(super) base: PathBuf,
    pub(super) errors: RefCell<Vec<ConfigError>>,
    /// Files that values were read from.
    pub(super) value_files: RefCell<Vec<ValueFile>>,
    /// Whether a value may be that of an environment variable or a file: `{ env = "NAME" }`.
    pub(super) may_refer: bool,
}

/// A file that a value was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValueFile {
    /// The path.
    pub path: PathBuf,
    /// The state of the file when it was opened; `None` if it could not be.
    pub(crate) state: Option<Fingerprint>,
}

impl Source<'_> {
    /// Records an error at a byte offset of the text.
    pub(super) fn error(&self, offset: usize, message: impl Into<String>) {
        let before = &self.text.as_bytes()[..offset.min(self.text.len())];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        self.errors.borrow_mut().push(ConfigError {
            location: format!("{}:{line}", self.name),
            message: message.into(),
        });
    }
}

/// A table of the configuration that remembers which of its keys were read.
pub(super) struct Section<'s, 't> {
    /// Dotted path of the table; empty for the root.
    path: String,
    offset: usize,
    table: &'s DeTable<'t>,
    source: Rc<Source<'t>>,
    known_keys: RefCell<Vec<&'static str>>,
}

impl<'s, 't> Section<'s, 't> {
    pub(super) fn root(table: &'s DeTable<'t>, source: Rc<Source<'t>>) -> Self {
        Self {
            path: String::new(),
            offset: 0,
            table,
            source,
            known_keys: RefCell::default(),
        }
    }

    /// Returns the directory that relative paths start at.
    pub(super) fn base(&self) -> &Path {
        &self.source.base
    }

    /// Returns whether a value may be that of an environment variable or a file.
    pub(super) fn may_refer(&self) -> bool {
        self.source.may_refer
    }

    /// Records a file that a value is read from.
    pub(super) fn add_value_file(&self, path: &Path, state: Option<Fingerprint>) {
        let path = path.to_owned();
        let file = ValueFile { path, state };
        self.source.value_files.borrow_mut().push(file);
    }

    /// Records an error at a key, or at the table if the key is absent.
    pub(super) fn error(&self, key: &str, message: impl AsRef<str>) {
        let offset = self.table.get(key).map_or(self.offset, |v| v.span().start);
        let path = self.path_of(key);
        self.source
            .error(offset, format!("`{path}` {}", message.as_ref()));
    }

    /// Records an error at a value whose path is not a key of this table.
    pub(super) fn error_at(&self, value: &Spanned<DeValue<'_>>, message: impl Into<String>) {
        self.source.error(value.span().start, message);
    }

    /// Records that a value has the wrong type; `wanted` describes the right one.
    pub(super) fn wrong_type(&self, key: &str, wanted: &str, found: &DeValue<'_>) {
        let found = match found {
            DeValue::String(text) => format!("{text:?}"),
            DeValue::Integer(number) => number.to_string(),
            DeValue::Boolean(value) => value.to_string(),
            DeValue::Table(table) if table.contains_key("env") || table.contains_key("file") => {
                "the value of what it names".to_owned()
            }
            other => format!("a {}", other.type_str()),
        };
        self.error(key, format!("must be {wanted}, not {found}"));
    }

    /// Rejects every key that was not read. Call it after all keys have been read.
    pub(super) fn finish(self) {
        let known = self.known_keys.borrow();
        for (key, _) in self.table {
            let name = key.get_ref().as_ref();
            if known.contains(&name) {
                continue;
            }
            let nearest = known
                .iter()
                .map(|known| (strsim::jaro_winkler(name, known), *known))
                .filter(|(similarity, _)| *similarity > MIN_SIMILARITY)
                .max_by(|a, b| a.0.total_cmp(&b.0));
            let hint = match nearest {
                Some((_, key)) => format!("did you mean `{key}`?"),
                None => format!("the keys here are {}", list(&known)),
            };
            self.source.error(
                key.span().start,
                format!("unknown key `{}`; {hint}", self.path_of(name)),
            );
        }
    }

    /// Returns the value of a key and marks the key as known.
    pub(super) fn value(&self, key: &'static str) -> Option<&'s Spanned<DeValue<'t>>> {
        self.known_keys.borrow_mut().push(key);
        self.table.get(key)
    }

    /// Reads a table: `[key]`.
    pub(super) fn table(&self, key: &'static str) -> Option<Section<'s, 't>> {
        let value = self.value(key)?;
        match value.get_ref() {
            DeValue::Table(table) => Some(self.child(self.path_of(key), value, table)),
            other => {
                self.wrong_type(key, "a table", other);
                None
            }
        }
    }

    /// Reads an array of tables: `[[key]]`.
    pub(super) fn table_list(&self, key: &'static str) -> Vec<Section<'s, 't>> {
        let Some(value) = self.value(key) else {
            return Vec::new();
        };
        let path = self.path_of(key);
        let error = || self.error(key, format!("must be a list of tables: [[{path}]]"));
        let DeValue::Array(items) = value.get_ref() else {
            error();
            return Vec::new();
        };
        let mut sections = Vec::new();
        for (index, item) in items.iter().enumerate() {
            match item.get_ref() {
                DeValue::Table(table) => {
                    sections.push(self.child(format!("{path}[{index}]"), item, table));
                }
                _ => error(),
            }
        }
        sections
    }

    /// Reads a table of tables with names chosen by the user: `[key.NAME]`.
    pub(super) fn named_tables(&self, key: &'static str) -> Vec<(String, Section<'s, 't>)> {
        let Some(value) = self.value(key) else {
            return Vec::new();
        };
        let DeValue::Table(tables) = value.get_ref() else {
            self.wrong_type(key, "a table of tables", value.get_ref());
            return Vec::new();
        };
        let mut sections = Vec::new();
        for (name, item) in tables {
            let name = name.get_ref().to_string();
            let path = format!("{}.{name}", self.path_of(key));
            match item.get_ref() {
                DeValue::Table(table) => sections.push((name, self.child(path, item, table))),
                _ => self.error_at(item, format!("`{path}` must be a table")),
            }
        }
        sections
    }

    /// Returns the dotted path of a key.
    pub(super) fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    fn child(
        &self,
        path: String,
        value: &Spanned<DeValue<'t>>,
        table: &'s DeTable<'t>,
    ) -> Section<'s, 't> {
        Section {
            path,
            offset: value.span().start,
            table,
            source: self.source.clone(),
            known_keys: RefCell::default(),
        }
    }
}

fn list(keys: &[&str]) -> String {
    let mut keys: Vec<_> = keys.iter().map(|key| format!("`{key}`")).collect();
    keys.sort();
    keys.dedup();
    keys.join(", ")
}
