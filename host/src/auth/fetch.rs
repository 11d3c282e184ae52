//! Fetches a JWKS, directly or via the issuer's metadata (RFC 8414 §3, OpenID Connect Discovery 1.0 §4).
//!
//! This is the only file of the guard that makes requests. Every URL comes from the configuration or from the metadata
//! it refers to, never from a token.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::HeaderMap;
use http::header::{ACCEPT, AGE, CACHE_CONTROL};
use reqwest::{Client, StatusCode};
use serde::Deserialize;
use url::Url;

use super::compare::is_same;
use super::jwks::KeySet;
use crate::json::{self, DuplicateKeys};
use crate::network::{
    AddressPolicy, Outbound, PrivateAddress, cause, is_loopback, literal_address,
};

/// The time limit for one refresh, metadata and JWKS together.
pub(super) const MAX_FETCH_SECONDS: u64 = 10;

/// The size limit of one response body.
pub(super) const MAX_RESPONSE_BYTES: usize = 256 * 1024;

/// The bounds and the default of the time that keys stay fresh, which `Cache-Control: max-age` sets.
pub(super) const MIN_FRESH_SECONDS: u64 = 60;
pub(super) const MAX_FRESH_SECONDS: u64 = 24 * 3600;
const DEFAULT_FRESH_SECONDS: u64 = 600;

/// The location of a JWKS.
#[derive(Debug, Clone)]
pub(super) enum JwksSource {
    /// The `jwks_uri` in the metadata of this issuer.
    Discover { issuer: String, url: Url },
    /// The JWKS itself.
    Jwks(Url),
}

/// Fetches the JWKS of one issuer.
pub(super) struct Fetcher {
    source: JwksSource,
    address_policy: AddressPolicy,
    /// Allows http in a private network.
    allows_http: bool,
    outbound: Arc<Outbound>,
    /// For https, through the proxy if there is one.
    client: OnceLock<Client>,
    /// For loopback, and for http to private addresses.
    direct_client: OnceLock<Client>,
}

/// A fetched JWKS.
pub(super) struct Fetched {
    pub(super) keys: KeySet,
    pub(super) fresh_for: Duration,
}

