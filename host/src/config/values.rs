//! Typed readers for the values in a table of the configuration.
//!
//! Each reader returns `None` if the key is absent or its value is invalid; the latter is recorded as an error.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value};
use toml::de::DeValue;

use super::json;
use super::section::Section;
use crate::auth;

/// Upper limit of every duration, far below the point where adding it to the current time would overflow.
const MAX_DURATION: Duration = Duration::from_secs(100 * 31_557_600);
/// Description of the forms that [`Section::secret`] accepts.
const SECRET_FORMS: &str = "a string, { env = \"NAME\" } or { file = \"PATH\" }";

impl<'t> Section<'_, 't> {
    pub(super) fn string(&self, key: &'static str) -> Option<String> {
        self.read(key, "a string", |value| {
            Some(Ok(value.as_str()?.to_owned()))
        })
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

    pub(super) fn string_list(&self, key: &'static str) -> Option<Vec<String>> {
        self.read(key, "a list of strings", |value| strings(value).map(Ok))
    }

    /// Reads a list of strings, or a single string as a list of one.
    pub(super) fn string_or_list(&self, key: &'static str) -> Option<Vec<String>> {
        match self.value(key)?.get_ref() {
            DeValue::String(single) => Some(vec![single.to_string()]),
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
                map.insert(name.get_ref().to_string(), strings(items.get_ref())?);
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
        self.read(key, "a duration with its unit, such as \"10s\"", |value| {
            let duration = humantime::parse_duration(value.as_str()?).ok()?;
            Some(match duration > MAX_DURATION {
                true => Err("must be at most \"100y\"".to_owned()),
                false => Ok(duration),
            })
        })
    }

    /// Reads a string that `parse` accepts; `wanted` describes such a string.
    pub(super) fn parsed<T>(
        &self,
        key: &'static str,
        wanted: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        self.read(key, wanted, |value| parse(value.as_str()?).map(Ok))
    }

    /// Reads a string given directly, as `{ env = "NAME" }` or as `{ file = "PATH" }`. One line break at the end of the
    /// file is removed.
    pub(super) fn secret(&self, key: &'static str) -> Option<String> {
        self.read(key, SECRET_FORMS, |value| self.resolve_secret(value))
    }

    /// Reads a table from names chosen by the user to values in the forms of [`Section::secret`].
    pub(super) fn secret_map(&self, key: &'static str) -> Option<BTreeMap<String, String>> {
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
            match self.resolve_secret(item.get_ref()) {
                Some(Ok(text)) => {
                    map.insert(name, text);
                }
                Some(Err(message)) => error(message),
                None => error(format!("must be {SECRET_FORMS}")),
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

    /// Returns the text of a secret, or `None` if the value has none of [`SECRET_FORMS`].
    fn resolve_secret(&self, value: &DeValue<'t>) -> Option<Result<String, String>> {
        let table = match value {
            DeValue::String(text) => return Some(Ok(text.to_string())),
            DeValue::Table(table) => table,
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
                let path = self.base().join(text);
                self.add_value_file(&path);
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
}

fn strings(value: &DeValue<'_>) -> Option<Vec<String>> {
    let items = value.as_array()?.iter();
    items
        .map(|item| Some(item.get_ref().as_str()?.to_owned()))
        .collect()
}

fn without_line_break(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}
