//! The claims of a token, and references to single claims by name or JSON Pointer.

use serde_json::{Map, Value};

use crate::json::{self, DuplicateKeys};

/// The claims of a token. Nothing in them is verified.
pub(super) struct Claims(Value);

impl Claims {
    /// Parses the payload of a token, or returns `None` if it is not an object, has a duplicate claim or is too deep.
    pub(super) fn parse(payload: &[u8]) -> Option<Claims> {
        let claims = json::parse(payload, DuplicateKeys::Reject).ok()?;
        claims.is_object().then_some(Claims(claims))
    }

    /// Returns the claim with this name. `null` counts as absent.
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|claim| !claim.is_null())
    }

    /// Returns the claim that a reference in the configuration names: a JSON Pointer (RFC 6901) if it begins with `/`,
    /// else a name.
    pub(super) fn find(&self, reference: &str) -> Option<&Value> {
        if reference.starts_with('/') {
            self.0.pointer(reference).filter(|claim| !claim.is_null())
        } else {
            self.get(reference)
        }
    }

    /// Returns the claims with these names.
    pub(super) fn named(&self, names: &[String]) -> Map<String, Value> {
        names
            .iter()
            .filter_map(|name| Some((name.clone(), self.0.get(name)?.clone())))
            .collect()
    }
}

/// Returns whether the text is a reference to a claim: a name, or a JSON Pointer whose `~` are escaped.
pub(super) fn is_claim_reference(text: &str) -> bool {
    if text.starts_with('/') {
        return text
            .split('~')
            .skip(1)
            .all(|escaped| escaped.starts_with(['0', '1']));
    }
    !text.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_are_found_by_name_and_by_pointer() {
        let claims = br#"{"a":{"b/c":[1]},"a/b":2,"/a":3,"https://x.example/roles":4,"n":null}"#;
        let claims = Claims::parse(claims).expect("valid claims");
        for (reference, found) in [
            ("a/b", Some(2)),
            ("https://x.example/roles", Some(4)),
            ("/a/b~1c/0", Some(1)),
            ("/~1a", Some(3)),
            ("/a/b", None),
            ("n", None),
            ("/n", None),
            ("missing", None),
            ("/a/missing/0", None),
        ] {
            let value = claims.find(reference).and_then(Value::as_i64);
            assert_eq!(value, found, "{reference}");
        }
        for (reference, is_valid) in [
            ("scope", true),
            ("a~b", true),
            ("/a~0~1b", true),
            ("", false),
            ("/a~b", false),
            ("/a~", false),
        ] {
            assert_eq!(is_claim_reference(reference), is_valid, "{reference}");
        }
    }
}
