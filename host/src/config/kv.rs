//! `[kv]`: location and quota of the key-value store behind `wasi:keyvalue`.

use etcetera::BaseStrategy;

use super::section::Section;
use crate::sandbox::keyvalue::{KeyValueConfig, StoreLocation};

/// Reads `[kv]`.
pub(super) fn read_key_value(section: Section<'_, '_>) -> KeyValueConfig {
    let default = default_key_value();
    let location = section.string("url").and_then(|text| {
        StoreLocation::parse(&text, section.base())
            .map_err(|e| section.error("url", format!("is not a place for data: {e}")))
            .ok()
    });
    let quota_bytes = section.size_bytes("quota").map(|bytes| bytes as u64);
    section.finish();
    KeyValueConfig {
        location: location.or(default.location),
        quota_bytes: quota_bytes.unwrap_or(default.quota_bytes),
    }
}

/// Returns the default: a file in the platform's data directory, or no location if the user has no home directory.
pub(super) fn default_key_value() -> KeyValueConfig {
    let strategy = etcetera::choose_base_strategy().ok();
    let data_dir = strategy.map(|strategy| strategy.data_dir().join("toolcrib"));
    KeyValueConfig {
        location: data_dir.map(|dir| StoreLocation::in_data_dir(&dir)),
        ..KeyValueConfig::default()
    }
}
