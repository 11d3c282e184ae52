//! What the configuration changes about a tool: its name and texts for clients,
//! and the arguments that the host fills in for them.
//!
//! Callers are held to the announced schema. What they leave out is filled in
//! then, and the component sees arguments that fit its own schema.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::component::{Component, Schema, Tool};

/// `[component.tool.NAME]`
#[derive(Debug, Clone, PartialEq)]
pub struct ToolConfig {
    /// Scopes that a call of it needs beside those of its component.
    pub scopes: Vec<String>,
    /// Stands for its own name; the component's prefix goes before it.
    pub rename: Option<String>,
    /// Stands for its own title.
    pub title: Option<String>,
    /// Stands for its own description.
    pub description: Option<String>,
    /// Values of arguments that callers leave out.
    pub defaults: Map<String, Value>,
    /// Arguments that callers neither see nor give.
    pub hide: Vec<String>,
    /// Whether it is served.
    pub enabled: bool,
}

/// Why the arguments of a tool cannot be changed like this.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArgumentOverrideError {
    /// A name that stands for nothing.
    #[error("names the argument `{name}`, which the tool does not have; it has {known}")]
    Unknown {
        /// The name.
        name: String,
        /// The arguments that it has.
        known: String,
    },
    /// Nobody could give what the tool needs.
    #[error("hides `{0}`, which the tool requires; give it a value in `defaults`")]
    Required(String),
    /// The tool would refuse it.
    #[error("has a default that the tool does not take: {0}")]
    Default(String),
    /// The announced schema would say something else than the tool's own.
    #[error(
        "can neither hide `{name}` nor give it a default: `{keyword}` of the tool's schema may \
         depend on it"
    )]
    Entangled {
        /// The argument.
        name: String,
        /// Where the schema may speak of it again.
        keyword: &'static str,
    },
    /// What came out is no schema that can be announced.
    #[error("makes a schema that {0}")]
    Schema(String),
}

/// What is announced of a tool instead of its own.
#[derive(Default)]
pub(super) struct Overlay {
    pub(super) title: Option<String>,
    pub(super) description: Option<String>,
    pub(super) arguments: Option<Arguments>,
}

/// Arguments that the host takes part in.
pub(super) struct Arguments {
    /// What callers are held to.
    pub(super) schema: Schema,
    hidden: Vec<String>,
    defaults: Map<String, Value>,
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

impl Overlay {
    /// Lays `settings` over `tool`.
    ///
    /// # Errors
    /// Every argument that cannot be changed like this.
    pub(super) fn new(
        tool: &Tool,
        settings: &ToolConfig,
    ) -> Result<Self, Vec<ArgumentOverrideError>> {
        let is_plain = settings.defaults.is_empty() && settings.hide.is_empty();
        Ok(Self {
            title: settings.title.clone(),
            description: settings.description.clone(),
            arguments: match is_plain {
                true => None,
                false => Some(Arguments::new(&tool.input_schema, settings)?),
            },
        })
    }
}

impl Arguments {
    fn new(own: &Schema, settings: &ToolConfig) -> Result<Self, Vec<ArgumentOverrideError>> {
        let mut faults = Vec::new();
        let names: BTreeSet<_> = settings.defaults.keys().chain(&settings.hide).collect();
        for name in names {
            faults.extend(fault(&own.source, name, settings));
        }
        let defaults = Value::Object(settings.defaults.clone());
        let unfit = own.member_errors(&defaults).into_iter();
        faults.extend(unfit.map(ArgumentOverrideError::Default));
        if !faults.is_empty() {
            return Err(faults);
        }
        let schema = Schema::for_arguments(announced(&own.source, settings))
            .map_err(|what| vec![ArgumentOverrideError::Schema(what)])?;
        Ok(Self {
            schema,
            hidden: settings.hide.clone(),
            defaults: settings.defaults.clone(),
        })
    }

