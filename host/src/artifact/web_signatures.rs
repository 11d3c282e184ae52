//! The signatures of a file on a web server: `URL.minisig` and `URL.sigstore.json`.

use std::sync::Arc;

use http::{Method, StatusCode};
use url::Url;

use super::body::Body;
use super::error::FetchError;
use super::http_client::{HttpClients, Request, status_error};
use crate::text::error_chain;
use crate::trust::{Content, Evidence, MAX_SIGNATURE_BYTES, Signature};

/// Fetches the signatures beside a file. One that cannot be read is returned as such.
///
/// # Errors
/// The server cannot be asked.
pub(super) async fn fetch(clients: &Arc<HttpClients>, url: &Url) -> Result<Evidence, FetchError> {
    let mut evidence = Evidence::default();
    let minisign: fn(String) -> Content = Content::Minisign;
    for (extension, form) in [(".minisig", minisign), (".sigstore.json", Content::Bundle)] {
        let mut url = url.clone();
        // A query stays where it is: it may be what gives access.
        url.set_path(&format!("{}{extension}", url.path()));
        let place = url.to_string();
        let client = clients.for_url(&url);
        let response = client.send(Request::new(Method::GET, url.clone())).await?;
        let content = match response.status() {
            StatusCode::OK => {
                let body = Body::new(response, "a signature", MAX_SIGNATURE_BYTES);
                let read = match body {
                    Ok(body) => body.read_all().await,
                    Err(error) => Err(error),
                };
                match read.map(|(bytes, _)| String::from_utf8(bytes)) {
                    Ok(Ok(text)) => form(text),
                    Ok(Err(_)) => Content::Unreadable("it is not text".into()),
                    Err(error) if error.is_outage() => return Err(error),
                    Err(error) => Content::Unreadable(error_chain(&error)),
                }
            }
            // Object stores deny what does not exist.
            StatusCode::NOT_FOUND | StatusCode::GONE | StatusCode::FORBIDDEN => {
                evidence.searched.push(place);
                continue;
            }
            status => return Err(status_error(&url, status, String::new())),
        };
        evidence.signatures.push(Signature { place, content });
    }
    Ok(evidence)
}
