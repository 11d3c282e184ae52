//! Manifests (OCI image specification 1.1, "Image Manifest"), and the component that one describes.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::body::digest;
use super::super::error::{FetchError, shown};
use crate::json::{self, DuplicateKeys};
use crate::reference::is_digest;

/// Upper limit of a manifest.
pub(super) const MAX_MANIFEST_BYTES: u64 = 1 << 20;
/// Upper limit of a component, as for files.
const MAX_COMPONENT_BYTES: u64 = 256 << 20;
/// The form in which other tools are to push, for errors.
const HOW_TO_PUSH: &str = "push the `.wasm` file as a single layer of the type `application/wasm`, as `wkg oci push` does";

/// Media types.
pub(crate) mod media_type {
    pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
    pub(crate) const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
    pub(crate) const DOCKER_LIST: &str =
        "application/vnd.docker.distribution.manifest.list.v2+json";
    /// A component's layer.
    pub(crate) const WASM: &str = "application/wasm";
    /// A component's layer, as older tools push it.
    pub(super) const OLD_WASM: &str = "application/vnd.wasm.content.layer.v1+wasm";
    /// The configuration of a component.
    pub(crate) const WASM_CONFIG: &str = "application/vnd.wasm.config.v0+json";
}

/// A fetched manifest.
#[derive(Debug, Clone)]
pub(crate) struct Manifest {
    /// The digest of its bytes.
    pub(crate) digest: String,
    pub(crate) bytes: Vec<u8>,
    /// Its media type, from the document or else from the response.
    pub(crate) media_type: String,
    pub(crate) document: Value,
}

/// A reference to a blob or a manifest (OCI image specification 1.1, "Descriptors").
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Descriptor {
    pub(crate) media_type: String,
    pub(crate) digest: String,
    pub(crate) size_bytes: u64,
    pub(crate) artifact_type: Option<String>,
    pub(crate) annotations: BTreeMap<String, String>,
}

impl Manifest {
    /// Parses a manifest or an index. `media_type` is that of the response.
    ///
    /// # Errors
    /// It is not a JSON object.
    pub(super) fn parse(bytes: &[u8], media_type: &str) -> Result<Self, String> {
        let document = json::parse(bytes, DuplicateKeys::Reject).map_err(|e| e.to_string())?;
        if !document.is_object() {
            return Err("it is not a JSON object".to_owned());
        }
        let own = document.get("mediaType").and_then(Value::as_str);
        let media_type = own.unwrap_or(media_type).to_owned();
        Ok(Self {
            digest: digest(bytes),
            bytes: bytes.to_vec(),
            media_type,
            document,
        })
    }

    /// Returns the descriptor of the component's bytes.
    ///
    /// # Errors
    /// The artefact is something else; the error says what.
    pub(crate) fn component(&self) -> Result<Descriptor, FetchError> {
        let not_a_component =
            |what: String| Err(FetchError::NotAComponent(format!("{what}; {HOW_TO_PUSH}")));
        let is_index = matches!(
            &*self.media_type,
            media_type::INDEX | media_type::DOCKER_LIST
        );
        if is_index || self.document.get("manifests").is_some() {
            return not_a_component("an index of several manifests, not a component".into());
        }
        let layers = self.descriptors("layers").map_err(|reason| {
            FetchError::NotAComponent(format!("not an artefact of a registry: {reason}"))
        })?;
        let config = self.document.get("config").and_then(|c| c.get("mediaType"));
        let config = config.and_then(Value::as_str).unwrap_or_default();
        if config.starts_with("application/vnd.fermyon.spin.application") {
            return not_a_component(
                "a whole Spin application, not one component; it needs Spin to run".into(),
            );
        }
        let is_wasm = |layer: &&Descriptor| {
            matches!(&*layer.media_type, media_type::WASM | media_type::OLD_WASM)
        };
        match &layers[..] {
            [layer] if is_wasm(&layer) && layer.size_bytes > MAX_COMPONENT_BYTES => {
                Err(FetchError::NotAComponent(format!(
                    "a component of {} bytes, more than the {MAX_COMPONENT_BYTES} that are accepted",
                    layer.size_bytes
                )))
            }
            [layer] if is_wasm(&layer) => Ok(layer.clone()),
            [] => not_a_component(format!("an artefact{} without layers", of_type(self))),
            _ if layers.iter().any(|layer| layer.media_type.contains("tar")) => not_a_component(
                "a container image, whose layers are file systems (plug-ins of Extism are such \
                 images), not a component"
                    .into(),
            ),
            [layer] => not_a_component(format!(
                "an artefact{} whose layer has the type {:?}, not a component",
                of_type(self),
                shown(&layer.media_type)
            )),
            _ => not_a_component(format!(
                "an artefact{} of {} layers, not one component",
                of_type(self),
                layers.len()
            )),
        }
    }

