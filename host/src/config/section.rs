//! Reads one table of the configuration, recording every fault instead of
//! stopping at the first. serde's derive stops at the first and cannot name the
//! nearest key, which is why the tables are walked here.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use serde_json::{Map, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::json;

/// One fault of the configuration: where, what, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {what}")]
pub struct Fault {
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
    pub(super) faults: RefCell<Vec<Fault>>,
}

impl Source<'_> {
    pub(super) fn fault(&self, offset: usize, what: impl Into<String>) {
        let before = &self.text.as_bytes()[..offset.min(self.text.len())];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        self.faults.borrow_mut().push(Fault {
            place: format!("{}:{line}", self.name),
            what: what.into(),
        });
    }
}

/// What a value that may be a secret is.
const SECRET: &str = "a string, { env = \"NAME\" } or { file = \"PATH\" }";

/// A table, and which of its keys have been asked for.
pub(super) struct Section<'s, 't> {
    path: String,
    offset: usize,
    table: &'s DeTable<'t>,
    source: Rc<Source<'t>>,
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

    pub(super) fn string(&self, key: &'static str) -> Option<String> {
        self.read(key, "a string", |value| {
            Some(Ok(value.as_str()?.to_owned()))
        })
    }

    pub(super) fn boolean(&self, key: &'static str) -> Option<bool> {
        self.read(key, "true or false", |value| Some(Ok(value.as_bool()?)))
    }

    pub(super) fn count(&self, key: &'static str) -> Option<u32> {
        self.read(key, "a whole number of at least 1", |value| {
            let integer = value.as_integer()?;
            let number = u32::from_str_radix(integer.as_str(), integer.radix()).ok()?;
            (number > 0).then_some(Ok(number))
        })
    }

    pub(super) fn strings(&self, key: &'static str) -> Option<Vec<String>> {
        self.read(key, "a list of strings", |value| {
            let items = value.as_array()?.iter();
            let strings: Option<_> = items
                .map(|i| Some(i.get_ref().as_str()?.to_owned()))
                .collect();
            strings.map(Ok)
        })
    }

    /// One string, or a list of them.
    pub(super) fn string_or_strings(&self, key: &'static str) -> Option<Vec<String>> {
        match self.value(key)?.get_ref() {
            DeValue::String(one) => Some(vec![one.to_string()]),
            _ => self.strings(key),
        }
    }

    /// A size in bytes, such as `"64MiB"`.
    pub(super) fn size(&self, key: &'static str) -> Option<usize> {
        self.parsed(key, "a size with its unit, such as \"64MiB\"", |text| {
            let has_unit = text.ends_with(|c: char| c.is_ascii_alphabetic());
            let size: bytesize::ByteSize = has_unit.then(|| text.parse().ok()).flatten()?;
            usize::try_from(size.as_u64())
                .ok()
                .filter(|bytes| *bytes > 0)
        })
    }

    /// A duration, such as `"10s"`.
    pub(super) fn duration(&self, key: &'static str) -> Option<Duration> {
        self.parsed(key, "a duration with its unit, such as \"10s\"", |text| {
            humantime::parse_duration(text).ok()
        })
    }

    /// A string that `parse` understands; `wanted` says what that is.
    pub(super) fn parsed<T>(
        &self,
        key: &'static str,
        wanted: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        self.read(key, wanted, |value| parse(value.as_str()?).map(Ok))
    }

    /// A string, or `{ env = "NAME" }`, or `{ file = "PATH" }`.
    pub(super) fn secret(&self, key: &'static str) -> Option<String> {
        self.read(key, SECRET, |value| self.secret_in(value))
    }

    /// A table whose keys are the user's own and whose values are as those of [`Section::secret`]. The line break at a
    /// file's end is no part of a value.
    pub(super) fn map_of_secrets(&self, key: &'static str) -> Option<BTreeMap<String, String>> {
        let value = self.value(key)?;
        let DeValue::Table(table) = value.get_ref() else {
            self.wants(key, "a table", value.get_ref());
            return None;
        };
        let mut map = BTreeMap::new();
        for (name, item) in table {
            let name = name.get_ref().to_string();
            let fault = |what: String| {
                let path = format!("{}.{name}", self.full(key));
                self.source
                    .fault(item.span().start, format!("`{path}` {what}"));
            };
            match self.secret_in(item.get_ref()) {
                Some(Ok(text)) => {
                    let text = match item.get_ref() {
                        DeValue::Table(_) => without_line_break(&text).to_owned(),
                        _ => text,
                    };
                    map.insert(name, text);
                }
                Some(Err(what)) => fault(what),
                None => fault(format!("must be {SECRET}")),
            }
        }
        Some(map)
    }

