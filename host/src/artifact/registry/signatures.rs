//! The signatures of a manifest, in the forms in which cosign and other Sigstore clients keep them: under a tag that
//! holds the digest, or as referrers (OCI distribution specification 1.1, "Listing Referrers").

use super::super::error::{FetchError, shown};
use super::manifest::{Descriptor, Manifest};
use super::repository::Repository;
use crate::text::error_chain;
use crate::trust::{
    Content, Evidence, MAX_SIGNATURE_BYTES, MAX_SIGNATURES, Signature, SignedManifest,
};

/// Media type of a payload of the form "simple signing".
const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// Annotation of a payload's descriptor with its signature, in base64.
const SIGNATURE_ANNOTATION: &str = "dev.cosignproject.cosign/signature";
/// Type of a referrer with payloads of that form.
const SIMPLE_SIGNING_ARTIFACT: &str = "application/vnd.dev.cosign.artifact.sig.v1+json";
/// Type of a configuration without content.
const EMPTY_CONFIG: &str = "application/vnd.oci.empty.v1+json";
/// Beginning of the media types of Sigstore bundles; the version follows.
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle";

impl Repository {
    /// Fetches the manifest with this digest and its signatures. At most [`MAX_SIGNATURES`] are looked at; one that cannot
    /// be read is returned as such.
    ///
    /// # Errors
    /// The manifest does not exist, or the registry cannot be asked.
    pub(crate) async fn signatures(&self, digest: &str) -> Result<Evidence, FetchError> {
        let name = self.full_name();
        let manifest = self.manifest(digest).await?;
        let mut evidence = Evidence {
            manifest: Some(SignedManifest {
                json: String::from_utf8_lossy(&manifest.bytes).into_owned(),
                repository: name.clone(),
            }),
            ..Evidence::default()
        };
        let tag = format!("{}.sig", digest.replace(':', "-"));
        let place = format!("oci://{name}:{tag}");
        match self.manifest(&tag).await {
            Ok(manifest) => self.read_layers(&manifest, &place, &mut evidence).await?,
            Err(FetchError::NotFound { .. }) => evidence.searched.push(place),
            Err(error) => add_unreadable(&mut evidence, place, error)?,
        }
        let referrers = self.referrers(digest).await?;
        let signatures: Vec<_> = referrers.iter().filter(is_signature).collect();
        if signatures.is_empty() {
            let searched = format!("oci://{name}@{digest} (its referrers)");
            evidence.searched.push(searched);
        }
        for descriptor in signatures.into_iter().take(MAX_SIGNATURES) {
            let place = format!("oci://{name}@{}", descriptor.digest);
            match self.manifest(&descriptor.digest).await {
                Ok(manifest) => self.read_layers(&manifest, &place, &mut evidence).await?,
                Err(error) => add_unreadable(&mut evidence, place, error)?,
            }
        }
        Ok(evidence)
    }

    /// Reads the signatures in the layers of a manifest.
    async fn read_layers(
        &self,
        manifest: &Manifest,
        place: &str,
        evidence: &mut Evidence,
    ) -> Result<(), FetchError> {
        let layers = match manifest.descriptors("layers") {
            Ok(layers) => layers,
            Err(reason) => {
                evidence.signatures.push(Signature {
                    place: place.to_owned(),
                    content: Content::Unreadable(shown(&reason)),
                });
                return Ok(());
            }
        };
        for layer in layers {
            let signature = layer.annotations.get(SIGNATURE_ANNOTATION);
            let is_payload = layer.media_type == SIMPLE_SIGNING && signature.is_some();
            if !is_payload && !layer.media_type.starts_with(BUNDLE) {
                continue;
            }
            if evidence.signatures.len() >= MAX_SIGNATURES {
                break;
            }
            let bytes = match self.small_blob(&layer, MAX_SIGNATURE_BYTES).await {
                Ok(bytes) => bytes,
                Err(error) => {
                    add_unreadable(evidence, place.to_owned(), error)?;
                    continue;
                }
            };
            let content = match (String::from_utf8(bytes), signature) {
                (Err(_), _) => Content::Unreadable("it is not text".into()),
                (Ok(payload), Some(signature)) if is_payload => Content::SimpleSigning {
                    payload,
                    signature: signature.clone(),
                },
                (Ok(text), _) => Content::Bundle(text),
            };
            let place = place.to_owned();
            evidence.signatures.push(Signature { place, content });
        }
        Ok(())
    }
}

/// Returns whether a referrer may be a signature. Bills of materials and scans are not. Older registries do not tell the
/// type, and cosign 2 gives that of the configuration.
fn is_signature(referrer: &&Descriptor) -> bool {
    let kind = referrer.artifact_type.as_deref();
    kind.is_none_or(|kind| {
        matches!(kind, "" | SIMPLE_SIGNING_ARTIFACT | EMPTY_CONFIG) || kind.starts_with(BUNDLE)
    })
}

/// Records a signature that cannot be fetched, unless the registry is away.
fn add_unreadable(
    evidence: &mut Evidence,
    place: String,
    error: FetchError,
) -> Result<(), FetchError> {
    if error.is_outage() {
        return Err(error);
    }
    let content = Content::Unreadable(shown(&error_chain(&error)));
    evidence.signatures.push(Signature { place, content });
    Ok(())
}
