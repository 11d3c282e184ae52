//! Composition: imports of a component satisfied by the exports of others, as one component.
//!
//! Each component becomes an instance inside the composed one, so that a call has its own instance of each. Imports of
//! the same name that remain are merged. A component cannot need, directly or through others, an export of its own.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use bytes::Bytes;
use wasm_compose::graph::{Component, CompositionGraph, EncodeOptions, ExportIndex, ImportIndex};
use wasmparser::{ComponentExternalKind, ComponentTypeRef, Validator, WasmFeatures};

use super::binary_format::{self, NotAComponent};
use super::definitions::display_name;
use crate::engine::{self, CompileError};
use crate::text::{ellipsize, escape_untrusted};

/// Maximum length of a library's message in an error.
const MAX_MESSAGE_BYTES: usize = 300;

/// The file of a component that is composed with others.
#[derive(Clone)]
pub(crate) struct PartFile {
    /// The name in errors and reports.
    pub(crate) name: String,
    /// The bytes of its file.
    pub(crate) bytes: Bytes,
}

/// A component that is part of a composition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The path or place of its file.
    pub name: String,
    /// The digest of its file, as [`digest`](super::digest) returns it.
    pub digest: String,
    /// A description of the trusted signer; `None` if it is not signed or signatures do not matter.
    pub signed_by: Option<String>,
    /// The interfaces that it imports.
    pub imports: Vec<PartImport>,
}

/// An import of a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartImport {
    /// The name of the interface or function.
    pub name: String,
    /// The name of the part that exports it; `None` if the host provides it.
    pub from: Option<String>,
}

/// A composed component.
pub(crate) struct Composed {
    /// The component.
    pub(crate) bytes: Bytes,
    /// The imports of each part, in the order of the parts.
    pub(crate) imports: Vec<Vec<PartImport>>,
}

/// The reason why components cannot be composed.
#[derive(Debug, thiserror::Error)]
pub enum CompositionError {
    /// A part is not a component.
    #[error("its part `{part}`: {error}")]
    NotAComponent {
        /// The part.
        part: String,
        /// The reason.
        error: NotAComponent,
    },
    /// A part is invalid.
    #[error("its part `{part}` is not valid: {reason}")]
    Invalid {
        /// The part.
        part: String,
        /// The reason.
        reason: String,
    },
    /// A part exports nothing that another one imports.
    #[error(
        "its part `{part}` exports nothing that it or another part imports{exports}; take it out of `with`, \
         or name the component that imports it in `ref`"
    )]
    Unused {
        /// The part.
        part: String,
        /// The exports of the part, as a part of the sentence.
        exports: String,
    },
    /// Two parts export the same import.
    #[error(
        "its parts `{first}` and `{second}` both export `{import}`; take one of them out of `with`"
    )]
    Ambiguous {
        /// A part.
        first: String,
        /// Another part.
        second: String,
        /// The import.
        import: String,
    },
    /// A part exports an import with another type.
    #[error(
        "its part `{part}` exports `{export}` with another type than `{importer}` imports; build both from \
         the same WIT"
    )]
    TypeMismatch {
        /// The part.
        part: String,
        /// The export.
        export: String,
        /// The component that imports it.
        importer: String,
    },
    /// Components need exports of each other.
    #[error(
        "its parts {cycle} need exports of each other in a circle, which components cannot; take one of them out \
         of `with`"
    )]
    Cycle {
        /// The components of the circle, quoted.
        cycle: String,
    },
    /// The library cannot compose them.
    #[error("it cannot be composed with its parts: {0}")]
    NotComposed(String),
    /// The time limit elapsed.
    #[error("it was not composed with its parts within {0:?}; raise `compile` in [limits]")]
    Timeout(Duration),
    /// The library panicked.
    #[error("it cannot be composed with its parts; the log says how")]
    Failed,
}

/// Composes a component, which is the first file, with its parts. The work is bounded by `time`.
///
/// # Errors
/// The first reason why they do not fit together.
pub(crate) async fn compose(
    files: Vec<PartFile>,
    time: Duration,
) -> Result<Composed, CompositionError> {
    engine::run_within(time, move || {
        // The library, made for build tools, may panic on input that it does not expect.
        let composed = catch_unwind(AssertUnwindSafe(|| compose_files(&files)));
        composed.unwrap_or(Err(CompositionError::Failed))
    })
    .await
    .unwrap_or_else(|error| {
        Err(match error {
            CompileError::Timeout(time) => CompositionError::Timeout(time),
            _ => CompositionError::Failed,
        })
    })
}

