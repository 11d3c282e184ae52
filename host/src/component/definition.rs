//! What a component says of its tools, checked: names, texts and schemas come
//! from a guest and are input.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::contract::{Annotations, Definition, Icon};
use super::schema::{Root, Schema};

/// Tools that one component may define.
pub(super) const MAX_TOOLS: usize = 1_000;
/// The longest tool name; some clients drop every tool when one is longer.
pub(super) const MAX_NAME_BYTES: usize = 64;
const MAX_TITLE_BYTES: usize = 256;
pub(super) const MAX_DESCRIPTION_BYTES: usize = 16 << 10;
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
}

/// One fault of one definition.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The number of tools.
    #[error("it defines {0} tools; {MAX_TOOLS} are allowed")]
    TooMany(usize),
    /// The form of a name.
    #[error(
        "the tool name {0:?} is not 1 to {MAX_NAME_BYTES} characters of `A-Z a-z 0-9 _ -`; rename \
         it in the component's definitions"
    )]
    Name(String),
    /// Two tools of one name.
    #[error("it defines the tool `{0}` twice; rename one of them in its definitions")]
    Duplicate(String),
    /// Anything else about one tool.
    #[error("the {part} of its tool `{tool}` {what}")]
    Part {
        /// The tool.
        tool: String,
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
pub(super) fn check_all(definitions: Vec<Definition>) -> Result<Vec<Tool>, Vec<Fault>> {
    if definitions.len() > MAX_TOOLS {
        return Err(vec![Fault::TooMany(definitions.len())]);
    }
    let mut faults = Vec::new();
    let mut names = BTreeSet::new();
    let mut tools = Vec::new();
    for definition in definitions {
        if !is_tool_name(&definition.name) {
            faults.push(Fault::Name(definition.name.chars().take(100).collect()));
            continue;
        }
        if !names.insert(definition.name.clone()) {
            faults.push(Fault::Duplicate(definition.name));
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

fn check(definition: Definition) -> Result<Tool, Vec<Fault>> {
    let mut faults = Vec::new();
    let mut fault = |part: &'static str, what: String| {
        faults.push(Fault::Part {
            tool: definition.name.clone(),
            part,
            what,
        });
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
    if definition.icons.len() > MAX_ICONS {
        fault("icon list", format!("has more than {MAX_ICONS} entries"));
    }
    for icon in &definition.icons {
        check_length("icon", &icon.src, MAX_ICON_BYTES, &mut fault);
        if !icon.src.starts_with("https:") && !icon.src.starts_with("data:") {
            fault("icon", "is neither an `https:` nor a `data:` URI".into());
        }
    }
    let meta = definition.meta.as_deref().and_then(|text| {
        check_length("meta", text, MAX_META_BYTES, &mut fault);
        match serde_json::from_str(text) {
            Ok(Value::Object(meta)) => Some(meta),
            _ => {
                fault("meta", "is not a JSON object".into());
                None
            }
        }
    });
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
        }),
        _ => Err(faults),
    }
}

fn check_length(
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
