//! The verified caller of a request, and the keys under which its state is kept.

use std::fmt;
use std::time::SystemTime;

use serde_json::{Map, Value, json};

/// The caller that a verified access token identifies.
///
/// The guard inserts it as `Arc<Caller>` into the request's extensions and removes the token from the request.
///
/// Two keys identify a caller, whatever token it presents:
///
/// - the *user* key ([`user_key`](Self::user_key)) for what a user shares between clients: rates and key-value spaces;
/// - the *user and client* key ([`user_client_key`](Self::user_client_key)) for what must stay within one client: the
///   ownership of sessions, tasks and streams, and the binding of request states.
#[derive(Clone, PartialEq)]
pub struct Caller {
    /// The issuer as configured.
    pub issuer: String,
    /// The token's `sub`. A token without it acts for its client, as in a client-credentials grant: the subject is then
    /// `client:` followed by the client identifier. A `sub` that itself begins with `client:` is prefixed with `user:`,
    /// so that a user and a client never have the same subject.
    pub subject: String,
    /// The first of `client_id`, `azp`, `cid` and `appid` that the token has.
    pub client_id: Option<String>,
    /// The scopes of `scope` and `scp` and the scopes they imply, sorted.
    pub scopes: Vec<String>,
    /// The claims listed in [`GuardConfig::pass_claims`](super::GuardConfig::pass_claims), and no others.
    pub claims: Map<String, Value>,
    /// The token's `exp`.
    pub expires: SystemTime,
    /// The time until which requests with the token are accepted: `exp` plus the leeway. A stream that has no end of
    /// its own ends at this time; an accepted call runs to its end.
    pub accepted_until: SystemTime,
    pub(super) keys: Keys,
}

/// The keys of a caller, which every request needs several times.
#[derive(Clone, PartialEq)]
pub(super) struct Keys {
    user: Box<str>,
    user_client: Box<str>,
}

impl Keys {
    pub(super) fn new(issuer: &str, subject: &str, client_id: Option<&str>) -> Keys {
        Keys {
            user: json!([issuer, subject]).to_string().into(),
            user_client: json!([issuer, subject, client_id]).to_string().into(),
        }
    }
}

impl Caller {
    /// Returns whether the caller has every one of these scopes.
    pub fn has_scopes(&self, needed: &[String]) -> bool {
        needed
            .iter()
            .all(|scope| self.scopes.binary_search(scope).is_ok())
    }

    /// Returns the key of the user: issuer and subject as a JSON array. It is the same for all clients of a user.
    pub fn user_key(&self) -> &str {
        &self.keys.user
    }

    /// Returns the key of the user and the client: issuer, subject and client identifier as a JSON array, with `null`
    /// for a missing client identifier.
    pub fn user_client_key(&self) -> &str {
        &self.keys.user_client
    }

    /// Returns whether both are the same user and client: whether their [`user_client_key`](Self::user_client_key)s are
    /// equal.
    pub fn is_same_caller(&self, other: &Caller) -> bool {
        self.keys.user_client == other.keys.user_client
    }

    /// Estimates the memory of this value.
    pub(super) fn size_bytes(&self) -> usize {
        let text = self.issuer.len()
            + self.subject.len()
            + self.client_id.as_ref().map_or(0, String::len)
            + self
                .scopes
                .iter()
                .map(|scope| scope.len() + size_of::<String>())
                .sum::<usize>()
            + self.keys.user.len()
            + self.keys.user_client.len();
        let claims: usize = self
            .claims
            .iter()
            .map(|(name, value)| name.len() + value_bytes(value))
            .sum();
        size_of::<Caller>() + text + claims
    }
}

/// Shows the names of the passed claims without their values, which are personal data.
impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller")
            .field("issuer", &self.issuer)
            .field("subject", &self.subject)
            .field("client_id", &self.client_id)
            .field("scopes", &self.scopes)
            .field("claims", &self.claims.keys().collect::<Vec<_>>())
            .field("expires", &self.expires)
            .field("accepted_until", &self.accepted_until)
            .finish()
    }
}

/// Estimates the memory of a JSON value. The recursion is bounded because the parser of claims bounds their depth.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(issuer: &str, subject: &str, client_id: Option<&str>) -> Caller {
        Caller {
            issuer: issuer.to_owned(),
            subject: subject.to_owned(),
            client_id: client_id.map(str::to_owned),
            scopes: Vec::new(),
            claims: Map::new(),
            expires: SystemTime::UNIX_EPOCH,
            accepted_until: SystemTime::UNIX_EPOCH,
            keys: Keys::new(issuer, subject, client_id),
        }
    }

    #[test]
    fn keys_are_shared_as_documented_and_unambiguous() {
        let alice = caller("https://a.example", "alice", Some("app"));
        for (other, is_same_user, is_same_user_and_client) in [
            (
                caller("https://a.example", "alice", Some("app")),
                true,
                true,
            ),
            (
                caller("https://a.example", "alice", Some("cli")),
                true,
                false,
            ),
            (caller("https://a.example", "alice", None), true, false),
            (
                caller("https://a.example", "bob", Some("app")),
                false,
                false,
            ),
            (
                caller("https://b.example", "alice", Some("app")),
                false,
                false,
            ),
            (
                caller("https://a.example\",\"alice", "", Some("app")),
                false,
                false,
            ),
            (
                caller("https://a.example", "alice\",\"app", None),
                false,
                false,
            ),
        ] {
            assert_eq!(
                other.user_key() == alice.user_key(),
                is_same_user,
                "{other:?}"
            );
            assert_eq!(
                other.user_client_key() == alice.user_client_key(),
                is_same_user_and_client,
                "{other:?}"
            );
            assert_eq!(
                other.is_same_caller(&alice),
                is_same_user_and_client,
                "{other:?}"
            );
        }
        assert_eq!(
            caller("https://a.example", "alice", None).user_client_key(),
            r#"["https://a.example","alice",null]"#
        );
    }
}