/// A connection: the import at an index of a component, satisfied by an export of another one.
struct Connection {
    importer: usize,
    import: ImportIndex,
    exporter: usize,
    export: ExportIndex,
}

fn compose_files(files: &[PartFile]) -> Result<Composed, CompositionError> {
    // The engine decides later which features it has. Types of different validators cannot be compared.
    let mut validator = Validator::new_with_features(WasmFeatures::all());
    let mut components = Vec::new();
    for (index, file) in files.iter().enumerate() {
        components.push(read(&mut validator, index, file)?);
    }
    let connections = connect(files, &components)?;
    if let Some(cycle) = find_cycle(files.len(), &connections) {
        let names = cycle
            .iter()
            .map(|index| format!("`{}`", files[*index].name));
        let cycle = names.collect::<Vec<_>>().join(" and ");
        return Err(CompositionError::Cycle { cycle });
    }
    check_all_used(files, &components, &connections)?;
    let imports = components.iter().enumerate();
    let imports = imports.map(|(index, component)| {
        let imports = component.imports().map(|(import, name, _)| PartImport {
            name: display_name(name),
            from: connections
                .iter()
                .find(|c| c.importer == index && c.import == import)
                .map(|c| files[c.exporter].name.clone()),
        });
        imports.collect()
    });
    let imports = imports.collect();
    let bytes = encode(files, components, &connections)?.into();
    Ok(Composed { bytes, imports })
}

fn read<'f>(
    validator: &mut Validator,
    index: usize,
    file: &'f PartFile,
) -> Result<Component<'f>, CompositionError> {
    binary_format::check(&file.bytes).map_err(|error| CompositionError::NotAComponent {
        part: file.name.clone(),
        error,
    })?;
    let component = Component::from_bytes(validator, format!("part{index}"), &*file.bytes);
    component.map_err(|error| CompositionError::Invalid {
        part: file.name.clone(),
        reason: message(&error),
    })
}