/// The reason a JWKS could not be fetched.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error("the HTTP client cannot be built")]
    Client(#[source] reqwest::Error),
    #[error("the URL is not https (http is for loopback and configured private networks)")]
    NotHttps,
    #[error("the URL holds credentials")]
    Credentials,
    #[error("the address is private; name the host literally or allow `private-network`")]
    PrivateAddress,
    #[error("the address is not private; use https, since http is for private networks only")]
    Cleartext,
    #[error("no answer")]
    Transport(#[source] reqwest::Error),
    #[error("no answer within {MAX_FETCH_SECONDS} s")]
    Timeout,
    #[error("the answer's status is {0}")]
    Status(StatusCode),
    #[error("the document is larger than {MAX_RESPONSE_BYTES} bytes")]
    TooLarge,
    #[error("the document is no issuer metadata")]
    NotMetadata,
    #[error("the metadata is another issuer's")]
    OtherIssuer,
    #[error("the metadata's jwks_uri is no URL")]
    JwksUri,
    #[error("the document is no JWK set")]
    NotJwks,
}

impl Fetcher {
    /// Prepares a fetcher; the HTTP client is built on first use.
    pub(super) fn new(
        source: JwksSource,
        private_network: bool,
        outbound: Arc<Outbound>,
    ) -> Fetcher {
        let configured_url = match &source {
            JwksSource::Discover { url, .. } | JwksSource::Jwks(url) => url,
        };
        let address_policy = AddressPolicy::for_url(configured_url, private_network);
        Fetcher {
            // The metadata of an https issuer cannot downgrade the fetch of its keys.
            allows_http: private_network && configured_url.scheme() == "http",
            source,
            address_policy,
            outbound,
            client: OnceLock::new(),
            direct_client: OnceLock::new(),
        }
    }

    /// Fetches the JWKS and returns how long it stays fresh.
    pub(super) async fn fetch(&self) -> Result<Fetched, FetchError> {
        let fetch = async {
            let url = match &self.source {
                JwksSource::Jwks(url) => url.clone(),
                JwksSource::Discover { issuer, url } => self.discover(issuer, url).await?,
            };
            let (headers, body) = self.get(&url).await?;
            Ok(Fetched {
                keys: KeySet::from_jwks(&body).ok_or(FetchError::NotJwks)?,
                fresh_for: freshness(&headers),
            })
        };
        tokio::time::timeout(Duration::from_secs(MAX_FETCH_SECONDS), fetch)
            .await
            .unwrap_or(Err(FetchError::Timeout))
    }

    /// Tries each well-known metadata URL. Returns the first error other than a bad status, which only means "not
    /// here".
    async fn discover(&self, issuer: &str, url: &Url) -> Result<Url, FetchError> {
        let mut first_error = FetchError::Status(StatusCode::NOT_FOUND);
        for metadata_url in metadata_urls(url) {
            match self.jwks_uri(issuer, &metadata_url).await {
                Ok(url) => return Ok(url),
                Err(error) if matches!(first_error, FetchError::Status(_)) => first_error = error,
                Err(_) => {}
            }
        }
        Err(first_error)
    }

    /// Fetches issuer metadata and returns its `jwks_uri`.
    async fn jwks_uri(&self, issuer: &str, metadata_url: &Url) -> Result<Url, FetchError> {
        #[derive(Deserialize)]
        struct Metadata {
            issuer: String,
            jwks_uri: String,
        }
        let (_, body) = self.get(metadata_url).await?;
        let metadata: Metadata = json::parse(&body, DuplicateKeys::Reject)
            .and_then(serde_json::from_value)
            .map_err(|_| FetchError::NotMetadata)?;
        if !is_same(&metadata.issuer, issuer) {
            return Err(FetchError::OtherIssuer);
        }
        Url::parse(&metadata.jwks_uri).map_err(|_| FetchError::JwksUri)
    }

    /// Fetches one JSON document within the limits on address, redirects and size.
    async fn get(&self, url: &Url) -> Result<(HeaderMap, Vec<u8>), FetchError> {
        check_url(url, self.allows_http)?;
        let is_direct = is_loopback(url) || url.scheme() == "http";
        let policy = self.policy(is_direct);
        let forbidden = match is_direct && !is_loopback(url) {
            true => || FetchError::Cleartext,
            false => || FetchError::PrivateAddress,
        };
        // An IP address in the URL does not reach the resolver, so it is checked here.
        if literal_address(url).is_some_and(|address| !policy.permits(address)) {
            return Err(forbidden());
        }
        let transport_error = |error: reqwest::Error| match error {
            error if cause::<PrivateAddress>(&error).is_some() => forbidden(),
            error if error.is_timeout() => FetchError::Timeout,
            error => FetchError::Transport(error.without_url()),
        };
        let mut response = self
            .client(is_direct)?
            .get(url.clone())
            .header(ACCEPT, "application/json")
            .send()
            .await
            .map_err(transport_error)?;
        if response.status() != StatusCode::OK {
            return Err(FetchError::Status(response.status()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(transport_error)? {
            if body.len() + chunk.len() > MAX_RESPONSE_BYTES {
                return Err(FetchError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        Ok((response.headers().clone(), body))
    }

    /// Returns the policy on addresses. Loopback and http are direct; over http only private addresses are contacted.
    fn policy(&self, is_direct: bool) -> AddressPolicy {
        match is_direct {
            true => self.address_policy.only_private(),
            false => self.address_policy,
        }
    }

    /// Returns the HTTP client. It is built on first use because loading the root certificates would delay the start.
    fn client(&self, is_direct: bool) -> Result<&Client, FetchError> {
        let cell = match is_direct {
            true => &self.direct_client,
            false => &self.client,
        };
        if let Some(client) = cell.get() {
            return Ok(client);
        }
        let policy = self.policy(is_direct);
        let builder = self.outbound.client_builder(policy, is_direct);
        let builder = builder.map_err(FetchError::Client)?;
        let client = builder
            .timeout(Duration::from_secs(MAX_FETCH_SECONDS))
            .pool_max_idle_per_host(0)
            .build()
            .map_err(FetchError::Client)?;
        Ok(cell.get_or_init(|| client))
    }
}

/// Rejects URLs with credentials, and all schemes except https, http on loopback, and http if it is allowed.
pub(super) fn check_url(url: &Url, allows_http: bool) -> Result<(), FetchError> {
    if !url.username().is_empty() || url.password().is_some() {
        return Err(FetchError::Credentials);
    }
    match url.scheme() {
        "https" => Ok(()),
        "http" if allows_http || is_loopback(url) => Ok(()),
        _ => Err(FetchError::NotHttps),
    }
}

/// Returns the metadata URLs to try: RFC 8414 §3.1 first, then OpenID Connect Discovery, whose original form appends
/// the well-known path instead of inserting it.
pub(super) fn metadata_urls(issuer: &Url) -> Vec<Url> {
    let path = issuer.path().strip_suffix('/').unwrap_or(issuer.path());
    let mut paths = vec![
        format!("/.well-known/oauth-authorization-server{path}"),
        format!("/.well-known/openid-configuration{path}"),
    ];
    if !path.is_empty() {
        paths.push(format!("{path}/.well-known/openid-configuration"));
    }
    paths
        .into_iter()
        .map(|path| {
            let mut metadata_url = issuer.clone();
            metadata_url.set_path(&path);
            metadata_url
        })
        .collect()
}

/// Returns how long the response is fresh, from `Cache-Control: max-age` and `Age`.
fn freshness(headers: &HeaderMap) -> Duration {
    let max_age = headers
        .get_all(CACHE_CONTROL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|directive| directive.trim().strip_prefix("max-age="))
        .find_map(|seconds| seconds.trim_matches('"').parse::<u64>().ok());
    let age = headers
        .get(AGE)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok())
        .unwrap_or(0);
    let seconds = max_age.map_or(DEFAULT_FRESH_SECONDS, |max_age| max_age.saturating_sub(age));
    Duration::from_secs(seconds.clamp(MIN_FRESH_SECONDS, MAX_FRESH_SECONDS))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The address check applies to the resolved addresses, and only these are connected to.
    #[tokio::test]
    async fn a_name_that_resolves_to_a_private_address_is_rejected() {
        let public = Url::parse("https://login.example").expect("a URL");
        let fetcher = Fetcher::new(JwksSource::Jwks(public), false, Arc::default());
        let loopback = Url::parse("https://localhost:9/jwks").expect("a URL");
        let error = fetcher.get(&loopback).await.err();
        assert!(
            matches!(error, Some(FetchError::PrivateAddress)),
            "{error:?}"
        );
    }

    #[test]
    fn freshness_is_bounded() {
        for (cache_control, age, seconds) in [
            ("", "", DEFAULT_FRESH_SECONDS),
            ("max-age=3600", "", 3600),
            ("public, max-age=3600, must-revalidate", "", 3600),
            ("max-age=\"3600\"", "", 3600),
            ("max-age=3600", "600", 3000),
            ("max-age=3600", "4000", MIN_FRESH_SECONDS),
            ("max-age=0", "", MIN_FRESH_SECONDS),
            ("max-age=86401", "", MAX_FRESH_SECONDS),
            ("max-age=-1", "", DEFAULT_FRESH_SECONDS),
            ("s-maxage=5", "", DEFAULT_FRESH_SECONDS),
            ("no-cache", "", DEFAULT_FRESH_SECONDS),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in [(CACHE_CONTROL, cache_control), (AGE, age)] {
                headers.insert(name, value.parse().expect("valid header value"));
            }
            let expected = Duration::from_secs(seconds);
            assert_eq!(freshness(&headers), expected, "{cache_control} {age}");
        }
    }
}
