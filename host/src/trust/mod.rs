//! Signatures of components: the keys and identities that are trusted, and the verification of signatures that minisign,
//! cosign and other Sigstore clients make.
//!
//! Nothing here uses the network or the clock of an authority: a signature is verified with what the operator has
//! configured and what was found beside the component. Everything found is untrusted and bounded.

mod error;
mod key;

mod evidence;

mod bundle;
mod minisign;
mod simple_signing;

mod signers;

mod policy;

pub use bundle::{IdentityError, TrustedIdentity};
pub use error::{Rejection, TrustError};
pub(crate) use evidence::{
    Content, Evidence, MAX_SIGNATURE_BYTES, MAX_SIGNATURES, Signature, SignedManifest,
};
pub use key::{KeyError, TrustedKey};
pub use policy::{TrustPolicy, TrustRule};
pub use signers::Signers;
