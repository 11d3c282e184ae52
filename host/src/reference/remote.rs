//! Components on web servers and in registries: `https://host/x.wasm` and `oci://registry/repository:tag@sha256:…`.

use std::fmt;

use url::Url;

use super::error::ReferenceError;
use crate::network::is_loopback;

/// Upper limit of a remote reference. Longer URLs are not accepted by common servers either.
const MAX_REFERENCE_BYTES: usize = 2048;
/// Upper limit of a repository's name (OCI distribution specification 1.1, "Pulling manifests", and common registries).
const MAX_REPOSITORY_BYTES: usize = 255;
/// Upper limit of a tag (OCI distribution specification 1.1, "Pulling manifests").
const MAX_TAG_BYTES: usize = 128;

/// The place of a component on the network.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Remote {
    /// A file on a web server, over https, or over http on loopback.
    Web(Url),
    /// An artefact in an OCI registry.
    Oci(OciLocation),
}

/// An artefact in an OCI registry.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OciLocation {
    /// Host of the registry, with its port unless that is 443.
    pub registry: String,
    /// Name of the repository.
    pub repository: String,
    /// The tag; `latest` if the reference has neither tag nor digest.
    pub tag: Option<String>,
    /// Digest of the manifest: `sha256:…`. It takes precedence over the tag.
    pub digest: Option<String>,
}

impl Remote {
    /// Parses a reference without its `#tool`, or returns `None` if it is a local one.
    ///
    /// # Errors
    /// The part of the reference that is wrong.
    pub(super) fn parse(text: &str) -> Option<Result<Self, ReferenceError>> {
        let (scheme, rest) = text.split_once("://")?;
        let parsed = match scheme.to_ascii_lowercase().as_str() {
            "https" | "http" => parse_url(text).map(Self::Web),
            "oci" => parse_oci(rest).map(Self::Oci),
            _ => return None,
        };
        let parsed = match text.len() > MAX_REFERENCE_BYTES {
            true => Err("is longer than 2048 bytes"),
            false => parsed,
        };
        let error = |reason| ReferenceError::Remote(without_credentials(text), reason);
        Some(parsed.map_err(error))
    }

    /// Returns the name of the component: the last part of the path without `.wasm`.
    pub fn stem(&self) -> String {
        let name = match self {
            Self::Web(url) => {
                let mut segments = url.path().rsplit('/').filter(|part| !part.is_empty());
                segments.next().or(url.host_str()).unwrap_or_default()
            }
            Self::Oci(location) => {
                let mut segments = location.repository.rsplit('/');
                segments.next().unwrap_or_default()
            }
        };
        let stem = name.get(..name.len().saturating_sub(".wasm".len()));
        match name.to_ascii_lowercase().ends_with(".wasm") {
            true => stem.unwrap_or(name).to_owned(),
            false => name.to_owned(),
        }
    }
}

impl OciLocation {
    /// Returns the tag or the digest under which the manifest is fetched.
    pub fn manifest_reference(&self) -> &str {
        let digest = self.digest.as_deref().or(self.tag.as_deref());
        digest.unwrap_or("latest")
    }

    /// Returns the URL of the registry's root, over https.
    pub fn registry_url(&self) -> Option<Url> {
        Url::parse(&format!("https://{}/", self.registry)).ok()
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Web(url) => url.fmt(f),
            Self::Oci(location) => location.fmt(f),
        }
    }
}

impl fmt::Display for OciLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "oci://{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

/// Returns whether the text is a digest: `sha256:` and 64 lower-case hexadecimal digits.
pub fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:").is_some_and(|hex| {
        hex.len() == 64
            && hex
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    })
}

fn parse_url(text: &str) -> Result<Url, &'static str> {
    let url = Url::parse(text).map_err(|_| "is not a valid URL")?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("holds credentials, which would be seen in logs; take them out of the URL");
    }
    if url.scheme() == "http" && !is_loopback(&url) {
        return Err("is http, which is accepted on loopback only; name it with https://");
    }
    if url.fragment().is_some() {
        return Err(
            "has a `#` that no tool's name follows; a tool is named as in `x.wasm#forecast`",
        );
    }
    Ok(url)
}

/// Parses `registry/repository[:tag][@digest]`.
fn parse_oci(text: &str) -> Result<OciLocation, &'static str> {
    if text.contains(['?', '#']) {
        return Err(
            "has a `?` or `#`; the form is oci://REGISTRY/REPOSITORY:TAG@sha256:…, and #TOOL at its end",
        );
    }
    let (name, digest) = match text.split_once('@') {
        // Credentials would come before the first slash.
        Some((name, _)) if !name.contains('/') => {
            return Err(
                "holds credentials, which would be seen in logs; use `docker login`, `podman login` or `oras login`",
            );
        }
        Some((name, digest)) if is_digest(digest) => (name, Some(digest.to_owned())),
        Some(_) => {
            return Err(
                "has a wrong digest; after `@` come \"sha256:\" and 64 lower-case hexadecimal digits",
            );
        }
        None => (text, None),
    };
    let (registry, path) = name
        .split_once('/')
        .ok_or("names no repository; the form is oci://REGISTRY/REPOSITORY:TAG")?;
    let (repository, tag) = match path.split_once(':') {
        Some((repository, tag)) => (repository, Some(tag)),
        None => (path, None),
    };
    if !is_repository(repository) {
        return Err(
            "has a wrong repository; its parts are lower-case letters and digits, with `.`, `_` or `-` between them",
        );
    }
    if tag.is_some_and(|tag| !is_tag(tag)) {
        return Err("has a wrong tag; a tag is 1 to 128 characters of `A-Z a-z 0-9 _ . -`");
    }
    let registry = registry_authority(registry)
        .ok_or("has no valid host of a registry, such as `ghcr.io` or `localhost:5000`")?;
    Ok(OciLocation {
        registry,
        repository: repository.to_owned(),
        tag: tag.map(str::to_owned),
        digest,
    })
}

