//! `wasi:logging`: lines for the log of the call, like those of `call.log`.

use wasmtime::StoreContextMut;
use wasmtime::component::{ComponentType, Lift, Linker};

use super::bindings::toolcrib::mcp::call::{self, Level};
use super::host::CallData;
use crate::sandbox::StoreData;

/// The names under which components import it.
pub(super) const INTERFACES: [&str; 2] =
    ["wasi:logging/logging@0.1.0-draft", "wasi:logging/logging"];

/// `level` of `wasi:logging`.
#[derive(Clone, Copy, ComponentType, Lift)]
#[component(enum)]
#[repr(u8)]
#[allow(dead_code, reason = "values come from guests only")]
enum Severity {
    #[component(name = "trace")]
    Trace,
    #[component(name = "debug")]
    Debug,
    #[component(name = "info")]
    Info,
    #[component(name = "warn")]
    Warn,
    #[component(name = "error")]
    Error,
    #[component(name = "critical")]
    Critical,
}

impl From<Severity> for Level {
    fn from(severity: Severity) -> Self {
        match severity {
            Severity::Trace | Severity::Debug => Self::Debug,
            Severity::Info => Self::Info,
            Severity::Warn => Self::Warning,
            Severity::Error | Severity::Critical => Self::Error,
        }
    }
}

/// Adds `log`, whose parameters are the level, a context and the message.
pub(super) fn add_to_linker(linker: &mut Linker<StoreData<CallData>>) -> wasmtime::Result<()> {
    for interface in INTERFACES {
        linker.instance(interface)?.func_wrap_async(
            "log",
            |mut store: StoreContextMut<'_, StoreData<CallData>>,
             (severity, context, message): (Severity, String, String)| {
                Box::new(async move {
                    let line = match context.is_empty() {
                        true => message,
                        false => format!("{context}: {message}"),
                    };
                    let call = &mut store.data_mut().contract;
                    call::Host::log(call, severity.into(), line).await;
                    Ok(())
                })
            },
        )?;
    }
    Ok(())
}
