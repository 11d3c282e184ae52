//! The exports of a component that are candidates for tools, and those that are skipped.

use std::sync::Arc;

use wasmtime::Engine;
use wasmtime::component::Component;
use wasmtime::component::types::{ComponentFunc, ComponentItem};

use super::names::FunctionPath;
use crate::component::contract;
use crate::component::exported::SkippedExports;

/// The exports of a component outside the contract.
#[derive(Default)]
pub(super) struct Exports {
    /// The functions that become tools if their types have a JSON form, in the component's order.
    pub(super) functions: Vec<(FunctionPath, ComponentFunc)>,
    /// The functions that make resources.
    pub(super) constructors: Vec<(FunctionPath, ComponentFunc)>,
    /// The exports that cannot become tools whatever their types are.
    pub(super) skipped: SkippedExports,
}

impl Exports {
    pub(super) fn of(engine: &Engine, component: &Component) -> Self {
        let mut exports = Self::default();
        for (name, export) in component.component_type().exports(engine) {
            match export.ty {
                ComponentItem::ComponentFunc(ty) => {
                    let path = FunctionPath {
                        interface: None,
                        function: name.to_owned(),
                    };
                    exports.add(path, ty, None);
                }
                ComponentItem::ComponentInstance(instance) => {
                    let id = export.implements.unwrap_or(name);
                    if contract::is_contract_interface(id) {
                        if !contract::has_supported_version(id) {
                            let reason = "this host has another version of it";
                            exports.skipped.add(name, reason);
                        }
                        continue;
                    }
                    // Served by a mount.
                    if contract::is_handler_interface(id) {
                        continue;
                    }
                    let skip_reason = id
                        .starts_with("wasi:")
                        .then_some("interfaces of WASI are for hosts that know them");
                    let interface: Arc<str> = name.into();
                    for (function, item) in instance.exports(engine) {
                        if let ComponentItem::ComponentFunc(ty) = item.ty {
                            let path = FunctionPath {
                                interface: Some(interface.clone()),
                                function: function.to_owned(),
                            };
                            exports.add(path, ty, skip_reason);
                        }
                    }
                }
                _ => {}
            }
        }
        exports
    }

    fn add(&mut self, path: FunctionPath, ty: ComponentFunc, skip_reason: Option<&'static str>) {
        let skip_reason = skip_reason.or_else(|| build_step(&path, &ty));
        match skip_reason {
            Some(reason) => self.skipped.add(&path, reason),
            None if path.function.starts_with("[constructor]") => {
                self.constructors.push((path, ty));
            }
            None => self.functions.push((path, ty)),
        }
    }
}

/// Recognises a function that a toolchain calls while it builds the component and then leaves in it.
///
/// The first parameters are compared too, so that an author's function of the same name is served.
fn build_step(path: &FunctionPath, ty: &ComponentFunc) -> Option<&'static str> {
    let (first_parameters, reason) = match (path.interface.as_deref(), path.function.as_str()) {
        (Some("exports"), "init") => (
            ["app-name", "symbols"],
            "componentize-py built the component with it",
        ),
        (None, "init") => (
            ["shim", "script"],
            "componentize-qjs built the component with it",
        ),
        _ => return None,
    };
    let parameters = ty.params().map(|(name, _)| name);
    parameters.take(2).eq(first_parameters).then_some(reason)
}
