//! `[component.allow]`: the grants of one component.

use super::section::Section;
use crate::sandbox::keyvalue::BucketGrant;
use crate::sandbox::{DirGrant, Grants, HttpGrant, HttpRule, TcpRule, Variables};

/// Reads `[component.allow]`.
pub(super) fn read_grants(section: Section<'_, '_>) -> Grants {
    let grants = Grants {
        http: HttpGrant {
            rules: read_list(&section, "http", HttpRule::parse),
            private_network: section.boolean("private-network").unwrap_or(false),
        },
        tcp: read_list(&section, "tcp", TcpRule::parse),
        dirs: section
            .table_list("dirs")
            .into_iter()
            .filter_map(read_dir)
            .collect(),
        env: Variables(section.string_map("env").unwrap_or_default()),
        config: Variables(section.string_map("config").unwrap_or_default()),
        kv: read_list(&section, "kv", BucketGrant::parse),
    };
    for error in grants.validate() {
        section.error(error.key, error.reason);
    }
    section.finish();
    grants
}

/// Reads a list of strings, each parsed by `parse`.
fn read_list<T>(
    section: &Section<'_, '_>,
    key: &'static str,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Vec<T> {
    let mut items = Vec::new();
    for text in section.string_list(key).unwrap_or_default() {
        match parse(&text) {
            Ok(item) => items.push(item),
            Err(message) => section.error(key, format!("has {text:?}: {message}")),
        }
    }
    items
}

fn read_dir(section: Section<'_, '_>) -> Option<DirGrant> {
    for key in ["host", "guest"] {
        if section.value(key).is_none() {
            section.error(
                key,
                "is missing; an entry is { host = \"data\", guest = \"/data\", write = false }",
            );
        }
    }
    let base = section.base().to_owned();
    let host = section.parsed("host", "the path of a directory", |text| {
        (!text.is_empty()).then(|| base.join(text))
    });
    let guest = section.string("guest");
    let write = section.boolean("write").unwrap_or(false);
    section.finish();
    Some(DirGrant {
        host: host?,
        guest: guest?,
        write,
    })
}
