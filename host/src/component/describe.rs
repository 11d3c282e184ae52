//! Asks a component for its definitions when it is loaded. The guest runs in the sandbox, without any grant.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::call_error::{CallError, TargetKind};
use super::contract::{CallData, GuestContext, GuestError, PreparedStore};
use crate::engine::{Engine, error_summary};
use crate::sandbox::{self, Limits, OpenGrants};
use crate::telemetry::CallSpan;

/// Maximum time, and maximum CPU time, of one function that returns definitions.
const MAX_TIME: Duration = Duration::from_secs(10);

/// A function that returns definitions failed.
#[derive(Debug, thiserror::Error)]
#[error("its `{function}` failed: {reason}")]
pub struct DescribeError {
    function: &'static str,
    reason: String,
}

/// Runs the functions of one component that return definitions.
pub(super) struct Describer<'a> {
    engine: &'a Engine,
    component: &'a str,
    limits: Limits,
}

impl<'a> Describer<'a> {
    pub(super) fn new(engine: &'a Engine, component: &'a str, limits: &Limits) -> Self {
        Self {
            engine,
            component,
            limits: Limits {
                time: limits.time.min(MAX_TIME),
                cpu: limits.cpu.min(MAX_TIME),
                ..limits.clone()
            },
        }
    }

    /// Calls `guest` with a new store. `function` names the guest's function in errors and in the log.
    pub(super) async fn run<T, F>(
        &self,
        function: &'static str,
        guest: impl FnOnce(PreparedStore) -> F,
    ) -> Result<T, DescribeError>
    where
        F: Future<Output = Result<T, GuestError>> + Send + 'static,
        T: Send + 'static,
    {
        let component = self.component.to_owned();
        let span = CallSpan::new(move || {
            tracing::info_span!("describe", component.name = component, function)
        });
        let cancelled = CancellationToken::new();
        let data = CallData::new(GuestContext::without_caller(&cancelled), self.limits.time);
        let grants = Arc::new(OpenGrants::nothing());
        let (engine, limits) = (self.engine, &self.limits);
        let store = sandbox::new_store(engine, limits, &grants, None, Arc::default(), data);
        let store = PreparedStore::new(store);
        let cpu_profile = Arc::default();
        let guest_runtime = self.engine.guest_runtime();
        let result = sandbox::execute(
            &self.limits,
            guest_runtime,
            &cancelled,
            &cpu_profile,
            Arc::default(),
            Box::pin(span.scope(guest(store))),
        )
        .await;
        let reason = match result {
            Ok(Ok(definitions)) => return Ok(definitions),
            Ok(Err(error)) => self.reason(error),
            Err(stopped) => stopped.to_string(),
        };
        Err(DescribeError { function, reason })
    }

    /// Formats an error for the operator, who, unlike a client, also gets the cause of a crash.
    fn reason(&self, error: GuestError) -> String {
        let crash = match &error {
            GuestError::Trap { error, .. } => error_summary(error),
            _ => String::new(),
        };
        match CallError::from_guest(TargetKind::Tool, error, &self.limits) {
            CallError::Crashed(_) => crash,
            other => other.to_string(),
        }
    }
}
