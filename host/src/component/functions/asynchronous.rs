//! The function because of which a component needs the asynchronous functions of WASI 0.3, for errors.

use wit_parser::{Function, Resolve, WorldItem};

use super::declarations::Declarations;
use crate::component::definitions::display_name;

/// Finds the first export of a component, or else the first import, that is `async` or has a stream or a future. Returns it
/// as a part of a sentence: "its export `f`".
pub(in crate::component) fn find_asynchronous(component: &[u8]) -> Option<String> {
    let declarations = Declarations::read(component, "");
    let (resolve, world) = declarations.decoded()?;
    let world = &resolve.worlds[*world];
    let sides = [("export", &world.exports), ("import", &world.imports)];
    sides.into_iter().find_map(|(side, items)| {
        let mut items = items.iter();
        let name = items.find_map(|(key, item)| match item {
            WorldItem::Function(function) => {
                is_asynchronous(resolve, function).then(|| function.name.clone())
            }
            WorldItem::Interface { id, .. } => {
                let mut functions = resolve.interfaces[*id].functions.values();
                let function = functions.find(|function| is_asynchronous(resolve, function))?;
                Some(format!("{}#{}", resolve.name_world_key(key), function.name))
            }
            WorldItem::Type { .. } => None,
        })?;
        Some(format!("its {side} `{}`", display_name(&name)))
    })
}

fn is_asynchronous(resolve: &Resolve, function: &Function) -> bool {
    function.kind.is_async() || !function.find_futures_and_streams(resolve).is_empty()
}
