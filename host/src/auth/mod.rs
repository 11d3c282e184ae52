//! An OAuth 2.1 resource-server guard as a tower layer: requests with a valid bearer access token pass, all others get
//! the challenge that tells a client how to obtain one (RFC 6750, RFC 9068, RFC 9728).
//!
//! The guard issues no tokens, forwards no tokens and never fetches a URL named by a token. It protects any axum
//! router:
//!
//! ```no_run
//! use std::sync::Arc;
//! use axum::{Extension, Router, routing::get};
//! use toolcrib::auth::{Caller, Guard, GuardConfig};
//!
//! async fn books(Extension(caller): Extension<Arc<Caller>>) -> String {
//!     format!("the books of {}", caller.subject)
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let mut config = GuardConfig::new(
//!         "https://library.example/books", // the resource: exactly the URL that clients use
//!         "https://login.example",         // the issuer; its metadata names its JWKS
//!         "https://library.example/books", // the audience that tokens must carry
//!     );
//!     config.required_scopes = vec!["books:read".to_owned()];
//!     let guard = Guard::build(config).map_err(|errors| format!("{errors:?}"))?;
//!
//!     let app = Router::new()
//!         .route("/books", get(books))
//!         .layer(guard.layer())           // the routes above need an access token …
//!         .merge(guard.metadata_router()); // … the metadata, which tells clients where to get one, does not
//!     let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
//!     axum::serve(listener, app).await?;
//!     Ok(())
//! }
//! ```
//!
//! # Requirements on a token
//!
//! - It is a JWT issued by a configured issuer and signed with that issuer's own key. Issuer and audience are compared
//!   byte for byte, except that a URL without a path may or may not end in a slash.
//! - Its signature algorithm is allowed by the configuration and by the key's type; the header cannot widen the choice.
//!   `none` is never accepted, and HMAC only with a configured secret. RSA keys have 2048 bits or more. The JWK members
//!   `use`, `key_ops` and `alg` are honoured.
//! - It is meant for this resource (`aud`, or the claim that the configuration names), not expired (`exp`), already valid (`nbf`) and not issued in the future
//!   (`iat`), each within the configured leeway. `iss`, `aud` and `exp` are required; so is `sub` or a client
//!   identifier.
//! - It is an access token: `typ` is `at+jwt`, `JWT` or absent. ID tokens, logout tokens and tokens bound to a key of
//!   their client (`cnf`) are rejected. So is a token with a critical header extension, because none is supported.
//!
//! # Source of the keys
//!
//! The configuration contains the keys, or they are fetched from the issuer over https: at the first token, cached as
//! long as `Cache-Control` says (1 min to 24 h), refreshed in the background, and kept through an outage. Redirects are
//! not followed, and private addresses are not contacted unless the configuration names them. A verified token is
//! cached by its hash for a minute, as long as its key remains valid.

mod algorithm;
mod clock;
mod compare;
mod counts;

mod caller;
mod claims;
mod config;
mod scopes;

mod challenge;

mod key;

mod jwks;

mod fetch;
mod trusted;

mod key_source;
mod metadata;
mod token_cache;

mod issuer;
mod validate;

mod jwt;

mod verifier;

mod explain;

mod guard;

mod layer;

pub use algorithm::{Algorithm, UnknownAlgorithm};
pub use caller::Caller;
pub use challenge::AuthError;
#[doc(hidden)]
pub use clock::Clock;
pub use config::{
    GuardConfig, GuardConfigError, IssuerConfig, KeySource, MAX_LEEWAY_SECONDS, MAX_OUTAGE_SECONDS,
    Secret,
};
pub use counts::GuardCounts;
pub use explain::Finding;
pub use guard::Guard;
pub use layer::{GuardLayer, GuardService, MAX_AUTHORIZATION_BYTES};
pub use scopes::is_requirable_scope;
