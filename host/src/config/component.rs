//! `[[component]]`: the operator's settings for one component.

use std::collections::BTreeMap;
use std::time::Duration;

use super::allow::read_grants;
use super::limits::read_limits;
use super::parts::{PartConfig, read_parts};
use super::section::Section;
use super::tool::read_tool;
use crate::catalog::ToolConfig;
use crate::component::{MissingImports, is_tool_name};
use crate::reference::{Reference, Remote, is_digest};
use crate::sandbox::{Grants, Limits};

/// Lower limit of `follow`: registries limit the rate of requests.
const MIN_FOLLOW: Duration = Duration::from_secs(60);
/// Upper limit of `uri-prefix`. Clients and logs have limits for whole URIs.
const MAX_URI_PREFIX_BYTES: usize = 64;

/// `[[component]]` or `[[mount]]`. Tools are named as the component names them, without prefix.
#[derive(Debug, Clone)]
pub struct ComponentConfig {
    /// `ref`: the files these settings apply to.
    pub reference: Reference,
    /// `path` of a `[[mount]]`: where its HTTP handler answers; `None` for a `[[component]]`.
    pub mount: Option<String>,
    /// Name in logs and errors; `None` means the file's stem.
    pub name: Option<String>,
    /// Required digest of the component's bytes: `sha256:…`.
    pub digest: Option<String>,
    /// `with`: the components that it is composed with.
    pub with: Vec<PartConfig>,
    /// Whether a remote component is served without a pinned digest.
    pub allow_unpinned: bool,
    /// Interval at which a remote component is resolved again; `None` means once per start.
    pub follow: Option<Duration>,
    /// Prefix of the names of its tools and prompts.
    pub prefix: String,
    /// Prefix of the URIs of its resources and resource templates.
    pub uri_prefix: String,
    /// `missing-imports`: the treatment of imports that the host lacks.
    pub missing_imports: MissingImports,
    /// Scopes required by every call.
    pub scopes: Vec<String>,
    /// `tools`: the only tools to serve; `None` means all.
    pub include: Option<Vec<String>>,
    /// Tools not to serve.
    pub exclude: Vec<String>,
    /// `[component.tool.NAME]`, by tool name.
    pub tools: BTreeMap<String, ToolConfig>,
    /// `[component.limits]`: limits of each call.
    pub limits: Limits,
    /// `[component.allow]`: grants of each call.
    pub allow: Grants,
}

impl ComponentConfig {
    /// Returns whether any setting makes sense for a single component only.
    pub(crate) fn is_for_one_component(&self) -> bool {
        self.name.is_some()
            || self.digest.is_some()
            || !self.with.is_empty()
            || self.mount.is_some()
            || self.include.is_some()
            || !self.exclude.is_empty()
            || !self.tools.is_empty()
    }
}

/// Reads one `[[component]]`; `None` if it has no valid reference.
pub(super) fn read_component(
    section: Section<'_, '_>,
    default_limits: &Limits,
) -> Option<ComponentConfig> {
    let common = read_common(&section, default_limits);
    let prefix = section.parsed("prefix", "characters of `A-Z a-z 0-9 _ -`", |text| {
        is_tool_name(text).then(|| text.to_owned())
    });
    let uri_prefix = section.parsed(
        "uri-prefix",
        "the beginning of a URI such as \"acme+\" or \"acme:\", of at most 64 characters",
        |text| is_uri_prefix(text).then(|| text.to_owned()),
    );
    let include = section.string_list("tools");
    let exclude = section.string_list("exclude").unwrap_or_default();
    let included = include.iter().flatten();
    for tool in included.filter(|tool| exclude.contains(tool)) {
        section.error(
            "exclude",
            format!("names `{tool}`, and so does `tools`; take it out of one of them"),
        );
    }
    let tools = section.named_tables("tool").into_iter();
    let tools = tools.map(|(name, tool)| (name, read_tool(tool))).collect();
    section.finish();
    Some(ComponentConfig {
        prefix: prefix.unwrap_or_default(),
        uri_prefix: uri_prefix.unwrap_or_default(),
        include,
        exclude,
        tools,
        ..common?
    })
}

/// Reads the keys that `[[component]]` and `[[mount]]` share; `None` if there is no valid reference.
pub(super) fn read_common(
    section: &Section<'_, '_>,
    default_limits: &Limits,
) -> Option<ComponentConfig> {
    let reference = section.string("ref");
    if section.value("ref").is_none() {
        section.error(
            "ref",
            "is missing; name the component's file, such as ref = \"tools/x.wasm\"",
        );
    }
    let reference = reference.and_then(|text| {
        Reference::parse(&text, section.base())
            .map_err(|error| section.error("ref", format!("names {error}")))
            .ok()
    });
    let digest = section.parsed(
        "digest",
        "\"sha256:\" and 64 lower-case hexadecimal digits",
        |text| is_digest(text).then(|| text.to_owned()),
    );
    let allow_unpinned = section.boolean("allow-unpinned").unwrap_or(false);
    let follow = section.duration("follow");
    let with = read_parts(section);
    if let Some(reference) = &reference {
        check_remote_settings(section, reference, digest.as_deref(), follow, &with);
    }
    let missing_imports =
        section.parsed(
            "missing-imports",
            "\"refuse\" or \"stub\"",
            |text| match text {
                "refuse" => Some(MissingImports::Refuse),
                "stub" => Some(MissingImports::Stub),
                _ => None,
            },
        );
    let limits = match section.table("limits") {
        Some(limits) => read_limits(limits, default_limits),
        None => default_limits.clone(),
    };
    let allow = section.table("allow").map(read_grants);
    let name = section.string("name");
    let scopes = section.scopes("scopes");
    Some(ComponentConfig {
        reference: reference?,
        mount: None,
        name,
        digest,
        with,
        allow_unpinned,
        follow,
        prefix: String::new(),
        uri_prefix: String::new(),
        missing_imports: missing_imports.unwrap_or_default(),
        scopes,
        include: None,
        exclude: Vec::new(),
        tools: BTreeMap::new(),
        limits,
        allow: allow.unwrap_or_default(),
    })
}

/// Rejects settings for remote components that do not fit the reference.
fn check_remote_settings(
    section: &Section<'_, '_>,
    reference: &Reference,
    digest: Option<&str>,
    follow: Option<Duration>,
    with: &[PartConfig],
) {
    let Some(remote) = reference.remote() else {
        let has_remote_part = with.iter().any(|part| part.reference.remote().is_some());
        for key in ["allow-unpinned", "follow"] {
            let is_for_parts = key == "allow-unpinned" && has_remote_part;
            if section.value(key).is_some() && !is_for_parts {
                section.error(key, "is for https:// and oci:// references; take it out");
            }
        }
        return;
    };
    let Some(follow) = follow else { return };
    let is_fixed = matches!(remote, Remote::Oci(location) if location.digest.is_some());
    if is_fixed || digest.is_some() {
        section.error(
            "follow",
            "has no effect beside a pinned digest; take one of them out",
        );
    }
    if follow < MIN_FOLLOW {
        section.error("follow", "must be at least \"1m\"");
    }
}

/// Returns whether an absolute URI with this text before it is an absolute URI again (RFC 3986, section 3).
fn is_uri_prefix(text: &str) -> bool {
    let (scheme, rest) = text.split_once(':').unwrap_or((text, ""));
    text.len() <= MAX_URI_PREFIX_BYTES
        && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
        && rest
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"+-._~:/".contains(&b))
}
