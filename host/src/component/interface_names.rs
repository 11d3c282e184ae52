//! Names of the imports and exports of a component, read without validating it.

use wasmparser::{Parser, Payload};

/// Names of the imports and exports of a component.
#[derive(Debug, Default)]
pub(crate) struct InterfaceNames {
    pub(crate) imports: Vec<String>,
    pub(crate) exports: Vec<String>,
}

impl InterfaceNames {
    /// Reads the names. Those of a malformed section are left out.
    pub(crate) fn read(component: &[u8]) -> Self {
        let mut names = Self::default();
        let mut depth = 0;
        for payload in Parser::new(0).parse_all(component) {
            match payload {
                Ok(Payload::Version { .. }) => depth += 1,
                Ok(Payload::End(_)) => depth -= 1,
                Ok(Payload::ComponentImportSection(imports)) if depth == 1 => {
                    let imports = imports.into_iter().flatten();
                    let imports = imports.map(|import| import.name.name.to_owned());
                    names.imports.extend(imports);
                }
                Ok(Payload::ComponentExportSection(exports)) if depth == 1 => {
                    let exports = exports.into_iter().flatten();
                    let exports = exports.map(|export| export.name.name.to_owned());
                    names.exports.extend(exports);
                }
                Ok(_) => {}
                Err(_) => break,
            }
        }
        names
    }
}
