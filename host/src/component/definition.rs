//! What a component says of its tools, checked: names, texts and schemas come
//! from a guest and are input.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::contract::{Annotations, Definition, Icon};
use super::schema::{Root, Schema};
use crate::sandbox::CpuProfile;
use crate::text::escape_untrusted;

/// Tools that one component may define.
pub(super) const MAX_TOOLS: usize = 1_000;
/// Where the `meta` of a tool says whether its calls become tasks.
const TASK: &str = "toolcrib/task";
/// The longest tool name; some clients drop every tool when one is longer.
pub(super) const MAX_NAME_BYTES: usize = 64;
/// The longest title of a tool.
pub const MAX_TITLE_BYTES: usize = 256;
/// The longest description of a tool.
pub const MAX_DESCRIPTION_BYTES: usize = 16 << 10;
const MAX_ICONS: usize = 16;
const MAX_ICON_BYTES: usize = 64 << 10;
const MAX_META_BYTES: usize = 64 << 10;

/// One tool of a component, with its schemas compiled.
pub struct Tool {
    /// Its name in the component.
    pub name: String,
    /// A name for people.
    pub title: Option<String>,
    /// What the model reads.
    pub description: String,
    /// What the arguments must be.
    pub input: Schema,
    /// What structured results will be.
    pub output: Option<Schema>,
    /// Hints for clients.
    pub annotations: Option<Annotations>,
    /// Pictures for clients.
    pub icons: Vec<Icon>,
    /// Passed on as `_meta`.
    pub meta: Option<Map<String, Value>>,
    /// Whether its calls become tasks.
    pub task: TaskMode,
    /// What its calls before have cost.
    pub(super) cpu_profile: Arc<CpuProfile>,
}

/// Whether the calls of a tool become tasks (the extension
/// `io.modelcontextprotocol/tasks`) for clients that know them. A tool says it
/// as `toolcrib/task` in its `meta`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TaskMode {
    /// `auto`: those that take long.
    #[default]
    Auto,
    /// `required`: all; a client that knows no tasks cannot call it.
    Required,
    /// `never`
    Never,
}

