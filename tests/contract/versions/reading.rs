//! One version of the contract, read from its WIT and held against another.

use std::collections::BTreeMap;
use std::path::Path;

use wit_parser::{
    Function, Interface, Resolve, Type, TypeDef, TypeDefKind, TypeOwner, World, WorldItem,
};

/// The interface that components import: the host may offer more in it from version to version.
const IMPORTED: &str = "call";

/// One version of the contract: its items by name, and what each of them is.
pub(super) struct Contract {
    pub(super) version: String,
    pub(super) interfaces: BTreeMap<String, Items>,
    worlds: BTreeMap<String, Items>,
}

/// Each item of an interface or a world, written out without documentation.
type Items = BTreeMap<String, String>;

/// What `later` does that a later patch must not do.
pub(super) fn faults(published: &Contract, later: &Contract) -> Vec<String> {
    let mut faults = Vec::new();
    for (kind, published, later) in [
        ("interface", &published.interfaces, &later.interfaces),
        ("world", &published.worlds, &later.worlds),
    ] {
        for (name, items) in published {
            let Some(now) = later.get(name) else {
                faults.push(format!("the {kind} `{name}` is gone"));
                continue;
            };
            for (item, was) in items {
                match now.get(item) {
                    None => faults.push(format!("`{item}` of the {kind} `{name}` is gone")),
                    Some(is) if is != was => {
                        faults.push(format!("`{item}` of the {kind} `{name}` has changed"));
                    }
                    Some(_) => {}
                }
            }
            let new = now.keys().filter(|item| !items.contains_key(*item));
            let new = new.filter(|_| name != IMPORTED);
            faults.extend(new.map(|item| format!("`{item}` is new in the {kind} `{name}`")));
        }
    }
    faults
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
                        of_interface(&resolve, &resolve.interfaces[*id]),
                    )
                })
                .collect(),
            worlds: worlds
                .map(|(name, id)| (name.clone(), of_world(&resolve, &resolve.worlds[*id])))
                .collect(),
        }
    }
}

fn of_interface(resolve: &Resolve, interface: &Interface) -> Items {
    let types = interface.types.iter();
    let types = types.map(|(name, id)| (name.clone(), definition(resolve, &resolve.types[*id])));
    let functions = interface.functions.iter();
    let functions = functions.map(|(name, function)| (name.clone(), signature(resolve, function)));
    types.chain(functions).collect()
}

fn of_world(resolve: &Resolve, world: &World) -> Items {
    let interface = |item: &WorldItem| match item {
        WorldItem::Interface { id, .. } => {
            let interface = &resolve.interfaces[*id];
            let package = &resolve.packages[interface.package.unwrap()].name;
            let name = interface.name.as_ref().unwrap();
            format!("{}:{}/{name}", package.namespace, package.name)
        }
        _ => panic!("worlds of the contract have interfaces alone"),
    };
    let imports = world
        .imports
        .values()
        .map(|item| (interface(item), "import".into()));
    let exports = world
        .exports
        .values()
        .map(|item| (interface(item), "export".into()));
    // An import that only an interface needs comes and goes with it.
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

/// A type where it is used: its name, or what it is where it has none.
fn reference(resolve: &Resolve, ty: &Type) -> String {
    let Type::Id(id) = ty else {
        return format!("{ty:?}");
    };
    let known = &resolve.types[*id];
    match (&known.name, known.owner) {
        (Some(name), TypeOwner::Interface(owner)) => {
            let owner = resolve.interfaces[owner].name.as_deref();
            format!("{}.{name}", owner.unwrap_or_default())
        }
        _ => definition(resolve, known),
    }
}

fn definition(resolve: &Resolve, known: &TypeDef) -> String {
    let of = |ty: &Type| reference(resolve, ty);
    let optional = |ty: &Option<Type>| ty.as_ref().map_or_else(|| "_".to_owned(), of);
    let all = |parts: Vec<String>| parts.join(", ");
    match &known.kind {
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
        TypeDefKind::Enum(known) => {
            let cases = known.cases.iter().map(|case| case.name.clone());
            format!("enum {{ {} }}", all(cases.collect()))
        }
        other => panic!("this test has not met {} yet", other.as_str()),
    }
}
