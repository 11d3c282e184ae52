//! The signers that are trusted for each component.

use super::signers::Signers;

/// `[trust]`: the signatures that components need.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TrustPolicy {
    /// The signers of the components without a rule.
    pub signers: Signers,
    /// `require-signatures`: whether every component must be signed, files too.
    pub require_signatures: bool,
    /// `[[trust.rule]]`
    pub rules: Vec<TrustRule>,
}

/// `[[trust.rule]]`: components that must be signed by signers of their own.
#[derive(Debug, Clone, PartialEq)]
pub struct TrustRule {
    /// The beginning of the references: `https://…` or `oci://…`.
    pub prefix: String,
    /// The signers.
    pub signers: Signers,
}

impl TrustPolicy {
    /// Returns the signers of a component and whether one of them must have signed; `None` if signatures do not matter.
    /// `remote` is the reference of a component that is not a file, without `#tool`.
    pub fn for_component(&self, remote: Option<&str>) -> Option<(&Signers, bool)> {
        let rules = self.rules.iter();
        let rules = rules.filter(|rule| remote.is_some_and(|remote| rule.covers(remote)));
        match rules.max_by_key(|rule| rule.prefix.len()) {
            Some(rule) => Some((&rule.signers, true)),
            None if self.signers.is_empty() && !self.require_signatures => None,
            None => Some((&self.signers, self.require_signatures)),
        }
    }

    /// Returns whether a signature is required of the component with this remote reference.
    pub fn is_signature_required(&self, remote: &str) -> bool {
        let found = self.for_component(Some(remote));
        found.is_some_and(|(_, is_required)| is_required)
    }
}

impl TrustRule {
    /// Returns whether the reference begins with the prefix, at the end of a part of its path.
    fn covers(&self, remote: &str) -> bool {
        let Some(rest) = remote.strip_prefix(&self.prefix) else {
            return false;
        };
        let is_boundary = |c: char| matches!(c, '/' | ':' | '@' | '?');
        rest.is_empty() || self.prefix.ends_with('/') || rest.starts_with(is_boundary)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_rule_applies_at_the_end_of_a_part() {
        let rule = |prefix: &str| TrustRule {
            prefix: prefix.to_owned(),
            signers: Signers::default(),
        };
        let rules = ["oci://a.b/team", "oci://a.b/", "https://a.b/tools/x"].map(rule);
        for (reference, covered) in [
            ("oci://a.b/team", &[0, 1][..]),
            ("oci://a.b/team:1", &[0, 1]),
            ("oci://a.b/team@sha256:0", &[0, 1]),
            ("oci://a.b/team/x:1", &[0, 1]),
            ("oci://a.b/team-2/x:1", &[1]),
            ("oci://a.b.evil/team", &[]),
            ("https://a.b/tools/x?v=1", &[2]),
            ("https://a.b/tools/x.wasm", &[]),
        ] {
            let found = rules.iter().enumerate();
            let found = found.filter(|(_, rule)| rule.covers(reference));
            let found: Vec<_> = found.map(|(index, _)| index).collect();
            assert_eq!(found, covered, "{reference}");
        }
    }
}
