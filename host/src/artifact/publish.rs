//! Pushes a component to a registry in the form that `wkg` writes and every host of components reads: a configuration
//! with the imports and exports, and one layer (CNCF TAG Runtime, "Wasm OCI Artifact layout").

use bytes::Bytes;
use serde_json::{Value, json};

use super::body::digest;
use super::error::FetchError;
use super::registry::{Repository, media_type};

/// The imports and exports of a component, by the names that its world gives them.
pub(crate) struct Interfaces<'a> {
    pub(crate) imports: &'a [String],
    pub(crate) exports: &'a [String],
}

/// Pushes a component under a tag. `created` is the time that the configuration names (RFC 3339). Returns the digest of
/// the manifest.
///
/// # Errors
/// The registry refuses it or cannot be reached.
pub(crate) async fn publish(
    repository: &Repository,
    tag: &str,
    component: Bytes,
    interfaces: Interfaces<'_>,
    created: &str,
) -> Result<String, FetchError> {
    let layer = descriptor(media_type::WASM, &component);
    let config = json!({
        "created": created,
        "author": null,
        "architecture": "wasm",
        "os": "wasip2",
        "layerDigests": [layer["digest"]],
        "component": {
            "exports": interfaces.exports,
            "imports": interfaces.imports,
            "target": null,
        },
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
    repository
        .push_manifest(tag, media_type::MANIFEST, manifest)
        .await
}

fn descriptor(media_type: &str, bytes: &[u8]) -> Value {
    json!({ "mediaType": media_type, "digest": digest(bytes), "size": bytes.len() })
}
