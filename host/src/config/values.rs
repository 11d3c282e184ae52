//! The values in a table of the configuration, each in one of the forms that the keys have.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value};
use toml::de::DeValue;

use super::json;
use super::section::Section;

/// The longest duration: far beyond any need, and far from where clocks end.
const MAX_DURATION: Duration = Duration::from_secs(100 * 31_557_600);
/// What a value that may be a secret is.
const SECRET: &str = "a string, { env = \"NAME\" } or { file = \"PATH\" }";

impl<'t> Section<'_, 't> {
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
        self.read(key, "a duration with its unit, such as \"10s\"", |value| {
            let duration = humantime::parse_duration(value.as_str()?).ok()?;
            Some(match duration > MAX_DURATION {
                true => Err("must be at most \"100y\"".to_owned()),
                false => Ok(duration),
            })
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

    /// A string, or `{ env = "NAME" }`, or `{ file = "PATH" }`. The line break at a
    /// file's end is no part of it.
    pub(super) fn secret(&self, key: &'static str) -> Option<String> {
        self.read(key, SECRET, |value| self.secret_in(value))
    }

    /// A table whose keys are the user's own and whose values are as those of
    /// [`Section::secret`].
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
                        let text = std::fs::read_to_string(&path).map_err(|e| {
                            format!(
                                "names the file `{}`, which cannot be read: {e}",
                                path.display()
                            )
                        });
                        Some(text.map(|text| without_line_break(&text).to_owned()))
                    }
                    _ => None,
                }
            }
            _ => None,
        }
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

    pub(super) fn wants(&self, key: &str, wanted: &str, found: &DeValue<'_>) {
        let found = match found {
            DeValue::String(text) => format!("{text:?}"),
            DeValue::Integer(number) => number.to_string(),
            DeValue::Boolean(value) => value.to_string(),
            other => format!("a {}", other.type_str()),
        };
        self.fault(key, format!("must be {wanted}, not {found}"));
    }
}

fn without_line_break(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}
