//! The entries of the catalog: components, and their tools, prompts and resources under the names clients use.

use std::sync::Arc;

use super::call_limits::{CallPermit, ComponentCallLimits};
use super::overlay::Overlay;
use super::uris::{add_prefix, linked_uri};
use crate::component::{
    Annotations, Call, CallError, Component, Outcome, Prompt, PromptResult, Resource,
    ResourceTemplate, Schema, Tool, ToolResult,
};
use crate::telemetry::TargetCell;

/// A component in the catalog.
pub struct ComponentEntry {
    /// The component.
    pub component: Arc<Component>,
    /// Prefix of the names of its tools and prompts.
    pub prefix: String,
    /// Prefix of the URIs of its resources and resource templates.
    pub uri_prefix: String,
    pub(super) call_limits: Arc<ComponentCallLimits>,
}

/// A tool under the name clients use.
pub struct ToolEntry {
    /// The component's prefix followed by the tool's own name or its `rename`.
    pub name: String,
    /// Scopes that a call requires, sorted.
    pub scopes: Vec<String>,
    pub(super) owner: Arc<ComponentEntry>,
    /// Index into the component's tools.
    pub(super) index: usize,
    pub(super) overlay: Overlay,
    /// For the records of its calls.
    pub recorded: TargetCell,
}

/// A prompt, resource or resource template under the name clients use.
pub struct Entry<T> {
    /// Name of the prompt, URI of the resource, or URI template.
    pub name: String,
    /// Scopes that a call requires, sorted.
    pub scopes: Vec<String>,
    pub(super) owner: Arc<ComponentEntry>,
    /// Selects the component's list that `index` refers to.
    pub(super) list: fn(&Component) -> &[T],
    pub(super) index: usize,
    /// For the records of its calls.
    pub recorded: TargetCell,
}

/// A prompt in the catalog.
pub type PromptEntry = Entry<Prompt>;
/// A resource with a fixed URI in the catalog.
pub type ResourceEntry = Entry<Resource>;
/// A resource template in the catalog.
pub type TemplateEntry = Entry<ResourceTemplate>;

impl ComponentEntry {
    /// Returns the URI or URI template that clients use for one of the component's own.
    pub(super) fn prefixed_uri(&self, own: &str) -> String {
        format!("{}{own}", self.uri_prefix)
    }

    /// Returns the component's own URI for one that a client uses; `None` if it lacks the prefix.
    pub(super) fn own_uri<'u>(&self, uri: &'u str) -> Option<&'u str> {
        uri.strip_prefix(self.uri_prefix.as_str())
    }

    /// Adds the prefix to those URIs in a result that the component announces.
    pub(super) fn prefix_uris<'u>(&self, uris: impl Iterator<Item = &'u mut String>) {
        add_prefix(&self.uri_prefix, &self.component, uris);
    }
}

impl ToolEntry {
    /// Returns the component's own definition of the tool. Clients see the name, title, description and input schema of
    /// the entry instead.
    pub fn tool(&self) -> &Tool {
        &self.owner.component.tools[self.index]
    }

    /// Returns the display name.
    pub fn title(&self) -> Option<&str> {
        let own = self.tool().title.as_deref();
        self.overlay.title.as_deref().or(own)
    }

    /// Returns the description for the model.
    pub fn description(&self) -> &str {
        let own = &self.tool().description;
        self.overlay.description.as_ref().unwrap_or(own)
    }

    /// Returns the schema of the arguments that callers pass.
    pub fn input(&self) -> &Schema {
        match &self.overlay.schema {
            Some(schema) => schema,
            None => &self.tool().input_schema,
        }
    }

    /// Returns the hints for clients.
    pub fn annotations(&self) -> Option<&Annotations> {
        let own = self.tool().annotations.as_ref();
        self.overlay.annotations.as_ref().or(own)
    }

    /// Returns the component that has the tool.
    pub fn component(&self) -> &Component {
        &self.owner.component
    }

    /// Calls the tool and releases the permit.
    ///
    /// # Errors
    /// The arguments are invalid, or the call failed.
    pub async fn call(
        &self,
        mut call: Call,
        permit: CallPermit,
    ) -> Result<Outcome<ToolResult>, CallError> {
        if let Some(arguments) = &self.overlay.arguments {
            call.arguments = arguments
                .complete(call.arguments, self.component())
                .await
                .map_err(CallError::InvalidArguments)?;
        }
        let mut outcome = self.component().call(self.tool(), call).await;
        drop(permit);
        if let Ok(Outcome::Complete(output)) = &mut outcome {
            let uris = output.content.iter_mut().filter_map(linked_uri);
            self.owner.prefix_uris(uris);
        }
        outcome
    }
}

impl<T> Entry<T> {
    /// Returns the component's definition of the item.
    pub fn item(&self) -> &T {
        &(self.list)(&self.owner.component)[self.index]
    }

    /// Returns the component that has the item.
    pub fn component(&self) -> &Component {
        &self.owner.component
    }
}

impl PromptEntry {
    /// Gets the prompt with its arguments filled in and releases the permit.
    ///
    /// # Errors
    /// The arguments are invalid, or the call failed.
    pub async fn fill(
        &self,
        call: Call<Vec<(String, String)>>,
        permit: CallPermit,
    ) -> Result<Outcome<PromptResult>, CallError> {
        let mut outcome = self.component().get_prompt(self.item(), call).await;
        drop(permit);
        if let Ok(Outcome::Complete(prompt)) = &mut outcome {
            let messages = prompt.messages.iter_mut();
            let uris = messages.filter_map(|message| linked_uri(&mut message.content));
            self.owner.prefix_uris(uris);
        }
        outcome
    }
}

impl TemplateEntry {
    /// Returns whether the template can expand to this URI, as clients use it.
    pub fn matches(&self, uri: &str) -> bool {
        let own = self.owner.own_uri(uri);
        own.is_some_and(|own| self.item().matches(own))
    }
}
