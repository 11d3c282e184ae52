//! Targets of requests: the tool, prompt or resource that a client names.

use std::sync::Arc;

use super::call_limits::CallPermit;
use super::entries::{ComponentEntry, PromptEntry, ResourceEntry, TemplateEntry, ToolEntry};
use crate::component::{
    Call, CallError, Completion, CompletionRequest, Component, Embedded, GuestContext, Outcome,
    TargetKind,
};
use crate::telemetry::{Record, TargetFacts};

/// The target of a request as the client names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetName {
    /// Name of a tool, in `tools/call`.
    Tool(String),
    /// Name of a prompt, in `prompts/get` and `completion/complete`.
    Prompt(String),
    /// URI of a resource, in `resources/read`.
    Resource(String),
    /// URI template of a resource template, in `completion/complete`.
    Template(String),
}

/// The entry that a [`TargetName`] refers to.
#[derive(Clone)]
pub enum Target {
    /// A tool.
    Tool(Arc<ToolEntry>),
    /// A prompt.
    Prompt(Arc<PromptEntry>),
    /// A resource with a fixed URI.
    Resource(Arc<ResourceEntry>),
    /// A resource template, or the one that the URI of a resource matches.
    Template(Arc<TemplateEntry>),
}

impl Target {
    /// Returns the scopes that a call requires, sorted.
    pub fn scopes(&self) -> &[String] {
        match self {
            Self::Tool(entry) => &entry.scopes,
            Self::Prompt(entry) => &entry.scopes,
            Self::Resource(entry) => &entry.scopes,
            Self::Template(entry) => &entry.scopes,
        }
    }

    /// Returns the name clients use.
    pub fn name(&self) -> &str {
        match self {
            Self::Tool(entry) => &entry.name,
            Self::Prompt(entry) => &entry.name,
            Self::Resource(entry) => &entry.name,
            Self::Template(entry) => &entry.name,
        }
    }

    /// Returns the kind of the target, for messages to clients.
    pub fn called(&self) -> TargetKind {
        match self {
            Self::Tool(_) => TargetKind::Tool,
            Self::Prompt(_) => TargetKind::Prompt,
            Self::Resource(_) | Self::Template(_) => TargetKind::Resource,
        }
    }

    /// Starts to record a request as a call of this target.
    pub fn record_in(&self, record: &Record) {
        let cell = match self {
            Self::Tool(entry) => &entry.recorded,
            Self::Prompt(entry) => &entry.recorded,
            Self::Resource(entry) => &entry.recorded,
            Self::Template(entry) => &entry.recorded,
        };
        record.set_target(cell, || TargetFacts {
            kind: match self.called() {
                TargetKind::Tool => "tool",
                TargetKind::Prompt => "prompt",
                // No target is a handler.
                TargetKind::Resource | TargetKind::Completion | TargetKind::Handler => "resource",
            },
            name: self.name().into(),
            component: self.component().name.as_str().into(),
            digest: self.component().digest.as_str().into(),
            scopes: self.scopes().into(),
        });
    }

    /// Returns the component that has the target.
    pub fn component(&self) -> &Component {
        &self.owner().component
    }

    pub(super) fn owner(&self) -> &ComponentEntry {
        match self {
            Self::Tool(entry) => &entry.owner,
            Self::Prompt(entry) => &entry.owner,
            Self::Resource(entry) => &entry.owner,
            Self::Template(entry) => &entry.owner,
        }
    }

    /// Reads a resource of the target's component and releases the permit.
    ///
    /// # Errors
    /// The call failed.
    pub async fn read(
        &self,
        mut call: Call<String>,
        permit: CallPermit,
    ) -> Result<Outcome<Vec<Embedded>>, CallError> {
        let owner = self.owner();
        let own_uri = owner.own_uri(&call.arguments);
        call.arguments = own_uri.ok_or(CallError::NotFound)?.to_owned();
        let mut outcome = self.component().read_resource(call).await;
        drop(permit);
        if let Ok(Outcome::Complete(contents)) = &mut outcome {
            let uris = contents.iter_mut().map(|content| &mut content.uri);
            owner.prefix_uris(uris);
        }
        outcome
    }

    /// Completes an argument and releases the permit.
    ///
    /// # Errors
    /// The call failed.
    pub async fn complete(
        &self,
        request: CompletionRequest,
        context: GuestContext,
        permit: CallPermit,
    ) -> Result<Completion, CallError> {
        let completion = self.component().complete(request, context).await;
        drop(permit);
        completion
    }

    /// Returns whether the target's component completes arguments.
    pub fn completes(&self) -> bool {
        self.component().has_completions()
    }
}
