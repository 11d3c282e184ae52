//! Components that need WASI 0.3 or its asynchronous functions: found before they are compiled, for the engine that runs
//! them.

use bytes::Bytes;
use wasmparser::{Parser, Payload, Validator, WasmFeatures};

use super::engine_error;
use crate::engine::{self, CompileError, Engine};
use crate::sandbox::Limits;

/// Returns the engine for a component: the one with concurrency if there is one and the component needs it.
///
/// # Errors
/// Finding out takes longer than compiling may.
pub(super) async fn engine_for(
    engine: &Engine,
    component: &Bytes,
    limits: &Limits,
) -> Result<Engine, CompileError> {
    let Some(concurrent) = engine.concurrent() else {
        return Ok(engine.clone());
    };
    let component = component.clone();
    let needs = engine::run_within(limits.compile, move || needs_preview3(&component));
    let chosen = if needs.await? { concurrent } else { engine };
    Ok(chosen.clone())
}

/// Returns whether an import is an interface of WASI 0.3.
pub(super) fn is_preview3(import: &str) -> bool {
    import.starts_with("wasi:") && import.contains("@0.3.")
}

/// Returns whether a component is valid only with asynchronous functions, or imports an interface of WASI 0.3. Malformed
/// components are left to the compiler, and code is not validated here.
fn needs_preview3(component: &[u8]) -> bool {
    let features = WasmFeatures::all().difference(WasmFeatures::CM_ASYNC);
    let mut validator = Validator::new_with_features(features);
    let mut depth = 0;
    for payload in Parser::new(0).parse_all(component) {
        let Ok(payload) = payload else { return false };
        match &payload {
            Payload::Version { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            Payload::ComponentImportSection(imports) if depth == 1 => {
                let mut imports = imports.clone().into_iter().flatten();
                if imports.any(|import| is_preview3(import.name.name)) {
                    return true;
                }
            }
            _ => {}
        }
        if let Err(error) = validator.payload(&payload) {
            return engine_error::needs_async(error.message());
        }
    }
    false
}
