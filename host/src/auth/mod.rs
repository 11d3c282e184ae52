//! An OAuth 2.1 resource server's guard as a tower layer: it lets a request through when its bearer token is a good access
//! token, and answers every other one with the challenge that tells a client how to get one (RFC 6750, RFC 9068, RFC 9728).
//!
//! It issues no tokens, passes none on and fetches nothing that a token names. It stands in front of any axum router:
//!
//! ```no_run
//! use std::sync::Arc;
//! use axum::{Extension, Router, routing::get};
//! use toolcrib::auth::{Guard, Principal, Settings};
//!
//! async fn books(Extension(caller): Extension<Arc<Principal>>) -> String {
//!     format!("the books of {}", caller.subject)
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let mut settings = Settings::new(
//!         "https://library.example/books", // the resource: exactly what clients use
//!         "https://login.example",         // the issuer, whose metadata names its keys
//!         "https://library.example/books", // the audience that tokens must be for
//!     );
//!     settings.required_scopes = vec!["books:read".to_owned()];
//!     let guard = Guard::build(settings).map_err(|faults| format!("{faults:?}"))?;
//!
//!     let app = Router::new()
//!         .route("/books", get(books))
//!         .layer(guard.layer())           // everything above needs a token …
//!         .merge(guard.metadata_router()); // … what tells clients where to get one does not
//!     let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
//!     axum::serve(listener, app).await?;
//!     Ok(())
//! }
//! ```
//!
//! # What a token must be
//!
//! - A signed JWT by an issuer of the settings, with that issuer's own key. Issuer and audience are compared byte for byte,
//!   but that a URL without a path may end in a slash or not.
//! - Signed with an algorithm that the settings and the key's type allow, whatever the header says. `none` is none of them,
//!   and HMAC is only where a secret is configured with it. RSA keys have 2048 bits or more; a JWK's `use`, `key_ops` and
//!   `alg` count.
//! - For this resource (`aud`), not expired (`exp`), valid already (`nbf`), not issued in the future (`iat`), with the
//!   leeway of the settings. `iss`, `aud` and `exp` must be there; so must `sub`, or else a client's identifier.
//! - An access token: `typ` is `at+jwt`, `JWT` or absent. An ID token, a logout token, and a token that is bound to its
//!   client's key (`cnf`) are refused. So is one with a critical header extension, since none is known.
//!
//! # Where keys come from
//!
//! From the settings, or over https from the issuer: fetched when the first token comes, kept as long as `Cache-Control`
//! says (1 min to 24 h), refreshed in the background, and kept through an outage. Nothing is followed, and private
//! addresses are not asked unless the settings name them. A token that was verified is remembered by its hash for a
//! minute, while its key stands.

mod algorithm;
mod clock;
mod compare;

mod caller;
mod scopes;
mod settings;

mod challenge;

mod key;

mod jwks;

mod fetch;

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
pub use explain::Finding;
pub use guard::Guard;
pub use layer::{AUTHORIZATION_BYTES_MAX, GuardLayer, GuardService};
pub use scopes::is_requirable_scope;
pub use settings::{
    GuardConfig, GuardConfigError, IssuerConfig, KeySource, LEEWAY_SECONDS_MAX, OUTAGE_SECONDS_MAX,
    Secret,
};
