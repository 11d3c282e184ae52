//! The signatures of fetched components: asked for where the component is, and kept in the cache once they are verified,
//! so that a start needs no network.

use std::io;
use std::path::PathBuf;

use super::body::digest;
use super::error::FetchError;
use super::fetcher::Fetcher;
use super::registry::{Access, Repository};
use super::web_signatures;
use crate::cache::{CacheDir, RECORD_EXTENSION, RECORDS};
use crate::json::{self, DuplicateKeys};
use crate::reference::{Origin, Remote};
use crate::trust::{Evidence, MAX_SIGNATURE_BYTES, MAX_SIGNATURES};

/// Upper limit of a file with signatures: a payload and a signature each, escaped, and the manifest.
const MAX_FILE_BYTES: u64 = 4 * MAX_SIGNATURE_BYTES * (MAX_SIGNATURES as u64);

impl Fetcher {
    /// Fetches the signatures of a component.
    ///
    /// # Errors
    /// Its server cannot be asked.
    pub(crate) async fn signatures(&self, origin: &Origin) -> Result<Evidence, FetchError> {
        if self.is_offline {
            return Err(FetchError::Offline);
        }
        let location = match &origin.remote {
            Remote::Web(url) => return web_signatures::fetch(&self.clients, url).await,
            Remote::Oci(location) => location,
        };
        let repository = Repository::new(&self.clients, location, Access::Pull)?;
        let manifest = match &origin.manifest {
            Some(digest) => digest.clone(),
            None => {
                let reference = location.manifest_reference();
                repository.manifest_digest(reference).await?
            }
        };
        repository.signatures(&manifest).await
    }

    /// Returns the signatures that were kept of this version of a component.
    pub(crate) fn kept_signatures(&self, origin: &Origin) -> Option<Evidence> {
        let path = self.path_of_signatures(origin);
        let bytes = self.store.dir.read(&path, MAX_FILE_BYTES)?;
        let document = json::parse(&bytes, DuplicateKeys::Reject).ok();
        let evidence = document.and_then(|document| serde_json::from_value(document).ok());
        if evidence.is_none() {
            CacheDir::remove_invalid(&path, &"it does not hold signatures");
        }
        evidence
    }

    /// Keeps the signatures of a component. A failure is logged: only the next start without network misses them.
    pub(crate) fn keep_signatures(&self, origin: &Origin, evidence: &Evidence) {
        let path = self.path_of_signatures(origin);
        let json = serde_json::to_vec(evidence).map_err(io::Error::from);
        let written = json.and_then(|json| self.store.dir.write(&path, &json));
        if let Err(error) = written {
            tracing::warn!(
                component.reference = %origin.remote, %error,
                "the signatures of a component are not kept, so that a start needs the network"
            );
        }
    }

    fn path_of_signatures(&self, origin: &Origin) -> PathBuf {
        let name = digest(format!("{} {}", origin.digest, origin.remote).as_bytes());
        let name = name.trim_start_matches("sha256:");
        let file = format!("{name}.signatures.{RECORD_EXTENSION}");
        self.store.dir.root().join(RECORDS).join(file)
    }
}
