//! The authentication that a registry asks for: `Basic` (RFC 7617), or `Bearer` with a token service (distribution
//! registry, "Token Authentication Specification").

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Method};
use serde_json::Value;
use url::Url;

use super::super::body::Body;
use super::super::error::{FetchError, shown};
use super::super::http_client::{HttpClient, Request, host, status_error};
use super::credentials::Credentials;
use crate::json::{self, DuplicateKeys};

/// Upper limit of the response of a token service.
const MAX_TOKEN_RESPONSE_BYTES: u64 = 256 << 10;
/// Upper limit of all challenges of a response.
const MAX_CHALLENGE_BYTES: usize = 8 << 10;

/// The kind of authentication.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    Basic,
    Bearer { realm: Url, service: Option<String> },
}

/// Parses the challenges of a response to `url`. `Bearer` takes precedence.
///
/// # Errors
/// There is none of a known kind, or the token service must not be asked.
pub(super) fn parse(headers: &HeaderMap, url: &Url) -> Result<Challenge, FetchError> {
    let malformed = |reason: &str| FetchError::Malformed {
        host: host(url),
        what: "a challenge",
        reason: reason.to_owned(),
    };
    let mut found = None;
    for value in headers.get_all(WWW_AUTHENTICATE) {
        let text = value.to_str().unwrap_or_default();
        if text.len() > MAX_CHALLENGE_BYTES {
            return Err(malformed("it is too long"));
        }
        let challenges = http_auth::parse_challenges(text)
            .map_err(|_| malformed("its syntax is not that of RFC 9110"))?;
        for challenge in challenges {
            if challenge.scheme.eq_ignore_ascii_case("basic") {
                found.get_or_insert(Challenge::Basic);
            }
            if challenge.scheme.eq_ignore_ascii_case("bearer") {
                let parameter = |name: &str| {
                    let mut parameters = challenge.params.iter();
                    let found = parameters.find(|(key, _)| key.eq_ignore_ascii_case(name));
                    found.map(|(_, value)| value.to_unescaped())
                };
                let realm = parameter("realm").ok_or_else(|| malformed("it names no realm"))?;
                found = Some(Challenge::Bearer {
                    realm: check_realm(&realm, url)?,
                    service: parameter("service"),
                });
            }
        }
    }
    found.ok_or_else(|| malformed("it asks neither for `Basic` nor for `Bearer`"))
}

/// Accepts a token service over https, or at the registry's own origin.
fn check_realm(realm: &str, url: &Url) -> Result<Url, FetchError> {
    let error = |reason| FetchError::Realm {
        host: host(url),
        realm: shown(realm),
        reason,
    };
    let realm = Url::parse(realm).map_err(|_| error("which is not a URL"))?;
    if !realm.username().is_empty() || realm.password().is_some() {
        return Err(error("which holds credentials"));
    }
    if realm.scheme() != "https" && realm.origin() != url.origin() {
        return Err(error("which is neither https nor the registry itself"));
    }
    Ok(realm)
}

/// Returns the value of `Authorization` that a challenge asks for; `None` if it asks for credentials and there are none.
///
/// # Errors
/// The token service cannot be reached, or gives no token.
pub(super) async fn answer(
    client: &HttpClient,
    challenge: &Challenge,
    credentials: Option<&Credentials>,
    scope: &str,
) -> Result<Option<HeaderValue>, FetchError> {
    match (challenge, credentials) {
        (Challenge::Basic, Some(Credentials::Password { user, password })) => {
            Ok(secret(basic(user, password)))
        }
        (Challenge::Basic, _) => Ok(None),
        (Challenge::Bearer { realm, service }, credentials) => {
            let request = token_request(realm, service.as_deref(), credentials, scope);
            let token = fetch_token(client, request).await?;
            Ok(secret(format!("Bearer {token}")))
        }
    }
}