/// Finds the export for each import that one of the parts has. The exports of the first component satisfy none.
fn connect(
    files: &[PartFile],
    components: &[Component<'_>],
) -> Result<Vec<Connection>, CompositionError> {
    let mut connections = Vec::new();
    for (importer, component) in components.iter().enumerate() {
        for (import, name, ty) in component.imports() {
            let exact = exporters(components, importer, ty, |export| export == name);
            let found = match exact.is_empty() {
                true => exporters(components, importer, ty, |export| {
                    is_compatible(export, name)
                }),
                false => exact,
            };
            match found[..] {
                [] => {}
                [(exporter, export)] => connections.push(Connection {
                    importer,
                    import,
                    exporter,
                    export,
                }),
                [(first, _), (second, _), ..] => {
                    return Err(CompositionError::Ambiguous {
                        first: files[first].name.clone(),
                        second: files[second].name.clone(),
                        import: display_name(name),
                    });
                }
            }
        }
    }
    Ok(connections)
}

/// Returns the exports of the other parts whose name matches.
fn exporters(
    components: &[Component<'_>],
    importer: usize,
    import: ComponentTypeRef,
    matches: impl Fn(&str) -> bool,
) -> Vec<(usize, ExportIndex)> {
    let wanted = match import {
        ComponentTypeRef::Instance(_) => ComponentExternalKind::Instance,
        ComponentTypeRef::Func(_) => ComponentExternalKind::Func,
        _ => return Vec::new(),
    };
    let parts = components.iter().enumerate().skip(1);
    let others = parts.filter(|(index, _)| *index != importer);
    let found = others.flat_map(|(index, component)| {
        let exports = component.exports();
        let exports = exports.filter(|(_, name, kind, _)| *kind == wanted && matches(name));
        exports.map(move |(export, ..)| (index, export))
    });
    found.collect()
}

/// Returns whether an export satisfies an import, judged by their names.
pub(crate) fn exports_import(export: &str, import: &str) -> bool {
    export == import || is_compatible(export, import)
}

/// Returns whether two interfaces have the same name and compatible versions (Semantic Versioning 2.0.0): the left-most
/// number that is not zero is the same.
fn is_compatible(export: &str, import: &str) -> bool {
    fn track(name: &str) -> Option<(&str, &str)> {
        let (interface, version) = name.split_once('@')?;
        if version.contains(['-', '+']) {
            return None;
        }
        let mut end = 0;
        for number in version.split_inclusive('.') {
            end += number.len();
            if number.trim_end_matches('.') != "0" {
                break;
            }
        }
        Some((interface, version[..end].trim_end_matches('.')))
    }
    track(export).is_some_and(|export| track(import) == Some(export))
}

/// Returns the components of a circle, if there is one.
fn find_cycle(components: usize, connections: &[Connection]) -> Option<Vec<usize>> {
    // Components that need none of those that are left are taken out, until none is left or all of them need another.
    let mut left: Vec<usize> = (0..components).collect();
    let needs = |importer: usize, left: &[usize]| {
        let mut own = connections.iter().filter(|c| c.importer == importer);
        own.find(|c| left.contains(&c.exporter)).map(|c| c.exporter)
    };
    while let Some(position) = left.iter().position(|index| needs(*index, &left).is_none()) {
        left.remove(position);
    }
    let mut path = vec![*left.first()?];
    loop {
        let next = needs(*path.last()?, &left)?;
        if let Some(start) = path.iter().position(|index| *index == next) {
            return Some(path.split_off(start));
        }
        path.push(next);
    }
}

/// Rejects parts that neither the first component nor a part that it needs imports.
fn check_all_used(
    files: &[PartFile],
    components: &[Component<'_>],
    connections: &[Connection],
) -> Result<(), CompositionError> {
    let mut used = vec![false; files.len()];
    let mut open = vec![0];
    while let Some(index) = open.pop() {
        if !std::mem::replace(&mut used[index], true) {
            let own = connections.iter().filter(|c| c.importer == index);
            open.extend(own.map(|c| c.exporter));
        }
    }
    let Some(unused) = used.iter().position(|used| !used) else {
        return Ok(());
    };
    let exports = components[unused].exports().next();
    let exports = exports.map(|(_, name, ..)| format!(" (it exports `{}`)", display_name(name)));
    Err(CompositionError::Unused {
        part: files[unused].name.clone(),
        exports: exports.unwrap_or_default(),
    })
}

fn encode(
    files: &[PartFile],
    components: Vec<Component<'_>>,
    connections: &[Connection],
) -> Result<Vec<u8>, CompositionError> {
    let mut graph = CompositionGraph::new();
    let mut instances = Vec::new();
    for component in components {
        let id = graph.add_component(component);
        let instance = id.and_then(|id| graph.instantiate(id));
        instances.push(instance.map_err(|e| CompositionError::NotComposed(message(&e)))?);
    }
    for connection in connections {
        let (exporter, importer) = (connection.exporter, connection.importer);
        let (source, target) = (instances[exporter], instances[importer]);
        let connected = graph.connect(source, Some(connection.export), target, connection.import);
        if connected.is_err() {
            let exporting = graph.get_component_of_instance(source);
            let export = exporting.and_then(|(_, component)| component.export(connection.export));
            return Err(CompositionError::TypeMismatch {
                part: files[exporter].name.clone(),
                export: export.map_or_else(String::new, |(name, ..)| display_name(name)),
                importer: files[importer].name.clone(),
            });
        }
    }
    let options = EncodeOptions {
        define_components: true,
        export: instances.first().copied(),
        // The engine validates it.
        validate: false,
    };
    let encoded = graph.encode(options);
    encoded.map_err(|e| CompositionError::NotComposed(message(&e)))
}

/// Formats an error of the library, which may quote names of a component.
fn message(error: &impl fmt::Display) -> String {
    let text = format!("{error:#}");
    ellipsize(&escape_untrusted(&text), MAX_MESSAGE_BYTES).into_owned()
}

#[cfg(test)]
mod tests {
    use super::is_compatible;

    #[test]
    fn versions_are_compatible_up_to_the_first_number_that_is_not_zero() {
        for (export, import, expected) in [
            ("a:b/c@0.2.3", "a:b/c@0.2.0", true),
            ("a:b/c@0.3.0", "a:b/c@0.2.0", false),
            ("a:b/c@1.9.0", "a:b/c@1.0.0", true),
            ("a:b/c@2.0.0", "a:b/c@1.0.0", false),
            ("a:b/c@10.0.0", "a:b/c@1.0.0", false),
            ("a:b/c@0.0.1", "a:b/c@0.0.2", false),
            ("a:b/c@0.0.1", "a:b/c@0.0.1", true),
            ("a:b/d@0.2.0", "a:b/c@0.2.0", false),
            ("a:b/c@0.2.0-rc.1", "a:b/c@0.2.0", false),
            ("a:b/c", "a:b/c@0.2.0", false),
        ] {
            assert_eq!(is_compatible(export, import), expected, "{export} {import}");
        }
    }
}
