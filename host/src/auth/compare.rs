//! Comparison of issuer and audience identifiers.

/// Returns whether two identifiers are equal byte for byte, except that a URL without a path may or may not end in a
/// slash.
pub(super) fn is_same(one: &str, other: &str) -> bool {
    one == other || without_root_slash(one) == without_root_slash(other)
}

fn without_root_slash(identifier: &str) -> &str {
    let is_bare = |(_, host): (&str, &str)| !host.is_empty() && !host.contains(['/', '?', '#']);
    match identifier.strip_suffix('/') {
        Some(bare) if bare.split_once("://").is_some_and(is_bare) => bare,
        _ => identifier,
    }
}

#[cfg(test)]
mod tests {
    use super::is_same;

    #[test]
    fn identifiers_differ_at_most_by_a_root_slash() {
        for (one, other, same) in [
            ("https://a.example", "https://a.example", true),
            ("https://a.example", "https://a.example/", true),
            ("https://a.example:8443/", "https://a.example:8443", true),
            ("https://a.example/", "https://a.example//", false),
            ("https://a.example/t", "https://a.example/t/", false),
            ("https://a.example", "https://A.example", false),
            ("https://a.example", "http://a.example", false),
            ("https://a.example", "https://a.example ", false),
            ("https:///", "https://", false),
            ("https://a.example?b", "https://a.example?b/", false),
            ("https://", "", false),
            ("://", "/", false),
            ("api", "api/", false),
            ("api://", "api:///", false),
            ("urn:a", "urn:a/", false),
        ] {
            assert_eq!(is_same(one, other), same, "{one} {other}");
            assert_eq!(is_same(other, one), same, "{other} {one}");
        }
    }
}
