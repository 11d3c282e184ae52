//! An authorization server for tests. It signs tokens, serves its metadata and its JWK set on loopback, counts
//! requests, and fails on demand.
//!
//! ```ignore
//! let issuer = Issuer::start().await;
//! let token = issuer.token(|claims| claims["scope"] = json!("tools:use"));
//! // guard settings: `issuer.url()`, `AUDIENCE`, and `issuer.jwks_uri()` unless the JWKS URI is discovered
//! ```

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair,
};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

/// Default audience of tokens, and the resource identifier that tests configure.
pub(crate) const AUDIENCE: &str = "https://tools.example/mcp";

/// An authorization server on its own loopback port. Dropping it stops it.
pub(crate) struct Issuer {
    url: String,
    shared: Arc<Shared>,
    server: tokio::task::JoinHandle<()>,
}

/// A private key and its public key as published in the JWK set.
#[derive(Clone)]
pub(crate) struct SigningKey {
    pub(crate) kid: Option<String>,
    pub(crate) algorithm: Algorithm,
    /// The public key as a JWK. Tests may modify it before it is served.
    pub(crate) jwk: Value,
    /// The public key as PEM.
    pub(crate) public_pem: String,
    private: EncodingKey,
}

/// A way in index the issuer fails.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Failure {
    /// Responds with this status.
    Status(u16),
    /// Redirects to a URL of its own that responds normally.
    Redirect,
    /// Responds with a JWK set of 257 KiB.
    Oversized,
    /// Responds with a body that is not JSON.
    Garbage,
    /// Accepts the request and never responds.
    Stall,
}

struct Shared {
    keys: Mutex<Vec<SigningKey>>,
    served: Mutex<Served>,
    jwks_fetches: AtomicUsize,
    metadata_fetches: AtomicUsize,
    other_requests: AtomicUsize,
}

#[derive(Default)]
struct Served {
    failure: Option<Failure>,
    cache_control: Option<String>,
    jwks: Option<Value>,
    jwks_text: Option<String>,
    metadata: Option<Value>,
    metadata_path: String,
}

impl Issuer {
    /// Starts an issuer with a P-256 key and RFC 8414 metadata.
    pub(crate) async fn start() -> Issuer {
        Issuer::start_at("").await
    }

