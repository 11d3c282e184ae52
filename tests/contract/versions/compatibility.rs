//! Compatibility of two versions of the contract, compared item by item.

use std::collections::BTreeMap;
use std::path::Path;

use wit_parser::{
    Function, Interface, Resolve, Type, TypeDef, TypeDefKind, TypeOwner, World, WorldItem,
};

/// The interface that components import. A later version may add functions to it.
const IMPORTED_INTERFACE: &str = "call";

/// One version of the contract.
pub(super) struct Contract {
    pub(super) version: String,
    pub(super) interfaces: BTreeMap<String, Items>,
    worlds: BTreeMap<String, Items>,
}

/// The items of an interface or a world by name, each as text without documentation.
type Items = BTreeMap<String, String>;

/// Returns the changes in `later` that break components built for `published`.
pub(super) fn incompatibilities(published: &Contract, later: &Contract) -> Vec<String> {
    let mut problems = Vec::new();
    for (kind, published, later) in [
        ("interface", &published.interfaces, &later.interfaces),
        ("world", &published.worlds, &later.worlds),
    ] {
        for (name, items) in published {
            let Some(later_items) = later.get(name) else {
                problems.push(format!("the {kind} `{name}` is gone"));
                continue;
            };
            for (item, before) in items {
                match later_items.get(item) {
                    None => problems.push(format!("`{item}` of the {kind} `{name}` is gone")),
                    Some(after) if after != before => {
                        problems.push(format!("`{item}` of the {kind} `{name}` has changed"));
                    }
                    Some(_) => {}
                }
            }
            let new = later_items.keys().filter(|item| !items.contains_key(*item));
            let new = new.filter(|_| name != IMPORTED_INTERFACE);
            problems.extend(new.map(|item| format!("`{item}` is new in the {kind} `{name}`")));
        }
    }
    problems
}

impl Contract {
    pub(super) fn read(path: &Path) -> Self {
        let mut resolve = Resolve::default();
        let (package, _) = resolve.push_dir(path).unwrap();
        let package = &resolve.packages[package];
        let interfaces = package.interfaces.iter();
        let worlds = package.worlds.iter();
        Self {
            version: package.name.version.as_ref().unwrap().to_string(),
            interfaces: interfaces
                .map(|(name, id)| {
                    (
                        name.clone(),
                        interface_items(&resolve, &resolve.interfaces[*id]),
                    )
                })
                .collect(),
            worlds: worlds
                .map(|(name, id)| (name.clone(), world_items(&resolve, &resolve.worlds[*id])))
                .collect(),
        }
    }
}

fn interface_items(resolve: &Resolve, interface: &Interface) -> Items {
    let types = interface.types.iter();
    let types = types.map(|(name, id)| (name.clone(), definition(resolve, &resolve.types[*id])));
    let functions = interface.functions.iter();
    let functions = functions.map(|(name, function)| (name.clone(), signature(resolve, function)));
    types.chain(functions).collect()
}

fn world_items(resolve: &Resolve, world: &World) -> Items {
    let interface = |item: &WorldItem| match item {
        WorldItem::Interface { id, .. } => {
            let interface = &resolve.interfaces[*id];
            let package = &resolve.packages[interface.package.unwrap()].name;
            let name = interface.name.as_ref().unwrap();
            format!("{}:{}/{name}", package.namespace, package.name)
        }
        _ => panic!("the worlds of the contract contain interfaces only"),
    };
    let imports = world
        .imports
        .values()
        .map(|item| (interface(item), "import".into()));
    let exports = world
        .exports
        .values()
        .map(|item| (interface(item), "export".into()));
    imports.chain(exports).collect()
}

fn signature(resolve: &Resolve, function: &Function) -> String {
    let parameters = function.params.iter();
    let parameters = parameters.map(|p| format!("{}: {}", p.name, reference(resolve, &p.ty)));
    let parameters: Vec<_> = parameters.collect();
    let result = function.result.as_ref().map(|ty| reference(resolve, ty));
    format!(
        "{:?} ({}) -> {}",
        function.kind,
        parameters.join(", "),
        result.unwrap_or_default()
    )
}

/// Returns the name of a type, or its definition if it has none.
fn reference(resolve: &Resolve, ty: &Type) -> String {
    let Type::Id(id) = ty else {
        return format!("{ty:?}");
    };
    let type_def = &resolve.types[*id];
    match (&type_def.name, type_def.owner) {
        (Some(name), TypeOwner::Interface(owner)) => {
            let owner = resolve.interfaces[owner].name.as_deref();
            format!("{}.{name}", owner.unwrap_or_default())
        }
        _ => definition(resolve, type_def),
    }
}

fn definition(resolve: &Resolve, type_def: &TypeDef) -> String {
    let of = |ty: &Type| reference(resolve, ty);
    let optional = |ty: &Option<Type>| ty.as_ref().map_or_else(|| "_".to_owned(), of);
    let all = |parts: Vec<String>| parts.join(", ");
    match &type_def.kind {
        TypeDefKind::Type(ty) => of(ty),
        TypeDefKind::List(ty) => format!("list<{}>", of(ty)),
        TypeDefKind::Option(ty) => format!("option<{}>", of(ty)),
        TypeDefKind::Result(result) => {
            format!(
                "result<{}, {}>",
                optional(&result.ok),
                optional(&result.err)
            )
        }
        TypeDefKind::Tuple(tuple) => {
            format!("tuple<{}>", all(tuple.types.iter().map(of).collect()))
        }
        TypeDefKind::Record(record) => {
            let fields = record.fields.iter();
            let fields = fields.map(|field| format!("{}: {}", field.name, of(&field.ty)));
            format!("record {{ {} }}", all(fields.collect()))
        }
        TypeDefKind::Variant(variant) => {
            let cases = variant.cases.iter();
            let cases = cases.map(|case| format!("{}({})", case.name, optional(&case.ty)));
            format!("variant {{ {} }}", all(cases.collect()))
        }
        TypeDefKind::Enum(enumeration) => {
            let cases = enumeration.cases.iter().map(|case| case.name.clone());
            format!("enum {{ {} }}", all(cases.collect()))
        }
        other => panic!("types of kind {} are not supported here", other.as_str()),
    }
}
