//! Resolves remote references to files in the store: from the store alone if that is enough, else over the network, and
//! from the last known state if the server is away.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::StatusCode;
use url::Url;

use super::body::Body;
use super::download::{Download, download};
use super::error::FetchError;
use super::http_client::{HttpClients, status_error};
use super::record::Record;
use super::registry::{Access, Repository};
use super::store::Store;
use crate::network::Outbound;
use crate::reference::{OciLocation, Remote};
use crate::text::error_chain;

/// Resolves remote references.
pub(crate) struct Fetcher {
    pub(super) clients: Arc<HttpClients>,
    pub(super) store: Store,
    pub(super) is_offline: bool,
}

/// A component in the store. Its bytes had its digest when it was resolved; whoever loads it compares again.
#[derive(Debug, Clone)]
pub(crate) struct Artifact {
    pub(crate) path: PathBuf,
    /// Digest of the component: `sha256:…`.
    pub(crate) digest: String,
    /// Digest of the manifest, in a registry, unless the digest of the component was known and the registry not asked.
    pub(crate) manifest: Option<String>,
}

/// The digests of a component on its server.
pub(crate) struct Digests {
    /// Digest of the component.
    pub(crate) digest: String,
    /// Digest of the manifest, in a registry.
    pub(crate) manifest: Option<String>,
}

impl Fetcher {
    /// Opens the store in `cache_dir`, or in a temporary directory.
    ///
    /// # Errors
    /// No directory can be used.
    pub(crate) fn new(
        outbound: Outbound,
        private_network: bool,
        cache_dir: Option<&Path>,
        cache_max_bytes: u64,
        is_offline: bool,
    ) -> Result<Self, FetchError> {
        Ok(Self {
            clients: HttpClients::new(outbound, private_network),
            store: Store::open(cache_dir, cache_max_bytes)?,
            is_offline,
        })
    }

    /// Fetches a component, unless the store has it. `pinned` is the digest that it must have. With `needs_manifest`, the
    /// digest of the manifest is found too.
    ///
    /// # Errors
    /// It cannot be fetched or kept, is not a component of a registry, or has another digest.
    pub(crate) async fn fetch(
        &self,
        remote: &Remote,
        pinned: Option<&str>,
        needs_manifest: bool,
    ) -> Result<Artifact, FetchError> {
        let record = Record::read(&self.store.dir, remote);
        if let Some(artifact) = self
            .known(remote, pinned, record.as_ref(), needs_manifest)
            .await
        {
            return Ok(artifact);
        }
        let is_usable = |record: &&Record| pinned.is_none_or(|pinned| pinned == record.digest);
        let record = record.as_ref().filter(is_usable);
        let fetched = match self.is_offline {
            true => Err(FetchError::Offline),
            false => self.fetch_now(remote, pinned, record).await,
        };
        let error = match fetched {
            Err(error) if self.is_offline || error.is_outage() => error,
            fetched => return fetched,
        };
        let Some(record) = record else {
            return Err(error);
        };
        let Some(path) = self.store.find(&record.digest).await else {
            return Err(error);
        };
        if !self.is_offline {
            tracing::warn!(
                component.reference = %remote,
                component.digest = %record.digest,
                component.resolved = %record.time_text(),
                error = error_chain(&error),
                "component not resolved, serving its last known version"
            );
        }
        Ok(Artifact {
            path,
            digest: record.digest.clone(),
            manifest: record.manifest.clone(),
        })
    }

    /// Fetches a component, unless the store has it, whatever version was known before.
    ///
    /// # Errors
    /// It cannot be fetched or kept, or is not a component of a registry.
    pub(crate) async fn pull(&self, remote: &Remote) -> Result<Artifact, FetchError> {
        if self.is_offline {
            return Err(FetchError::Offline);
        }
        let record = Record::read(&self.store.dir, remote);
        self.fetch_now(remote, None, record.as_ref()).await
    }

    /// Returns the digests that the reference has now, without a component of a registry being fetched. A digest in the
    /// reference is not regarded, unless there is no tag.
    ///
    /// # Errors
    /// It cannot be fetched.
    pub(crate) async fn current(&self, remote: &Remote) -> Result<Digests, FetchError> {
        if self.is_offline {
            return Err(FetchError::Offline);
        }
        match remote {
            Remote::Oci(location) => {
                let repository = Repository::new(&self.clients, location, Access::Pull)?;
                let reference = match &location.tag {
                    Some(tag) => tag,
                    None => location.manifest_reference(),
                };
                let manifest = repository.manifest(reference).await?;
                Ok(Digests {
                    digest: manifest.component()?.digest,
                    manifest: Some(manifest.digest),
                })
            }
            Remote::Web(url) => {
                let record = Record::read(&self.store.dir, remote);
                let (artifact, _) = self.fetch_file(url, None, record.as_ref()).await?;
                Ok(Digests {
                    digest: artifact.digest,
                    manifest: None,
                })
            }
        }
    }

    /// Returns the digest of the component that was fetched last.
    pub(crate) fn last_digest(&self, remote: &Remote) -> Option<String> {
        Record::read(&self.store.dir, remote).map(|record| record.digest)
    }

