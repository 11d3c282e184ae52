//! What a component's imports ask for, beside what it is granted: how an operator sees what it lacks and what it has too
//! much of.

use std::fmt;

use super::Grants;

/// A kind of access: one key of `[component.allow]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportReport {
    /// The key.
    pub key: &'static str,
    /// The interfaces by which the component asks for it; empty where it does not.
    pub imports: Vec<String>,
    /// What it is granted, without values that may be secret.
    pub granted: Vec<String>,
    /// What becomes of it where nothing is granted.
    without: &'static str,
}

/// Key, interfaces, what becomes of them without a grant.
const KINDS: [(&str, &[&str], &str); 6] = [
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

/// Every kind of access that a component with these imports asks for or is granted.
pub fn import_report(imports: &[String], grants: &Grants) -> Vec<ImportReport> {
    let kinds = KINDS.iter().map(|(key, interfaces, without)| ImportReport {
        key,
        imports: imports
            .iter()
            .filter(|import| {
                let interface = import.split('@').next().unwrap_or_default();
                interfaces.contains(&interface)
            })
            .cloned()
            .collect(),
        granted: granted(key, grants),
        without,
    });
    kinds
        .filter(|asked| !asked.imports.is_empty() || !asked.granted.is_empty())
        .collect()
}

fn granted(key: &str, grants: &Grants) -> Vec<String> {
    match key {
        "http" => texts(&grants.http.rules),
        "tcp" => texts(&grants.tcp),
        "dirs" => grants
            .dirs
            .iter()
            .map(|dir| {
                let how = if dir.write {
                    "read and write"
                } else {
                    "read only"
                };
                format!("{} = {} ({how})", dir.guest, dir.host.display())
            })
            .collect(),
        "env" => grants.env.0.keys().cloned().collect(),
        "config" => grants.config.0.keys().cloned().collect(),
        _ => texts(&grants.kv),
    }
}

fn texts(items: &[impl ToString]) -> Vec<String> {
    items.iter().map(ToString::to_string).collect()
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
        let interface = import.split('@').next().unwrap_or_default();
        if granted.is_empty() {
            write!(f, "imports {interface}: not granted: {}", self.without)
        } else {
            write!(f, "imports {interface}: granted {granted}")
        }
    }
}