/// Returns the request for a token. With an identity token it is a refresh (RFC 6749 §6).
fn token_request(
    realm: &Url,
    service: Option<&str>,
    credentials: Option<&Credentials>,
    scope: &str,
) -> Request {
    let service = service.map(|service| ("service", service));
    let mut request = Request::new(Method::GET, realm.clone());
    if let Some(Credentials::IdentityToken(token)) = credentials {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.extend_pairs([("grant_type", "refresh_token"), ("refresh_token", token)])
            .extend_pairs([("client_id", env!("CARGO_PKG_NAME")), ("scope", scope)])
            .extend_pairs(service);
        request.method = Method::POST;
        request.body = form.finish().into();
        let form_type = HeaderValue::from_static("application/x-www-form-urlencoded");
        request.headers.insert(CONTENT_TYPE, form_type);
        return request;
    }
    let mut query = request.url.query_pairs_mut();
    query.extend_pairs(service).append_pair("scope", scope);
    drop(query);
    if let Some(Credentials::Password { user, password }) = credentials
        && let Some(value) = secret(basic(user, password))
    {
        request.headers.insert(AUTHORIZATION, value);
    }
    request
}

async fn fetch_token(client: &HttpClient, request: Request) -> Result<String, FetchError> {
    let response = client.send(request).await?;
    let url = response.url().clone();
    let status = response.status();
    if matches!(status.as_u16(), 401 | 403) {
        return Err(FetchError::Denied {
            host: host(&url),
            detail: String::new(),
            advice: "log in again with `docker login`, `podman login` or `oras login`".into(),
        });
    }
    if !status.is_success() {
        return Err(status_error(&url, status, String::new()));
    }
    let body = Body::new(response, "a token", MAX_TOKEN_RESPONSE_BYTES)?;
    let (bytes, _) = body.read_all().await?;
    let document = json::parse(&bytes, DuplicateKeys::KeepLast).unwrap_or_default();
    let token = ["token", "access_token"]
        .into_iter()
        .find_map(|key| document.get(key).and_then(Value::as_str));
    // A token is visible ASCII (RFC 6750 §2.1), so that it fits into a header.
    let token =
        token.filter(|token| !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic()));
    let token = token.ok_or_else(|| FetchError::Malformed {
        host: host(&url),
        what: "a response",
        reason: "it holds no token".into(),
    })?;
    Ok(token.to_owned())
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

/// Returns a value of `Authorization` that is not logged.
fn secret(text: String) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(&text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_parsed_and_token_services_checked() {
        let bearer = |realm: &str, service: Option<&str>| {
            Ok(Challenge::Bearer {
                realm: Url::parse(realm).expect("a URL"),
                service: service.map(str::to_owned),
            })
        };
        let long = format!("Bearer realm=\"https://a.b/{}\"", "x".repeat(9000));
        for (header, expected) in [
            ("Basic realm=\"x\"", Ok(Challenge::Basic)),
            (
                "bearer realm=\"https://auth.b/token\"",
                bearer("https://auth.b/token", None),
            ),
            (
                "Bearer realm=\"https://auth.b/token\",service=\"a.b\",scope=\"repository:x:pull\"",
                bearer("https://auth.b/token", Some("a.b")),
            ),
            (
                "Basic realm=\"x\", Bearer realm=\"https://auth.b/\"",
                bearer("https://auth.b/", None),
            ),
            (
                "Bearer realm=\"http://localhost:5000/token\"",
                bearer("http://localhost:5000/token", None),
            ),
            (
                "Bearer realm=\"http://localhost:5001/token\"",
                Err("neither https"),
            ),
            ("Bearer realm=\"http://auth.b/token\"", Err("neither https")),
            ("Bearer realm=\"ftp://auth.b/token\"", Err("neither https")),
            (
                "Bearer realm=\"https://u:p@auth.b/token\"",
                Err("credentials"),
            ),
            ("Bearer realm=\"token\"", Err("not a URL")),
            ("Bearer service=\"a.b\"", Err("no realm")),
            ("Digest realm=\"x\"", Err("neither for")),
            ("", Err("RFC 9110")),
            ("Bearer realm=\"", Err("RFC 9110")),
            (&long, Err("too long")),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(WWW_AUTHENTICATE, header.parse().expect("a value"));
            let registry = Url::parse("http://localhost:5000/v2/x").expect("a URL");
            match (parse(&headers, &registry), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{header}"),
                (Err(error), Err(part)) => {
                    assert!(error.to_string().contains(part), "{header}: {error}");
                }
                other => panic!("{header}: {other:?}"),
            }
        }
    }
}
