//! Declarations in a component's WIT: the names of types, and the documentation.
//!
//! The engine's types, which decide how values are converted, have neither. Names are decoded from the component
//! itself, documentation from a custom section. A component without them, or with malformed ones, is served all the
//! same.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use wit_component::DecodedWasm;
use wit_parser::{Function, Resolve, Type, TypeDef, TypeDefKind, TypeOwner, WorldId, WorldItem};

use super::names::FunctionPath;
use super::package_docs::{PackageDocs, Scope};

/// The declarations of a component.
pub(super) struct Declarations {
    decoded: Option<(Resolve, WorldId)>,
    docs: PackageDocs,
}

/// A type as it is declared in a component's WIT.
#[derive(Clone, Copy)]
pub(super) struct DeclaredType<'a> {
    declarations: &'a Declarations,
    resolve: &'a Resolve,
    ty: Type,
}

impl Declarations {
    /// Reads the declarations of a valid component, and further documentation in `wit`.
    pub(super) fn read(component: &[u8], wit: &str) -> Self {
        let (docs, name_offsets) = PackageDocs::read(component, wit);
        // The decoder synthesises an anonymous world, and fails if a section documents another world or package.
        // Renaming the sections hides them.
        let mut component = Cow::Borrowed(component);
        for offset in name_offsets {
            component.to_mut()[offset] = b'_';
        }
        // The decoder, made for build tools, panics on input that it does not expect.
        let decoded = catch_unwind(AssertUnwindSafe(|| wit_component::decode(&component)));
        Self {
            decoded: match decoded {
                Ok(Ok(DecodedWasm::Component(resolve, world))) => Some((resolve, world)),
                _ => None,
            },
            docs,
        }
    }

    /// Returns the decoded world; `None` if the types cannot be read.
    pub(super) fn decoded(&self) -> Option<&(Resolve, WorldId)> {
        self.decoded.as_ref()
    }

    /// Returns the declaration of an exported function.
    pub(super) fn function(&self, path: &FunctionPath) -> Option<&Function> {
        let (resolve, world) = self.decoded.as_ref()?;
        let name = path.interface.as_deref().unwrap_or(&path.function);
        let mut exports = resolve.worlds[*world].exports.iter();
        let (_, item) = exports.find(|(key, _)| resolve.name_world_key(key) == name)?;
        match (item, &path.interface) {
            (WorldItem::Function(function), None) => Some(function),
            (WorldItem::Interface { id, .. }, Some(_)) => {
                resolve.interfaces[*id].functions.get(&path.function)
            }
            _ => None,
        }
    }

    /// Returns the documentation of an exported function.
    pub(super) fn function_docs(&self, path: &FunctionPath) -> Option<&str> {
        let scope = path
            .interface
            .as_deref()
            .map_or(Scope::World, Scope::of_export);
        self.docs.function(scope, &path.function)
    }

    /// Returns the declaration of a type of [`Self::function`].
    pub(super) fn declared_type(&self, ty: Type) -> Option<DeclaredType<'_>> {
        let (resolve, _) = self.decoded.as_ref()?;
        Some(DeclaredType {
            declarations: self,
            resolve,
            ty,
        })
    }
}

impl<'a> DeclaredType<'a> {
    /// Returns its name; `None` if it is anonymous.
    pub(super) fn name(self) -> Option<&'a str> {
        self.definitions().find_map(|d| d.name.as_deref())
    }

    /// Returns its documentation.
    pub(super) fn docs(self) -> Option<&'a str> {
        self.find_docs(|docs, scope, name| docs.type_docs(scope, name))
    }

    /// Returns the documentation of one of its fields, cases or flags.
    pub(super) fn item_docs(self, item: &str) -> Option<&'a str> {
        self.find_docs(|docs, scope, name| docs.item_docs(scope, name, item))
    }

    /// Returns the type of its field, case, element or type parameter at this index.
    pub(super) fn part(self, index: usize) -> Option<Self> {
        let ty = match &self.definitions().last()?.kind {
            TypeDefKind::Record(record) => record.fields.get(index)?.ty,
            TypeDefKind::Tuple(tuple) => *tuple.types.get(index)?,
            TypeDefKind::Variant(variant) => variant.cases.get(index)?.ty?,
            TypeDefKind::Result(result) if index == 0 => result.ok?,
            TypeDefKind::Result(result) => result.err?,
            TypeDefKind::Option(ty) | TypeDefKind::List(ty) => *ty,
            TypeDefKind::Future(ty) => (*ty)?,
            _ => return None,
        };
        Some(Self { ty, ..self })
    }

    /// Iterates over its definition and, if that is an alias, the definitions that it leads to.
    fn definitions(self) -> impl Iterator<Item = &'a TypeDef> {
        let mut next = Some(self.ty);
        std::iter::from_fn(move || {
            let Some(Type::Id(id)) = next else {
                return None;
            };
            let definition = &self.resolve.types[id];
            next = match definition.kind {
                TypeDefKind::Type(ty) => Some(ty),
                _ => None,
            };
            Some(definition)
        })
    }

    /// Looks up the documentation of each of its definitions until one is found.
    fn find_docs(
        self,
        look_up: impl Fn(&'a PackageDocs, Scope<'_>, &str) -> Option<&'a str>,
    ) -> Option<&'a str> {
        let docs = &self.declarations.docs;
        self.definitions().find_map(|definition| {
            let name = definition.name.as_deref()?;
            match definition.owner {
                TypeOwner::World(_) => look_up(docs, Scope::World, name),
                TypeOwner::Interface(id) => match &self.resolve.interfaces[id].name {
                    Some(interface) => look_up(docs, Scope::Interface(interface), name),
                    None => {
                        let (resolve, world) = self.declarations.decoded.as_ref()?;
                        let mut exports = resolve.worlds[*world].exports.iter();
                        let (key, _) = exports.find(|(_, item)| {
                            matches!(item, WorldItem::Interface { id: exported, .. } if *exported == id)
                        })?;
                        let interface = resolve.name_world_key(key);
                        look_up(docs, Scope::InlineInterface(&interface), name)
                    }
                },
                TypeOwner::None => None,
            }
        })
    }
}
