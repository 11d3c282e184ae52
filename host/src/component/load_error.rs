//! Errors of loading a component, as the operator learns them.

use super::binary_format::NotAComponent;
use super::composition::CompositionError;
use super::contract::TOOL_INTERFACE;
use super::definitions::{DefinitionError, display_name};
use super::describe::DescribeError;
use super::engine_error;
use super::exported::{NameConflict, SkippedExport};
use super::preview3::is_preview3;
use crate::engine::CompileError;
use crate::sandbox::{self, GrantError};

/// Advice for a component that needs WASI 0.3.
const BUILD_FOR_0_2: &str = "build it for WASI 0.2 (in Rust, `--target wasm32-wasip2`)";
/// Maximum number of exports that an error lists as skipped for one reason.
const MAX_LISTED_EXPORTS: usize = 5;
/// Maximum number of reasons that an error lists for skipped exports.
const MAX_LISTED_REASONS: usize = 5;
/// Maximum number of missing imports that an error lists.
const MAX_LISTED_IMPORTS: usize = 20;

/// The reason why a component cannot be served. Each is one sentence without the component's name, which the reporter
/// puts before it.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file is not a component.
    #[error("{0}")]
    NotAComponent(#[from] NotAComponent),
    /// The file's digest differs from the pinned one.
    #[error("its digest is {found}, not the pinned {pinned}; review the file, then pin what it is")]
    DigestMismatch {
        /// The digest of the file.
        found: String,
        /// The digest in the configuration.
        pinned: String,
    },
    /// The digest of a part's file differs from the pinned one.
    #[error(
        "the digest of its part `{part}` is {found}, not the pinned {pinned}; review the file, then pin what it is"
    )]
    PartDigestMismatch {
        /// The part.
        part: String,
        /// The digest of the file.
        found: String,
        /// The digest in the configuration.
        pinned: String,
    },
    /// The component and its parts do not fit together.
    #[error(transparent)]
    Composition(#[from] CompositionError),
    /// The component is invalid, or the compiler timed out or failed.
    #[error(transparent)]
    NotCompiled(CompileError),
    /// The component imports interfaces that the host lacks.
    #[error("{}", missing_imports(.0))]
    MissingImports(Vec<String>),
    /// The component differs from the contract or from WASI, or is made for another version of them.
    #[error("{0}")]
    Incompatible(String),
    /// The component lacks an import that components beside it export.
    #[error("{error}; {}", proposal(parts))]
    Composable {
        /// The error without the proposal.
        error: Box<LoadError>,
        /// The files of the components beside it.
        parts: Vec<String>,
    },
    /// A grant cannot be opened.
    #[error(transparent)]
    Grant(#[from] GrantError),
    /// The component failed to return its definitions.
    #[error(transparent)]
    Describe(#[from] DescribeError),
    /// A definition breaks a rule.
    #[error("{0}")]
    Definition(#[from] DefinitionError),
    /// The check of the definitions panicked.
    #[error("its definitions could not be checked; the log says how")]
    NotChecked,
    /// A defined tool and a function have the same name.
    #[error(transparent)]
    NameConflict(#[from] NameConflict),
    /// The component is mounted, and answers no HTTP requests.
    #[error("it does not export `{0}`, which a [[mount]] needs; serve it with a [[component]]")]
    NoHandler(&'static str),
    /// The component answers HTTP requests, and offers nothing else.
    #[error(
        "it exports `wasi:http/incoming-handler` and no tool; name it in a [[mount]] with the `path` at which it answers"
    )]
    OnlyHandler,
    /// The component offers no tool, prompt or resource.
    #[error("{0}")]
    NothingOffered(String),
}

/// Proposes to compose a component with others.
fn proposal(parts: &[String]) -> String {
    let quoted: Vec<_> = parts.iter().map(|part| format!("{part:?}")).collect();
    format!(
        "to take it from the component beside it, add `with = [{}]` to its [[component]]",
        quoted.join(", ")
    )
}

impl From<CompileError> for LoadError {
    fn from(error: CompileError) -> Self {
        let proposal = match &error {
            CompileError::Invalid(summary) => engine_error::missing_proposal(summary),
            _ => None,
        };
        match &error {
            CompileError::Invalid(summary) if engine_error::is_of_earlier_tools(summary) => {
                Self::Incompatible(format!(
                    "it was made by tools of 2023, with types that components no longer have; with \
                     current tools, {BUILD_FOR_0_2}"
                ))
            }
            _ => match proposal {
                Some(proposal) => Self::Incompatible(format!(
                    "it uses {proposal}, which this host does not have; build it without"
                )),
                None => Self::NotCompiled(error),
            },
        }
    }
}

impl LoadError {
    /// Creates the error of a component that the engine without concurrency cannot compile. `item` is what needs it: "its
    /// export `f`".
    pub(super) fn needs_preview3(item: Option<&str>) -> Self {
        let item = item.unwrap_or("it");
        Self::Incompatible(format!(
            "{item} needs the asynchronous functions of WASI 0.3, which this host has only with `preview3 = true` in \
             [wasi]; set it, or {BUILD_FOR_0_2}, without `async`, `stream` and `future` in its own WIT"
        ))
    }

    /// Creates the error of a component that offers nothing. The skipped exports tell the reason.
    pub(super) fn nothing_offered(has_definitions: bool, skipped: &[SkippedExport]) -> Self {
        let listed = match skipped.is_empty() {
            true => String::new(),
            false => format!(" ({})", by_reason(skipped)),
        };
        const WAY_OUT: &str =
            "build it for the world `tool-component` of `wit/tool.wit`, or export plain functions";
        Self::NothingOffered(if has_definitions {
            format!("it defines no tool, no prompt and no resource{listed}")
        } else if skipped.is_empty() {
            format!("it exports no function that can be a tool; {WAY_OUT}")
        } else {
            format!(
                "it exports neither `{TOOL_INTERFACE}` nor a function that can be a tool{listed}; {WAY_OUT}"
            )
        })
    }
}

/// Lists the first skipped exports, and each reason once: `a`, `b` and 3 more: the reason; `c`: another one.
fn by_reason(skipped: &[SkippedExport]) -> String {
    let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
    for SkippedExport { export, reason } in skipped {
        match groups.iter_mut().find(|(known, _)| known == reason) {
            Some((_, exports)) => exports.push(export),
            None => groups.push((reason, vec![export])),
        }
    }
    let groups_left_out = groups.len().saturating_sub(MAX_LISTED_REASONS);
    let groups = groups.iter().take(MAX_LISTED_REASONS);
    let mut listed: Vec<_> = groups
        .map(|(reason, exports)| format!("{}: {reason}", quoted(exports, MAX_LISTED_EXPORTS)))
        .collect();
    if groups_left_out > 0 {
        listed.push(format!("and {groups_left_out} more reasons"));
    }
    listed.join("; ")
}

/// Returns names in quotes, at most `max` of them and the number of the others.
fn quoted<S: AsRef<str>>(names: &[S], max: usize) -> String {
    let listed = names.iter().take(max);
    let mut listed: Vec<_> = listed.map(|name| format!("`{}`", name.as_ref())).collect();
    if names.len() > max {
        listed.push(format!("{} more", names.len() - max));
    }
    match listed.split_last() {
        Some((last, before)) if !before.is_empty() => format!("{} and {last}", before.join(", ")),
        _ => listed.concat(),
    }
}

/// Returns the sentence about imports that the host lacks: all of them, and the way out.
fn missing_imports(imports: &[String]) -> String {
    let names: Vec<_> = imports.iter().map(|import| display_name(import)).collect();
    let listed = quoted(&names, MAX_LISTED_IMPORTS);
    let all = |is_of: fn(&str) -> bool| imports.iter().all(|import| is_of(import));
    let be = if imports.len() == 1 { "is" } else { "are" };
    if all(sandbox::has_preview3_interface) {
        format!(
            "it imports {listed}, which {be} of WASI 0.3; set `preview3 = true` in [wasi], or {BUILD_FOR_0_2}"
        )
    } else if all(is_preview3) && imports.iter().any(|import| import.contains("@0.3.0-")) {
        format!(
            "it imports {listed}, of a release candidate of WASI 0.3; build it again with tools for 0.3.0, or \
             {BUILD_FOR_0_2}"
        )
    } else if all(is_preview3) {
        format!("it imports {listed}, which {be} of WASI 0.3 and not of this host; {BUILD_FOR_0_2}")
    } else if all(is_wasi_preview) {
        format!(
            "it imports {listed}, of a preview of WASI from before its release in 2024; with current tools, \
             {BUILD_FOR_0_2}"
        )
    } else if imports
        .iter()
        .any(|import| is_preview3(import) || is_wasi_preview(import))
    {
        format!(
            "it imports {listed}, which this host does not have; {BUILD_FOR_0_2}, and if its tools work without \
             the others, set `missing-imports = \"stub\"` in its [[component]]"
        )
    } else {
        format!(
            "it imports {listed}, which this host does not have; if its tools work without, set \
             `missing-imports = \"stub\"` in its [[component]]"
        )
    }
}

/// Returns whether an interface of WASI is of the time before the release of 0.2, when versions had a date or were left
/// out.
fn is_wasi_preview(import: &str) -> bool {
    let proposals = [
        "cli",
        "clocks",
        "filesystem",
        "http",
        "io",
        "random",
        "sockets",
    ];
    let package = import
        .strip_prefix("wasi:")
        .and_then(|rest| rest.split('/').next());
    package.is_some_and(|package| proposals.contains(&package))
        && (import.contains("-rc-202") || !import.contains('@'))
}
