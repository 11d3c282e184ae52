//! `[component.allow]` and `[kv]`.

use std::path::Path;

use etcetera::BaseStrategy;

use super::section::Section;
use crate::sandbox::keyvalue::{self, BucketGrant, StoreLocation};
use crate::sandbox::{DirGrant, Grants, HttpGrant, HttpRule, TcpRule, Variables};

/// What one component is granted; nothing where the section is absent.
pub(super) fn grants(section: Section<'_, '_>) -> Grants {
    let grants = Grants {
        http: HttpGrant {
            rules: entries(&section, "http", HttpRule::parse),
            private_network: section.boolean("private-network").unwrap_or(false),
        },
        tcp: entries(&section, "tcp", TcpRule::parse),
        dirs: section
            .sections("dirs")
            .into_iter()
            .filter_map(dir)
            .collect(),
        env: Variables(section.map_of_secrets("env").unwrap_or_default()),
        config: Variables(section.map_of_secrets("config").unwrap_or_default()),
        kv: entries(&section, "kv", BucketGrant::parse),
    };
    for fault in grants.validate() {
        section.fault(fault.key, fault.reason);
    }
    section.finish();
    grants
}

fn entries<T>(
    section: &Section<'_, '_>,
    key: &'static str,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Vec<T> {
    let mut entries = Vec::new();
    for text in section.strings(key).unwrap_or_default() {
        match parse(&text) {
            Ok(entry) => entries.push(entry),
            Err(what) => section.fault(key, format!("has {text:?}: {what}")),
        }
    }
    entries
}

fn dir(section: Section<'_, '_>) -> Option<DirGrant> {
    for key in ["host", "guest"] {
        if section.value(key).is_none() {
            section.fault(
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

/// Where `wasi:keyvalue` lives.
pub(super) fn kv(section: Section<'_, '_>) -> keyvalue::KeyValueConfig {
    let default = default_kv();
    let place = section.secret("url").and_then(|text| {
        StoreLocation::parse(&text, section.base())
            .map_err(|what| section.fault("url", format!("is not a place for data: {what}")))
            .ok()
    });
    let quota = section.size("quota");
    let settings = keyvalue::KeyValueConfig {
        location: place.or(default.location),
        quota_bytes: quota.map_or(default.quota_bytes, |bytes| bytes as u64),
    };
    section.finish();
    settings
}

/// A file in the platform's data directory; none where the user has no home.
pub(super) fn default_kv() -> keyvalue::KeyValueConfig {
    let dir = etcetera::choose_base_strategy().ok();
    let dir = dir.map(|strategy| strategy.data_dir().join("toolcrib"));
    keyvalue::KeyValueConfig {
        location: dir
            .as_deref()
            .map(|dir: &Path| StoreLocation::in_data_dir(dir)),
        ..keyvalue::KeyValueConfig::default()
    }
}
