//! Scopes: what a token carries, what that implies, what may be advertised (RFC 6749 §3.3).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// Asks the authorization server for a refresh token. It is no permission at a resource and is never advertised.
pub(super) const OFFLINE_ACCESS: &str = "offline_access";

/// Which scopes a scope brings with it.
#[derive(Debug, Clone, Default)]
pub(super) struct Hierarchy {
    implies: BTreeMap<String, Vec<String>>,
}

impl Hierarchy {
    pub(super) fn new(implies: BTreeMap<String, Vec<String>>) -> Hierarchy {
        Hierarchy { implies }
    }

    /// The granted scopes and all that they imply, sorted and each once. A scope is expanded once, so that a cycle ends.
    pub(super) fn expand<'a>(&'a self, granted: impl IntoIterator<Item = &'a str>) -> Vec<String> {
        let mut expanded = BTreeSet::new();
        let mut open: Vec<&str> = granted.into_iter().collect();
        while let Some(scope) = open.pop() {
            if expanded.insert(scope) {
                open.extend(
                    self.implies
                        .get(scope)
                        .into_iter()
                        .flatten()
                        .map(String::as_str),
                );
            }
        }
        expanded.into_iter().map(str::to_owned).collect()
    }
}

/// The scopes of a `scope` or `scp` claim: words in a string, or a list of strings. Anything else grants nothing.
pub(super) fn granted(claim: &Value) -> Vec<&str> {
    match claim {
        Value::String(words) => words.split_ascii_whitespace().collect(),
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// Whether a resource can require this scope: it can be named in a challenge ([RFC 6749 §3.3]) and is not `offline_access`,
/// which clients ask of the issuer and no resource needs.
///
/// [RFC 6749 §3.3]: https://www.rfc-editor.org/rfc/rfc6749#section-3.3
pub fn is_requirable_scope(scope: &str) -> bool {
    is_scope(scope) && scope != OFFLINE_ACCESS
}

/// Whether this is a scope token, which stands in a quoted header parameter as it is.
pub(super) fn is_scope(scope: &str) -> bool {
    !scope.is_empty()
        && scope
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')
}

/// These scopes as a challenge lists them: each once, in the order given, nothing that cannot or must not be advertised.
pub(super) fn advertised<'a>(scopes: impl IntoIterator<Item = &'a String>) -> Vec<String> {
    let mut listed: Vec<String> = Vec::new();
    for scope in scopes {
        if is_requirable_scope(scope) && !listed.contains(scope) {
            listed.push(scope.clone());
        }
    }
    listed
}
