//! Which exports of a component are functions that may be tools.

use std::sync::Arc;

use wasmtime::Engine;
use wasmtime::component::Component;
use wasmtime::component::types::{ComponentFunc, ComponentItem};

use super::AllSkipped;
use super::names::Path;
use crate::component::contract;

/// The plain functions that a component exports, in its own order.
#[derive(Default)]
pub(super) struct Exports {
    pub(super) functions: Vec<(Path, ComponentFunc)>,
    /// Those that are no tools, whatever their types are.
    pub(super) skipped: AllSkipped,
}

impl Exports {
    pub(super) fn of(engine: &Engine, component: &Component) -> Self {
        let mut exports = Self::default();
        let ty = component.component_type();
        for (name, export) in ty.exports(engine) {
            match export.ty {
                ComponentItem::ComponentFunc(ty) => {
                    let path = Path {
                        interface: None,
                        function: name.to_owned(),
                    };
                    exports.add(path, ty, None);
                }
                ComponentItem::ComponentInstance(instance) => {
                    let id = export.implements.unwrap_or(name);
                    match contract::is_known(id) {
                        Some(true) => continue,
                        Some(false) => {
                            let reason = "this host has another version of it";
                            exports.skipped.add(name, reason);
                            continue;
                        }
                        None => {}
                    }
                    let barred = id
                        .starts_with("wasi:")
                        .then_some("interfaces of WASI are for hosts that know them");
                    let interface: Arc<str> = name.into();
                    for (function, item) in instance.exports(engine) {
                        if let ComponentItem::ComponentFunc(ty) = item.ty {
                            let path = Path {
                                interface: Some(interface.clone()),
                                function: function.to_owned(),
                            };
                            exports.add(path, ty, barred);
                        }
                    }
                }
                _ => {}
            }
        }
        exports
    }

    fn add(&mut self, path: Path, ty: ComponentFunc, barred: Option<&'static str>) {
        let barred = barred.or_else(|| {
            if path.function.starts_with('[') {
                Some("it belongs to a resource")
            } else if ty.async_() {
                Some("it is `async`")
            } else {
                left_behind(&path, &ty)
            }
        });
        match barred {
            Some(reason) => self.skipped.add(&path, reason),
            None => self.functions.push((path, ty)),
        }
    }
}

/// Some toolchains run a function of the component when they build it, and leave
/// it there. It is told by its name and its first parameters, so that no
/// function of an author is taken for it.
fn left_behind(path: &Path, ty: &ComponentFunc) -> Option<&'static str> {
    let (first, reason) = match (path.interface.as_deref(), path.function.as_str()) {
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
    parameters.take(2).eq(first).then_some(reason)
}
