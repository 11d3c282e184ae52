//! JSON Schemas of arguments and results, and definitions of tools.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::{Annotations, Definition, Error, IntoOutput};

/// The part of a tool's definition that is independent of types.
pub struct Spec {
    pub title: Option<&'static str>,
    pub description: &'static str,
    pub meta: Option<&'static str>,
    pub annotations: Annotations,
}

/// Returns the definition of a tool with the arguments `A` and the result `R`.
pub fn definition<A: JsonSchema, R: IntoOutput>(name: &str, spec: Spec) -> Definition {
    let mut input = schema_of::<A>(SchemaSettings::draft2020_12());
    refuse_unknown_arguments(&mut input);
    Definition {
        name: name.to_owned(),
        title: spec.title.map(Into::into),
        description: spec.description.to_owned(),
        input_schema: input.to_string(),
        output_schema: R::output_schema().map(|schema| schema.to_string()),
        annotations: Some(spec.annotations),
        icons: Vec::new(),
        meta: spec.meta.map(Into::into),
    }
}

/// Refuses arguments that the schema does not name, so that a misspelt one is not ignored silently. A schema that says
/// something about them, or is composed of others, stays as it is.
fn refuse_unknown_arguments(schema: &mut Value) {
    const MORE: [&str; 6] = ["additionalProperties", "unevaluatedProperties", "allOf", "anyOf", "oneOf", "$ref"];
    if let Some(schema) = schema.as_object_mut()
        && !MORE.iter().any(|keyword| schema.contains_key(*keyword))
    {
        schema.insert("additionalProperties".into(), false.into());
    }
}

/// The structured content of a tool.
pub(crate) struct Structured {
    pub(crate) schema: Value,
    is_wrapped: bool,
}

/// The member of the object that holds a result that is not an object.
const RESULT: &str = "result";

impl Structured {
    pub(crate) fn of<T: JsonSchema>() -> Self {
        let schema = schema_of::<T>(SchemaSettings::draft2020_12().for_serialize());
        if schema["type"] == "object" {
            return Self { schema, is_wrapped: false };
        }
        let schema = json!({
            "type": "object",
            "properties": { RESULT: schema },
            "required": [RESULT],
            "additionalProperties": false,
        });
        Self { schema, is_wrapped: true }
    }

    pub(crate) fn to_json<T: Serialize>(&self, value: &T) -> Result<String, Error> {
        let json = serde_json::to_string(value).map_err(Error::failed)?;
        Ok(if self.is_wrapped { format!("{{\"{RESULT}\":{json}}}") } else { json })
    }
}

/// Returns the schema of a type, without references as far as the type is not recursive: some models do not follow them.
fn schema_of<T: JsonSchema>(settings: SchemaSettings) -> Value {
    let settings = settings.with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    if let Some(schema) = schema.as_object_mut() {
        // The name of the Rust type.
        schema.remove("title");
        if schema.get("type").is_some_and(|ty| ty == "object") {
            // Some clients require it.
            schema.entry("properties").or_insert_with(|| Map::new().into());
        }
    }
    schema
}
