//! Asks a component for its definitions when it is loaded. The guest runs in the sandbox, without any grant.
//!
//! Definitions that were accepted are kept with the compiled component, so that the next start need not run the guest.

use std::future::Future;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::call_error::{CallError, TargetKind};
use super::contract::{
    CallData, Guest, GuestContext, GuestError, PreparedStore, Prompt, Resource, Template,
    ToolDefinition,
};
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

/// The definitions of a component, as its guest returns them.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct GuestDefinitions {
    pub(super) tools: Vec<ToolDefinition>,
    pub(super) prompts: Vec<Prompt>,
    pub(super) resources: Vec<Resource>,
    pub(super) templates: Vec<Template>,
}

/// New definitions, to be kept when they have been accepted.
pub(super) struct NewDefinitions {
    key: String,
    json: Vec<u8>,
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

    /// Returns the definitions of a component: those that were kept for it, else what its guest returns. `digest` is that
    /// of the component's bytes.
    ///
    /// # Errors
    /// A function of the guest failed.
    pub(super) async fn definitions(
        &self,
        guest: &Arc<Guest>,
        digest: &str,
    ) -> Result<(GuestDefinitions, Option<NewDefinitions>), DescribeError> {
        if !guest.has_definitions() {
            return Ok((GuestDefinitions::default(), None));
        }
        let key = self.key(digest);
        let kept = self.engine.kept_definitions(&key).await;
        // Those of another version of the host may have another form.
        if let Some(Ok(definitions)) = kept.map(|json| serde_json::from_slice(&json)) {
            return Ok((definitions, None));
        }
        let definitions = self.ask(guest).await?;
        let json = serde_json::to_vec(&definitions);
        let new = json.ok().map(|json| NewDefinitions { key, json });
        Ok((definitions, new))
    }

    /// Keeps definitions for the next start.
    pub(super) async fn keep(&self, new: NewDefinitions) {
        self.engine.keep_definitions(&new.key, new.json).await;
    }

    /// Returns the name under which definitions are kept. A guest that runs within other limits, or in another version of
    /// the host, may fail.
    fn key(&self, digest: &str) -> String {
        let mut hash = DefaultHasher::new();
        let limits = &self.limits;
        env!("CARGO_PKG_VERSION").hash(&mut hash);
        (limits.memory_bytes, limits.output_bytes).hash(&mut hash);
        (limits.time, limits.cpu).hash(&mut hash);
        let digest = digest.trim_start_matches("sha256:");
        format!("{digest}-{:016x}", hash.finish())
    }

    async fn ask(&self, guest: &Arc<Guest>) -> Result<GuestDefinitions, DescribeError> {
        let tools = self.run("definitions", |store| guest.clone().tools(store));
        let tools = tools.await?;
        let prompts = self.run("prompts.definitions", |store| guest.clone().prompts(store));
        let prompts = prompts.await?;
        let resources = self.run("resources", |store| guest.clone().resources(store));
        let resources = resources.await?;
        let templates = self.run("templates", |store| guest.clone().templates(store));
        let templates = templates.await?;
        Ok(GuestDefinitions {
            tools,
            prompts,
            resources,
            templates,
        })
    }

    /// Calls `guest` with a new store. `function` names the guest's function in errors and in the log.
    async fn run<T, F>(
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
