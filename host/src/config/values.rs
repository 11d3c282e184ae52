//! Typed readers for the values in a table of the configuration.
//!
//! Every string may also be `{ env = "NAME" }` or `{ file = "PATH" }`. Each reader returns `None` if the key is absent or its value is invalid; the latter is recorded as an error.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value};
use toml::de::DeValue;

use super::json;
use super::section::Section;
use crate::auth;
use crate::reference::Fingerprint;

/// Upper limit of every duration, far below the point where adding it to the current time would overflow.
const MAX_DURATION: Duration = Duration::from_secs(100 * 31_557_600);
/// Upper limit of a file that a string is read from.
const MAX_FILE_BYTES: u64 = 1 << 20;
/// Description of the forms that every string may have.
const STRING_FORMS: &str = "a string, { env = \"NAME\" } or { file = \"PATH\" }";

impl<'t> Section<'_, 't> {
    /// Reads a string, which may be given directly, as `{ env = "NAME" }` or as `{ file = "PATH" }`. One line break at
    /// the end of the file is removed.
    pub(super) fn string(&self, key: &'static str) -> Option<String> {
        self.read(key, STRING_FORMS, |value| self.resolve(value))
    }

    pub(super) fn boolean(&self, key: &'static str) -> Option<bool> {
        self.read(key, "true or false", |value| Some(Ok(value.as_bool()?)))
    }

    pub(super) fn positive_integer(&self, key: &'static str) -> Option<u32> {
        self.read(key, "a whole number of at least 1", |value| {
            let integer = value.as_integer()?;
            let number = u32::from_str_radix(integer.as_str(), integer.radix()).ok()?;
            (number > 0).then_some(Ok(number))
        })
    }

    /// Reads a whole number from 0 to `max`; `expected` says so.
    pub(super) fn small_integer(
        &self,
        key: &'static str,
        max: u32,
        expected: &'static str,
    ) -> Option<u32> {
        self.read(key, expected, |value| {
            let integer = value.as_integer()?;
            let number = u32::from_str_radix(integer.as_str(), integer.radix()).ok()?;
            (number <= max).then_some(Ok(number))
        })
    }

    /// Reads a number within a range, with or without a fraction.
    pub(super) fn number(&self, key: &'static str, range: RangeInclusive<f64>) -> Option<f64> {
        let wanted = format!("a number from {} to {}", range.start(), range.end());
        self.read(key, &wanted, |value| {
            let number = match value {
                DeValue::Float(number) => number.as_str().parse().ok()?,
                DeValue::Integer(number) if number.radix() == 10 => number.as_str().parse().ok()?,
                _ => return None,
            };
            range.contains(&number).then_some(Ok(number))
        })
    }

    pub(super) fn string_list(&self, key: &'static str) -> Option<Vec<String>> {
        self.read(key, "a list of strings", |value| self.resolve_list(value))
    }

    /// Reads a list of strings, or a single string as a list of one.
    pub(super) fn string_or_list(&self, key: &'static str) -> Option<Vec<String>> {
        match self.value(key)?.get_ref() {
            DeValue::String(_) | DeValue::Table(_) => self.string(key).map(|single| vec![single]),
            _ => self.string_list(key),
        }
    }

    /// Reads a table from names chosen by the user to lists of strings.
    pub(super) fn string_list_map(
        &self,
        key: &'static str,
    ) -> Option<BTreeMap<String, Vec<String>>> {
        self.read(key, "a table of lists of strings", |value| {
            let mut map = BTreeMap::new();
            for (name, items) in value.as_table()? {
                match self.resolve_list(items.get_ref())? {
                    Ok(strings) => map.insert(name.get_ref().to_string(), strings),
                    Err(message) => return Some(Err(message)),
                };
            }
            Some(Ok(map))
        })
    }

    /// Reads OAuth scopes that a call may require.
    pub(super) fn scopes(&self, key: &'static str) -> Vec<String> {
        let scopes = self.string_list(key).unwrap_or_default();
        for scope in &scopes {
            if !auth::is_requirable_scope(scope) {
                self.error(
                    key,
                    format!(
                        "has {scope:?}; a scope is printable ASCII without space, quote and \
                         backslash, and not `offline_access`"
                    ),
                );
            }
        }
        scopes
    }

    /// Reads a size such as `"64MiB"`, in bytes.
    pub(super) fn size_bytes(&self, key: &'static str) -> Option<usize> {
        self.parsed(key, "a size with its unit, such as \"64MiB\"", |text| {
            let has_unit = text.ends_with(|c: char| c.is_ascii_alphabetic());
            let size: bytesize::ByteSize = has_unit.then(|| text.parse().ok()).flatten()?;
            usize::try_from(size.as_u64())
                .ok()
                .filter(|bytes| *bytes > 0)
        })
    }

    /// Reads a duration such as `"10s"`.
    pub(super) fn duration(&self, key: &'static str) -> Option<Duration> {
        let wanted = "a duration with its unit, such as \"10s\"";
        let duration = self.parsed(key, wanted, |text| humantime::parse_duration(text).ok())?;
        if duration > MAX_DURATION {
            self.error(key, "must be at most \"100y\"");
            return None;
        }
        Some(duration)
    }

    /// Reads a string that `parse` accepts; `wanted` describes such a string.
    pub(super) fn parsed<T>(
        &self,
        key: &'static str,
        wanted: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        self.read(key, wanted, |value| match self.resolve(value)? {
            Ok(text) => parse(&text).map(Ok),
            Err(message) => Some(Err(message)),
        })
    }

    /// Reads a table from names chosen by the user to strings.
    pub(super) fn string_map(&self, key: &'static str) -> Option<BTreeMap<String, String>> {
        let value = self.value(key)?;
        let DeValue::Table(table) = value.get_ref() else {
            self.wrong_type(key, "a table", value.get_ref());
            return None;
        };
        let mut map = BTreeMap::new();
        for (name, item) in table {
            let name = name.get_ref().to_string();
            let error = |message: String| {
                let path = format!("{}.{name}", self.path_of(key));
                self.error_at(item, format!("`{path}` {message}"));
            };
            match self.resolve(item.get_ref()) {
                Some(Ok(text)) => {
                    map.insert(name, text);
                }
                Some(Err(message)) => error(message),
                None => error(format!("must be {STRING_FORMS}")),
            }
        }
        Some(map)
    }

    /// Reads a table from names chosen by the user to JSON values.
    pub(super) fn json_object(&self, key: &'static str) -> Option<Map<String, Value>> {
        let value = self.value(key)?;
        let DeValue::Table(table) = value.get_ref() else {
            self.wrong_type(key, "a table", value.get_ref());
            return None;
        };
        let mut members = Map::new();
        for (name, member) in table {
            match json::to_json(member.get_ref()) {
                Ok(value) => {
                    members.insert(name.get_ref().to_string(), value);
                }
                Err(found) => self.error_at(
                    member,
                    format!("`{}.{}` has {found}", self.path_of(key), name.get_ref()),
                ),
            }
        }
        Some(members)
    }

    /// Reads a value with `read`, which returns `None` for a value of the wrong type and an error for any other
    /// problem.
    fn read<T>(
        &self,
        key: &'static str,
        wanted: &str,
        read: impl FnOnce(&DeValue<'t>) -> Option<Result<T, String>>,
    ) -> Option<T> {
        let value = self.value(key)?;
        match read(value.get_ref()) {
            Some(Ok(read)) => Some(read),
            Some(Err(message)) => {
                self.error(key, message);
                None
            }
            None => {
                self.wrong_type(key, wanted, value.get_ref());
                None
            }
        }
    }

    /// Returns the text of a string, or `None` if the value has none of [`STRING_FORMS`].
    fn resolve(&self, value: &DeValue<'t>) -> Option<Result<String, String>> {
        let table = match value {
            DeValue::String(text) => return Some(Ok(text.to_string())),
            DeValue::Table(table) if self.may_refer() => table,
            _ => return None,
        };
        let mut entries = table.iter();
        let (key, value) = entries.next()?;
        let text = value.get_ref().as_str()?;
        if entries.next().is_some() {
            return None;
        }
        match key.get_ref().as_ref() {
            "env" => {
                Some(std::env::var(text).map_err(|_| {
                    format!("names the environment variable `{text}`, which is not set")
                }))
            }
            "file" => {
                let text = self.read_file(&self.base().join(text), MAX_FILE_BYTES);
                Some(text.map(|text| without_line_break(&text).to_owned()))
            }
            _ => None,
        }
    }

    /// Returns the texts of a list of strings.
    fn resolve_list(&self, value: &DeValue<'t>) -> Option<Result<Vec<String>, String>> {
        let items = value.as_array()?.iter();
        items.map(|item| self.resolve(item.get_ref())).collect()
    }

    /// Reads a file that the configuration names.
    pub(super) fn read_file(&self, path: &Path, max_bytes: u64) -> Result<String, String> {
        let shown = path.display();
        let unreadable = |e| format!("names the file `{shown}`, which cannot be read: {e}");
        let file = File::open(path);
        let state = file.as_ref().ok().and_then(|file| file.metadata().ok());
        self.add_value_file(path, state.as_ref().map(Fingerprint::of));
        let file = file.map_err(unreadable)?;
        let mut text = String::new();
        file.take(max_bytes + 1)
            .read_to_string(&mut text)
            .map_err(unreadable)?;
        if text.len() as u64 > max_bytes {
            return Err(format!(
                "names the file `{shown}`, which is larger than {max_bytes} bytes"
            ));
        }
        Ok(text)
    }
}

fn without_line_break(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}
