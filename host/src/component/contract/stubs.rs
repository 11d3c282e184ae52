//! Stubs for imports that the host lacks: functions without a result do nothing, all others trap.

use wasmtime::component::types::{ComponentFunc, ComponentItem};
use wasmtime::component::{
    Component, Linker, LinkerInstance, ResourceAny, ResourceType, Type, Val,
};

use super::host::CallData;
use crate::engine::Engine;
use crate::sandbox::StoreData;

/// Upper limit of the types in the signatures of all stubs of a component; a type counts as often as it occurs.
const MAX_TYPES: usize = 10_000;
/// Maximum memory of a list in the host, as a multiple of what the engine charges for it. Only flags with many short
/// names exceed it.
const MAX_BYTES_PER_CHARGE: usize = 4;

/// A guest called a stub that has no result to give.
#[derive(Debug, thiserror::Error)]
#[error("the host lacks the import `{0}`, and its stub cannot return a result")]
pub(crate) struct StubCalled(pub(crate) String);

/// The type of the resources of stubs, which no guest can get one of.
struct StubResource;

type StubLinker = Linker<StoreData<CallData>>;
type StubInstance<'a> = LinkerInstance<'a, StoreData<CallData>>;

/// Adds a stub for each import that `is_offered` does not know.
///
/// # Errors
/// One sentence: the import that a stub cannot take the place of.
pub(super) fn define(
    linker: &mut StubLinker,
    engine: &Engine,
    component: &Component,
    is_offered: fn(&str) -> bool,
) -> Result<(), String> {
    let engine = engine.wasmtime();
    let mut stubs = Stubs {
        seen: Vec::new(),
        types_left: MAX_TYPES,
    };
    for (name, import) in component.component_type().imports(engine) {
        let id = import.implements.unwrap_or(name);
        let is_offered = is_offered(id);
        match import.ty {
            ComponentItem::ComponentInstance(instance) => {
                let mut target = match is_offered {
                    true => None,
                    false => Some(linker.instance(name).map_err(|e| e.to_string())?),
                };
                for (item_name, item) in instance.exports(engine) {
                    let path = format!("{id}#{item_name}");
                    stubs.item(target.as_mut(), item_name, path, item.ty)?;
                }
            }
            item => stubs.item(Some(&mut linker.root()), name, name.to_owned(), item)?,
        }
    }
    Ok(())
}

struct Stubs {
    /// The resources of the imports so far. Those that appear again are the same ones under another name.
    seen: Vec<ResourceType>,
    types_left: usize,
}

impl Stubs {
    /// Adds the stub of one function or resource. `target` is `None` if the host has it.
    fn item(
        &mut self,
        target: Option<&mut StubInstance<'_>>,
        name: &str,
        path: String,
        item: ComponentItem,
    ) -> Result<(), String> {
        match (item, target) {
            (ComponentItem::ComponentFunc(ty), Some(target)) => {
                self.check(&ty)
                    .map_err(|reason| format!("its import `{path}` cannot be a stub: {reason}"))?;
                define_function(target, name, path, &ty)
            }
            (ComponentItem::Resource(ty), target) => {
                self.take_type()
                    .map_err(|reason| format!("its imports cannot be stubs: {reason}"))?;
                if self.seen.contains(&ty) {
                    return Ok(());
                }
                self.seen.push(ty);
                match target {
                    None => Ok(()),
                    Some(target) => target
                        .resource(name, ResourceType::host::<StubResource>(), |_, _| Ok(()))
                        .map_err(|e| e.to_string()),
                }
            }
            // Anything else that is missing is reported by the linker.
            _ => Ok(()),
        }
    }

    /// Rejects parameters that would take much more memory in the host than the engine's limit of it.
    fn check(&mut self, ty: &ComponentFunc) -> Result<(), &'static str> {
        if ty.async_() {
            return Err("it is asynchronous");
        }
        ty.params()
            .try_for_each(|(_, ty)| self.check_type(&ty, false))
    }

    fn take_type(&mut self) -> Result<(), &'static str> {
        self.types_left = self
            .types_left
            .checked_sub(1)
            .ok_or("the types of all stubs have too many parts")?;
        Ok(())
    }

    fn check_type(&mut self, ty: &Type, is_in_list: bool) -> Result<(), &'static str> {
        self.take_type()?;
        let is_in_list =
            is_in_list || matches!(ty, Type::List(_) | Type::FixedLengthList(_) | Type::Map(_));
        let mut all = |types: &mut dyn Iterator<Item = Type>| {
            for ty in types {
                self.check_type(&ty, is_in_list)?;
            }
            Ok(())
        };
        match ty {
            Type::Flags(flags) if is_in_list => {
                let charged = size_of::<Val>() + flags.names().map(str::len).sum::<usize>();
                let used = size_of::<Val>() + flags.names().count() * 2 * size_of::<String>();
                match used <= charged * MAX_BYTES_PER_CHARGE {
                    true => Ok(()),
                    false => Err("it takes many flags with short names"),
                }
            }
            Type::List(list) => all(&mut [list.ty()].into_iter()),
            Type::FixedLengthList(list) => all(&mut [list.ty()].into_iter()),
            Type::Option(option) => all(&mut [option.ty()].into_iter()),
            Type::Tuple(tuple) => all(&mut tuple.types()),
            Type::Record(record) => all(&mut record.fields().map(|field| field.ty)),
            Type::Variant(variant) => all(&mut variant.cases().filter_map(|case| case.ty)),
            Type::Result(result) => all(&mut [result.ok(), result.err()].into_iter().flatten()),
            Type::Map(map) => all(&mut [map.key(), map.value()].into_iter()),
            Type::Stream(_) | Type::Future(_) => Err("it takes a stream or a future"),
            _ => Ok(()),
        }
    }
}

fn define_function(
    target: &mut StubInstance<'_>,
    name: &str,
    path: String,
    ty: &ComponentFunc,
) -> Result<(), String> {
    let defined = match ty.results().len() {
        0 => target.func_new_async(name, |mut store, _, parameters, _| {
            Box::new(async move {
                // A handle that stays open would trap at the end of the call.
                let mut handles = Vec::new();
                parameters
                    .iter()
                    .for_each(|value| collect_handles(value, &mut handles));
                for handle in handles {
                    handle.resource_drop_async(&mut store).await?;
                }
                Ok(())
            })
        }),
        _ => target.func_new(name, move |_, _, _, _| {
            Err(wasmtime::Error::new(StubCalled(path.clone())))
        }),
    };
    defined.map_err(|e| e.to_string())
}

fn collect_handles(value: &Val, handles: &mut Vec<ResourceAny>) {
    let mut all = |values: &mut dyn Iterator<Item = &Val>| {
        values.for_each(|value| collect_handles(value, handles));
    };
    match value {
        Val::Resource(handle) => handles.push(*handle),
        Val::List(values) | Val::Tuple(values) | Val::FixedLengthList(values) => {
            all(&mut values.iter());
        }
        Val::Record(fields) => all(&mut fields.iter().map(|(_, value)| value)),
        Val::Variant(_, value) | Val::Option(value) | Val::Result(Ok(value) | Err(value)) => {
            all(&mut value.iter().map(|value| &**value));
        }
        Val::Map(entries) => all(&mut entries.iter().flat_map(|(key, value)| [key, value])),
        _ => {}
    }
}
