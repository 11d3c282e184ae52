//! Tools: their definitions, checked, with their schemas compiled.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::mirrored_headers::check_mirrored_headers;
use super::rules::{DefinitionError, PartChecker, check_count, is_tool_name, unless_errors};
use crate::component::contract::{Annotations, Icon, ToolDefinition};
use crate::component::schema::{PatternSpace, Root, Schema};
use crate::sandbox::CpuProfile;

/// Maximum number of tools of one component.
pub(crate) const MAX_TOOLS: usize = 1_000;
/// The member of a tool's `meta` that holds its [`TaskMode`].
const TASK_MODE_KEY: &str = "toolcrib/task";

/// A tool of a component.
pub struct Tool {
    /// The name in the component.
    pub name: String,
    /// The name for people.
    pub title: Option<String>,
    /// The description for models.
    pub description: String,
    /// The schema of the arguments.
    pub input_schema: Schema,
    /// The schema of the structured result.
    pub output_schema: Option<Schema>,
    /// Hints for clients.
    pub annotations: Option<Annotations>,
    /// Icons for clients.
    pub icons: Vec<Icon>,
    /// Passed on as `_meta`.
    pub meta: Option<Map<String, Value>>,
    /// Whether its calls become tasks.
    pub task: TaskMode,
    /// Whether its last call was CPU-heavy.
    pub(in crate::component) cpu_profile: Arc<CpuProfile>,
}

/// Whether the calls of a tool become tasks (the extension `io.modelcontextprotocol/tasks`) for clients that support
/// them. A tool sets it as `toolcrib/task` in its `meta`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TaskMode {
    /// `auto`: a call becomes a task when it takes long.
    #[default]
    Auto,
    /// `required`: every call is a task; a client that does not support tasks cannot call the tool.
    Required,
    /// `never`: no call becomes a task.
    Never,
}

/// Checks the definitions of a component's tools and sorts them by name.
///
/// # Errors
/// All errors of all definitions.
pub(crate) fn check_tools(
    definitions: Vec<ToolDefinition>,
) -> Result<Vec<Tool>, Vec<DefinitionError>> {
    check_count(definitions.len(), "tools", MAX_TOOLS)?;
    let mut errors = Vec::new();
    let mut names = BTreeSet::new();
    let mut tools = Vec::new();
    let mut space = PatternSpace::new();
    for definition in definitions {
        if !is_tool_name(&definition.name) {
            errors.push(DefinitionError::invalid_name("tool", &definition.name));
        } else if !names.insert(definition.name.clone()) {
            errors.push(DefinitionError::duplicate("tool", &definition.name));
        } else {
            tools.extend(check_tool(definition, &mut space, &mut errors));
        }
    }
    tools.sort_by(|a, b| a.name.cmp(&b.name));
    unless_errors(errors, tools)
}

/// Checks one definition. Returns `None` if its input schema is invalid; every error is in `errors`.
fn check_tool(
    definition: ToolDefinition,
    space: &mut PatternSpace,
    errors: &mut Vec<DefinitionError>,
) -> Option<Tool> {
    let mut checker = PartChecker::new("tool", &definition.name, errors);
    if definition.description.trim().is_empty() {
        checker.report(
            "description",
            "is empty; a model decides by it when to call the tool",
        );
    }
    checker.description("description", Some(&definition.description));
    checker.title("title", definition.title.as_deref());
    checker.icons(&definition.icons);
    let meta = checker.meta(definition.meta.as_deref());
    let task = check_task_mode(meta.as_ref(), &mut checker);
    let input_schema = Schema::new(&definition.input_schema, Root::Object, space)
        .and_then(|schema| check_mirrored_headers(&schema.source).map(|()| schema))
        .map_err(|problem| checker.report("input schema", problem))
        .ok();
    let output_schema = definition.output_schema.as_deref().and_then(|text| {
        Schema::new(text, Root::Any, space)
            .map_err(|problem| checker.report("output schema", problem))
            .ok()
    });
    Some(Tool {
        input_schema: input_schema?,
        name: definition.name,
        title: definition.title,
        description: definition.description,
        output_schema,
        annotations: definition.annotations,
        icons: definition.icons,
        meta,
        task,
        cpu_profile: Arc::default(),
    })
}

fn check_task_mode(meta: Option<&Map<String, Value>>, checker: &mut PartChecker<'_>) -> TaskMode {
    let Some(mode) = meta.and_then(|meta| meta.get(TASK_MODE_KEY)) else {
        return TaskMode::default();
    };
    match mode.as_str() {
        Some("auto") => TaskMode::Auto,
        Some("required") => TaskMode::Required,
        Some("never") => TaskMode::Never,
        _ => {
            let problem =
                format!("has {mode} as `{TASK_MODE_KEY}`; it can be `auto`, `required` or `never`");
            checker.report("meta", problem);
            TaskMode::default()
        }
    }
}
