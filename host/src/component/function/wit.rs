//! What a component carries of its WIT beyond the types: their names, and the
//! documentation.
//!
//! Names are read from the component itself. Documentation is not part of its
//! types: tools that keep it put it into a custom section, `package-docs`
//! (`wit-parser` writes it, and so does `wit-docs-inject`). None of it decides
//! how values are converted, so that a component without it, or with rubbish in
//! its place, is served all the same.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::Value;
use wasmparser::{Parser, Payload};
use wit_component::DecodedWasm;
use wit_parser::{Function, Resolve, Type, TypeDef, TypeDefKind, TypeOwner, WorldId, WorldItem};

use super::names::Path;

/// The custom section with the documentation.
const SECTION: &str = "package-docs";
/// The longest such section, in bytes.
const MAX_SECTION_BYTES: usize = 1 << 20;
/// The most such sections that are read of a component.
const MAX_SECTIONS: usize = 16;

/// The names and the documentation of a component.
pub(super) struct Wit {
    decoded: Option<(Resolve, WorldId)>,
    docs: Docs,
}

/// A type as the component's WIT has it.
#[derive(Clone, Copy)]
pub(super) struct Named<'a> {
    wit: &'a Wit,
    resolve: &'a Resolve,
    ty: Type,
}

impl Wit {
    /// Reads a valid component.
    pub(super) fn read(bytes: &[u8]) -> Self {
        let (docs, places) = Docs::read(bytes);
        // The decoder refuses sections that were made for another world or
        // package than the anonymous one that it finds. It shall not see them.
        let mut bytes = Cow::Borrowed(bytes);
        for place in places {
            bytes.to_mut()[place] = b'_';
        }
        // It is made for tools, and asserts what it has not thought of.
        let decoded = catch_unwind(AssertUnwindSafe(|| wit_component::decode(&bytes)));
        Self {
            decoded: match decoded {
                Ok(Ok(DecodedWasm::Component(resolve, world))) => Some((resolve, world)),
                _ => None,
            },
            docs,
        }
    }

    /// An exported function.
    pub(super) fn function(&self, path: &Path) -> Option<&Function> {
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

    /// The documentation of an exported function.
    pub(super) fn function_docs(&self, path: &Path) -> Option<&str> {
        let place = path.interface.as_deref().map_or(Place::World, Place::of);
        self.docs.function(place, &path.function)
    }

    /// One of the types of [`Wit::function`].
    pub(super) fn named(&self, ty: Type) -> Option<Named<'_>> {
        let (resolve, _) = self.decoded.as_ref()?;
        Some(Named {
            wit: self,
            resolve,
            ty,
        })
    }
}

impl<'a> Named<'a> {
    /// Its name, where it has one.
    pub(super) fn name(self) -> Option<&'a str> {
        self.definitions().find_map(|d| d.name.as_deref())
    }

    /// Its documentation.
    pub(super) fn docs(self) -> Option<&'a str> {
        self.definitions()
            .find_map(|definition| text(self.metadata(definition)?.get("docs")?))
    }

    /// The documentation of one of its fields, cases or flags.
    pub(super) fn item_docs(self, item: &str) -> Option<&'a str> {
        self.definitions()
            .find_map(|definition| text(self.metadata(definition)?.get("items")?.get(item)?))
    }

    /// The type of its field, case, element or parameter of that place.
    pub(super) fn part(self, index: usize) -> Option<Self> {
        let ty = match &self.definitions().last()?.kind {
            TypeDefKind::Record(record) => record.fields.get(index)?.ty,
            TypeDefKind::Tuple(tuple) => *tuple.types.get(index)?,
            TypeDefKind::Variant(variant) => variant.cases.get(index)?.ty?,
            TypeDefKind::Result(result) if index == 0 => result.ok?,
            TypeDefKind::Result(result) => result.err?,
            TypeDefKind::Option(ty) | TypeDefKind::List(ty) => *ty,
            _ => return None,
        };
        Some(Self { ty, ..self })
    }

    /// Its definition, and those that it is another name for.
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

    fn metadata(self, definition: &TypeDef) -> Option<&'a Value> {
        let name = definition.name.as_deref()?;
        match definition.owner {
            TypeOwner::World(_) => self.wit.docs.ty(Place::World, name),
            TypeOwner::Interface(id) => match &self.resolve.interfaces[id].name {
                Some(interface) => self.wit.docs.ty(Place::Interface(interface), name),
                None => {
                    let (resolve, world) = self.wit.decoded.as_ref()?;
                    let mut exports = resolve.worlds[*world].exports.iter();
                    let (key, _) = exports.find(
                        |(_, item)| matches!(item, WorldItem::Interface { id: i, .. } if *i == id),
                    )?;
                    let inline = resolve.name_world_key(key);
                    self.wit.docs.ty(Place::Inline(&inline), name)
                }
            },
            TypeOwner::None => None,
        }
    }
}

