//! Derives the announced schema of a tool from its own schema and the operator's argument settings.
//!
//! A setting is rejected if a keyword besides `properties` and `required` may depend on the argument. Rewriting such
//! keywords would have to cover all of JSON Schema, and model providers do not accept such schemas anyway.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

/// Keywords of the root schema, besides `properties` and `required`, that can constrain arguments.
const OTHER_KEYWORDS: [&str; 17] = [
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

/// The reason why a tool's arguments cannot be changed as configured.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArgumentOverrideError {
    /// The tool has no such argument.
    #[error("names the argument `{name}`, which the tool does not have; it has {known}")]
    Unknown {
        /// The missing argument.
        name: String,
        /// The arguments of the tool.
        known: String,
    },
    /// A hidden argument is required and has no default.
    #[error("hides `{0}`, which the tool requires; give it a value in `defaults`")]
    Required(String),
    /// A default does not match the tool's schema.
    #[error("has a default that the tool does not take: {0}")]
    Default(String),
    /// Another part of the schema may depend on the argument.
    #[error(
        "can neither hide `{name}` nor give it a default: `{keyword}` of the tool's schema may \
         depend on it"
    )]
    Dependent {
        /// The argument.
        name: String,
        /// The keyword that may depend on it.
        keyword: &'static str,
    },
    /// The command line does not fit the tool or its schema.
    #[error("{0}")]
    CommandLine(String),
    /// The resulting schema cannot be announced.
    #[error("makes a schema that {0}")]
    Schema(String),
}

/// Hidden arguments, default values and descriptions of one tool.
pub(super) struct ArgumentOverrides {
    pub(super) hide: Vec<String>,
    pub(super) defaults: Map<String, Value>,
    pub(super) descriptions: BTreeMap<String, String>,
}

impl ArgumentOverrides {
    /// Returns whether the component gets other arguments than callers give.
    pub(super) fn change_arguments(&self) -> bool {
        !(self.defaults.is_empty() && self.hide.is_empty())
    }

    pub(super) fn is_empty(&self) -> bool {
        !self.change_arguments() && self.descriptions.is_empty()
    }

    /// Returns the reasons why `schema` does not allow these overrides.
    pub(super) fn conflicts(&self, schema: &Map<String, Value>) -> Vec<ArgumentOverrideError> {
        let names = self.defaults.keys().chain(&self.hide);
        let names: BTreeSet<_> = names.chain(self.descriptions.keys()).collect();
        let conflicts = names.into_iter().filter_map(|n| self.conflict(schema, n));
        conflicts.collect()
    }

    fn conflict(&self, schema: &Map<String, Value>, name: &str) -> Option<ArgumentOverrideError> {
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
        let mut required = schema.get("required").and_then(Value::as_array).into_iter();
        if self.is_hidden(name)
            && !self.defaults.contains_key(name)
            && required.any(|required| required.contains(&Value::from(name)))
        {
            return Some(ArgumentOverrideError::Required(name.to_owned()));
        }
        if !self.is_hidden(name) && !self.defaults.contains_key(name) {
            return None;
        }
        dependent_keyword(schema, name, self.is_hidden(name)).map(|keyword| {
            ArgumentOverrideError::Dependent {
                name: name.to_owned(),
                keyword,
            }
        })
    }

    /// Returns the schema that callers see. `own` must have no conflicts.
    pub(super) fn announced_schema(&self, own: &Map<String, Value>) -> Map<String, Value> {
        let is_optional = |name: &str| self.is_hidden(name) || self.defaults.contains_key(name);
        let mut schema = own.clone();
        if let Some(Value::Object(properties)) = schema.get_mut("properties") {
            properties.retain(|name, _| !self.is_hidden(name));
            let defaults = self.defaults.iter();
            let defaults = defaults.map(|(name, value)| (name, "default", value.clone()));
            let descriptions = self.descriptions.iter();
            let descriptions =
                descriptions.map(|(name, text)| (name, "description", text.as_str().into()));
            for (name, keyword, value) in defaults.chain(descriptions) {
                match properties.get_mut(name) {
                    Some(Value::Object(property)) => {
                        property.insert(keyword.into(), value);
                    }
                    // The schema `true`.
                    Some(property) => *property = json!({ keyword: value }),
                    None => {}
                }
            }
        }
        if let Some(Value::Array(required)) = schema.get_mut("required") {
            required.retain(|name| !name.as_str().is_some_and(is_optional));
            if required.is_empty() {
                schema.shift_remove("required");
            }
        }
        // `examples` and `default` of the root contain whole argument objects.
        let remove_hidden = |example: &mut Value| {
            if let Value::Object(arguments) = example {
                arguments.retain(|name, _| !self.is_hidden(name));
            }
        };
        if let Some(Value::Array(examples)) = schema.get_mut("examples") {
            examples.iter_mut().for_each(remove_hidden);
        }
        if let Some(example) = schema.get_mut("default") {
            remove_hidden(example);
        }
        schema
    }

    fn is_hidden(&self, name: &str) -> bool {
        self.hide.iter().any(|hidden| hidden == name)
    }
}

/// Escapes a name for use in a JSON Pointer (RFC 6901, section 3).
pub(super) fn json_pointer_token(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// Returns the keyword that may depend on the argument, if any.
fn dependent_keyword(
    schema: &Map<String, Value>,
    name: &str,
    is_hidden: bool,
) -> Option<&'static str> {
    let dependent = OTHER_KEYWORDS.into_iter().find(|keyword| {
        let value = schema.get(*keyword);
        value.is_some_and(|value| affects_any_argument(keyword) || mentions(value, name))
    });
    // A reference to a hidden property, or to the whole schema, would no longer resolve to the same schema.
    let has_reference = || is_hidden && schema.values().any(|v| has_reference_to(v, name));
    dependent.or_else(|| has_reference().then_some("$ref"))
}

/// Returns whether a keyword can constrain arguments without naming them.
fn affects_any_argument(keyword: &str) -> bool {
    matches!(
        keyword,
        "$dynamicRef" | "$ref" | "maxProperties" | "minProperties" | "propertyNames"
    )
}

/// Returns whether a subschema names the argument or may constrain it without naming it.
fn mentions(value: &Value, name: &str) -> bool {
    match value {
        Value::String(text) => text == name,
        Value::Array(items) => items.iter().any(|item| mentions(item, name)),
        Value::Object(members) => members
            .iter()
            .any(|(key, value)| key == name || affects_any_argument(key) || mentions(value, name)),
        _ => false,
    }
}

/// Returns whether a subschema contains a reference to the property `name` or to the root.
fn has_reference_to(value: &Value, name: &str) -> bool {
    let refers_to_name = |reference: &str| match reference.strip_prefix("#/properties/") {
        Some(path) => path.split('/').next() == Some(&json_pointer_token(name)),
        None => !reference.starts_with("#/"),
    };
    match value {
        Value::Array(items) => items.iter().any(|item| has_reference_to(item, name)),
        Value::Object(members) => members.iter().any(|(key, value)| match value {
            Value::String(reference) if key == "$ref" || key == "$dynamicRef" => {
                refers_to_name(reference)
            }
            _ => has_reference_to(value, name),
        }),
        _ => false,
    }
}