/// One fault of one definition.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum DefinitionError {
    /// How many there are.
    #[error("it defines {0} {1}; {2} are allowed")]
    TooMany(usize, &'static str, usize),
    /// The form of a name.
    #[error(
        "the {0} name {1:?} is not 1 to {MAX_NAME_BYTES} characters of `A-Z a-z 0-9 _ -`; rename \
         it in the component's definitions"
    )]
    Name(&'static str, String),
    /// Two of one name.
    #[error("it defines the {0} `{1}` twice; rename one of them in its definitions")]
    Duplicate(&'static str, String),
    /// Anything else about one of them.
    #[error("the {part} of its {kind} `{name}` {what}")]
    Part {
        /// Such as `tool`.
        kind: &'static str,
        /// Its name.
        name: String,
        /// Such as `input schema`.
        part: &'static str,
        /// What is wrong with it.
        what: String,
    },
}

/// Checks all definitions of a component and sorts them by name.
///
/// # Errors
/// Every fault of every definition.
pub(super) fn check_all(definitions: Vec<Definition>) -> Result<Vec<Tool>, Vec<DefinitionError>> {
    if definitions.len() > MAX_TOOLS {
        return Err(vec![DefinitionError::TooMany(
            definitions.len(),
            "tools",
            MAX_TOOLS,
        )]);
    }
    let mut faults = Vec::new();
    let mut names = BTreeSet::new();
    let mut tools = Vec::new();
    for definition in definitions {
        if !is_tool_name(&definition.name) {
            faults.push(DefinitionError::name("tool", &definition.name));
            continue;
        }
        if !names.insert(definition.name.clone()) {
            faults.push(DefinitionError::duplicate("tool", &definition.name));
            continue;
        }
        match check(definition) {
            Ok(tool) => tools.push(tool),
            Err(found) => faults.extend(found),
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    tools.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(tools)
}

/// Whether every client takes this name.
pub fn is_tool_name(name: &str) -> bool {
    (1..=MAX_NAME_BYTES).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

fn check(definition: Definition) -> Result<Tool, Vec<DefinitionError>> {
    let mut faults = Vec::new();
    let mut fault = |part: &'static str, what: String| {
        faults.push(DefinitionError::part("tool", &definition.name, part, what));
    };

    if definition.description.trim().is_empty() {
        fault(
            "description",
            "is empty; a model decides by it when to call the tool".into(),
        );
    }
    check_length(
        "description",
        &definition.description,
        MAX_DESCRIPTION_BYTES,
        &mut fault,
    );
    if let Some(title) = &definition.title {
        check_length("title", title, MAX_TITLE_BYTES, &mut fault);
    }
    check_icons(&definition.icons, &mut fault);
    let meta = check_meta(definition.meta.as_deref(), &mut fault);
    let task = match meta.as_ref().and_then(|meta| meta.get(TASK)) {
        None => TaskMode::default(),
        Some(mode) => match mode.as_str() {
            Some("auto") => TaskMode::Auto,
            Some("required") => TaskMode::Required,
            Some("never") => TaskMode::Never,
            _ => {
                let what =
                    format!("has {mode} as `{TASK}`; it can be `auto`, `required` or `never`");
                fault("meta", what);
                TaskMode::default()
            }
        },
    };
    let input = Schema::new(&definition.input_schema, Root::Object)
        .and_then(|schema| {
            check_mirrored_headers(&schema.source)?;
            Ok(schema)
        })
        .map_err(|what| fault("input schema", what))
        .ok();
    let output = definition.output_schema.as_deref().and_then(|text| {
        Schema::new(text, Root::Any)
            .map_err(|what| fault("output schema", what))
            .ok()
    });

    match input {
        Some(input) if faults.is_empty() => Ok(Tool {
            name: definition.name,
            title: definition.title,
            description: definition.description,
            input,
            output,
            annotations: definition.annotations,
            icons: definition.icons,
            meta,
            task,
            cpu_profile: Arc::default(),
        }),
        _ => Err(faults),
    }
}

impl DefinitionError {
    pub(super) fn name(kind: &'static str, name: &str) -> Self {
        Self::Name(kind, name.chars().take(100).collect())
    }

    pub(super) fn duplicate(kind: &'static str, name: &str) -> Self {
        Self::Duplicate(kind, shown(name))
    }

    pub(super) fn part(kind: &'static str, name: &str, part: &'static str, what: String) -> Self {
        Self::Part {
            kind,
            name: shown(name),
            part,
            what,
        }
    }
}

/// A guest's name for the line of a fault.
pub(super) fn shown(name: &str) -> String {
    let name: String = name.chars().take(100).collect();
    escape_untrusted(&name).into_owned()
}

pub(super) fn check_icons(icons: &[Icon], fault: &mut impl FnMut(&'static str, String)) {
    if icons.len() > MAX_ICONS {
        fault("icon list", format!("has more than {MAX_ICONS} entries"));
    }
    for icon in icons {
        check_length("icon", &icon.src, MAX_ICON_BYTES, fault);
        if !icon.src.starts_with("https:") && !icon.src.starts_with("data:") {
            fault("icon", "is neither an `https:` nor a `data:` URI".into());
        }
    }
}

pub(super) fn check_meta(
    meta: Option<&str>,
    fault: &mut impl FnMut(&'static str, String),
) -> Option<Map<String, Value>> {
    let text = meta?;
    check_length("meta", text, MAX_META_BYTES, fault);
    match serde_json::from_str(text) {
        Ok(Value::Object(meta)) => Some(meta),
        _ => {
            fault("meta", "is not a JSON object".into());
            None
        }
    }
}

pub(super) fn check_length(
    part: &'static str,
    text: &str,
    max_bytes: usize,
    fault: &mut impl FnMut(&'static str, String),
) {
    if text.len() > max_bytes {
        fault(part, format!("is longer than {max_bytes} bytes"));
    }
}

/// The rules for `x-mcp-header` (MCP 2026-07-28, Streamable HTTP, custom
/// headers): a header token, unique whatever its case, on a property of type
/// string, integer or boolean that is reached through `properties` alone.
fn check_mirrored_headers(schema: &Map<String, Value>) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    let mut allowed = 0;
    mirrored_in_properties(schema, &mut seen, &mut allowed)?;
    if count_mirrored(&Value::Object(schema.clone())) > allowed {
        return Err(
            "has an `x-mcp-header` that is not on a chain of `properties`; headers can only \
             mirror those"
                .into(),
        );
    }
    Ok(())
}

fn mirrored_in_properties(
    schema: &Map<String, Value>,
    seen: &mut BTreeSet<String>,
    allowed: &mut usize,
) -> Result<(), String> {
    let Some(Value::Object(properties)) = schema.get("properties") else {
        return Ok(());
    };
    for (name, property) in properties {
        let Value::Object(property) = property else {
            continue;
        };
        if let Some(header) = property.get(MIRRORED) {
            *allowed += 1;
            let header = header.as_str().unwrap_or_default();
            if header.is_empty() || !header.bytes().all(is_token_byte) {
                return Err(format!(
                    "gives `{name}` an `x-mcp-header` that is not a header token"
                ));
            }
            if !seen.insert(header.to_ascii_lowercase()) {
                return Err(format!("uses the `x-mcp-header` `{header}` twice"));
            }
            let kind = property.get("type").and_then(Value::as_str);
            if !matches!(kind, Some("string" | "integer" | "boolean")) {
                return Err(format!(
                    "gives `{name}` an `x-mcp-header`, but its type is not string, integer or \
                     boolean"
                ));
            }
        }
        mirrored_in_properties(property, seen, allowed)?;
    }
    Ok(())
}

const MIRRORED: &str = "x-mcp-header";

fn count_mirrored(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.iter().map(count_mirrored).sum(),
        Value::Object(members) => {
            let here = usize::from(members.get(MIRRORED).is_some_and(Value::is_string));
            here + members.values().map(count_mirrored).sum::<usize>()
        }
        _ => 0,
    }
}

/// RFC 9110, section 5.6.2.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
