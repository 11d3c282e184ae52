//! Documentation in the custom section `package-docs`, which `wit-parser` and `wit-docs-inject` write.

use serde_json::Value;
use wasmparser::{Parser, Payload};

use super::wit_docs;
use crate::component::guest_json;

const SECTION_NAME: &str = "package-docs";
/// Maximum size of one section that is read.
const MAX_SECTION_BYTES: usize = 1 << 20;
/// Maximum number of sections that are read.
const MAX_SECTIONS: usize = 16;

/// The parsed sections. Those of the component itself precede those of the components that it is composed of.
pub(super) struct PackageDocs {
    sections: Vec<Value>,
}

/// The scope in which a function or a type is defined.
#[derive(Clone, Copy)]
pub(super) enum Scope<'a> {
    World,
    /// An interface of a package, by its name in the package.
    Interface(&'a str),
    /// An interface that is defined inside the world.
    InlineInterface(&'a str),
}

impl<'a> Scope<'a> {
    /// Returns the scope of an exported interface.
    pub(super) fn of_export(export: &'a str) -> Self {
        let id = export.split('@').next().unwrap_or(export);
        match id.rsplit_once('/') {
            Some((_, interface)) => Self::Interface(interface),
            None => Self::InlineInterface(id),
        }
    }
}

impl PackageDocs {
    /// Reads the sections of a component, and those of `wit` after them. Also returns the offset of each section's name.
    pub(super) fn read(component: &[u8], wit: &str) -> (Self, Vec<usize>) {
        let mut sections = Vec::new();
        let mut name_offsets = Vec::new();
        let mut depth = 0;
        for payload in Parser::new(0).parse_all(component) {
            match payload {
                Ok(Payload::Version { .. }) => depth += 1,
                Ok(Payload::End(_)) => depth -= 1,
                Ok(Payload::CustomSection(section)) if section.name() == SECTION_NAME => {
                    name_offsets.push(section.data_offset() - SECTION_NAME.len());
                    // The first byte is the version of the format. Both known versions are read in the same way.
                    if let Some((0 | 1, json)) = section.data().split_first()
                        && json.len() <= MAX_SECTION_BYTES
                        && sections.len() < MAX_SECTIONS
                        && let Ok(json) = std::str::from_utf8(json)
                        && let Ok(json) = guest_json::parse(json)
                    {
                        sections.push((depth, json));
                    }
                }
                Ok(_) => {}
                // Unexpected: the compiler has accepted the component.
                Err(_) => break,
            }
        }
        sections.sort_by_key(|(depth, _)| *depth);
        let sections = sections.into_iter().map(|(_, json)| json);
        let sections = sections.chain(wit_docs::read(wit)).collect();
        (Self { sections }, name_offsets)
    }

    /// Returns the documentation of a function.
    pub(super) fn function(&self, scope: Scope<'_>, name: &str) -> Option<&str> {
        self.scopes(scope).find_map(|scope| {
            // `func_exports` holds the export of a function that the world imports under the same name.
            let function = ["func_exports", "funcs"]
                .into_iter()
                .find_map(|key| scope.get(key)?.get(name))?;
            text(function).or_else(|| text(function.get("docs")?))
        })
    }

    /// Returns the documentation of a type.
    pub(super) fn type_docs(&self, scope: Scope<'_>, name: &str) -> Option<&str> {
        text(self.type_entry(scope, name)?.get("docs")?)
    }

    /// Returns the documentation of a field, a case or a flag of a type.
    pub(super) fn item_docs(&self, scope: Scope<'_>, name: &str, item: &str) -> Option<&str> {
        text(self.type_entry(scope, name)?.get("items")?.get(item)?)
    }

    fn type_entry(&self, scope: Scope<'_>, name: &str) -> Option<&Value> {
        self.scopes(scope)
            .find_map(|scope| scope.get("types")?.get(name))
    }

    /// Returns the entries of a scope in all sections.
    fn scopes(&self, scope: Scope<'_>) -> impl Iterator<Item = &Value> {
        self.sections.iter().flat_map(move |section| {
            let worlds = section.get("worlds").and_then(Value::as_object);
            let worlds = worlds.into_iter().flat_map(|worlds| worlds.values());
            let entries: Vec<_> = match scope {
                Scope::World => worlds.collect(),
                Scope::Interface(name) => section
                    .get("interfaces")
                    .and_then(|interfaces| interfaces.get(name))
                    .into_iter()
                    .collect(),
                Scope::InlineInterface(name) => worlds
                    .flat_map(|world| {
                        ["interface_exports", "interfaces"]
                            .into_iter()
                            .filter_map(move |key| world.get(key)?.get(name))
                    })
                    .collect(),
            };
            entries
        })
    }
}

/// Returns a string that is not blank, trimmed.
fn text(value: &Value) -> Option<&str> {
    value
        .as_str()
        .map(str::trim)
        .filter(|text| !text.is_empty())
}
