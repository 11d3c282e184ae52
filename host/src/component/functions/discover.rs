//! Discovery of the functions that a component exports, and their combination with the tools that it defines.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use wasmtime::Engine;
use wasmtime::component::Component;

use super::declarations::Declarations;
use super::exports::{Exports, SkippedExport};
use super::function::{Function, SchemaSpace};
use super::names;
use crate::component::definitions::{MAX_TOOLS, Tool};

/// A defined tool and a function have the same name.
#[derive(Debug, thiserror::Error)]
#[error(
    "its `definitions` name a tool `{tool}`, and its function `{function}` is a tool of that name \
     too; rename one of them"
)]
pub struct NameConflict {
    tool: String,
    function: String,
}

/// The functions of a component that are served as tools.
pub(crate) struct Functions {
    served: Vec<(Arc<Function>, Tool)>,
    skipped: Vec<SkippedExport>,
}

/// All tools of a component.
pub(crate) struct ToolSet {
    /// The tools in name order.
    pub(crate) tools: Vec<Tool>,
    /// The functions behind tools, by tool name.
    pub(crate) functions: HashMap<String, Arc<Function>>,
    pub(crate) skipped: Vec<SkippedExport>,
}

impl Functions {
    /// Finds all functions outside the contract. `bytes` is the file of the component.
    pub(crate) fn discover(engine: &Engine, component: &Component, bytes: &[u8]) -> Self {
        let Exports {
            functions,
            mut skipped,
        } = Exports::of(engine, component);
        let mut served: Vec<(Function, Tool)> = Vec::new();
        // Decoding is expensive, and most components with the contract export no other functions.
        let declarations = (!functions.is_empty()).then(|| Declarations::read(bytes));
        let declarations = declarations.as_ref();
        let mut schema_space = SchemaSpace::new();
        for (path, ty) in functions {
            let tool = if served.len() == MAX_TOOLS {
                Err(format!("{MAX_TOOLS} functions before it are tools already"))
            } else {
                Function::new(component, path.clone(), &ty, declarations).and_then(|function| {
                    Ok((function.tool(declarations, &mut schema_space)?, function))
                })
            };
            match tool {
                Ok((tool, function)) => served.push((function, tool)),
                Err(reason) => skipped.add(&path, reason),
            }
        }
        let paths: Vec<_> = served.iter().map(|(function, _)| &function.path).collect();
        let names = names::assign(&paths);
        let mut taken = HashSet::new();
        let mut named = Vec::new();
        for ((function, tool), name) in served.into_iter().zip(names) {
            // An author can make truncated names collide on purpose.
            if taken.insert(name.clone()) {
                named.push((Arc::new(function), Tool { name, ..tool }));
            } else {
                let reason = format!("`{name}`, its name as a tool, is that of another one too");
                skipped.add(&function.path, reason);
            }
        }
        Self {
            served: named,
            skipped: skipped.into_vec(),
        }
    }

    /// Adds the functions' tools to the defined ones.
    ///
    /// # Errors
    /// All name conflicts between the two.
    pub(crate) fn merge(self, mut tools: Vec<Tool>) -> Result<ToolSet, Vec<NameConflict>> {
        let conflicts: Vec<_> = self
            .served
            .iter()
            .filter(|(_, of_function)| tools.iter().any(|tool| tool.name == of_function.name))
            .map(|(function, tool)| NameConflict {
                tool: tool.name.clone(),
                function: function.path.to_string(),
            })
            .collect();
        if !conflicts.is_empty() {
            return Err(conflicts);
        }
        let mut functions = HashMap::new();
        for (function, tool) in self.served {
            functions.insert(tool.name.clone(), function);
            tools.push(tool);
        }
        tools.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(ToolSet {
            tools,
            functions,
            skipped: self.skipped,
        })
    }
}
