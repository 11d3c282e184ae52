//! JSON Schemas of arguments and results, and definitions of tools.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;
use serde_json::{Map, Value};

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

// The two forms of structured content that is not always an object. Their documentation would be part of the schema.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[allow(dead_code, reason = "for its schema")]
struct Wrapped<T> {
    result: T,
}

#[derive(JsonSchema)]
#[serde(untagged)]
#[allow(dead_code, reason = "for its schema")]
enum Either<T> {
    Object(T),
    Other(Wrapped<T>),
}

/// Returns the schema of what [`structured_json`] makes of a type's values.
pub(crate) fn structured_schema<T: JsonSchema>() -> Value {
    let settings = || SchemaSettings::draft2020_12().for_serialize();
    let schema = schema_of::<T>(settings());
    let mut schema = match describes_objects(&schema) {
        Some(true) => schema,
        Some(false) => schema_of::<Wrapped<T>>(settings()),
        None => schema_of::<Either<T>>(settings()),
    };
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("type".into(), "object".into());
    }
    schema
}

/// Returns a result as JSON. One that is not an object becomes the member `result` of one.
///
/// Decided by the value, since the schema would have to be generated in each call.
pub(crate) fn structured_json<T: Serialize>(value: &T) -> Result<String, Error> {
    let json = serde_json::to_string(value).map_err(Error::failed)?;
    Ok(if json.starts_with('{') { json } else { format!("{{\"result\":{json}}}") })
}

/// Returns whether the values of a schema are objects; `None` if some may be.
fn describes_objects(schema: &Value) -> Option<bool> {
    const OBJECT: &str = "object";
    match &schema["type"] {
        Value::String(ty) => return Some(ty == OBJECT),
        Value::Array(types) => return if types.iter().any(|ty| ty == OBJECT) { None } else { Some(false) },
        _ => {}
    }
    let cases = schema["oneOf"].as_array().or_else(|| schema["anyOf"].as_array())?;
    let mut cases = cases.iter().map(describes_objects);
    let first = cases.next()?;
    cases.all(|case| case == first).then_some(first).flatten()
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
