//! The JSON types that a schema allows for a value, as far as its keywords say so plainly.

use std::fmt;

use serde_json::{Map, Value};

/// Depth of `anyOf`, `oneOf`, `allOf` and `$ref` that is followed. Values of a deeper schema can have any type.
const MAX_DEPTH: usize = 8;
/// Schemas that are looked at for one value: alternatives of alternatives multiply. Values of a larger one can have any type.
const MAX_SCHEMAS: usize = 1_000;

/// The types that a value may have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Types {
    pub(super) string: bool,
    pub(super) array: bool,
    object: bool,
    number: bool,
    integer: bool,
    boolean: bool,
    null: bool,
}

const ANY: Types = Types {
    string: true,
    array: true,
    object: true,
    number: true,
    integer: true,
    boolean: true,
    null: true,
};

impl Types {
    pub(super) fn contains(self, value: &Value) -> bool {
        match value {
            Value::Null => self.null,
            Value::Bool(_) => self.boolean,
            Value::String(_) => self.string,
            Value::Array(_) => self.array,
            Value::Object(_) => self.object,
            Value::Number(number) => {
                let is_integer = number.is_i64()
                    || number.is_u64()
                    || number.as_f64().is_some_and(|number| number.fract() == 0.0);
                self.number || self.integer && is_integer
            }
        }
    }

    /// Returns whether every text is a value, also one that looks like another type. `null` is a text then.
    pub(super) fn is_only_string(self) -> bool {
        let Self {
            string,
            array,
            object,
            number,
            integer,
            boolean,
            null: _,
        } = self;
        string && !(array || object || number || integer || boolean)
    }

    /// Returns the word for a value in a usage line.
    pub(super) fn placeholder(self) -> &'static str {
        match self {
            types if types == ANY => "VALUE",
            Self { string: true, .. } => "TEXT",
            Self { number: true, .. } => "NUMBER",
            Self { integer: true, .. } => "INTEGER",
            Self { boolean: true, .. } => "true|false",
            _ => "JSON",
        }
    }

    fn union(self, other: Self) -> Self {
        Self {
            string: self.string || other.string,
            array: self.array || other.array,
            object: self.object || other.object,
            number: self.number || other.number,
            integer: self.integer || other.integer,
            boolean: self.boolean || other.boolean,
            null: self.null || other.null,
        }
    }

    fn named(name: &str) -> Self {
        let mut types = Self::default();
        match name {
            "string" => types.string = true,
            "array" => types.array = true,
            "object" => types.object = true,
            "number" => types.number = true,
            "integer" => types.integer = true,
            "boolean" => types.boolean = true,
            "null" => types.null = true,
            _ => {}
        }
        types
    }

    fn of_value(value: &Value) -> Self {
        Self::named(match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        })
    }
}

impl fmt::Display for Types {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [
            (self.string, "a text"),
            (self.number, "a number"),
            (self.integer && !self.number, "an integer"),
            (self.boolean, "true or false"),
            (self.array, "a JSON array"),
            (self.object, "a JSON object"),
            (self.null, "null"),
        ];
        let names: Vec<_> = names
            .iter()
            .filter(|(is_allowed, _)| *is_allowed)
            .map(|(_, name)| *name)
            .collect();
        f.write_str(&names.join(" or "))
    }
}

/// Returns the names of the properties of an object.
pub(super) fn property_names(root: &Map<String, Value>) -> impl Iterator<Item = &str> {
    let properties = root.get("properties").and_then(Value::as_object);
    properties
        .into_iter()
        .flat_map(Map::keys)
        .map(String::as_str)
}

/// Returns the schema of a property. `None` if the object cannot have it.
pub(super) fn property<'s>(root: &'s Map<String, Value>, name: &str) -> Option<&'s Value> {
    const ANYTHING: &Value = &Value::Bool(true);
    let known = root
        .get("properties")
        .and_then(|properties| properties.get(name));
    match known.or(root.get("additionalProperties")) {
        Some(Value::Bool(false)) if root.contains_key("patternProperties") => Some(ANYTHING),
        Some(Value::Bool(false)) => None,
        found => Some(found.unwrap_or(ANYTHING)),
    }
}

