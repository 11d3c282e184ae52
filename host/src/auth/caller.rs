//! Who makes a request: what is left of a token once it was verified.

use std::fmt;
use std::time::SystemTime;

use serde_json::{Map, Value};

/// The verified caller. The guard puts it as `Arc<Caller>` among the request's extensions; the token goes no further.
///
/// A caller is the same as another when issuer, subject and client are: see [`Caller::is_same_caller`].
#[derive(Clone, PartialEq)]
pub struct Caller {
    /// The issuer as configured.
    pub issuer: String,
    /// The token's `sub`. A token without one speaks for its client, as in a client-credentials grant: the subject is then
    /// `client:` and the client's identifier, so that it cannot be taken for a user's.
    pub subject: String,
    /// The first of `client_id`, `azp`, `cid` and `appid` that the token has.
    pub client_id: Option<String>,
    /// The scopes of `scope` and `scp` and what they imply, sorted.
    pub scopes: Vec<String>,
    /// The claims named by [`GuardConfig::pass_claims`](super::Settings::pass_claims), and no others.
    pub claims: Map<String, Value>,
    /// The token's `exp`. A stream that was opened with the token ends here; a request is accepted for the leeway longer.
    pub expires: SystemTime,
}

impl Caller {
    /// Whether the caller has every one of these scopes.
    pub fn has_scopes(&self, needed: &[String]) -> bool {
        needed
            .iter()
            .all(|scope| self.scopes.binary_search(scope).is_ok())
    }

    /// Whether both are one caller, whatever token each came with: what a session is bound to.
    pub fn is_same_caller(&self, other: &Caller) -> bool {
        (&self.issuer, &self.subject, &self.client_id)
            == (&other.issuer, &other.subject, &other.client_id)
    }

    /// About how much memory this takes.
    pub(super) fn bytes(&self) -> usize {
        let text = self.issuer.len()
            + self.subject.len()
            + self.client_id.as_ref().map_or(0, String::len)
            + self
                .scopes
                .iter()
                .map(|scope| scope.len() + size_of::<String>())
                .sum::<usize>();
        let claims: usize = self
            .claims
            .iter()
            .map(|(name, value)| name.len() + value_bytes(value))
            .sum();
        size_of::<Caller>() + text + claims
    }
}

/// Shows the names of the passed claims only: their values are the caller's own.
impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller")
            .field("issuer", &self.issuer)
            .field("subject", &self.subject)
            .field("client_id", &self.client_id)
            .field("scopes", &self.scopes)
            .field("claims", &self.claims.keys().collect::<Vec<_>>())
            .field("expires", &self.expires)
            .finish()
    }
}

/// Recursion is bounded: the JSON parser stops at a depth of 128.
fn value_bytes(value: &Value) -> usize {
    size_of::<Value>()
        + match value {
            Value::String(text) => text.len(),
            Value::Array(items) => items.iter().map(value_bytes).sum(),
            Value::Object(fields) => fields
                .iter()
                .map(|(name, value)| name.len() + value_bytes(value))
                .sum(),
            Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        }
}
