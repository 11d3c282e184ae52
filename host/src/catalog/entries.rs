//! What stands in the catalog, each thing under the name that clients use.

use std::sync::Arc;

use super::admission::CallPermit;
use super::overlay::Overlay;
use super::{CatalogError, ComponentEntry};
use crate::component::{
    Call, CallError, Completion, CompletionRequest, Component, Embedded, GuestContext, Outcome,
    Prompt, PromptResult, Resource, ResourceTemplate, Schema, TargetKind, Tool,
};

/// One tool under the name that clients use.
pub struct ToolEntry {
    /// The name: the component's prefix, and the tool's own name or the one that
    /// stands for it.
    pub name: String,
    /// The scopes that a call needs, sorted.
    pub scopes: Vec<String>,
    pub(super) served: Arc<ComponentEntry>,
    pub(super) index: usize,
    pub(super) overlay: Overlay,
}

/// Something else than a tool, under the name that clients use.
pub struct Entry<T> {
    /// A prompt's name, a document's URI, a family's template.
    pub name: String,
    /// The scopes that a call needs, sorted.
    pub scopes: Vec<String>,
    pub(super) served: Arc<ComponentEntry>,
    pub(super) item: fn(&Component) -> &[T],
    pub(super) index: usize,
}

/// What a subject names.
#[derive(Clone)]
pub enum Target {
    /// A tool.
    Tool(Arc<ToolEntry>),
    /// A prompt.
    Prompt(Arc<Entry<Prompt>>),
    /// A document with a name of its own.
    Resource(Arc<Entry<Resource>>),
    /// The family that a document belongs to.
    Template(Arc<Entry<ResourceTemplate>>),
}

impl ToolEntry {
    /// What it is in its component; clients see the name, title, description and
    /// arguments of the entry.
    pub fn tool(&self) -> &Tool {
        &self.served.component.tools[self.index]
    }

    /// A name for people.
    pub fn title(&self) -> Option<&str> {
        let own = self.tool().title.as_deref();
        self.overlay.title.as_deref().or(own)
    }

    /// What the model reads.
    pub fn description(&self) -> &str {
        let own = &self.tool().description;
        self.overlay.description.as_ref().unwrap_or(own)
    }

    /// What the arguments of callers must be.
    pub fn input(&self) -> &Schema {
        match &self.overlay.arguments {
            Some(arguments) => &arguments.schema,
            None => &self.tool().input_schema,
        }
    }

    /// Whose it is.
    pub fn component(&self) -> &Component {
        &self.served.component
    }

    /// Runs one call. The permit ends with it.
    ///
    /// # Errors
    /// Why there is no result.
    pub async fn call(&self, mut call: Call, permit: CallPermit) -> Result<Outcome, CallError> {
        if let Some(arguments) = &self.overlay.arguments {
            call.arguments = arguments
                .complete(call.arguments, self.component())
                .await
                .map_err(CallError::InvalidArguments)?;
        }
        let outcome = self.component().call(self.tool(), call).await;
        drop(permit);
        outcome
    }

    /// Another one came out under the same name.
    pub(super) fn clash(&self, second: &Self) -> CatalogError {
        let name = self.name.clone();
        if Arc::ptr_eq(&self.served, &second.served) {
            return CatalogError::SameName {
                component: self.component().name.clone(),
                tool: name,
                first: self.tool().name.clone(),
                second: second.tool().name.clone(),
            };
        }
        CatalogError::Duplicate {
            kind: "tool",
            name,
            first: self.component().name.clone(),
            second: second.component().name.clone(),
        }
    }
}

impl<T> Entry<T> {
    /// What it is.
    pub fn item(&self) -> &T {
        &(self.item)(&self.served.component)[self.index]
    }

    /// Whose it is.
    pub fn component(&self) -> &Component {
        &self.served.component
    }
}

impl Entry<Prompt> {
    /// Fills it in. The permit ends with the call.
    ///
    /// # Errors
    /// Why there is no result.
    pub async fn fill(
        &self,
        call: Call<Vec<(String, String)>>,
        permit: CallPermit,
    ) -> Result<Outcome<PromptResult>, CallError> {
        let outcome = self.component().get_prompt(self.item(), call).await;
        drop(permit);
        outcome
    }
}

impl Target {
    /// The scopes that a call needs, sorted.
    pub fn scopes(&self) -> &[String] {
        match self {
            Self::Tool(entry) => &entry.scopes,
            Self::Prompt(offer) => &offer.scopes,
            Self::Resource(offer) => &offer.scopes,
            Self::Template(offer) => &offer.scopes,
        }
    }

    /// The name under which clients know it.
    pub fn name(&self) -> &str {
        match self {
            Self::Tool(entry) => &entry.name,
            Self::Prompt(offer) => &offer.name,
            Self::Resource(offer) => &offer.name,
            Self::Template(offer) => &offer.name,
        }
    }

    /// What it is.
    pub fn called(&self) -> TargetKind {
        match self {
            Self::Tool(_) => TargetKind::Tool,
            Self::Prompt(_) => TargetKind::Prompt,
            Self::Resource(_) | Self::Template(_) => TargetKind::Resource,
        }
    }

    /// The component that offers it.
    pub fn component(&self) -> &Component {
        &self.served().component
    }

    pub(super) fn served(&self) -> &ComponentEntry {
        match self {
            Self::Tool(entry) => &entry.served,
            Self::Prompt(offer) => &offer.served,
            Self::Resource(offer) => &offer.served,
            Self::Template(offer) => &offer.served,
        }
    }

    /// Reads a document that its component offers. The permit ends with the call.
    ///
    /// # Errors
    /// Why there is no result.
    pub async fn read(
        &self,
        call: Call<String>,
        permit: CallPermit,
    ) -> Result<Outcome<Vec<Embedded>>, CallError> {
        let outcome = self.served().component.read_resource(call).await;
        drop(permit);
        outcome
    }

    /// Completes an argument. The permit ends with the call.
    ///
    /// # Errors
    /// Why there is no result.
    pub async fn complete(
        &self,
        request: CompletionRequest,
        context: GuestContext,
        permit: CallPermit,
    ) -> Result<Completion, CallError> {
        let completion = self.served().component.complete(request, context).await;
        drop(permit);
        completion
    }

    /// Whether its component completes arguments.
    pub fn completes(&self) -> bool {
        self.served().component.has_completions()
    }
}
