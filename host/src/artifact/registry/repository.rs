//! A repository in a registry: authenticated requests, and errors of the registry.

use std::sync::Arc;

use http::header::AUTHORIZATION;
use http::{HeaderValue, StatusCode};
use reqwest::Response;
use serde_json::Value;
use tokio::sync::{Mutex, OnceCell};
use url::Url;

use super::super::body::Body;
use super::super::error::{FetchError, shown};
use super::super::http_client::{HttpClient, HttpClients, Request, host, status_error};
use super::challenge;
use super::credentials::{self, Credentials};
use crate::json::{self, DuplicateKeys};
use crate::network::is_loopback;
use crate::reference::OciLocation;
use crate::text::error_chain;

/// Upper limit of a registry's error document. A longer one is not shown.
const MAX_ERROR_BYTES: u64 = 16 << 10;
/// The host of Docker's own registry in references, and the one that serves its API.
const DOCKER_HUB: (&str, &str) = ("docker.io", "registry-1.docker.io");

/// The access that requests need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Pull,
    Push,
}

/// A repository in a registry.
pub(crate) struct Repository {
    client: HttpClient,
    registry: String,
    name: String,
    access: Access,
    /// URL of the registry's root over https.
    https_root: Url,
    /// URL of the registry's root, once it is known whether a registry on loopback has TLS.
    root: OnceCell<Url>,
    credentials: OnceCell<Option<Credentials>>,
    /// The value that was accepted last.
    authorization: Mutex<Option<HeaderValue>>,
}

impl Repository {
    /// Prepares requests to the repository of a reference.
    ///
    /// # Errors
    /// The registry is not a host.
    pub(crate) fn new(
        clients: &Arc<HttpClients>,
        location: &OciLocation,
        access: Access,
    ) -> Result<Self, FetchError> {
        let invalid = || FetchError::Url {
            host: shown(&location.registry),
            url: shown(&location.registry),
        };
        let mut https_root = location.registry_url().ok_or_else(invalid)?;
        let mut name = location.repository.clone();
        let (hub, hub_api) = DOCKER_HUB;
        if location.registry == hub {
            https_root.set_host(Some(hub_api)).map_err(|_| invalid())?;
            if !name.contains('/') {
                name = format!("library/{name}");
            }
        }
        Ok(Self {
            client: clients.for_url(&https_root),
            registry: location.registry.clone(),
            name,
            access,
            https_root,
            root: OnceCell::new(),
            credentials: OnceCell::new(),
            authorization: Mutex::new(None),
        })
    }

    /// Returns the URL of a path below `/v2/<name>/`.
    pub(super) async fn url(&self, path: &str) -> Result<Url, FetchError> {
        let root = self.root.get_or_try_init(|| self.find_root()).await?;
        let mut url = root.clone();
        url.set_path(&format!("/v2/{}/{path}", self.name));
        Ok(url)
    }

    /// Finds out whether a registry on loopback has TLS. All others have.
    async fn find_root(&self) -> Result<Url, FetchError> {
        let https = self.https_root.clone();
        if !is_loopback(&https) {
            return Ok(https);
        }
        let mut url = https.clone();
        url.set_path("/v2/");
        match self.client.send(Request::new(http::Method::GET, url)).await {
            Err(FetchError::Transport { source, .. }) if is_not_tls(&source) => {
                let mut http = https.clone();
                // A URL without a port has the default one of its scheme, here 443 before and 80 after.
                let _ = http.set_scheme("http");
                Ok(http)
            }
            // Any other error is that of the first request.
            _ => Ok(https),
        }
    }

    /// Sends a request, authenticated if the registry asks for it. The status is not checked, except for denied access.
    ///
    /// # Errors
    /// There is no response, or access is denied.
    pub(super) async fn send(&self, mut request: Request) -> Result<Response, FetchError> {
        // An upload may go to another host, which gets no credentials.
        let root = self.root.get().unwrap_or(&self.https_root);
        let is_own = root.origin() == request.url.origin();
        if is_own && let Some(value) = self.authorization.lock().await.clone() {
            request.headers.insert(AUTHORIZATION, value);
        }
        let response = self.client.send(request.clone()).await?;
        // A redirect to a storage of its own may deny access, which another token does not change.
        let is_from_registry = is_own && response.url().origin() == request.url.origin();
        if response.status() != StatusCode::UNAUTHORIZED || !is_from_registry {
            return self.reject_denied(response).await;
        }
        let credentials = self
            .credentials
            .get_or_try_init(|| credentials::find(&self.registry))
            .await?;
        let challenge = challenge::parse(response.headers(), response.url())?;
        let scope = self.scope();
        let answer = challenge::answer(&self.client, &challenge, credentials.as_ref(), &scope);
        let Some(value) = answer.await? else {
            return self.reject_denied(response).await;
        };
        *self.authorization.lock().await = Some(value.clone());
        request.headers.insert(AUTHORIZATION, value);
        let response = self.client.send(request).await?;
        self.reject_denied(response).await
    }

    fn scope(&self) -> String {
        let actions = match self.access {
            Access::Pull => "pull",
            Access::Push => "pull,push",
        };
        format!("repository:{}:{actions}", self.name)
    }

    async fn reject_denied(&self, response: Response) -> Result<Response, FetchError> {
        if !matches!(response.status().as_u16(), 401 | 403) {
            return Ok(response);
        }
        let credentials = self.credentials.get();
        let advice = match credentials {
            Some(Some(_)) => "the stored credentials are not accepted or not sufficient".to_owned(),
            _ => format!(
                "log in with `docker login {0}`, `podman login {0}` or `oras login {0}`, or check the name",
                self.registry
            ),
        };
        let host = host(response.url());
        let detail = error_detail(response).await;
        Err(FetchError::Denied {
            host,
            detail,
            advice,
        })
    }

    /// Returns the error for a response without success, to a request for `what`.
    pub(super) async fn error(&self, response: Response, what: &str) -> FetchError {
        let (url, status) = (response.url().clone(), response.status());
        let detail = error_detail(response).await;
        match status {
            StatusCode::NOT_FOUND => FetchError::NotFound {
                host: host(&url),
                what: what.to_owned(),
                detail,
            },
            _ => status_error(&url, status, detail),
        }
    }

    /// Returns the registry and the name, as in a reference.
    pub(super) fn full_name(&self) -> String {
        format!("{}/{}", self.registry, self.name)
    }

    /// Returns the name of the repository with its registry, for errors.
    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

/// Returns whether the server answered, but not with TLS.
fn is_not_tls(error: &reqwest::Error) -> bool {
    let chain = error_chain(error);
    let is_refused = chain.contains("refused") || chain.contains("certificate");
    error.is_connect() && !is_refused
}

/// Returns the reason in a registry's error document (OCI distribution specification 1.1, "Error Codes"), after a colon
/// and a space; empty if there is none.
async fn error_detail(response: Response) -> String {
    let Ok(body) = Body::new(response, "an error", MAX_ERROR_BYTES) else {
        return String::new();
    };
    let Ok((bytes, _)) = body.read_all().await else {
        return String::new();
    };
    let document = json::parse(&bytes, DuplicateKeys::KeepLast).unwrap_or_default();
    let first = document.get("errors").and_then(|errors| errors.get(0));
    let text = |key: &str| {
        first
            .and_then(|first| first.get(key))
            .and_then(Value::as_str)
    };
    match (text("code"), text("message")) {
        (None, None) => String::new(),
        (Some(code), Some(message)) => format!(": {}", shown(&format!("{code}, {message}"))),
        (one, other) => format!(": {}", shown(one.or(other).unwrap_or_default())),
    }
}
