//! The operator's changes to one tool: texts for clients, and arguments that the host fills in.
//!
//! Arguments from callers are checked against the announced schema first. The host then adds the defaults, and the
//! component receives arguments that match its own schema.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::argument_schema::{self, ArgumentOverrideError, ArgumentOverrides};
use super::command_line::CommandLine;
use crate::component::{Annotations, Component, Schema, Tool};

/// Hints for clients about a tool; those that are `None` are the tool's own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Hints {
    /// The tool does not modify its environment.
    pub read_only: Option<bool>,
    /// The tool may delete or overwrite data.
    pub destructive: Option<bool>,
    /// Repeated calls with the same arguments have no further effect.
    pub idempotent: Option<bool>,
    /// The tool interacts with an open set of external entities.
    pub open_world: Option<bool>,
}

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
    /// Descriptions of arguments, by name.
    pub parameters: BTreeMap<String, String>,
    /// Replaces the tool's own hints.
    pub hints: Hints,
    /// The command line of a command, whose parameters become the tool's arguments.
    pub args: Option<CommandLine>,
    /// The schema of the parameters of `args`.
    pub schema: Option<Map<String, Value>>,
    /// Values of arguments that callers leave out.
    pub defaults: Map<String, Value>,
    /// Arguments that callers can neither see nor pass.
    pub hide: Vec<String>,
    /// Whether the tool is served.
    pub enabled: bool,
}

impl ToolConfig {
    /// Returns the settings with the descriptions of `author` for those that are missing.
    pub fn or(&self, author: &Self) -> Self {
        let (hints, others) = (self.hints, author.hints);
        let mut parameters = author.parameters.clone();
        parameters.extend(self.parameters.clone());
        let own_line = self.args.is_some() || self.schema.is_some();
        let line = if own_line { self } else { author };
        Self {
            title: self.title.clone().or_else(|| author.title.clone()),
            description: (self.description.clone()).or_else(|| author.description.clone()),
            parameters,
            hints: Hints {
                read_only: hints.read_only.or(others.read_only),
                destructive: hints.destructive.or(others.destructive),
                idempotent: hints.idempotent.or(others.idempotent),
                open_world: hints.open_world.or(others.open_world),
            },
            args: line.args.clone(),
            schema: line.schema.clone(),
            ..self.clone()
        }
    }
}

impl Default for ToolConfig {
    fn default() -> Self {
        Self {
            scopes: Vec::new(),
            rename: None,
            title: None,
            description: None,
            parameters: BTreeMap::new(),
            hints: Hints::default(),
            args: None,
            schema: None,
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
    pub(super) annotations: Option<Annotations>,
    /// The announced schema.
    pub(super) schema: Option<Arc<Schema>>,
    pub(super) arguments: Option<ArgumentOverlay>,
}

/// Replacement of a tool's arguments.
pub(super) struct ArgumentOverlay {
    /// The announced schema, which callers' arguments must match.
    schema: Arc<Schema>,
    overrides: ArgumentOverrides,
    command_line: Option<CommandLine>,
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
        let overrides = ArgumentOverrides {
            hide: config.hide.clone(),
            defaults: config.defaults.clone(),
            descriptions: config.parameters.clone(),
        };
        let schema = announced_schema(&tool.input_schema, config, &overrides)?.map(Arc::new);
        let has_arguments = config.args.is_some() || overrides.change_arguments();
        let arguments = schema.clone().filter(|_| has_arguments);
        Ok(Self {
            title: config.title.clone(),
            description: config.description.clone(),
            annotations: annotations(tool.annotations.as_ref(), config.hints),
            schema,
            arguments: arguments.map(|schema| ArgumentOverlay {
                schema,
                overrides,
                command_line: config.args.clone(),
            }),
        })
    }
}

/// Returns the schema that callers see; `None` if it is the tool's own.
fn announced_schema(
    own: &Schema,
    config: &ToolConfig,
    overrides: &ArgumentOverrides,
) -> Result<Option<Schema>, Vec<ArgumentOverrideError>> {
    let invalid = |message| vec![ArgumentOverrideError::Schema(message)];
    let line = config.args.as_ref();
    let line = line.map(|line| line.schema(&own.source, config.schema.as_ref()));
    let line = line.transpose();
    let line = line.map_err(|problem| vec![ArgumentOverrideError::CommandLine(problem)])?;
    if line.is_none() && config.schema.is_some() {
        let problem = "has `schema` without `args`; add the words of the command".to_owned();
        return Err(vec![ArgumentOverrideError::CommandLine(problem)]);
    }
    let line = line.map(Schema::for_arguments).transpose();
    let line = line.map_err(invalid)?;
    let base = line.as_ref().unwrap_or(own);
    let mut errors = overrides.conflicts(&base.source);
    // A schema of a component may take long to check.
    if overrides.change_arguments() {
        let mismatches = base.member_errors(&Value::Object(overrides.defaults.clone()));
        errors.extend(mismatches.into_iter().map(ArgumentOverrideError::Default));
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    if overrides.is_empty() {
        return Ok(line);
    }
    let schema = Schema::for_arguments(overrides.announced_schema(&base.source));
    schema.map(Some).map_err(invalid)
}

/// Returns the annotations of a tool with the operator's hints; `None` if they are the tool's own.
fn annotations(own: Option<&Annotations>, hints: Hints) -> Option<Annotations> {
    if hints == Hints::default() {
        return None;
    }
    let own = |hint: fn(&Annotations) -> Option<bool>| own.and_then(hint);
    Some(Annotations {
        read_only: hints.read_only.or(own(|own| own.read_only)),
        destructive: hints.destructive.or(own(|own| own.destructive)),
        idempotent: hints.idempotent.or(own(|own| own.idempotent)),
        open_world: hints.open_world.or(own(|own| own.open_world)),
    })
}

impl ArgumentOverlay {
    /// Checks the arguments of a caller and adds the defaults.
    ///
    /// # Errors
    /// One sentence that names the invalid value as a JSON Pointer (RFC 6901).
    pub(super) async fn complete(
        &self,
        arguments: Arc<Value>,
        component: &Component,
    ) -> Result<Arc<Value>, String> {
        let ArgumentOverrides { hide, defaults, .. } = &self.overrides;
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
        Ok(Arc::new(match &self.command_line {
            Some(line) => line.expand(arguments),
            None => arguments,
        }))
    }
}
