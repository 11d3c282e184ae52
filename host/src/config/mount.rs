//! `[[mount]]`: a component that answers HTTP requests at a path.

use super::component::{ComponentConfig, read_common};
use super::section::Section;
use crate::sandbox::Limits;

/// Maximum length of `path`.
const MAX_PATH_BYTES: usize = 256;
/// Paths of the host's own, beside that of the MCP endpoint.
const RESERVED: [&str; 3] = ["/healthz", "/readyz", "/.well-known"];

/// Reads one `[[mount]]`; `None` if its reference or its path is not valid. `endpoint` is the path of the MCP endpoint.
pub(super) fn read_mount(
    section: Section<'_, '_>,
    default_limits: &Limits,
    endpoint: &str,
    others: &[ComponentConfig],
) -> Option<ComponentConfig> {
    let path = section.string("path");
    if section.value("path").is_none() {
        section.error(
            "path",
            "is missing; name where the component answers, such as path = \"/hooks/github\"",
        );
    }
    let path = path.and_then(|path| match check(&path, endpoint, others) {
        Ok(()) => Some(path),
        Err(reason) => {
            section.error("path", reason);
            None
        }
    });
    let common = read_common(&section, default_limits);
    section.finish();
    Some(ComponentConfig {
        mount: Some(path?),
        ..common?
    })
}

/// Checks the path of a mount.
fn check(path: &str, endpoint: &str, others: &[ComponentConfig]) -> Result<(), String> {
    let segments = path.strip_prefix('/').map(|rest| rest.split('/'));
    let is_segment = |segment: &str| {
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
        !segment.is_empty() && segment != "." && segment != ".." && segment.bytes().all(is_plain)
    };
    if path.len() > MAX_PATH_BYTES || !segments.is_some_and(|mut s| s.all(is_segment)) {
        return Err(format!(
            "must be a path of at most {MAX_PATH_BYTES} characters such as \"/hooks/github\", of `A-Z a-z 0-9 - . _ ~` \
             between slashes and without one at the end, not {path:?}"
        ));
    }
    let is_below = |path: &str, other: &str| {
        let rest = path.strip_prefix(other);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let reserved = RESERVED.into_iter().chain([endpoint]);
    for reserved in reserved.filter(|reserved| *reserved != "/") {
        if is_below(path, reserved) || is_below(reserved, path) {
            return Err(format!(
                "is {path:?}, and `{reserved}` is the server's own; choose a path beside it"
            ));
        }
    }
    match others
        .iter()
        .any(|other| other.mount.as_deref() == Some(path))
    {
        true => Err(format!(
            "is {path:?} in another [[mount]] too; choose another one"
        )),
        false => Ok(()),
    }
}
