//! Conflicts between components, and settings that do not fit a component.

use super::argument_schema::ArgumentOverrideError;

/// The reason why a component cannot be added to the catalog.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// Two components have a tool or a prompt of the same name.
    #[error(
        "the {kind} `{name}` is in both `{first}` and `{second}`; give one of them a `prefix` in its \
         [[component]], such as prefix = \"{second}_\"{}",
        if is_tool(.kind) { ", or one of the tools a `rename`" } else { "" }
    )]
    Duplicate {
        /// `tool` or `prompt`.
        kind: &'static str,
        /// The shared name.
        name: String,
        /// The component that was added first.
        first: String,
        /// The rejected component.
        second: String,
    },
    /// Two components have a resource of the same URI.
    #[error(
        "the resource `{uri}` is in both `{first}` and `{second}`; give one of them a `uri-prefix` in \
         its [[component]], such as uri-prefix = \"{}\"",
        suggested_uri_prefix(.second)
    )]
    DuplicateResource {
        /// The URI or URI template.
        uri: String,
        /// The component that was added first.
        first: String,
        /// The rejected component.
        second: String,
    },
    /// A component would answer for URIs of another one.
    #[error(
        "`{second_uri}` of `{second}` overlaps with `{first_uri}` of `{first}`, so that one could \
         answer for the other; give one of them a `uri-prefix` in its [[component]], such as \
         uri-prefix = \"{}\"",
        suggested_uri_prefix(.second)
    )]
    UriOverlap {
        /// The component that was added first.
        first: String,
        /// Its URI or URI template.
        first_uri: String,
        /// The rejected component.
        second: String,
        /// Its URI or URI template.
        second_uri: String,
    },
    /// Two components answer at the same path.
    #[error(
        "`{first}` and `{second}` are both mounted at `{path}`; give one of them another `path`"
    )]
    SameMount {
        /// The path.
        path: String,
        /// The component that was added first.
        first: String,
        /// The rejected component.
        second: String,
    },
    /// Comparing the URIs of a component with those of the others takes too long.
    #[error(
        "`{0}` has too many or too long resource templates to compare with those of the other \
         components; give it a `uri-prefix` in its [[component]], such as uri-prefix = \"{prefix}\"",
        prefix = suggested_uri_prefix(.0)
    )]
    TooManyUris(String),
    /// Two tools of one component would get the same name.
    #[error(
        "`{component}`: its tools `{first}` and `{second}` would both be called `{tool}`; give one \
         of them another `rename`"
    )]
    SameName {
        /// The component.
        component: String,
        /// The shared name.
        tool: String,
        /// The first tool's own name.
        first: String,
        /// The second tool's own name.
        second: String,
    },
    /// A setting names a tool that the component does not have.
    #[error("`{component}` has no tool `{tool}`, which {setting} names; it has {known}")]
    UnknownTool {
        /// The component.
        component: String,
        /// The missing tool.
        tool: String,
        /// The setting that names it.
        setting: String,
        /// The tools of the component.
        known: String,
    },
    /// The settings for a tool's arguments do not fit its schema.
    #[error("`{component}`: [component.tool.{tool}] {error}")]
    Argument {
        /// The component.
        component: String,
        /// The tool.
        tool: String,
        /// The reason.
        error: ArgumentOverrideError,
    },
    /// The settings exclude everything that the component has.
    #[error(
        "`{0}`: `tools`, `exclude` and `enabled` leave nothing of it to be served; leave one tool, or \
         take the component out"
    )]
    NoTools(String),
    /// The prefix makes a name that clients reject.
    #[error(
        "`{component}`: with the prefix `{prefix}` its {kind} would be called `{name}`, which is not \
         1 to 64 characters of `A-Z a-z 0-9 _ -`; choose another prefix{}",
        if is_tool(.kind) { " or `rename`" } else { "" }
    )]
    InvalidName {
        /// The component.
        component: String,
        /// Its prefix.
        prefix: String,
        /// `tool` or `prompt`.
        kind: &'static str,
        /// The name with the prefix.
        name: String,
    },
}

/// Returns a valid `uri-prefix` for a component of this name.
fn suggested_uri_prefix(name: &str) -> String {
    let is_allowed = |c: &char| c.is_ascii_alphanumeric() || *c == '-';
    let name: String = name.chars().filter(is_allowed).take(32).collect();
    let name = name.trim_start_matches(|c: char| !c.is_ascii_alphabetic());
    format!("{}+", if name.is_empty() { "other" } else { name })
}

/// Returns whether `rename` is a way out: only tools have it.
fn is_tool(kind: &str) -> bool {
    kind == "tool"
}