    /// Returns the descriptors in the list `key`.
    ///
    /// # Errors
    /// There is no such list, or a descriptor is malformed.
    pub(crate) fn descriptors(&self, key: &str) -> Result<Vec<Descriptor>, String> {
        let list = self.document.get(key).and_then(Value::as_array);
        let list = list.ok_or_else(|| format!("its manifest has no list `{key}`"))?;
        list.iter().map(Descriptor::parse).collect()
    }
}

impl Descriptor {
    fn parse(value: &Value) -> Result<Self, String> {
        let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        let digest = text("digest").unwrap_or_default();
        if !is_digest(&digest) {
            return Err(format!(
                "its manifest has the digest {:?}, and only sha256 is accepted",
                shown(&digest)
            ));
        }
        let size = value.get("size").and_then(Value::as_u64);
        let annotations = value.get("annotations").and_then(Value::as_object);
        let annotations = annotations.into_iter().flatten();
        let annotations =
            annotations.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())));
        Ok(Self {
            media_type: text("mediaType").unwrap_or_default(),
            digest,
            size_bytes: size.ok_or("its manifest has a descriptor without `size`")?,
            artifact_type: text("artifactType"),
            annotations: annotations.collect(),
        })
    }
}

/// Formats the type of an artefact for an error, if it has one.
fn of_type(manifest: &Manifest) -> String {
    let own = manifest.document.get("artifactType");
    let config = manifest
        .document
        .get("config")
        .and_then(|c| c.get("mediaType"));
    match own.or(config).and_then(Value::as_str) {
        Some(found) => format!(" of the type {:?}", shown(found)),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn manifest(config: &str, layers: &[&str]) -> Manifest {
        let layers: Vec<_> = layers
            .iter()
            .map(|media_type| json!({ "mediaType": media_type, "digest": digest(b""), "size": 0 }))
            .collect();
        let document = json!({ "config": { "mediaType": config }, "layers": layers });
        Manifest::parse(document.to_string().as_bytes(), media_type::MANIFEST).expect("an object")
    }

    #[test]
    fn the_component_of_a_manifest_is_found_or_the_artefact_is_named() {
        const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
        const EMPTY: &str = "application/vnd.oci.empty.v1+json";
        const SPIN: &str = "application/vnd.fermyon.spin.application.v1+config";
        const TAR: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
        for (config, layers, expected) in [
            (media_type::WASM_CONFIG, &[media_type::WASM][..], None),
            (EMPTY, &[media_type::WASM], None),
            (OCI_CONFIG, &[media_type::OLD_WASM], None),
            (OCI_CONFIG, &[TAR], Some("container image")),
            (
                OCI_CONFIG,
                &[TAR, media_type::WASM],
                Some("container image"),
            ),
            (SPIN, &[media_type::OLD_WASM], Some("Spin application")),
            (
                EMPTY,
                &[media_type::WASM, media_type::WASM],
                Some("2 layers"),
            ),
            (EMPTY, &["text/plain"], Some("text/plain")),
            (EMPTY, &[], Some("without layers")),
        ] {
            match (manifest(config, layers).component(), expected) {
                (Ok(layer), None) => assert_eq!(layer.digest, digest(b"")),
                (Err(error), Some(part)) => {
                    assert!(error.to_string().contains(part), "{error}");
                }
                other => panic!("{config} {layers:?}: {other:?}"),
            }
        }
    }

    #[test]
    fn malformed_manifests_are_refused() {
        let layer = |layer: Value| json!({ "layers": [layer] });
        let wasm = media_type::WASM;
        for (document, part) in [
            (json!({}), "no list"),
            (json!({ "layers": {} }), "no list"),
            (json!({ "manifests": [] }), "an index"),
            (layer(json!({ "mediaType": wasm, "size": 1 })), "digest"),
            (
                layer(json!({ "mediaType": wasm, "size": 1, "digest": "sha512:00" })),
                "sha512",
            ),
            (
                layer(json!({ "mediaType": wasm, "digest": digest(b"") })),
                "without `size`",
            ),
            (
                layer(json!({ "mediaType": wasm, "digest": digest(b""), "size": -1 })),
                "without `size`",
            ),
            (
                layer(json!({ "mediaType": wasm, "digest": digest(b""), "size": 1_u64 << 40 })),
                "bytes",
            ),
        ] {
            let parsed = Manifest::parse(document.to_string().as_bytes(), "");
            let error = parsed.expect("an object").component().expect_err("refused");
            assert!(error.to_string().contains(part), "{document}: {error}");
        }
        for text in ["[]", "1", "{", "", r#"{"layers":[],"layers":[]}"#, "\u{1b}"] {
            assert!(Manifest::parse(text.as_bytes(), "").is_err(), "{text}");
        }
    }
}
