//! Scopes: parsing the claim of a token, expanding implied scopes, selecting those to advertise (RFC 6749 §3.3).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// The scope that requests a refresh token from the authorization server. It grants nothing at a resource and is never
/// advertised.
pub(super) const OFFLINE_ACCESS: &str = "offline_access";

/// The scopes that each scope implies.
#[derive(Debug, Clone, Default)]
pub(super) struct ScopeHierarchy {
    implies: BTreeMap<String, Vec<String>>,
}

impl ScopeHierarchy {
    pub(super) fn new(implies: BTreeMap<String, Vec<String>>) -> ScopeHierarchy {
        ScopeHierarchy { implies }
    }

    /// Returns the granted scopes and all scopes they imply, sorted and without duplicates. Each scope is expanded
    /// once, so cycles terminate.
    pub(super) fn expand<'a>(&'a self, granted: impl IntoIterator<Item = &'a str>) -> Vec<String> {
        let mut expanded = BTreeSet::new();
        let mut unexpanded: Vec<&str> = granted.into_iter().collect();
        while let Some(scope) = unexpanded.pop() {
            if expanded.insert(scope) {
                unexpanded.extend(
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

/// Parses a `scope` or `scp` claim: a space-separated string or a list of strings. Any other type grants no scope.
pub(super) fn from_claim(claim: &Value) -> Vec<&str> {
    match claim {
        Value::String(words) => words.split_ascii_whitespace().collect(),
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// Returns whether a resource can require this scope: it is a valid scope token ([RFC 6749 §3.3]), and it is not
/// `offline_access`, which clients request from the issuer and no resource needs.
///
/// [RFC 6749 §3.3]: https://www.rfc-editor.org/rfc/rfc6749#section-3.3
pub fn is_requirable_scope(scope: &str) -> bool {
    is_scope(scope) && scope != OFFLINE_ACCESS
}

/// Returns whether the text is a scope token, which needs no escaping in a quoted header parameter.
pub(super) fn is_scope(scope: &str) -> bool {
    !scope.is_empty()
        && scope
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')
}

/// Returns the scopes to list in a challenge: in the given order, without duplicates and without those that no resource
/// can require.
pub(super) fn advertisable<'a>(scopes: impl IntoIterator<Item = &'a String>) -> Vec<String> {
    let mut listed: Vec<String> = Vec::new();
    for scope in scopes {
        if is_requirable_scope(scope) && !listed.contains(scope) {
            listed.push(scope.clone());
        }
    }
    listed
}