    /// Starts an issuer whose URL has this path (`""` or `/tenant`).
    pub(crate) async fn start_at(path: &str) -> Issuer {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}{path}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared {
            keys: Mutex::new(vec![SigningKey::p256("key-1")]),
            served: Mutex::new(Served {
                metadata_path: format!("/.well-known/oauth-authorization-server{path}"),
                ..Served::default()
            }),
            jwks_fetches: AtomicUsize::new(0),
            metadata_fetches: AtomicUsize::new(0),
            other_requests: AtomicUsize::new(0),
        });
        let app = Router::new()
            .fallback(answer)
            .with_state((url.clone(), Arc::clone(&shared)));
        let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Issuer {
            url,
            shared,
            server,
        }
    }

    /// Returns the `iss` of its tokens, without a trailing slash.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn jwks_uri(&self) -> String {
        format!("{}/jwks", self.url)
    }

    /// Returns a token signed with the first key, with the claims of [`Issuer::claims`].
    pub(crate) fn token(&self, change: impl FnOnce(&mut Value)) -> String {
        self.first_key().token(&self.claims(change))
    }

    /// Returns claims that are valid for five minutes, after `change` has modified them: `iss`, `aud` ([`AUDIENCE`]),
    /// `sub` (`alice`), `client_id`, `iat`, `exp`.
    pub(crate) fn claims(&self, change: impl FnOnce(&mut Value)) -> Value {
        let mut claims = json!({
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": "alice",
            "client_id": "test-client",
            "iat": now_seconds(),
            "exp": now_seconds() + 300,
        });
        change(&mut claims);
        claims
    }

    pub(crate) fn first_key(&self) -> SigningKey {
        self.keys()[0].clone()
    }

    /// Replaces all keys.
    pub(crate) fn set_keys(&self, keys: impl IntoIterator<Item = SigningKey>) {
        *self.keys() = keys.into_iter().collect();
    }

    pub(crate) fn add_key(&self, key: SigningKey) {
        self.keys().push(key);
    }

    /// Serves `jwks` as the JWK set instead of the keys.
    pub(crate) fn serve_jwks(&self, jwks: Value) {
        self.served().jwks = Some(jwks);
    }

    /// Serves a text as the JWK set.
    pub(crate) fn serve_jwks_text(&self, text: &str) {
        self.served().jwks_text = Some(text.to_owned());
    }

    /// Serves `metadata` as the metadata.
    pub(crate) fn serve_metadata(&self, metadata: Value) {
        self.served().metadata = Some(metadata);
    }

    /// Serves the metadata at this path only.
    pub(crate) fn serve_metadata_at(&self, path: &str) {
        self.served().metadata_path = path.to_owned();
    }

    /// Sets the `Cache-Control` header of the JWK set.
    pub(crate) fn set_cache_control(&self, value: &str) {
        self.served().cache_control = Some(value.to_owned());
    }

    /// Makes all further requests fail, or succeed again with `None`.
    pub(crate) fn fail(&self, failure: Option<Failure>) {
        self.served().failure = failure;
    }

    /// Number of requests for the JWK set.
    pub(crate) fn jwks_fetches(&self) -> usize {
        self.shared.jwks_fetches.load(Ordering::SeqCst)
    }

    /// Number of requests for metadata, at any path.
    pub(crate) fn metadata_fetches(&self) -> usize {
        self.shared.metadata_fetches.load(Ordering::SeqCst)
    }

    /// Number of other requests.
    pub(crate) fn other_requests(&self) -> usize {
        self.shared.other_requests.load(Ordering::SeqCst)
    }

    fn keys(&self) -> MutexGuard<'_, Vec<SigningKey>> {
        self.shared.keys.lock().unwrap()
    }

    fn served(&self) -> MutexGuard<'_, Served> {
        self.shared.served.lock().unwrap()
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl SigningKey {
    /// Generates a P-256 key for ES256.
    pub(crate) fn p256(kid: &str) -> SigningKey {
        SigningKey::ec(kid, Algorithm::ES256, &ECDSA_P256_SHA256_FIXED_SIGNING)
    }

    /// Generates a P-384 key for ES384.
    pub(crate) fn p384(kid: &str) -> SigningKey {
        SigningKey::ec(kid, Algorithm::ES384, &ECDSA_P384_SHA384_FIXED_SIGNING)
    }

    /// Generates an Ed25519 key.
    pub(crate) fn ed25519(kid: &str) -> SigningKey {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new()).unwrap();
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap();
        let spki: PublicKeyX509Der = pair.public_key().as_der().unwrap();
        let private = EncodingKey::from_ed_der(pkcs8.as_ref());
        SigningKey::new(kid, Algorithm::EdDSA, private, spki.as_ref())
    }

    /// Returns one of two RSA keys of 2048 bits for RS256; [`SigningKey::with`] selects another algorithm. All tests
    /// share them because generating one is slow.
    pub(crate) fn rsa(kid: &str, index: usize) -> SigningKey {
        static KEYS: LazyLock<[(EncodingKey, Vec<u8>); 2]> = LazyLock::new(|| [rsa(), rsa()]);
        let (private, spki) = &KEYS[index];
        SigningKey::new(kid, Algorithm::RS256, private.clone(), spki)
    }

    /// Returns a symmetric key, whose JWK contains the secret.
    pub(crate) fn secret(kid: &str, algorithm: Algorithm, secret: &[u8]) -> SigningKey {
        SigningKey::new(kid, algorithm, EncodingKey::from_secret(secret), &[])
    }

    /// Selects the signature algorithm.
    pub(crate) fn with(self, algorithm: Algorithm) -> SigningKey {
        SigningKey { algorithm, ..self }
    }

    /// Removes the `kid` from tokens and from the JWK set.
    pub(crate) fn without_kid(mut self) -> SigningKey {
        self.kid = None;
        if let Some(jwk) = self.jwk.as_object_mut() {
            jwk.remove("kid");
        }
        self
    }

    /// Returns a token with these claims, `typ: at+jwt`, and the key's algorithm and `kid`.
    pub(crate) fn token(&self, claims: &Value) -> String {
        let mut header = json!({ "typ": "at+jwt", "alg": self.algorithm });
        if let Some(kid) = &self.kid {
            header["kid"] = json!(kid);
        }
        self.sign(header.to_string(), claims.to_string())
    }

    /// Signs a token with an arbitrary header and claims, both as text.
    pub(crate) fn sign(&self, header: impl AsRef<[u8]>, claims: impl AsRef<[u8]>) -> String {
        let message = unsigned(header, claims);
        let signature =
            jsonwebtoken::crypto::sign(message.as_bytes(), &self.private, self.algorithm).unwrap();
        format!("{message}.{signature}")
    }

    fn ec(kid: &str, algorithm: Algorithm, curve: &'static EcdsaSigningAlgorithm) -> SigningKey {
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(curve, &SystemRandom::new()).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(curve, pkcs8.as_ref()).unwrap();
        let spki: PublicKeyX509Der = pair.public_key().as_der().unwrap();
        let private = EncodingKey::from_ec_der(pkcs8.as_ref());
        SigningKey::new(kid, algorithm, private, spki.as_ref())
    }

    fn new(kid: &str, algorithm: Algorithm, private: EncodingKey, spki: &[u8]) -> SigningKey {
        let jwk = Jwk::from_encoding_key(&private, algorithm).unwrap();
        let mut jwk = serde_json::to_value(jwk).unwrap();
        jwk["kid"] = json!(kid);
        jwk["use"] = json!("sig");
        jwk.as_object_mut().unwrap().remove("alg");
        SigningKey {
            kid: Some(kid.to_owned()),
            algorithm,
            jwk,
            public_pem: pem("PUBLIC KEY", spki),
            private,
        }
    }
}

