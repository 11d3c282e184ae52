//! The imports and exports of a component as its world names them, for the configuration of an artefact in a registry.

use wit_parser::{Resolve, WorldItem, WorldKey};

use super::declarations::Declarations;
use crate::component::binary_format;

/// The imports and exports of a component: `wasi:http/types@0.2.0` for interfaces, plain names for functions.
#[derive(Debug, PartialEq, Eq)]
pub struct World {
    /// The imports.
    pub imports: Vec<String>,
    /// The exports.
    pub exports: Vec<String>,
}

impl World {
    /// Reads the world of a component.
    ///
    /// # Errors
    /// The bytes are not a component, or its types cannot be read; one sentence to be read after the file.
    pub fn read(component: &[u8]) -> Result<Self, String> {
        binary_format::check(component).map_err(|error| error.to_string())?;
        let declarations = Declarations::read(component, "");
        let (resolve, world) = declarations
            .decoded()
            .ok_or("its imports and exports cannot be read; build it again")?;
        let world = &resolve.worlds[*world];
        let name = |(key, _): (&WorldKey, &WorldItem)| name(resolve, key);
        Ok(Self {
            imports: world.imports.iter().filter_map(name).collect(),
            exports: world.exports.iter().filter_map(name).collect(),
        })
    }
}

fn name(resolve: &Resolve, key: &WorldKey) -> Option<String> {
    match key {
        WorldKey::Interface(id) => resolve.id_of(*id),
        WorldKey::Name(name) => Some(name.clone()),
    }
}
