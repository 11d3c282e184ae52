//! Downloads of components from web servers.

use std::sync::Arc;

use http::header::{ACCEPT, ETAG, IF_NONE_MATCH};
use http::{HeaderValue, Method, StatusCode};
use url::Url;

use super::body::Body;
use super::error::FetchError;
use super::http_client::{HttpClients, Request, host, status_error};

/// Upper limit of a component, as for files.
pub(super) const MAX_COMPONENT_BYTES: u64 = 256 << 20;

/// A file that arrives, and its validator.
pub(super) struct Download {
    pub(super) body: Body,
    pub(super) etag: Option<String>,
}

/// Requests a file. Returns `None` if it still has the validator `etag`.
///
/// # Errors
/// It does not exist, access is denied, or it cannot be fetched.
pub(super) async fn download(
    clients: &Arc<HttpClients>,
    url: &Url,
    etag: Option<&str>,
) -> Result<Option<Download>, FetchError> {
    let mut request = Request::new(Method::GET, url.clone());
    let accepted = HeaderValue::from_static("application/wasm, */*;q=0.5");
    request.headers.insert(ACCEPT, accepted);
    if let Some(etag) = etag.and_then(|etag| HeaderValue::from_str(etag).ok()) {
        request.headers.insert(IF_NONE_MATCH, etag);
    }
    let has_etag = request.headers.contains_key(IF_NONE_MATCH);
    let response = clients.for_url(url).send(request).await?;
    let (host, detail) = (host(response.url()), String::new());
    match response.status() {
        StatusCode::OK => {
            let etag = response.headers().get(ETAG);
            let etag = etag.and_then(|etag| etag.to_str().ok()).map(str::to_owned);
            let body = Body::new(response, "a component", MAX_COMPONENT_BYTES)?;
            Ok(Some(Download { body, etag }))
        }
        StatusCode::NOT_MODIFIED if has_etag => Ok(None),
        StatusCode::NOT_FOUND | StatusCode::GONE => Err(FetchError::NotFound {
            host,
            what: "such file".into(),
            detail,
        }),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(FetchError::Denied {
            host,
            detail,
            advice: "no credentials are sent to web servers; put the file into a registry, or download it and name the file"
                .into(),
        }),
        status => Err(status_error(response.url(), status, detail)),
    }
}