/// Returns the first two parts of a token, the input of its signature.
pub(crate) fn unsigned(header: impl AsRef<[u8]>, claims: impl AsRef<[u8]>) -> String {
    let encode = |part: &[u8]| URL_SAFE_NO_PAD.encode(part);
    format!("{}.{}", encode(header.as_ref()), encode(claims.as_ref()))
}

/// Returns the current Unix time in seconds.
pub(crate) fn now_seconds() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    now.as_secs()
}

fn rsa() -> (EncodingKey, Vec<u8>) {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let pkcs8: Pkcs8V1Der = pair.as_der().unwrap();
    let spki: PublicKeyX509Der = pair.public_key().as_der().unwrap();
    let private = EncodingKey::from_rsa_pem(pem("PRIVATE KEY", pkcs8.as_ref()).as_bytes()).unwrap();
    (private, spki.as_ref().to_vec())
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = (0..text.len())
        .step_by(64)
        .map(|at| &text[at..text.len().min(at + 64)])
        .collect();
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        lines.join("\n")
    )
}

async fn answer(
    State((url, shared)): State<(String, Arc<Shared>)>,
    request: Request,
) -> Response<Body> {
    let path = request.uri().path();
    let failure = {
        let counter = if path.ends_with("/jwks") {
            &shared.jwks_fetches
        } else if path.contains("/.well-known/") {
            &shared.metadata_fetches
        } else {
            &shared.other_requests
        };
        counter.fetch_add(1, Ordering::SeqCst);
        shared.served.lock().unwrap().failure.clone()
    };
    let is_first_request = request.uri().query().is_none();
    match failure {
        None => {}
        Some(Failure::Status(status)) => return reply(status, &[], String::new()),
        Some(Failure::Redirect) if is_first_request => {
            let location = format!("{path}?redirected");
            return reply(302, &[("location", &location)], String::new());
        }
        Some(Failure::Redirect) => {}
        Some(Failure::Oversized) => {
            let filler = "x".repeat(257 * 1024);
            return reply(
                200,
                &[],
                json!({ "keys": [], "filler": filler }).to_string(),
            );
        }
        Some(Failure::Garbage) => return reply(200, &[], "<html>".to_owned()),
        Some(Failure::Stall) => std::future::pending().await,
    }
    let served = shared.served.lock().unwrap();
    if path == served.metadata_path {
        let metadata = json!({ "issuer": url, "jwks_uri": format!("{url}/jwks") });
        let metadata = served.metadata.clone().unwrap_or(metadata);
        return reply(200, &[], metadata.to_string());
    }
    if !path.ends_with("/jwks") {
        return reply(404, &[], String::new());
    }
    let keys: Vec<Value> = shared
        .keys
        .lock()
        .unwrap()
        .iter()
        .map(|key| key.jwk.clone())
        .collect();
    let jwks = served.jwks.clone().unwrap_or(json!({ "keys": keys }));
    let cache_control = served.cache_control.clone().unwrap_or_default();
    let headers: &[(&str, &str)] = match cache_control.as_str() {
        "" => &[],
        value => &[("cache-control", value)],
    };
    let body = served.jwks_text.clone().unwrap_or(jwks.to_string());
    reply(200, headers, body)
}

fn reply(status: u16, headers: &[(&str, &str)], body: String) -> Response<Body> {
    let mut response = Response::builder()
        .status(status)
        .header("content-type", "application/json");
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(Body::from(body)).unwrap()
}
