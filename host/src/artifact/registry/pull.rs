//! Pulls manifests and blobs, and lists referrers (OCI distribution specification 1.1, "Pull", "Content Discovery").

use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderValue, Method, StatusCode};
use reqwest::Response;

use super::super::body::Body;
use super::super::error::{FetchError, shown};
use super::super::http_client::{Request, host};
use super::manifest::{Descriptor, MAX_MANIFEST_BYTES, Manifest, media_type};
use super::repository::Repository;
use crate::reference::is_digest;

/// Upper limit of the referrers of one manifest that are looked at.
const MAX_REFERRERS: usize = 100;
/// The digest that the registry has computed.
const CONTENT_DIGEST: &str = "docker-content-digest";

impl Repository {
    /// Fetches a manifest by tag or digest. Its digest is computed, and compared with the requested and the announced one.
    ///
    /// # Errors
    /// It does not exist, cannot be fetched, or has another digest.
    pub(crate) async fn manifest(&self, reference: &str) -> Result<Manifest, FetchError> {
        let response = self.request_manifest(Method::GET, reference).await?;
        let host = host(response.url());
        let header = |name: &str| {
            let value = response.headers().get(name)?.to_str().ok()?;
            Some(value.to_owned())
        };
        let announced = header(CONTENT_DIGEST).filter(|text| is_digest(text));
        let media_type = header(CONTENT_TYPE.as_str()).unwrap_or_default();
        let body = Body::new(response, "a manifest", MAX_MANIFEST_BYTES)?;
        let (bytes, found) = body.read_all().await?;
        let requested = is_digest(reference).then(|| reference.to_owned());
        for expected in [requested, announced].into_iter().flatten() {
            if expected != found {
                return Err(FetchError::Digest {
                    host,
                    found,
                    expected,
                });
            }
        }
        Manifest::parse(&bytes, &media_type).map_err(|reason| FetchError::Malformed {
            host,
            what: "a manifest",
            reason: shown(&reason),
        })
    }

    /// Returns the digest of the manifest that a tag names now.
    ///
    /// # Errors
    /// It does not exist or cannot be fetched.
    pub(crate) async fn manifest_digest(&self, tag: &str) -> Result<String, FetchError> {
        let response = self.request_manifest(Method::HEAD, tag).await?;
        let announced = response.headers().get(CONTENT_DIGEST);
        let announced = announced.and_then(|value| value.to_str().ok());
        match announced.filter(|text| is_digest(text)) {
            Some(digest) => Ok(digest.to_owned()),
            None => Ok(self.manifest(tag).await?.digest),
        }
    }

    /// Requests a blob. The caller reads the body and compares its digest with the descriptor's.
    ///
    /// # Errors
    /// It does not exist or cannot be fetched.
    pub(crate) async fn blob(&self, descriptor: &Descriptor) -> Result<Body, FetchError> {
        let url = self.url(&format!("blobs/{}", descriptor.digest)).await?;
        let response = self.send(Request::new(Method::GET, url)).await?;
        if response.status() != StatusCode::OK {
            let what = format!("blob {} in `{}`", descriptor.digest, self.name());
            return Err(self.error(response, &what).await);
        }
        Body::new(response, "this blob", descriptor.size_bytes)
    }

    /// Fetches a blob of at most `max_bytes` into memory and compares its digest.
    ///
    /// # Errors
    /// It does not exist, cannot be fetched, is too large, or has another digest.
    pub(crate) async fn small_blob(
        &self,
        descriptor: &Descriptor,
        max_bytes: u64,
    ) -> Result<Vec<u8>, FetchError> {
        let size_bytes = descriptor.size_bytes.min(max_bytes);
        let descriptor = Descriptor {
            size_bytes,
            ..descriptor.clone()
        };
        let mut body = self.blob(&descriptor).await?;
        let mut bytes = Vec::new();
        while let Some(chunk) = body.chunk().await? {
            bytes.extend_from_slice(&chunk);
        }
        body.check_digest(&descriptor.digest)?;
        Ok(bytes)
    }

    /// Returns the descriptors of the manifests that refer to the manifest with this digest, such as its signatures. A
    /// registry without the referrers API keeps them under a tag. At most the first 100 are returned.
    ///
    /// # Errors
    /// They cannot be fetched.
    pub(crate) async fn referrers(&self, digest: &str) -> Result<Vec<Descriptor>, FetchError> {
        let url = self.url(&format!("referrers/{digest}")).await?;
        let mut request = Request::new(Method::GET, url);
        let accepted = HeaderValue::from_static(media_type::INDEX);
        request.headers.insert(ACCEPT, accepted);
        let response = self.send(request).await?;
        let index = match response.status() {
            StatusCode::OK => {
                let host = host(response.url());
                let body = Body::new(response, "a list of referrers", MAX_MANIFEST_BYTES)?;
                let (bytes, _) = body.read_all().await?;
                Manifest::parse(&bytes, media_type::INDEX).map_err(|reason| {
                    FetchError::Malformed {
                        host,
                        what: "a list of referrers",
                        reason: shown(&reason),
                    }
                })?
            }
            // Registries answer so before version 1.1 of the specification; some reject the path.
            StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST | StatusCode::METHOD_NOT_ALLOWED => {
                match self.manifest(&digest.replace(':', "-")).await {
                    Ok(index) => index,
                    Err(FetchError::NotFound { .. }) => return Ok(Vec::new()),
                    Err(error) => return Err(error),
                }
            }
            _ => return Err(self.error(response, "referrers").await),
        };
        let mut found = index.descriptors("manifests").unwrap_or_default();
        found.truncate(MAX_REFERRERS);
        Ok(found)
    }

    async fn request_manifest(
        &self,
        method: Method,
        reference: &str,
    ) -> Result<Response, FetchError> {
        const ACCEPTED: [&str; 4] = [
            media_type::MANIFEST,
            media_type::INDEX,
            media_type::DOCKER_MANIFEST,
            media_type::DOCKER_LIST,
        ];
        let url = self.url(&format!("manifests/{reference}")).await?;
        let mut request = Request::new(method, url);
        for accepted in ACCEPTED {
            let accepted = HeaderValue::from_static(accepted);
            request.headers.append(ACCEPT, accepted);
        }
        let response = self.send(request).await?;
        match response.status() {
            StatusCode::OK => Ok(response),
            _ => {
                let separator = if is_digest(reference) { '@' } else { ':' };
                let what = format!("`{}{separator}{reference}`", self.name());
                Err(self.error(response, &what).await)
            }
        }
    }
}
