//! The operator's changes to one tool: texts for clients, and arguments that the host fills in.
//!
//! Arguments from callers are checked against the announced schema first. The host then adds the defaults, and the
//! component receives arguments that match its own schema.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::argument_schema::{self, ArgumentOverrideError, ArgumentOverrides};
use crate::component::{Component, Schema, Tool};

/// `[component.tool.NAME]`
#[derive(Debug, Clone, PartialEq)]
pub struct ToolConfig {
    /// Scopes that a call requires, besides those of the component.
    pub scopes: Vec<String>,
    /// Replaces the tool's own name. The component's prefix is added to it.
    pub rename: Option<String>,
    /// Replaces the tool's own title.
    pub title: Option<String>,
    /// Replaces the tool's own description.
    pub description: Option<String>,
    /// Values of arguments that callers leave out.
    pub defaults: Map<String, Value>,
    /// Arguments that callers can neither see nor pass.
    pub hide: Vec<String>,
    /// Whether the tool is served.
    pub enabled: bool,
}

impl Default for ToolConfig {
    fn default() -> Self {
        Self {
            scopes: Vec::new(),
            rename: None,
            title: None,
            description: None,
            defaults: Map::new(),
            hide: Vec::new(),
            enabled: true,
        }
    }
}

/// Replacements for parts of a tool's own definition.
#[derive(Default)]
pub(super) struct Overlay {
    pub(super) title: Option<String>,
    pub(super) description: Option<String>,
    pub(super) arguments: Option<ArgumentOverlay>,
}

/// Replacement of a tool's arguments.
pub(super) struct ArgumentOverlay {
    /// The announced schema, which callers' arguments must match.
    pub(super) schema: Schema,
    overrides: ArgumentOverrides,
}

impl Overlay {
    /// Creates the overlay that `config` describes for `tool`.
    ///
    /// # Errors
    /// Every argument that cannot be changed as configured.
    pub(super) fn new(
        tool: &Tool,
        config: &ToolConfig,
    ) -> Result<Self, Vec<ArgumentOverrideError>> {
        let has_arguments = !config.defaults.is_empty() || !config.hide.is_empty();
        Ok(Self {
            title: config.title.clone(),
            description: config.description.clone(),
            arguments: has_arguments
                .then(|| ArgumentOverlay::new(&tool.input_schema, config))
                .transpose()?,
        })
    }
}

impl ArgumentOverlay {
    fn new(own: &Schema, config: &ToolConfig) -> Result<Self, Vec<ArgumentOverrideError>> {
        let overrides = ArgumentOverrides {
            hide: config.hide.clone(),
            defaults: config.defaults.clone(),
        };
        let mut errors = overrides.conflicts(&own.source);
        let mismatches = own.member_errors(&Value::Object(overrides.defaults.clone()));
        errors.extend(mismatches.into_iter().map(ArgumentOverrideError::Default));
        if !errors.is_empty() {
            return Err(errors);
        }
        let schema = Schema::for_arguments(overrides.announced_schema(&own.source))
            .map_err(|message| vec![ArgumentOverrideError::Schema(message)])?;
        Ok(Self { schema, overrides })
    }

    /// Checks the arguments of a caller and adds the defaults.
    ///
    /// # Errors
    /// One sentence that names the invalid value as a JSON Pointer (RFC 6901).
    pub(super) async fn complete(
        &self,
        arguments: Arc<Value>,
        component: &Component,
    ) -> Result<Arc<Value>, String> {
        let ArgumentOverrides { hide, defaults } = &self.overrides;
        // Rejected even if the schema allows additional properties: callers must not override the operator's values.
        if let Some(name) = hide.iter().find(|name| arguments.get(name).is_some()) {
            let token = argument_schema::json_pointer_token(name);
            return Err(format!("`/{token}`: the tool takes no such argument"));
        }
        let converted = component.validate(&self.schema, &arguments).await?;
        let mut arguments = converted.unwrap_or_else(|| Arc::unwrap_or_clone(arguments));
        // Arguments are an object, in which only strings are converted.
        if let Value::Object(members) = &mut arguments {
            for (name, value) in defaults {
                if !members.contains_key(name) {
                    members.insert(name.clone(), value.clone());
                }
            }
        }
        Ok(Arc::new(arguments))
    }
}