/// Returns the schema of the items of an array.
pub(super) fn items<'s>(root: &'s Map<String, Value>, schema: &'s Value) -> &'s Value {
    const ANYTHING: &Value = &Value::Bool(true);
    find_items(root, schema, MAX_DEPTH, &mut { MAX_SCHEMAS }).unwrap_or(ANYTHING)
}

fn find_items<'s>(
    root: &'s Map<String, Value>,
    schema: &'s Value,
    depth: usize,
    schemas_left: &mut usize,
) -> Option<&'s Value> {
    let depth = depth.checked_sub(1)?;
    *schemas_left = schemas_left.checked_sub(1)?;
    if let Some(items) = schema.get("items") {
        return Some(items);
    }
    let referenced = referenced(root, schema).into_iter();
    let mut others = referenced.chain(alternatives(schema));
    others.find_map(|schema| find_items(root, schema, depth, schemas_left))
}

/// Returns the types that a schema allows: all if it names none.
pub(super) fn of(root: &Map<String, Value>, schema: &Value) -> Types {
    find_types(root, schema, MAX_DEPTH, &mut { MAX_SCHEMAS }).unwrap_or(ANY)
}

fn find_types(
    root: &Map<String, Value>,
    schema: &Value,
    depth: usize,
    schemas_left: &mut usize,
) -> Option<Types> {
    let depth = depth.checked_sub(1)?;
    *schemas_left = schemas_left.checked_sub(1)?;
    match schema.get("type") {
        Some(Value::String(name)) => return Some(Types::named(name)),
        Some(Value::Array(names)) => {
            let names = names.iter().filter_map(Value::as_str);
            return Some(names.map(Types::named).fold(Types::default(), Types::union));
        }
        _ => {}
    }
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        return Some(
            values
                .iter()
                .map(Types::of_value)
                .fold(Types::default(), Types::union),
        );
    }
    if let Some(value) = schema.get("const") {
        return Some(Types::of_value(value));
    }
    if let Some(schema) = referenced(root, schema) {
        return find_types(root, schema, depth, schemas_left);
    }
    let mut found = None;
    for schema in alternatives(schema) {
        let types = find_types(root, schema, depth, schemas_left)?;
        found = Some(types.union(found.unwrap_or_default()));
    }
    found
}

/// Returns the schema of a `$ref` within the same document.
fn referenced<'s>(root: &'s Map<String, Value>, schema: &Value) -> Option<&'s Value> {
    let path = schema.get("$ref")?.as_str()?.strip_prefix("#/")?;
    let mut parts = path.split('/');
    let first = root.get(parts.next()?)?;
    parts.try_fold(first, |schema, part| {
        schema.get(part.replace("~1", "/").replace("~0", "~"))
    })
}

fn alternatives(schema: &Value) -> impl Iterator<Item = &Value> {
    let lists = ["anyOf", "oneOf"].into_iter();
    lists
        .filter_map(|keyword| schema.get(keyword)?.as_array())
        .flatten()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use serde_json::json;

    use super::*;

    /// Each of four levels has a thousand alternatives that are the next level: 10¹² in all.
    #[test]
    fn alternatives_that_multiply_end() {
        let level =
            |next: &str| json!({ "anyOf": vec![json!({ "$ref": format!("#/{next}") }); 1_000] });
        for last in [json!({ "type": "string" }), json!({})] {
            let root = json!({ "a": level("b"), "b": level("c"), "c": level("d"), "d": last });
            let root = root.as_object().unwrap();
            assert_eq!(of(root, &root["a"]), ANY);
            assert_eq!(items(root, &root["a"]), &Value::Bool(true));
        }
        let root =
            json!({ "a": level("d"), "d": { "type": "array", "items": { "type": "null" } } });
        let root = root.as_object().unwrap();
        assert!(items(root, &root["a"])["type"] == "null");
    }
}
