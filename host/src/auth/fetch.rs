//! The only place that reaches out: it gets a JWK set, directly or by way of the issuer's metadata (RFC 8414 §3, OpenID
//! Connect Discovery 1.0 §4). Every URL comes from the settings, or from the metadata that they lead to; never from a token.

use std::sync::OnceLock;
use std::time::Duration;

use http::HeaderMap;
use http::header::{ACCEPT, AGE, CACHE_CONTROL};
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};
use serde::Deserialize;
use url::Url;

use super::compare::is_same;
use super::jwks::KeySet;
use crate::network::{PrivateAddress, Reach, Resolver, cause, is_loopback, literal_address};

/// How long one refresh may take altogether, metadata and keys.
pub(super) const FETCH_SECONDS_MAX: u64 = 10;

/// The most that one document may hold.
pub(super) const DOCUMENT_BYTES_MAX: usize = 256 * 1024;

/// How long keys are fresh: as `Cache-Control: max-age` says, within these bounds, or the default.
pub(super) const FRESH_SECONDS_MIN: u64 = 60;
pub(super) const FRESH_SECONDS_MAX: u64 = 24 * 3600;
const FRESH_SECONDS_DEFAULT: u64 = 600;

/// Where a JWK set is.
#[derive(Debug, Clone)]
pub(super) enum Source {
    /// The metadata of this issuer says.
    Discover {
        issuer: String,
        url: Url,
    },
    Jwks(Url),
}

/// Gets JWK sets from one source.
pub(super) struct Fetcher {
    source: Source,
    reach: Reach,
    client: OnceLock<Client>,
}

pub(super) struct Fetched {
    pub(super) keys: KeySet,
    pub(super) fresh: Duration,
}

/// Why there are no new keys.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error("the HTTP client cannot be built")]
    Client(#[source] reqwest::Error),
    #[error("the URL is not https (http is for loopback)")]
    NotHttps,
    #[error("the URL holds credentials")]
    Credentials,
    #[error("the address is private; name the host literally or allow `private-network`")]
    PrivateAddress,
    #[error("no answer")]
    Transport(#[source] reqwest::Error),
    #[error("no answer within {FETCH_SECONDS_MAX} s")]
    Timeout,
    #[error("the answer's status is {0}")]
    Status(StatusCode),
    #[error("the document is larger than {DOCUMENT_BYTES_MAX} bytes")]
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
    pub(super) fn new(source: Source, private_network: bool) -> Fetcher {
        let named = match &source {
            Source::Discover { url, .. } | Source::Jwks(url) => url,
        };
        let reach = Reach::new(named, private_network);
        Fetcher {
            source,
            reach,
            client: OnceLock::new(),
        }
    }

    pub(super) async fn fetch(&self) -> Result<Fetched, FetchError> {
        let all = async {
            let url = match &self.source {
                Source::Jwks(url) => url.clone(),
                Source::Discover { issuer, url } => self.discover(issuer, url).await?,
            };
            let (headers, document) = self.document(&url).await?;
            Ok(Fetched {
                keys: KeySet::from_jwks(&document).ok_or(FetchError::NotJwks)?,
                fresh: freshness(&headers),
            })
        };
        tokio::time::timeout(Duration::from_secs(FETCH_SECONDS_MAX), all)
            .await
            .unwrap_or(Err(FetchError::Timeout))
    }

    /// Asks each place where the metadata may stand. The error is the first that says more than "not here".
    async fn discover(&self, issuer: &str, url: &Url) -> Result<Url, FetchError> {
        let mut failed = FetchError::Status(StatusCode::NOT_FOUND);
        for place in metadata_places(url) {
            match self.jwks_uri(issuer, &place).await {
                Ok(url) => return Ok(url),
                Err(error) if matches!(failed, FetchError::Status(_)) => failed = error,
                Err(_) => {}
            }
        }
        Err(failed)
    }

    async fn jwks_uri(&self, issuer: &str, place: &Url) -> Result<Url, FetchError> {
        #[derive(Deserialize)]
        struct Metadata {
            issuer: String,
            jwks_uri: String,
        }
        let (_, document) = self.document(place).await?;
        let metadata: Metadata =
            serde_json::from_slice(&document).map_err(|_| FetchError::NotMetadata)?;
        if !is_same(&metadata.issuer, issuer) {
            return Err(FetchError::OtherIssuer);
        }
        Url::parse(&metadata.jwks_uri).map_err(|_| FetchError::JwksUri)
    }

    async fn document(&self, url: &Url) -> Result<(HeaderMap, Vec<u8>), FetchError> {
        check_url(url)?;
        // An address in the URL never reaches the resolver, so it is judged here.
        if literal_address(url).is_some_and(|address| !self.reach.permits(address)) {
            return Err(FetchError::PrivateAddress);
        }
        let mut response = self
            .client()?
            .get(url.clone())
            .header(ACCEPT, "application/json")
            .send()
            .await
            .map_err(transport)?;
        if response.status() != StatusCode::OK {
            return Err(FetchError::Status(response.status()));
        }
        let mut document = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(transport)? {
            if document.len() + chunk.len() > DOCUMENT_BYTES_MAX {
                return Err(FetchError::TooLarge);
            }
            document.extend_from_slice(&chunk);
        }
        Ok((response.headers().clone(), document))
    }

    /// Built at first need: reading the trusted roots takes time that a start should not.
    fn client(&self) -> Result<&Client, FetchError> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let client = Client::builder()
            .user_agent(concat!(
                env!("CARGO_PKG_NAME"),
                "/",
                env!("CARGO_PKG_VERSION")
            ))
            // A redirect would lead where nobody checked.
            .redirect(Policy::none())
            // A proxy would resolve the name itself, past the check of the address.
            .no_proxy()
            .dns_resolver(Resolver::new(self.reach))
            .referer(false)
            .timeout(Duration::from_secs(FETCH_SECONDS_MAX))
            .pool_max_idle_per_host(0)
            .build()
            .map_err(FetchError::Client)?;
        Ok(self.client.get_or_init(|| client))
    }
}

