//! Tools made of a component's exports, instead of definitions that it returns through the contract.
//!
//! Each kind of export (`functions`, `command`) describes its tools as [`ExportedTool`]s when the component is loaded.
//! The rest of the host calls them in one way, whatever their kind.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use serde_json::Value;

use super::contract::{Guest, GuestError, PreparedStore};
use super::definitions::{Tool, display_name};
use super::output_validation::GuestOutput;
use super::schema::Strings;
use super::tool_result::ToolResult;

/// Maximum number of skipped exports that are listed.
const MAX_SKIPPED: usize = 1_000;

/// A tool made of an export.
pub(super) struct ExportedTool {
    pub(super) tool: Tool,
    /// The export, as errors name it.
    pub(super) export: String,
    pub(super) callee: Arc<dyn Callee>,
}

/// The export behind a tool.
pub(super) trait Callee: Send + Sync {
    /// Converts the arguments of a call, before an instance exists.
    ///
    /// # Errors
    /// One sentence for the client.
    fn prepare(
        self: Arc<Self>,
        arguments: &Value,
        strings: Strings,
    ) -> Result<Box<dyn PreparedCall>, String>;
}

/// A call with converted arguments.
pub(super) trait PreparedCall: Send {
    /// Runs the call in a new instance.
    fn run(
        self: Box<Self>,
        guest: Arc<Guest>,
        store: PreparedStore,
        max_output_bytes: usize,
    ) -> Run;
}

/// A running call.
pub(super) type Run = Pin<Box<dyn Future<Output = Result<ExportedOutput, GuestError>> + Send>>;

/// The result of a call.
pub(super) struct ExportedOutput {
    pub(super) result: ToolResult,
    /// The size of what the guest returned, as text. The structured copy is the host's own.
    pub(super) size_bytes: usize,
}

impl GuestOutput for ExportedOutput {
    fn size_bytes(&self) -> usize {
        self.size_bytes
    }

    fn validate(&self) -> Result<(), String> {
        Ok(())
    }
}

/// An export that is not served as a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkippedExport {
    /// An interface, a function, or both (`ns:pkg/iface#function`).
    pub export: String,
    /// The reason, as a part of a sentence.
    pub reason: String,
}

impl fmt::Display for SkippedExport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", self.export, self.reason)
    }
}

/// The skipped exports of a component, up to [`MAX_SKIPPED`].
#[derive(Default)]
pub(super) struct SkippedExports(Vec<SkippedExport>);

impl SkippedExports {
    pub(super) fn add(&mut self, export: impl fmt::Display, reason: impl Into<String>) {
        match self.0.len().cmp(&MAX_SKIPPED) {
            Ordering::Less => self.0.push(SkippedExport {
                export: display_name(&export.to_string()),
                reason: reason.into(),
            }),
            Ordering::Equal => self.0.push(SkippedExport {
                export: "…".into(),
                reason: format!("{MAX_SKIPPED} are listed, and there are more"),
            }),
            Ordering::Greater => {}
        }
    }

    /// Removes an export that is served after all.
    pub(super) fn remove(&mut self, export: &str) {
        self.0.retain(|skipped| skipped.export != export);
    }
}

/// The tools made of a component's exports, and the exports that are not tools.
#[derive(Default)]
pub(super) struct Exported {
    pub(super) tools: Vec<ExportedTool>,
    pub(super) skipped: SkippedExports,
}

/// A defined tool and an export have the same name.
#[derive(Debug, thiserror::Error)]
#[error(
    "its `definitions` name a tool `{tool}`, and its function `{export}` is a tool of that name \
     too; rename one of them"
)]
pub struct NameConflict {
    tool: String,
    export: String,
}

/// All tools of a component.
pub(super) struct ToolSet {
    /// The tools in name order.
    pub(super) tools: Vec<Tool>,
    /// The exports behind tools, by tool name. The remaining tools are called through the contract.
    pub(super) callees: HashMap<String, Arc<dyn Callee>>,
    pub(super) skipped: Vec<SkippedExport>,
}

impl Exported {
    /// Adds the tools to the defined ones.
    ///
    /// # Errors
    /// All name conflicts between the two.
    pub(super) fn merge(self, mut tools: Vec<Tool>) -> Result<ToolSet, Vec<NameConflict>> {
        let is_defined = |name: &str| tools.iter().any(|tool| tool.name == name);
        let conflicts = self.tools.iter().filter(|own| is_defined(&own.tool.name));
        let conflicts: Vec<_> = conflicts
            .map(|own| NameConflict {
                tool: own.tool.name.clone(),
                export: own.export.clone(),
            })
            .collect();
        if !conflicts.is_empty() {
            return Err(conflicts);
        }
        let mut callees = HashMap::new();
        for ExportedTool { tool, callee, .. } in self.tools {
            callees.insert(tool.name.clone(), callee);
            tools.push(tool);
        }
        tools.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(ToolSet {
            tools,
            callees,
            skipped: self.skipped.0,
        })
    }
}