/// Returns the host and port in the form of a URL.
fn registry_authority(text: &str) -> Option<String> {
    let url = Url::parse(&format!("https://{text}/")).ok()?;
    let is_authority = url.path() == "/" && url.username().is_empty() && url.password().is_none();
    let host = url.host_str().filter(|_| is_authority)?;
    Some(match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    })
}

/// Returns whether the text is the name of a repository (OCI distribution specification 1.1, "Pulling manifests").
fn is_repository(text: &str) -> bool {
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_separator =
        |text: &str| matches!(text, "" | "." | "_" | "__") || text.bytes().all(|b| b == b'-');
    let is_part = |part: &str| {
        part.starts_with(is_word)
            && part.ends_with(is_word)
            && part.split(is_word).all(is_separator)
    };
    text.len() <= MAX_REPOSITORY_BYTES && text.split('/').all(is_part)
}

fn is_tag(text: &str) -> bool {
    (1..=MAX_TAG_BYTES).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
}

/// Returns the reference with credentials replaced.
fn without_credentials(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else {
        return text.to_owned();
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    match rest[..end].rfind('@') {
        Some(at) => format!("{scheme}://…{}", &rest[at..]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_to_registries_are_parsed_or_their_fault_is_named() {
        let digest = format!("sha256:{}", "0a".repeat(32));
        let long = "a".repeat(256);
        for (text, expected) in [
            (
                "oci://ghcr.io/team/tool",
                Ok(("ghcr.io", "team/tool", "latest")),
            ),
            (
                "OCI://ghcr.io/team/tool",
                Ok(("ghcr.io", "team/tool", "latest")),
            ),
            (
                "oci://ghcr.io/tool:1.0_x-y",
                Ok(("ghcr.io", "tool", "1.0_x-y")),
            ),
            (
                "oci://GHCR.io:443/a.b__c--d/e:1",
                Ok(("ghcr.io", "a.b__c--d/e", "1")),
            ),
            (
                "oci://localhost:5000/a",
                Ok(("localhost:5000", "a", "latest")),
            ),
            ("oci://[::1]:5000/a:1", Ok(("[::1]:5000", "a", "1"))),
            (&format!("oci://a.b/c@{digest}"), Ok(("a.b", "c", &digest))),
            (
                &format!("oci://a.b/c:1@{digest}"),
                Ok(("a.b", "c", &digest)),
            ),
            ("oci://a.b/c@sha256:12", Err("wrong digest")),
            (
                &format!("oci://a.b/c@{}", digest.to_uppercase()),
                Err("wrong digest"),
            ),
            ("oci://user:secret@a.b/c", Err("credentials")),
            ("oci://a.b", Err("names no repository")),
            ("oci://a.b/", Err("wrong repository")),
            ("oci://a.b/C", Err("wrong repository")),
            ("oci://a.b/../c", Err("wrong repository")),
            ("oci://a.b/a..b", Err("wrong repository")),
            ("oci://a.b/a///b", Err("wrong repository")),
            (&format!("oci://a.b/{long}"), Err("wrong repository")),
            ("oci://a.b/c:", Err("wrong tag")),
            ("oci://a.b/c:-1", Err("wrong tag")),
            ("oci://a.b/c:1:2", Err("wrong tag")),
            ("oci:///c", Err("no valid host")),
            ("oci://a b/c", Err("no valid host")),
            ("oci://a.b/c?x=1", Err("`?`")),
        ] {
            match (Remote::parse(text), expected) {
                (Some(Ok(Remote::Oci(found))), Ok((registry, repository, reference))) => {
                    let parts = (&*found.registry, &*found.repository);
                    assert_eq!(parts, (registry, repository), "{text}");
                    assert_eq!(found.manifest_reference(), reference, "{text}");
                }
                (Some(Err(error)), Err(part)) => {
                    let error = error.to_string();
                    assert!(error.contains(part) && !error.contains("secret"), "{error}");
                }
                other => panic!("{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn urls_are_parsed_or_their_fault_is_named() {
        let long = format!("https://a.b/{}", "c".repeat(2048));
        for (text, expected) in [
            ("https://a.b/tools/x.wasm?v=1", Ok("x")),
            ("https://a.b/tools/X.WASM", Ok("X")),
            ("https://a.b/get/", Ok("get")),
            ("https://a.b", Ok("a.b")),
            ("http://127.0.0.1:80/x.wasm", Ok("x")),
            ("http://localhost/x.wasm", Ok("x")),
            ("http://a.b/x.wasm", Err("loopback")),
            ("https://user:secret@a.b/x.wasm", Err("credentials")),
            ("https:///", Err("valid URL")),
            ("https://a.b/x.wasm#not a tool", Err("`#`")),
            (&long, Err("longer")),
        ] {
            match (Remote::parse(text), expected) {
                (Some(Ok(found)), Ok(stem)) => assert_eq!(found.stem(), stem, "{text}"),
                (Some(Err(error)), Err(part)) => {
                    let error = error.to_string();
                    assert!(error.contains(part) && !error.contains("secret"), "{error}");
                }
                other => panic!("{text}: {other:?}"),
            }
        }
        for local in ["x.wasm", "file:///x.wasm", "tools/*.wasm", "s3://a/b"] {
            assert!(Remote::parse(local).is_none(), "{local}");
        }
    }
}