/// Whether a URL may be asked at all: https, or http on loopback, and no credentials in it.
pub(super) fn check_url(url: &Url) -> Result<(), FetchError> {
    if !url.username().is_empty() || url.password().is_some() {
        return Err(FetchError::Credentials);
    }
    match url.scheme() {
        "https" => Ok(()),
        "http" if is_loopback(url) => Ok(()),
        _ => Err(FetchError::NotHttps),
    }
}

fn transport(error: reqwest::Error) -> FetchError {
    if cause::<PrivateAddress>(&error).is_some() {
        return FetchError::PrivateAddress;
    }
    if error.is_timeout() {
        return FetchError::Timeout;
    }
    FetchError::Transport(error.without_url())
}

/// RFC 8414 §3.1 first; then OpenID Connect Discovery, whose older form appends where the newer inserts.
fn metadata_places(issuer: &Url) -> Vec<Url> {
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
            let mut place = issuer.clone();
            place.set_path(&path);
            place
        })
        .collect()
}

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
    let seconds = max_age.map_or(FRESH_SECONDS_DEFAULT, |max_age| max_age.saturating_sub(age));
    Duration::from_secs(seconds.clamp(FRESH_SECONDS_MIN, FRESH_SECONDS_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A name is judged by where it leads, and the addresses that were judged are the ones connected to.
    #[tokio::test]
    async fn a_name_that_leads_to_a_private_address_is_refused() {
        let public = Url::parse("https://login.example").expect("a URL");
        let fetcher = Fetcher::new(Source::Jwks(public), false);
        let loopback = Url::parse("https://localhost:9/jwks").expect("a URL");
        let error = fetcher.document(&loopback).await.err();
        assert!(
            matches!(error, Some(FetchError::PrivateAddress)),
            "{error:?}"
        );
    }

    #[test]
    fn freshness_is_bounded() {
        for (cache_control, age, seconds) in [
            ("", "", FRESH_SECONDS_DEFAULT),
            ("max-age=3600", "", 3600),
            ("public, max-age=3600, must-revalidate", "", 3600),
            ("max-age=\"3600\"", "", 3600),
            ("max-age=3600", "600", 3000),
            ("max-age=3600", "4000", FRESH_SECONDS_MIN),
            ("max-age=0", "", FRESH_SECONDS_MIN),
            ("max-age=86401", "", FRESH_SECONDS_MAX),
            ("max-age=-1", "", FRESH_SECONDS_DEFAULT),
            ("s-maxage=5", "", FRESH_SECONDS_DEFAULT),
            ("no-cache", "", FRESH_SECONDS_DEFAULT),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in [(CACHE_CONTROL, cache_control), (AGE, age)] {
                headers.insert(name, value.parse().expect("the table holds header values"));
            }
            let expected = Duration::from_secs(seconds);
            assert_eq!(freshness(&headers), expected, "{cache_control} {age}");
        }
    }
}
