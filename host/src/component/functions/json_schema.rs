//! Generation of JSON Schema 2020-12 from types.

use serde_json::{Map, Value, json};

use super::numbers::{INFINITY, MAX_EXACT_INTEGER, NAN, NEGATIVE_INFINITY};
use super::types::{Case, Field, Integer, Label, TypeKind, WitType};

/// Returns the schema of an object with these members and no others.
pub(super) fn object_schema<'a>(fields: impl IntoIterator<Item = &'a Field>) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for field in fields {
        let schema = type_schema(&field.ty);
        let docs = match (&field.docs, schema["description"].as_str()) {
            (Some(docs), Some(own)) => Some(format!("{docs}\n{own}")),
            (docs, _) => docs.clone(),
        };
        let schema = with_description(schema, docs.as_deref());
        properties.insert(field.name.clone(), schema);
        if !field.ty.may_be_absent() {
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

/// Returns the schema of a type.
pub(super) fn type_schema(ty: &WitType) -> Value {
    let schema = match &ty.kind {
        TypeKind::Bool => json!({ "type": "boolean" }),
        TypeKind::Integer(integer) => integer_schema(*integer),
        TypeKind::F32 | TypeKind::F64 => {
            let non_finite = [NAN, INFINITY, NEGATIVE_INFINITY];
            json!({ "anyOf": [{ "type": "number" }, { "enum": non_finite }] })
        }
        TypeKind::Char => json!({ "type": "string", "minLength": 1, "maxLength": 1 }),
        TypeKind::String => json!({ "type": "string" }),
        TypeKind::Bytes => json!({ "type": "string", "contentEncoding": "base64" }),
        TypeKind::List(element) => json!({ "type": "array", "items": type_schema(element) }),
        TypeKind::Tuple(parts) => json!({
            "type": "array",
            "prefixItems": parts.iter().map(type_schema).collect::<Vec<_>>(),
            "items": false,
            "minItems": parts.len(),
            "maxItems": parts.len(),
        }),
        TypeKind::Record(fields) => object_schema(fields),
        TypeKind::Resource(constructor) => object_schema(&constructor.parameters),
        TypeKind::Variant(cases) => variant_schema(cases),
        TypeKind::Enum(cases) => json!({ "type": "string", "enum": names(cases) }),
        TypeKind::Flags(flags) => json!({
            "type": "array",
            "items": { "type": "string", "enum": names(flags) },
            "uniqueItems": true,
        }),
        TypeKind::Option(inner) if inner.is_nullable() => {
            let some = single_member_schema("some", type_schema(inner));
            json!({ "anyOf": [some, { "type": "null" }] })
        }
        TypeKind::Option(inner) => json!({ "anyOf": [type_schema(inner), { "type": "null" }] }),
        TypeKind::Result(ok, error) => {
            let ok = single_member_schema("ok", payload_schema(ok));
            let error = single_member_schema("error", payload_schema(error));
            json!({ "anyOf": [ok, error] })
        }
    };
    let docs = ty.docs.as_deref();
    match &ty.kind {
        TypeKind::Enum(labels) | TypeKind::Flags(labels) => {
            let labels = labels.iter().map(|label| (&label.name, &label.docs));
            with_description(schema, with_item_docs(docs, labels).as_deref())
        }
        _ => with_description(schema, docs),
    }
}

/// Returns the schema with a description as its first member, which replaces an existing one.
fn with_description(schema: Value, docs: Option<&str>) -> Value {
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

fn integer_schema(integer: Integer) -> Value {
    // Never out of range: the bounds are at most `MAX_EXACT_INTEGER`.
    let bound = |value: i128| i64::try_from(value).unwrap_or(i64::MAX);
    let (min, max) = integer.range();
    let exact = json!({
        "type": "integer",
        "minimum": bound(min.max(-MAX_EXACT_INTEGER)),
        "maximum": bound(max.min(MAX_EXACT_INTEGER)),
    });
    let Some(max_digits) = integer.max_string_digits() else {
        return exact;
    };
    let sign = if integer.is_signed() { "-?" } else { "" };
    let digits = format!("^{sign}[0-9]{{1,{max_digits}}}$");
    json!({ "anyOf": [exact, { "type": "string", "pattern": digits }] })
}

fn variant_schema(cases: &[Case]) -> Value {
    let mut choices = Vec::new();
    let without_payload: Vec<_> = cases.iter().filter(|case| case.payload.is_none()).collect();
    if !without_payload.is_empty() {
        let names: Vec<_> = without_payload
            .iter()
            .map(|case| case.name.as_str())
            .collect();
        let docs = with_item_docs(
            None,
            without_payload.iter().map(|case| (&case.name, &case.docs)),
        );
        let schema = json!({ "type": "string", "enum": names });
        choices.push(with_description(schema, docs.as_deref()));
    }
    for case in cases {
        if let Some(payload) = &case.payload {
            let schema = single_member_schema(&case.name, type_schema(payload));
            choices.push(with_description(schema, case.docs.as_deref()));
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

fn payload_schema(payload: &Option<Box<WitType>>) -> Value {
    payload
        .as_ref()
        .map_or_else(|| json!({ "type": "null" }), |ty| type_schema(ty))
}

/// Returns the schema of an object with exactly one member.
fn single_member_schema(key: &str, schema: Value) -> Value {
    json!({
        "type": "object",
        "properties": { key: schema },
        "required": [key],
        "additionalProperties": false,
    })
}

/// Returns a description with an additional line for each case or flag that is documented.
fn with_item_docs<'a>(
    docs: Option<&str>,
    names: impl Iterator<Item = (&'a String, &'a Option<String>)>,
) -> Option<String> {
    let lines = names.filter_map(|(name, docs)| Some(format!("- `{name}`: {}", docs.as_ref()?)));
    let all: Vec<_> = docs.map(str::to_owned).into_iter().chain(lines).collect();
    (!all.is_empty()).then(|| all.join("\n"))
}