    /// Returns the component if its digest is known without asking anybody, and the store has it.
    async fn known(
        &self,
        remote: &Remote,
        pinned: Option<&str>,
        record: Option<&Record>,
        needs_manifest: bool,
    ) -> Option<Artifact> {
        let requested = match remote {
            Remote::Oci(OciLocation { digest, .. }) => digest.as_deref(),
            Remote::Web(_) => None,
        };
        // The digest of a manifest determines the component.
        let is_same = |record: &&Record| {
            requested.is_some() && record.manifest.as_deref() == requested
                || pinned == Some(&record.digest)
        };
        let record = record.filter(is_same);
        let is_pinned_elsewhere = |digest: &str| pinned.is_some_and(|pinned| pinned != digest);
        let (digest, manifest) = match (record, pinned) {
            (Some(record), _) if is_pinned_elsewhere(&record.digest) => return None,
            (Some(record), _) => (&*record.digest, record.manifest.clone()),
            // The digest in the reference was not compared yet.
            (None, Some(pinned)) if requested.is_none() => (pinned, None),
            (None, _) => return None,
        };
        if needs_manifest && manifest.is_none() && matches!(remote, Remote::Oci(_)) {
            return None;
        }
        Some(Artifact {
            path: self.store.find(digest).await?,
            digest: digest.to_owned(),
            manifest,
        })
    }

    /// Asks the server, and fetches the component unless the store has it.
    async fn fetch_now(
        &self,
        remote: &Remote,
        pinned: Option<&str>,
        record: Option<&Record>,
    ) -> Result<Artifact, FetchError> {
        let (artifact, etag) = match remote {
            Remote::Web(url) => self.fetch_file(url, pinned, record).await?,
            Remote::Oci(location) => (self.fetch_artifact(location, pinned, record).await?, None),
        };
        let record = Record::new(&artifact.digest, artifact.manifest.clone(), etag.as_deref());
        record.write(&self.store.dir, remote);
        Ok(artifact)
    }

    async fn fetch_file(
        &self,
        url: &Url,
        pinned: Option<&str>,
        record: Option<&Record>,
    ) -> Result<(Artifact, Option<String>), FetchError> {
        // Without the bytes there is nothing that may be left unmodified.
        let stored = match record {
            Some(record) => {
                let path = self.store.find(&record.digest).await;
                path.map(|path| (path, record))
            }
            None => None,
        };
        let etag = stored
            .as_ref()
            .and_then(|(_, record)| record.etag.as_deref());
        let downloaded = download(&self.clients, url, etag).await?;
        let (path, digest, etag) = match (downloaded, stored) {
            (Some(Download { body, etag }), _) => {
                let check = |body: &Body| check_pinned(&body.digest(), pinned);
                let (path, digest) = self.store.keep(body, check).await?;
                (path, digest, etag)
            }
            (None, Some((path, record))) => (path, record.digest.clone(), record.etag.clone()),
            // Without the file, no validator was sent.
            (None, None) => {
                let status = StatusCode::NOT_MODIFIED;
                return Err(status_error(url, status, String::new()));
            }
        };
        let artifact = Artifact {
            path,
            digest,
            manifest: None,
        };
        Ok((artifact, etag))
    }

    async fn fetch_artifact(
        &self,
        location: &OciLocation,
        pinned: Option<&str>,
        record: Option<&Record>,
    ) -> Result<Artifact, FetchError> {
        let repository = Repository::new(&self.clients, location, Access::Pull)?;
        if let (Some(record), None) = (record, &location.digest) {
            // Registries limit the rate of requests for manifests, but not of those for their digests.
            let digest = repository
                .manifest_digest(location.manifest_reference())
                .await?;
            if record.manifest.as_ref() == Some(&digest)
                && pinned.is_none_or(|pinned| pinned == record.digest)
                && let Some(path) = self.store.find(&record.digest).await
            {
                log_resolved(location, &record.digest, &digest);
                return Ok(Artifact {
                    path,
                    digest: record.digest.clone(),
                    manifest: Some(digest),
                });
            }
        }
        let manifest = repository.manifest(location.manifest_reference()).await?;
        let layer = manifest.component()?;
        check_pinned(&layer.digest, pinned)?;
        log_resolved(location, &layer.digest, &manifest.digest);
        let path = match self.store.find(&layer.digest).await {
            Some(path) => path,
            None => {
                let body = repository.blob(&layer).await?;
                let check = |body: &Body| body.check_digest(&layer.digest);
                self.store.keep(body, check).await?.0
            }
        };
        Ok(Artifact {
            path,
            digest: layer.digest,
            manifest: Some(manifest.digest),
        })
    }
}

fn log_resolved(location: &OciLocation, digest: &str, manifest: &str) {
    tracing::info!(
        component.reference = %location,
        component.digest = digest,
        manifest.digest = manifest,
        "reference resolved"
    );
}

fn check_pinned(found: &str, pinned: Option<&str>) -> Result<(), FetchError> {
    match pinned {
        Some(pinned) if pinned != found => Err(FetchError::Pinned {
            found: found.to_owned(),
            pinned: pinned.to_owned(),
        }),
        _ => Ok(()),
    }
}
