//! The imports that the host lacks, found in a component's bytes before anything is compiled.

use wasmparser::{
    Chunk, ComponentImportSectionReader, ComponentTypeRef, Parser, Payload, TypeBounds, Validator,
    WasmFeatures,
};

use super::contract;
use crate::sandbox;

/// The treatment of imports that the host lacks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MissingImports {
    /// The component is refused.
    #[default]
    Refuse,
    /// Their functions do nothing if they have no result, and trap otherwise.
    Stub,
}

/// Tells whether the host offers an import.
pub(super) type IsOffered = fn(&str) -> bool;

/// Returns whether the host offers an import: an interface of WASI or of the contract.
pub(super) fn is_offered(import: &str) -> bool {
    sandbox::has_interface(import) || contract::is_host_interface(import)
}

/// Returns whether the host offers an import to components that need concurrency: also interfaces of WASI 0.3.
pub(super) fn is_offered_with_preview3(import: &str) -> bool {
    is_offered(import) || sandbox::has_preview3_interface(import)
}

/// Returns the imports of a component that the host lacks, in the component's order.
///
/// An interface of types alone needs nothing from the host, unless one of them is a resource of its own. Malformed components
/// are left to the compiler.
pub(super) fn missing(component: &[u8], is_offered: IsOffered) -> Vec<String> {
    match count_unknown(component, is_offered) {
        0 => Vec::new(),
        count => unknown_with_content(component, count, is_offered),
    }
}

/// Counts the imports with names that the host does not know. Reads the component's own sections only.
fn count_unknown(component: &[u8], is_offered: IsOffered) -> usize {
    let (mut parser, mut rest, mut count) = (Parser::new(0), component, 0);
    while let Ok(Chunk::Parsed { consumed, payload }) = parser.parse(rest, true) {
        rest = &rest[consumed..];
        match payload {
            Payload::ComponentImportSection(imports) => {
                count += unknown(imports, is_offered).count();
            }
            Payload::ModuleSection {
                unchecked_range: nested,
                ..
            }
            | Payload::ComponentSection {
                unchecked_range: nested,
                ..
            } => match rest.get(nested.len()..) {
                Some(after) => rest = after,
                None => break,
            },
            Payload::End(_) => break,
            _ => {}
        }
    }
    count
}

/// Lists the unknown imports except interfaces of types alone. `count` is the number of unknown imports.
fn unknown_with_content(component: &[u8], mut count: usize, is_offered: IsOffered) -> Vec<String> {
    // The compiler decides on features. Code is not validated here.
    let mut validator = Validator::new_with_features(WasmFeatures::all());
    let (mut missing, mut depth) = (Vec::new(), 0);
    for payload in Parser::new(0).parse_all(component) {
        let Ok(payload) = payload else { break };
        if validator.payload(&payload).is_err() {
            break;
        }
        match payload {
            Payload::Version { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            Payload::ComponentImportSection(imports) if depth == 1 => {
                for (name, ty) in unknown(imports, is_offered) {
                    count -= 1;
                    if has_content(&validator, ty) {
                        missing.push(name.to_owned());
                    }
                }
            }
            _ => {}
        }
        if count == 0 {
            break;
        }
    }
    missing
}

fn unknown(
    imports: ComponentImportSectionReader<'_>,
    is_offered: IsOffered,
) -> impl Iterator<Item = (&str, ComponentTypeRef)> {
    let imports = imports.into_iter().filter_map(Result::ok);
    let imports = imports.map(|import| {
        let name = import.name;
        (name.implements.unwrap_or(name.name), import.ty)
    });
    imports.filter(move |(name, _)| !is_offered(name))
}

/// Returns whether an import of this type has anything that only a host can give.
fn has_content(validator: &Validator, ty: ComponentTypeRef) -> bool {
    use wasmparser::component_types::{ComponentAnyTypeId, ComponentEntityType};
    let index = match ty {
        ComponentTypeRef::Instance(index) => index,
        ComponentTypeRef::Type(TypeBounds::Eq(_)) => return false,
        _ => return true,
    };
    let Some(types) = validator.types(0) else {
        return true;
    };
    match types.component_any_type_at(index) {
        ComponentAnyTypeId::Instance(id) => {
            let instance = &types[id];
            // A resource that it takes from another import is not among them.
            !instance.defined_resources.is_empty()
                || instance
                    .exports
                    .values()
                    .any(|item| !matches!(item.ty, ComponentEntityType::Type { .. }))
        }
        _ => true,
    }
}
