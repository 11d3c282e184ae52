//! Reads one table of the configuration, recording every fault instead of
//! stopping at the first. serde's derive stops at the first and cannot name the
//! nearest key, which is why the tables are walked here.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// One fault of the configuration: where, what, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {what}")]
pub struct ConfigError {
    /// Such as `toolcrib.toml:12`.
    pub place: String,
    /// One sentence.
    pub what: String,
}

/// The file that is read and the faults found so far.
pub(super) struct Source<'t> {
    pub(super) name: String,
    pub(super) text: &'t str,
    /// Relative paths start here.
    pub(super) base: PathBuf,
    pub(super) faults: RefCell<Vec<ConfigError>>,
}

impl Source<'_> {
    pub(super) fn fault(&self, offset: usize, what: impl Into<String>) {
        let before = &self.text.as_bytes()[..offset.min(self.text.len())];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        self.faults.borrow_mut().push(ConfigError {
            place: format!("{}:{line}", self.name),
            what: what.into(),
        });
    }
}

/// A table, and which of its keys have been asked for.
pub(super) struct Section<'s, 't> {
    path: String,
    offset: usize,
    table: &'s DeTable<'t>,
    pub(super) source: Rc<Source<'t>>,
    known: RefCell<Vec<&'static str>>,
}

impl<'s, 't> Section<'s, 't> {
    pub(super) fn root(table: &'s DeTable<'t>, source: Rc<Source<'t>>) -> Self {
        Self {
            path: String::new(),
            offset: 0,
            table,
            source,
            known: RefCell::default(),
        }
    }

    /// The directory that relative paths start at.
    pub(super) fn base(&self) -> &Path {
        &self.source.base
    }

    /// Reports a fault of a key, or of the whole section where the key is absent.
    pub(super) fn fault(&self, key: &str, what: impl AsRef<str>) {
        let offset = self.table.get(key).map_or(self.offset, |v| v.span().start);
        self.source
            .fault(offset, format!("`{}` {}", self.full(key), what.as_ref()));
    }

    /// Every key that nobody asked for is a fault. Nothing is read after it.
    pub(super) fn finish(self) {
        self.unknown_keys();
    }

    /// As [`Section::finish`], for the root.
    pub(super) fn unknown_keys(&self) {
        let known = self.known.borrow();
        for (key, _) in self.table {
            let name = key.get_ref().as_ref();
            if known.contains(&name) {
                continue;
            }
            let nearest = known
                .iter()
                .map(|k| (strsim::jaro_winkler(name, k), *k))
                .filter(|(likeness, _)| *likeness > 0.7)
                .max_by(|a, b| a.0.total_cmp(&b.0));
            let hint = match nearest {
                Some((_, key)) => format!("did you mean `{key}`?"),
                None => format!("the keys here are {}", list(&known)),
            };
            self.source.fault(
                key.span().start,
                format!("unknown key `{}`; {hint}", self.full(name)),
            );
        }
    }

    /// A table below this one.
    pub(super) fn section(&self, key: &'static str) -> Option<Section<'s, 't>> {
        let value = self.value(key)?;
        match value.get_ref() {
            DeValue::Table(table) => Some(self.below(self.full(key), value.span().start, table)),
            other => {
                self.wants(key, "a table", other);
                None
            }
        }
    }

    /// A list of tables below this one.
    pub(super) fn sections(&self, key: &'static str) -> Vec<Section<'s, 't>> {
        let Some(value) = self.value(key) else {
            return Vec::new();
        };
        let DeValue::Array(items) = value.get_ref() else {
            self.fault(
                key,
                format!("must be a list of tables: [[{}]]", self.full(key)),
            );
            return Vec::new();
        };
        let mut sections = Vec::new();
        for (index, item) in items.iter().enumerate() {
            match item.get_ref() {
                DeValue::Table(table) => {
                    let path = format!("{}[{index}]", self.full(key));
                    sections.push(self.below(path, item.span().start, table));
                }
                _ => self.fault(
                    key,
                    format!("must be a list of tables: [[{}]]", self.full(key)),
                ),
            }
        }
        sections
    }

    /// The tables below this one in a table whose keys are the user's own.
    pub(super) fn named_sections(&self, key: &'static str) -> Vec<(String, Section<'s, 't>)> {
        let Some(value) = self.value(key) else {
            return Vec::new();
        };
        let DeValue::Table(tables) = value.get_ref() else {
            self.wants(key, "a table of tables", value.get_ref());
            return Vec::new();
        };
        let mut sections = Vec::new();
        for (name, item) in tables {
            let name = name.get_ref().to_string();
            let path = format!("{}.{name}", self.full(key));
            match item.get_ref() {
                DeValue::Table(table) => {
                    let offset = item.span().start;
                    sections.push((name, self.below(path, offset, table)));
                }
                _ => self
                    .source
                    .fault(item.span().start, format!("`{path}` must be a table")),
            }
        }
        sections
    }

    /// Whether the key stands here; asking makes it a known key.
    pub(super) fn value(&self, key: &'static str) -> Option<&'s Spanned<DeValue<'t>>> {
        self.known.borrow_mut().push(key);
        self.table.get(key)
    }

    fn below(&self, path: String, offset: usize, table: &'s DeTable<'t>) -> Section<'s, 't> {
        Section {
            path,
            offset,
            table,
            source: self.source.clone(),
            known: RefCell::default(),
        }
    }

    pub(super) fn full(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }
}

fn list(keys: &[&str]) -> String {
    let mut keys: Vec<_> = keys.iter().map(|key| format!("`{key}`")).collect();
    keys.sort();
    keys.dedup();
    keys.join(", ")
}
