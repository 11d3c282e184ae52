//! What a component says of itself when it is loaded.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use wasmtime::Store;

use super::call_error::{CallError, TargetKind, trapped};
use super::contract::{self, CallData, ClientFeatures, GuestError};
use super::{GuestContext, LoadError, SkippedExport, definition, one_line};
use crate::engine::Engine;
use crate::sandbox::{self, Limits, OpenGrants, StoreData};

/// What describes a component runs in the sandbox too, and answers within this
/// time.
const DEFINITIONS_TIME: Duration = Duration::from_secs(10);

/// What to do where a component is made for WASI 0.3. The engine has it too, but
/// calls it experimental, and no release mends only its security.
const BUILD_FOR_0_2: &str = "build it for WASI 0.2 (in Rust, `--target wasm32-wasip2`)";

/// Asks a component what it offers.
pub(super) struct Describe<'a> {
    engine: &'a Engine,
    name: &'a str,
    limits: Limits,
}

impl<'a> Describe<'a> {
    pub(super) fn new(engine: &'a Engine, name: &'a str, limits: &Limits) -> Self {
        Self {
            engine,
            name,
            limits: Limits {
                time: limits.time.min(DEFINITIONS_TIME),
                cpu: limits.cpu.min(DEFINITIONS_TIME),
                ..limits.clone()
            },
        }
    }

    pub(super) async fn run<T, F>(
        &self,
        function: &'static str,
        guest: impl FnOnce(Store<StoreData<CallData>>) -> F,
    ) -> Result<T, Vec<LoadError>>
    where
        F: Future<Output = Result<T, GuestError>> + Send + 'static,
        T: Send + 'static,
    {
        let span = tracing::info_span!("describe", component.name = self.name, function);
        let context = GuestContext {
            id: String::new(),
            client_features: ClientFeatures::default(),
            caller: None,
            events: None,
            cancelled: CancellationToken::new(),
        };
        let cancelled = context.cancelled.clone();
        let data = CallData::new(context, self.limits.time);
        let nothing = Arc::new(OpenGrants::nothing());
        let store = sandbox::new_store(self.engine, &self.limits, &nothing, None, &span, data);
        let failed = |why: String| vec![LoadError::Definitions(function, why)];
        let cpu_profile = Arc::default();
        let guest_runtime = self.engine.guest_runtime();
        sandbox::execute(
            &self.limits,
            guest_runtime,
            &cancelled,
            &cpu_profile,
            guest(store),
        )
        .await
        .map_err(|stopped| failed(stopped.to_string()))?
        .map_err(|error| match error {
            GuestError::Trap {
                error,
                memory_refused,
            } => {
                let trapped = trapped(TargetKind::Tool, &error, memory_refused, &self.limits);
                failed(match trapped {
                    CallError::Crashed(_) => one_line(&error),
                    other => other.to_string(),
                })
            }
            GuestError::InvalidArguments(why) | GuestError::Failed(why) => failed(why),
            GuestError::NotFound => failed(CallError::NotFound.to_string()),
            GuestError::Oversized => {
                failed(CallError::Oversized(TargetKind::Tool, self.limits.output_bytes).to_string())
            }
        })
    }
}

/// What the engine says of a component that it does not compile.
pub(super) fn uncompiled(error: &wasmtime::Error) -> LoadError {
    let line = one_line(error);
    // The engine has no type for it.
    let later = [
        "component model async",
        "component model more async",
        "component model threading",
        "error-context feature",
    ];
    if later.iter().any(|feature| line.contains(feature)) {
        LoadError::World(format!(
            "it needs the asynchronous functions of WASI 0.3, which this host does not have; \
             {BUILD_FOR_0_2}, without `async`, `stream` and `future` in its own WIT"
        ))
    } else {
        LoadError::Invalid(line)
    }
}

/// What is said of a component that is not linked, for which it was `why`.
pub(super) fn unlinked(why: String, imports: &[String]) -> LoadError {
    let is_later = |import: &&String| import.starts_with("wasi:") && import.contains("@0.3.");
    LoadError::World(match imports.iter().find(is_later) {
        Some(import) => format!(
            "it imports `{import}`, which is of WASI 0.3 and not of this host; {BUILD_FOR_0_2}"
        ),
        None => why,
    })
}

/// A component of which nothing can be served: what it has instead.
pub(super) fn nothing(has_definitions: bool, skipped: &[SkippedExport]) -> LoadError {
    const MAX_LISTED: usize = 5;
    let mut listed: Vec<_> = skipped
        .iter()
        .take(MAX_LISTED)
        .map(SkippedExport::to_string)
        .collect();
    if skipped.len() > MAX_LISTED {
        listed.push(format!("and {} more", skipped.len() - MAX_LISTED));
    }
    let listed = if listed.is_empty() {
        String::new()
    } else {
        format!(" ({})", listed.join("; "))
    };
    LoadError::Nothing(if has_definitions {
        format!("it defines no tool, no prompt and no resource{listed}")
    } else {
        format!(
            "it exports neither `{}` nor a function that can be a tool{listed}; build it for the \
             world `tool-component` of `wit/tool.wit`, or export plain functions",
            contract::INTERFACES[0]
        )
    })
}

pub(super) fn faultless<T>(
    checked: Result<T, Vec<definition::DefinitionError>>,
) -> Result<T, Vec<LoadError>> {
    checked.map_err(|faults| faults.into_iter().map(LoadError::Definition).collect())
}
