//! The resources that a component exports, and the functions that make them.

use wasmtime::component::types::{ComponentFunc, Type};
use wasmtime::component::{Component, ComponentExportIndex, ResourceType};

use super::names::FunctionPath;

/// The constructors of a component's resources.
#[derive(Default)]
pub(super) struct Resources(Vec<ResourceSource>);

/// The constructor of a resource.
pub(super) struct ResourceSource {
    pub(super) resource: ResourceType,
    pub(super) path: FunctionPath,
    pub(super) ty: ComponentFunc,
    pub(super) export: ComponentExportIndex,
}

impl Resources {
    /// Finds the resources that these constructors make.
    pub(super) fn new(
        component: &Component,
        constructors: Vec<(FunctionPath, ComponentFunc)>,
    ) -> Self {
        let sources = constructors.into_iter().filter_map(|(path, ty)| {
            Some(ResourceSource {
                resource: made_by(&ty)?,
                export: path.export(component)?,
                path,
                ty,
            })
        });
        Self(sources.collect())
    }

    /// Returns the constructor of a resource.
    pub(super) fn find(&self, resource: ResourceType) -> Option<&ResourceSource> {
        self.0.iter().find(|source| source.resource == resource)
    }

    /// Returns the constructor of the resource that a method belongs to.
    pub(super) fn of_method(&self, method: &FunctionPath) -> Option<&ResourceSource> {
        let (resource, _) = method.method()?;
        let mut sources = self.0.iter();
        sources.find(|source| {
            source.path.interface == method.interface && source.path.base() == resource
        })
    }
}

/// Returns the resource that a constructor makes. One that can fail returns it in a `result`.
fn made_by(ty: &ComponentFunc) -> Option<ResourceType> {
    match ty.results().next()? {
        Type::Own(resource) => Some(resource),
        Type::Result(result) => match result.ok()? {
            Type::Own(resource) => Some(resource),
            _ => None,
        },
        _ => None,
    }
}
