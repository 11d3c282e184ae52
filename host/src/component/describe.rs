//! What a component says of itself when it is loaded.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use wasmtime::Store;

use super::contract::{self, Askable, CallData, GuestError};
use super::failure::{CallError, Called, trapped};
use super::{Context, LoadError, Skipped, definition, one_line};
use crate::engine::Engine;
use crate::sandbox::{self, Granted, Limits, State};

/// What describes a component runs in the sandbox too, and answers within this
/// time.
const DEFINITIONS_TIME: Duration = Duration::from_secs(10);

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
        guest: impl FnOnce(Store<State<CallData>>) -> F,
    ) -> Result<T, Vec<LoadError>>
    where
        F: Future<Output = Result<T, GuestError>> + Send + 'static,
        T: Send + 'static,
    {
        let span = tracing::info_span!("describe", component.name = self.name, function);
        let context = Context {
            id: String::new(),
            askable: Askable::default(),
            caller: None,
            events: None,
            cancelled: CancellationToken::new(),
        };
        let cancelled = context.cancelled.clone();
        let data = CallData::new(context, self.limits.time);
        let nothing = Arc::new(Granted::nothing());
        let store = sandbox::store(self.engine, &self.limits, &nothing, None, &span, data);
        let failed = |why: String| vec![LoadError::Definitions(function, why)];
        let habit = Arc::default();
        let crew = self.engine.crew();
        sandbox::run(&self.limits, crew, &cancelled, &habit, guest(store))
            .await
            .map_err(|stopped| failed(stopped.to_string()))?
            .map_err(|error| match error {
                GuestError::Trap {
                    error,
                    memory_refused,
                } => {
                    let trapped = trapped(Called::Tool, &error, memory_refused, &self.limits);
                    failed(match trapped {
                        CallError::Crashed(_) => one_line(&error),
                        other => other.to_string(),
                    })
                }
                GuestError::InvalidArguments(why) | GuestError::Failed(why) => failed(why),
                GuestError::NotFound => failed(CallError::NotFound.to_string()),
                GuestError::Oversized => {
                    failed(CallError::Oversized(Called::Tool, self.limits.output_bytes).to_string())
                }
            })
    }
}

/// What the engine says of a component that it does not compile.
pub(super) fn uncompiled(error: &wasmtime::Error) -> LoadError {
    let line = one_line(error);
    // The engine has no type for it.
    let later = ["component model async", "error-context feature"];
    if later.iter().any(|feature| line.contains(feature)) {
        let why = "it needs the asynchronous functions of WASI 0.3, which this host does not have; \
                   build it for WASI 0.2";
        LoadError::World(why.into())
    } else {
        LoadError::Invalid(line)
    }
}

/// A component of which nothing can be served: what it has instead.
pub(super) fn nothing(has_definitions: bool, skipped: &[Skipped]) -> LoadError {
    const MAX_LISTED: usize = 5;
    let mut listed: Vec<_> = skipped
        .iter()
        .take(MAX_LISTED)
        .map(Skipped::to_string)
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
    checked: Result<T, Vec<definition::Fault>>,
) -> Result<T, Vec<LoadError>> {
    checked.map_err(|faults| faults.into_iter().map(LoadError::Definition).collect())
}
