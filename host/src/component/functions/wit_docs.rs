//! Documentation in a WIT file that lies beside the component, in the form of a `package-docs` section.

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::{Map, Value, json};
use wit_parser::{
    Docs, Function, Interface, TypeDef, TypeDefKind, UnresolvedPackage, UnresolvedPackageGroup,
    WorldItem, WorldKey,
};

/// Reads the documentation of a package, without its dependencies. Returns `None` if the text cannot be read.
pub(super) fn read(wit: &str) -> Option<Value> {
    if wit.is_empty() {
        return None;
    }
    let group = parse(wit).ok()?;
    let package = &group.main;
    let interfaces = package.interfaces.iter();
    let interfaces = interfaces.filter_map(|(_, interface)| {
        Some((interface.name.clone()?, interface_docs(package, interface)))
    });
    let worlds = package.worlds.iter().map(|(_, world)| {
        let mut functions = Map::new();
        let mut inline = Map::new();
        for (key, item) in &world.exports {
            match (key, item) {
                (WorldKey::Name(name), WorldItem::Function(function)) => {
                    functions.insert(name.clone(), function_docs(function));
                }
                (WorldKey::Name(name), WorldItem::Interface { id, .. }) => {
                    let docs = interface_docs(package, &package.interfaces[*id]);
                    inline.insert(name.clone(), docs);
                }
                _ => {}
            }
        }
        // Types of a world are its imports.
        let types = world.imports.values().filter_map(|item| match item {
            WorldItem::Type { id, .. } => type_entry(&package.types[*id]),
            _ => None,
        });
        let docs = json!({
            "func_exports": functions,
            "interface_exports": inline,
            "types": types.collect::<Map<_, _>>(),
        });
        (world.name.clone(), docs)
    });
    Some(json!({
        "interfaces": interfaces.collect::<Map<_, _>>(),
        "worlds": worlds.collect::<Map<_, _>>(),
    }))
}

/// Checks that the documentation in a WIT file can be read.
///
/// # Errors
/// The reason, on one line.
pub(crate) fn check(wit: &str) -> Result<(), String> {
    match wit.is_empty() {
        true => Ok(()),
        false => parse(wit).map(drop),
    }
}

fn parse(wit: &str) -> Result<UnresolvedPackageGroup, String> {
    // The parser, made for build tools, panics on input that it does not expect.
    let parse = || UnresolvedPackageGroup::parse("component.wit", wit);
    let parsed = catch_unwind(AssertUnwindSafe(parse));
    let parsed = parsed.map_err(|_| "its syntax is not that of WIT".to_owned())?;
    parsed.map_err(|(_, error)| {
        let text = error.to_string();
        text.lines().next().unwrap_or_default().to_owned()
    })
}

fn interface_docs(package: &UnresolvedPackage, interface: &Interface) -> Value {
    let functions = interface.functions.iter();
    let functions = functions.map(|(name, function)| (name.clone(), function_docs(function)));
    let types = interface.types.values();
    let types = types.filter_map(|id| type_entry(&package.types[*id]));
    json!({
        "funcs": functions.collect::<Map<_, _>>(),
        "types": types.collect::<Map<_, _>>(),
    })
}

fn function_docs(function: &Function) -> Value {
    json!({ "docs": function.docs.contents })
}

fn type_entry(ty: &TypeDef) -> Option<(String, Value)> {
    let items: Vec<(&String, &Docs)> = match &ty.kind {
        TypeDefKind::Record(record) => record
            .fields
            .iter()
            .map(|field| (&field.name, &field.docs))
            .collect(),
        TypeDefKind::Variant(variant) => variant
            .cases
            .iter()
            .map(|case| (&case.name, &case.docs))
            .collect(),
        TypeDefKind::Enum(cases) => cases
            .cases
            .iter()
            .map(|case| (&case.name, &case.docs))
            .collect(),
        TypeDefKind::Flags(flags) => flags
            .flags
            .iter()
            .map(|flag| (&flag.name, &flag.docs))
            .collect(),
        _ => Vec::new(),
    };
    let items = items.into_iter();
    let items = items.map(|(name, docs)| (name.clone(), json!(docs.contents)));
    let docs = json!({ "docs": ty.docs.contents, "items": items.collect::<Map<_, _>>() });
    Some((ty.name.clone()?, docs))
}
