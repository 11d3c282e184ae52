//! Pushes blobs and manifests (OCI distribution specification 1.1, "Push").

use bytes::Bytes;
use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderValue, Method, StatusCode};

use super::super::body::digest;
use super::super::error::FetchError;
use super::super::http_client::{Request, resolve};
use super::repository::Repository;

impl Repository {
    /// Returns whether the repository has a blob with this digest.
    ///
    /// # Errors
    /// The registry cannot be asked.
    pub(crate) async fn has_blob(&self, digest: &str) -> Result<bool, FetchError> {
        let url = self.url(&format!("blobs/{digest}")).await?;
        let response = self.send(Request::new(Method::HEAD, url)).await?;
        match response.status() {
            StatusCode::OK => Ok(true),
            StatusCode::NOT_FOUND => Ok(false),
            _ => Err(self.error(response, "blobs").await),
        }
    }

    /// Uploads a blob in one piece, unless the repository has it. Returns its digest.
    ///
    /// # Errors
    /// The registry refuses it or cannot be reached.
    pub(crate) async fn push_blob(&self, bytes: Bytes) -> Result<String, FetchError> {
        let digest = digest(&bytes);
        if self.has_blob(&digest).await? {
            return Ok(digest);
        }
        let url = self.url("blobs/uploads/").await?;
        let response = self.send(Request::new(Method::POST, url)).await?;
        if response.status() != StatusCode::ACCEPTED {
            return Err(self.error(response, "such repository").await);
        }
        let location = response.headers().get(LOCATION);
        let location = location.and_then(|location| location.to_str().ok());
        let mut url = resolve(response.url(), location.unwrap_or_default())?;
        // The registry's own parameters are kept: they may be part of a signed URL.
        url.query_pairs_mut().append_pair("digest", &digest);
        let mut request = Request::new(Method::PUT, url);
        let octets = HeaderValue::from_static("application/octet-stream");
        request.headers.insert(CONTENT_TYPE, octets);
        request.body = bytes;
        let response = self.send(request).await?;
        match response.status() {
            StatusCode::CREATED => Ok(digest),
            _ => Err(self.error(response, "such upload").await),
        }
    }

    /// Uploads a manifest under a tag or under its digest. Returns its digest.
    ///
    /// # Errors
    /// The registry refuses it or cannot be reached.
    pub(crate) async fn push_manifest(
        &self,
        reference: &str,
        media_type: &'static str,
        bytes: Bytes,
    ) -> Result<String, FetchError> {
        let digest = digest(&bytes);
        let url = self.url(&format!("manifests/{reference}")).await?;
        let mut request = Request::new(Method::PUT, url);
        let media_type = HeaderValue::from_static(media_type);
        request.headers.insert(CONTENT_TYPE, media_type);
        request.body = bytes;
        let response = self.send(request).await?;
        match response.status() {
            StatusCode::CREATED => Ok(digest),
            _ => Err(self.error(response, "such repository").await),
        }
    }
}
