//! The part of `toolcrib inspect` about compositions: which component imports what, and where it comes from.

use serde_json::{Value, json};

use super::output::{Failure, say};
use crate::component::{Component, Part, PartImport};

/// Describes the parts of a composition in JSON; none if it is not one.
pub(super) fn describe(component: &Component) -> Value {
    let describe_import = |import: &PartImport| json!({ "name": import.name, "from": import.from });
    let describe = |part: &Part| {
        json!({
            "name": part.name,
            "digest": part.digest,
            "signedBy": part.signed_by,
            "imports": part.imports.iter().map(describe_import).collect::<Vec<_>>(),
        })
    };
    component.parts.iter().map(describe).collect()
}

/// Prints the parts of a composition.
pub(super) fn print(component: &Component) -> Result<(), Failure> {
    for part in &component.parts {
        say!("  part     {}", part.name);
        say!("           digest {}", part.digest);
        if let Some(signer) = &part.signed_by {
            say!("           signed by {signer}");
        }
        for PartImport { name, from } in &part.imports {
            match from {
                Some(part) => say!("           imports {name} from {part}"),
                None => say!("           imports {name}"),
            }
        }
    }
    Ok(())
}