    fn secret_in(&self, value: &DeValue<'t>) -> Option<Result<String, String>> {
        match value {
            DeValue::String(text) => Some(Ok(text.to_string())),
            DeValue::Table(table) => {
                let mut entries = table.iter();
                let (key, value) = entries.next()?;
                let text = value.get_ref().as_str()?;
                if entries.next().is_some() {
                    return None;
                }
                match key.get_ref().as_ref() {
                    "env" => Some(std::env::var(text).map_err(|_| {
                        format!("names the environment variable `{text}`, which is not set")
                    })),
                    "file" => {
                        let path = self.base().join(text);
                        Some(std::fs::read_to_string(&path).map_err(|e| {
                            format!(
                                "names the file `{}`, which cannot be read: {e}",
                                path.display()
                            )
                        }))
                    }
                    _ => None,
                }
            }
            _ => None,
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

    /// A table whose keys are the user's own and whose values are lists of strings.
    pub(super) fn map_of_strings(
        &self,
        key: &'static str,
    ) -> Option<BTreeMap<String, Vec<String>>> {
        self.read(key, "a table of lists of strings", |value| {
            let mut map = BTreeMap::new();
            for (name, items) in value.as_table()? {
                let items = items.get_ref().as_array()?.iter();
                let strings: Option<_> = items
                    .map(|i| Some(i.get_ref().as_str()?.to_owned()))
                    .collect();
                map.insert(name.get_ref().to_string(), strings?);
            }
            Some(Ok(map))
        })
    }

    /// A table whose keys are the user's own and whose values are JSON.
    pub(super) fn json(&self, key: &'static str) -> Option<Map<String, Value>> {
        let value = self.value(key)?;
        let DeValue::Table(table) = value.get_ref() else {
            self.wants(key, "a table", value.get_ref());
            return None;
        };
        let mut members = Map::new();
        for (name, member) in table {
            match json::value(member.get_ref()) {
                Ok(value) => {
                    members.insert(name.get_ref().to_string(), value);
                }
                Err(what) => self.source.fault(
                    member.span().start,
                    format!("`{}.{}` has {what}", self.full(key), name.get_ref()),
                ),
            }
        }
        Some(members)
    }

    /// Whether the key stands here; asking makes it a known key.
    pub(super) fn value(&self, key: &'static str) -> Option<&'s Spanned<DeValue<'t>>> {
        self.known.borrow_mut().push(key);
        self.table.get(key)
    }

    /// `None` from `read` says that the value has the wrong form; an error says
    /// what else is wrong.
    fn read<T>(
        &self,
        key: &'static str,
        wanted: &str,
        read: impl FnOnce(&DeValue<'t>) -> Option<Result<T, String>>,
    ) -> Option<T> {
        let value = self.value(key)?;
        match read(value.get_ref()) {
            Some(Ok(read)) => Some(read),
            Some(Err(what)) => {
                self.fault(key, what);
                None
            }
            None => {
                self.wants(key, wanted, value.get_ref());
                None
            }
        }
    }

    fn wants(&self, key: &str, wanted: &str, found: &DeValue<'_>) {
        let found = match found {
            DeValue::String(text) => format!("{text:?}"),
            DeValue::Integer(number) => number.to_string(),
            DeValue::Boolean(value) => value.to_string(),
            other => format!("a {}", other.type_str()),
        };
        self.fault(key, format!("must be {wanted}, not {found}"));
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

    fn full(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }
}

fn without_line_break(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}

fn list(keys: &[&str]) -> String {
    let mut keys: Vec<_> = keys.iter().map(|key| format!("`{key}`")).collect();
    keys.sort();
    keys.dedup();
    keys.join(", ")
}
