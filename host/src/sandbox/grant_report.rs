//! Compares a component's imports with its grants, to show an operator the missing and the superfluous ones.

use std::fmt;

use super::grants::Grants;

/// The imports and grants for one key of `[component.allow]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportReport {
    /// The key.
    pub key: &'static str,
    /// The interfaces under this key that the component imports.
    pub imports: Vec<String>,
    /// The entries that are granted, without values that may be secret.
    pub granted: Vec<String>,
    /// The effect of an import without a grant.
    without_grant: &'static str,
}

/// A key of `[component.allow]`, its interfaces, and the effect of an import without a grant.
const KEYS: [(&str, &[&str], &str); 6] = [
    (
        "http",
        &["wasi:http/outgoing-handler"],
        "every request is refused",
    ),
    (
        "tcp",
        &[
            "wasi:sockets/tcp",
            "wasi:sockets/tcp-create-socket",
            "wasi:sockets/ip-name-lookup",
        ],
        "every connection is refused",
    ),
    (
        "dirs",
        &["wasi:filesystem/preopens"],
        "it sees no directory",
    ),
    ("env", &["wasi:cli/environment"], "it sees no variable"),
    ("config", &["wasi:config/store"], "it finds no value"),
    (
        "kv",
        &[
            "wasi:keyvalue/store",
            "wasi:keyvalue/atomics",
            "wasi:keyvalue/batch",
        ],
        "no bucket opens",
    ),
];

/// Returns a report for each key that the component imports an interface of or that grants something.
pub fn import_report(imports: &[String], grants: &Grants) -> Vec<ImportReport> {
    KEYS.iter()
        .map(|(key, interfaces, without_grant)| ImportReport {
            key,
            imports: imports
                .iter()
                .filter(|import| interfaces.contains(&without_version(import)))
                .cloned()
                .collect(),
            granted: granted_entries(key, grants),
            without_grant,
        })
        .filter(|report| !report.imports.is_empty() || !report.granted.is_empty())
        .collect()
}

fn granted_entries(key: &str, grants: &Grants) -> Vec<String> {
    match key {
        "http" => to_strings(&grants.http.rules),
        "tcp" => to_strings(&grants.tcp),
        "dirs" => to_strings(&grants.dirs),
        "env" => grants.env.0.keys().cloned().collect(),
        "config" => grants.config.0.keys().cloned().collect(),
        _ => to_strings(&grants.kv),
    }
}

fn to_strings(items: &[impl ToString]) -> Vec<String> {
    items.iter().map(ToString::to_string).collect()
}

/// Returns the name of an interface without `@` and its version.
fn without_version(import: &str) -> &str {
    import.split('@').next().unwrap_or_default()
}

impl fmt::Display for ImportReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let granted = self.granted.join(", ");
        let Some(import) = self.imports.first() else {
            return write!(
                f,
                "`{}` grants {granted}, which it does not import",
                self.key
            );
        };
        let interface = without_version(import);
        if granted.is_empty() {
            write!(
                f,
                "imports {interface}: not granted: {}",
                self.without_grant
            )
        } else {
            write!(f, "imports {interface}: granted {granted}")
        }
    }
}
