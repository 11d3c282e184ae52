//! JSON Schema 2020-12 of types.

use serde_json::{Map, Value, json};

use super::shape::{Case, Field, Integer, Kind, Label, Shape};

/// The greatest integer that every reader of JSON takes exactly: 2^53 − 1.
pub(super) const MAX_EXACT: i128 = (1 << 53) - 1;

/// The floats that are no JSON numbers.
pub(super) const NAN: &str = "NaN";
pub(super) const INFINITY: &str = "Infinity";
pub(super) const MINUS_INFINITY: &str = "-Infinity";

/// An object with these members and no others.
pub(super) fn object<'a>(fields: impl IntoIterator<Item = &'a Field>) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for field in fields {
        let schema = of(&field.shape);
        let docs = match (&field.docs, schema["description"].as_str()) {
            (Some(docs), Some(own)) => Some(format!("{docs}\n{own}")),
            (docs, _) => docs.clone(),
        };
        let schema = described(schema, docs.as_deref());
        properties.insert(field.name.clone(), schema);
        if !field.shape.is_nullable() {
            required.push(field.name.as_str());
        }
    }
    let mut schema = json!({ "type": "object", "properties": properties });
    if !required.is_empty() {
        schema["required"] = required.into();
    }
    schema["additionalProperties"] = false.into();
    schema
}

/// The schema of a type.
pub(super) fn of(shape: &Shape) -> Value {
    let schema = match &shape.kind {
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::Integer(integer) => of_integer(*integer),
        Kind::F32 | Kind::F64 => {
            json!({ "anyOf": [{ "type": "number" }, { "enum": [NAN, INFINITY, MINUS_INFINITY] }] })
        }
        Kind::Char => json!({ "type": "string", "minLength": 1, "maxLength": 1 }),
        Kind::String => json!({ "type": "string" }),
        Kind::Bytes => json!({ "type": "string", "contentEncoding": "base64" }),
        Kind::List(element) => json!({ "type": "array", "items": of(element) }),
        Kind::Tuple(parts) => json!({
            "type": "array",
            "prefixItems": parts.iter().map(of).collect::<Vec<_>>(),
            "items": false,
            "minItems": parts.len(),
            "maxItems": parts.len(),
        }),
        Kind::Record(fields) => object(fields),
        Kind::Variant(cases) => of_variant(cases),
        Kind::Enum(cases) => json!({ "type": "string", "enum": names(cases) }),
        Kind::Flags(flags) => json!({
            "type": "array",
            "items": { "type": "string", "enum": names(flags) },
            "uniqueItems": true,
        }),
        Kind::Option(inner) if inner.is_nullable() => {
            json!({ "anyOf": [single("some", of(inner)), { "type": "null" }] })
        }
        Kind::Option(inner) => json!({ "anyOf": [of(inner), { "type": "null" }] }),
        Kind::Result(ok, error) => json!({
            "anyOf": [single("ok", of_payload(ok)), single("error", of_payload(error))],
        }),
    };
    let docs = shape.docs.as_deref();
    match &shape.kind {
        Kind::Enum(labels) | Kind::Flags(labels) => {
            let labels = labels.iter().map(|label| (&label.name, &label.docs));
            described(schema, listed(docs, labels).as_deref())
        }
        _ => described(schema, docs),
    }
}

/// The schema with a description in front, in place of any it has.
pub(super) fn described(schema: Value, docs: Option<&str>) -> Value {
    let (Some(docs), Value::Object(members)) = (docs, &schema) else {
        return schema;
    };
    let mut described = Map::new();
    described.insert("description".into(), docs.into());
    for (key, value) in members {
        described.entry(key).or_insert_with(|| value.clone());
    }
    Value::Object(described)
}

fn of_integer(integer: Integer) -> Value {
    // All of these fit: what is wider has its bounds in digits.
    let bound = |value: i128| i64::try_from(value).unwrap_or(i64::MAX);
    let (least, greatest) = integer.range();
    let exact = json!({
        "type": "integer",
        "minimum": bound(least.max(-MAX_EXACT)),
        "maximum": bound(greatest.min(MAX_EXACT)),
    });
    let Some(max_digits) = integer.max_digits() else {
        return exact;
    };
    let sign = if integer.is_signed() { "-?" } else { "" };
    let digits = format!("^{sign}[0-9]{{1,{max_digits}}}$");
    json!({ "anyOf": [exact, { "type": "string", "pattern": digits }] })
}

fn of_variant(cases: &[Case]) -> Value {
    let mut choices = Vec::new();
    let plain: Vec<_> = cases.iter().filter(|case| case.payload.is_none()).collect();
    if !plain.is_empty() {
        let names: Vec<_> = plain.iter().map(|case| case.name.as_str()).collect();
        let docs = listed(None, plain.iter().map(|case| (&case.name, &case.docs)));
        let schema = json!({ "type": "string", "enum": names });
        choices.push(described(schema, docs.as_deref()));
    }
    for case in cases {
        if let Some(payload) = &case.payload {
            let schema = single(&case.name, of(payload));
            choices.push(described(schema, case.docs.as_deref()));
        }
    }
    if choices.len() == 1 {
        choices.remove(0)
    } else {
        json!({ "anyOf": choices })
    }
}

fn names(labels: &[Label]) -> Vec<&str> {
    labels.iter().map(|label| label.name.as_str()).collect()
}

fn of_payload(payload: &Option<Box<Shape>>) -> Value {
    payload
        .as_ref()
        .map_or_else(|| json!({ "type": "null" }), |shape| of(shape))
}

/// An object with one member.
fn single(key: &str, schema: Value) -> Value {
    json!({
        "type": "object",
        "properties": { key: schema },
        "required": [key],
        "additionalProperties": false,
    })
}

/// A description with a line for each name that is documented.
fn listed<'a>(
    docs: Option<&str>,
    names: impl Iterator<Item = (&'a String, &'a Option<String>)>,
) -> Option<String> {
    let lines = names.filter_map(|(name, docs)| Some(format!("- `{name}`: {}", docs.as_ref()?)));
    let all: Vec<_> = docs.map(str::to_owned).into_iter().chain(lines).collect();
    (!all.is_empty()).then(|| all.join("\n"))
}
