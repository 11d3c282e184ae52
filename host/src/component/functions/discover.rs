//! Discovery of the functions that a component exports.

use std::collections::HashSet;
use std::sync::Arc;

use wasmtime::Engine;
use wasmtime::component::Component;

use super::declarations::Declarations;
use super::exports::Exports;
use super::function::{Function, SchemaSpace};
use super::resources::Resources;
use super::{names, session};
use crate::component::definitions::{MAX_TOOLS, Tool};
use crate::component::exported::{Exported, ExportedTool};

/// Finds all functions outside the contract. `bytes` is the file of the component, `wit` the text of
/// further documentation.
pub(in crate::component) fn discover(
    engine: &Engine,
    component: &Component,
    bytes: &[u8],
    wit: &str,
) -> Exported {
    let Exports {
        functions,
        constructors,
        mut skipped,
    } = Exports::of(engine, component);
    let resources = Resources::new(component, constructors);
    let mut served: Vec<(Arc<Function>, Tool)> = Vec::new();
    let mut types = Vec::new();
    // Decoding is expensive, and most components with the contract export no other functions.
    let declarations = (!functions.is_empty()).then(|| Declarations::read(bytes, wit));
    let declarations = declarations.as_ref();
    let mut schema_space = SchemaSpace::new();
    for (path, ty) in functions {
        let tool = if served.len() == MAX_TOOLS {
            Err(format!("{MAX_TOOLS} functions before it are tools already"))
        } else {
            let function = Function::new(component, path.clone(), &ty, declarations, &resources);
            function.and_then(|function| {
                Ok((function.tool(declarations, &mut schema_space)?, function))
            })
        };
        match tool {
            Ok((tool, function)) => {
                served.push((Arc::new(function), tool));
                types.push(ty);
            }
            Err(reason) => skipped.add(&path, reason),
        }
    }
    let methods = served.iter().map(|(function, _)| function).zip(&types);
    for session in session::sessions(methods, declarations, &resources) {
        let session = session.and_then(|session| {
            let tool = session.tool(declarations, &mut schema_space);
            let tool = tool.map_err(|reason| (session.path.to_string(), reason))?;
            Ok((session, tool))
        });
        match session {
            Ok((session, tool)) if served.len() < MAX_TOOLS => {
                served.push((Arc::new(session), tool));
            }
            Ok((session, _)) => {
                let reason = format!("{MAX_TOOLS} functions before it are tools already");
                skipped.add(&session.path, reason);
            }
            Err((path, reason)) => skipped.add(path, reason),
        }
    }
    let paths: Vec<_> = served.iter().map(|(function, _)| &function.path).collect();
    let names = names::assign(&paths);
    let mut taken = HashSet::new();
    let mut named = Vec::new();
    for ((function, tool), name) in served.into_iter().zip(names) {
        // An author can make truncated names collide on purpose.
        if taken.insert(name.clone()) {
            named.push(ExportedTool {
                tool: Tool { name, ..tool },
                export: function.path.to_string(),
                callee: function,
            });
        } else {
            let reason = format!("`{name}`, its name as a tool, is that of another one too");
            skipped.add(&function.path, reason);
        }
    }
    Exported {
        tools: named,
        skipped,
    }
}