/// What `package-docs` says, the sections of the component itself before those of
/// what it is composed of.
struct Docs(Vec<Value>);

/// Where something is defined.
#[derive(Clone, Copy)]
enum Place<'a> {
    World,
    /// An interface of a package, by its name in the package.
    Interface(&'a str),
    /// An interface that is defined in the world.
    Inline(&'a str),
}

impl<'a> Place<'a> {
    /// The place of an exported interface.
    fn of(export: &'a str) -> Self {
        let id = export.split('@').next().unwrap_or(export);
        match id.rsplit_once('/') {
            Some((_, interface)) => Self::Interface(interface),
            None => Self::Inline(id),
        }
    }
}

impl Docs {
    /// The sections, and the place of the first byte of each one's name.
    fn read(bytes: &[u8]) -> (Self, Vec<usize>) {
        let mut found = Vec::new();
        let mut places = Vec::new();
        let mut depth = 0;
        for payload in Parser::new(0).parse_all(bytes) {
            match payload {
                Ok(Payload::Version { .. }) => depth += 1,
                Ok(Payload::End(_)) => depth -= 1,
                Ok(Payload::CustomSection(section)) if section.name() == SECTION => {
                    places.push(section.data_offset() - SECTION.len());
                    // The first byte is the version of the format; both there are
                    // are read.
                    if let Some((0 | 1, json)) = section.data().split_first()
                        && json.len() <= MAX_SECTION_BYTES
                        && found.len() < MAX_SECTIONS
                        && let Ok(json) = serde_json::from_slice::<Value>(json)
                    {
                        found.push((depth, json));
                    }
                }
                Ok(_) => {}
                // It has been compiled, so this does not happen.
                Err(_) => break,
            }
        }
        found.sort_by_key(|(depth, _)| *depth);
        let sections = found.into_iter().map(|(_, json)| json).collect();
        (Self(sections), places)
    }

    fn function(&self, place: Place<'_>, name: &str) -> Option<&str> {
        self.containers(place).find_map(|container| {
            // A function that is imported too has its export apart.
            let function = ["func_exports", "funcs"]
                .into_iter()
                .find_map(|key| container.get(key)?.get(name))?;
            text(function).or_else(|| text(function.get("docs")?))
        })
    }

    fn ty(&self, place: Place<'_>, name: &str) -> Option<&Value> {
        self.containers(place)
            .find_map(|container| container.get("types")?.get(name))
    }

    fn containers(&self, place: Place<'_>) -> impl Iterator<Item = &Value> {
        self.0.iter().flat_map(move |section| {
            let worlds = section.get("worlds").and_then(Value::as_object);
            let mut worlds = worlds.into_iter().flat_map(|worlds| worlds.values());
            let found: Vec<_> = match place {
                Place::World => worlds.collect(),
                Place::Interface(name) => section
                    .get("interfaces")
                    .and_then(|interfaces| interfaces.get(name))
                    .into_iter()
                    .collect(),
                Place::Inline(name) => worlds
                    .by_ref()
                    .flat_map(|world| {
                        ["interface_exports", "interfaces"]
                            .into_iter()
                            .filter_map(move |key| world.get(key)?.get(name))
                    })
                    .collect(),
            };
            found
        })
    }
}

/// A text that says something.
fn text(value: &Value) -> Option<&str> {
    value
        .as_str()
        .map(str::trim)
        .filter(|text| !text.is_empty())
}