    /// Checks what a caller gave, and fills in the rest.
    ///
    /// # Errors
    /// One sentence with the place as a JSON Pointer (RFC 6901).
    pub(super) async fn complete(
        &self,
        given: Map<String, Value>,
        component: &Component,
    ) -> Result<Map<String, Value>, String> {
        // Whatever the schema says of additional properties: what the operator
        // has fixed is not the caller's.
        if let Some(name) = self.hidden.iter().find(|name| given.contains_key(*name)) {
            let pointer = escaped(name);
            return Err(format!("`/{pointer}`: the tool takes no such argument"));
        }
        let checked = component
            .validate(&self.schema, Value::Object(given))
            .await?;
        let Value::Object(mut arguments) = checked else {
            unreachable!("it was made of an object above");
        };
        for (name, value) in &self.defaults {
            if !arguments.contains_key(name) {
                arguments.insert(name.clone(), value.clone());
            }
        }
        Ok(arguments)
    }
}

/// Why the argument `name` cannot be changed as `settings` say.
fn fault(
    schema: &Map<String, Value>,
    name: &str,
    settings: &ToolConfig,
) -> Option<ArgumentOverrideError> {
    let properties = schema.get("properties").and_then(Value::as_object);
    if properties.is_none_or(|properties| !properties.contains_key(name)) {
        let known = properties.into_iter().flat_map(Map::keys);
        let known: Vec<_> = known.map(|name| format!("`{name}`")).collect();
        return Some(ArgumentOverrideError::Unknown {
            name: name.to_owned(),
            known: match known.is_empty() {
                true => "none".to_owned(),
                false => known.join(", "),
            },
        });
    }
    let is_hidden = settings.hide.iter().any(|hidden| hidden == name);
    let mut required = schema.get("required").and_then(Value::as_array).into_iter();
    if is_hidden
        && !settings.defaults.contains_key(name)
        && required.any(|required| required.contains(&Value::from(name)))
    {
        return Some(ArgumentOverrideError::Required(name.to_owned()));
    }
    entangled(schema, name, is_hidden).map(|keyword| ArgumentOverrideError::Entangled {
        name: name.to_owned(),
        keyword,
    })
}

/// Keywords that look at the arguments a second time, beside `properties` and
/// `required`.
const SECOND_LOOKS: [&str; 17] = [
    "$dynamicRef",
    "$ref",
    "allOf",
    "anyOf",
    "const",
    "dependencies",
    "dependentRequired",
    "dependentSchemas",
    "else",
    "enum",
    "if",
    "maxProperties",
    "minProperties",
    "not",
    "oneOf",
    "propertyNames",
    "then",
];

/// The keyword that may depend on the argument. Rewriting what it says would
/// have to be right in all of JSON Schema; refusing is, and model providers take
/// no such schemas anyway.
fn entangled(schema: &Map<String, Value>, name: &str, is_hidden: bool) -> Option<&'static str> {
    let second = SECOND_LOOKS.into_iter().find(|keyword| {
        let says = schema.get(*keyword);
        says.is_some_and(|says| is_blind(keyword) || speaks_of(says, name))
    });
    // What points at a hidden property, or at the root, would see it gone.
    let pointed_at = || is_hidden && schema.values().any(|value| points_at(value, name));
    second.or_else(|| pointed_at().then_some("$ref"))
}

/// Whether a keyword is about arguments that it does not name.
fn is_blind(keyword: &str) -> bool {
    matches!(
        keyword,
        "$dynamicRef" | "$ref" | "maxProperties" | "minProperties" | "propertyNames"
    )
}

fn speaks_of(value: &Value, name: &str) -> bool {
    match value {
        Value::String(text) => text == name,
        Value::Array(items) => items.iter().any(|item| speaks_of(item, name)),
        Value::Object(members) => members
            .iter()
            .any(|(key, value)| key == name || is_blind(key) || speaks_of(value, name)),
        _ => false,
    }
}

fn points_at(value: &Value, name: &str) -> bool {
    let is_pointer_at = |reference: &str| match reference.strip_prefix("#/properties/") {
        Some(path) => path.split('/').next() == Some(&escaped(name)),
        None => !reference.starts_with("#/"),
    };
    match value {
        Value::Array(items) => items.iter().any(|item| points_at(item, name)),
        Value::Object(members) => members.iter().any(|(key, value)| match value {
            Value::String(reference) if key == "$ref" || key == "$dynamicRef" => {
                is_pointer_at(reference)
            }
            _ => points_at(value, name),
        }),
        _ => false,
    }
}

/// The schema that callers see, of one without faults.
fn announced(own: &Map<String, Value>, settings: &ToolConfig) -> Map<String, Value> {
    let is_hidden = |name: &str| settings.hide.iter().any(|hidden| hidden == name);
    let is_given = |name: &str| is_hidden(name) || settings.defaults.contains_key(name);
    let mut schema = own.clone();
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        properties.retain(|name, _| !is_hidden(name));
        for (name, value) in &settings.defaults {
            match properties.get_mut(name) {
                Some(Value::Object(property)) => {
                    property.insert("default".into(), value.clone());
                }
                // The schema `true`.
                Some(property) => *property = json!({ "default": value }),
                None => {}
            }
        }
    }
    if let Some(Value::Array(required)) = schema.get_mut("required") {
        required.retain(|name| !name.as_str().is_some_and(is_given));
        if required.is_empty() {
            schema.shift_remove("required");
        }
    }
    // Whole sets of arguments that the author wrote down for models to copy.
    let without_hidden = |example: &mut Value| {
        if let Value::Object(arguments) = example {
            arguments.retain(|name, _| !is_hidden(name));
        }
    };
    if let Some(Value::Array(examples)) = schema.get_mut("examples") {
        examples.iter_mut().for_each(without_hidden);
    }
    if let Some(example) = schema.get_mut("default") {
        without_hidden(example);
    }
    schema
}

/// A name as part of a JSON Pointer.
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
