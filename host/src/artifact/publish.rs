//! Pushes a component to a registry in the form that `wkg` writes and every host of components reads: a configuration
//! with the imports and exports, and one layer (CNCF TAG Runtime, "Wasm OCI Artifact layout").

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use serde_json::{Value, json};

use super::body::digest;
use super::error::FetchError;
use super::fetcher::Fetcher;
use super::registry::{Access, Repository, media_type};
use crate::reference::OciLocation;

/// Environment variable with the time of a reproducible build, in seconds since 1970.
const SOURCE_DATE_EPOCH: &str = "SOURCE_DATE_EPOCH";

impl Fetcher {
    /// Pushes a component under the tag of its reference, with the names of its imports and exports. Returns the digest of
    /// the manifest.
    ///
    /// # Errors
    /// The registry refuses it or cannot be reached.
    pub(crate) async fn push(
        &self,
        location: &OciLocation,
        component: Bytes,
        imports: Vec<String>,
        exports: Vec<String>,
    ) -> Result<String, FetchError> {
        let repository = Repository::new(&self.clients, location, Access::Push)?;
        let layer = descriptor(media_type::WASM, &component);
        let config = json!({
            "created": humantime::format_rfc3339_seconds(creation_time()).to_string(),
            "author": null,
            "architecture": "wasm",
            "os": "wasip2",
            "layerDigests": [layer["digest"]],
            "component": { "exports": exports, "imports": imports, "target": null },
        });
        let config = Bytes::from(config.to_string());
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": media_type::MANIFEST,
            "config": descriptor(media_type::WASM_CONFIG, &config),
            "layers": [layer],
        });
        repository.push_blob(component).await?;
        repository.push_blob(config).await?;
        let manifest = Bytes::from(manifest.to_string());
        let tag = location.manifest_reference();
        repository
            .push_manifest(tag, media_type::MANIFEST, manifest)
            .await
    }
}

fn descriptor(media_type: &str, bytes: &[u8]) -> Value {
    json!({ "mediaType": media_type, "digest": digest(bytes), "size": bytes.len() })
}

/// Returns the time that the configuration names: now, or the one that the environment sets for reproducible builds.
fn creation_time() -> SystemTime {
    let seconds = std::env::var(SOURCE_DATE_EPOCH).ok();
    let seconds = seconds.and_then(|seconds| seconds.trim().parse().ok());
    // The year 9999 is the last one of the format.
    let seconds = seconds.filter(|seconds| *seconds < 253_402_300_800);
    match seconds {
        Some(seconds) => SystemTime::UNIX_EPOCH + Duration::from_secs(seconds),
        None => SystemTime::now(),
    }
}
