//! Validation of the JSON Schemas of tools when a component is loaded.

use serde_json::{Value, json};

use super::definitions::check;
use crate::support::guest::Tool;

/// A schema of this nesting depth.
fn nested_schema(levels: usize) -> Value {
    (1..levels).fold(json!({}), |inner, _| json!({ "not": inner }))
}

#[tokio::test]
async fn input_and_output_schemas_are_validated() {
    let object = |key: &str, value: Value| json!({ "type": "object", key: value }).to_string();
    let property = |schema: Value| object("properties", json!({ "p": schema }));
    let dialect = |uri: &str| object("$schema", json!(uri));
    let input: Vec<(String, &[&str])> = vec![
        (r#"{"type":"object"}"#.into(), &[]),
        (dialect("https://json-schema.org/draft/2020-12/schema"), &[]),
        (
            dialect("https://json-schema.org/draft/2020-12/schema#"),
            &[],
        ),
        (
            dialect("http://json-schema.org/draft-07/schema#"),
            &["dialect", "draft-07", "2020-12"],
        ),
        (object("$schema", json!(7)), &["dialect"]),
        (property(json!({ "$ref": "#/properties/p" })), &[]),
        (property(json!({ "$ref": "#" })), &[]),
        (
            property(json!({ "default": {}, "$ref": "#/properties/p/default" })),
            &["`#/properties/p/default`", "not a schema", "$defs"],
        ),
        (
            object(
                "properties",
                json!({ "default": {}, "p": { "$ref": "#/properties/default" } }),
            ),
            &[],
        ),
        (
            property(json!({ "$ref": "#", "allOf": 7 })),
            &["not a valid JSON Schema"],
        ),
        (
            property(json!({ "$ref": "#/$defs/none" })),
            &["not a valid JSON Schema"],
        ),
        (
            property(json!({ "$ref": "https://example.com/s.json" })),
            &["https://example.com/s.json", "stay inside"],
        ),
        (
            property(json!({ "$ref": "other.json" })),
            &["other.json", "stay inside"],
        ),
        (
            property(json!({ "$ref": "file:///etc/passwd" })),
            &["stay inside"],
        ),
        (
            property(json!({ "$dynamicRef": "https://example.com/s#x" })),
            &["stay inside"],
        ),
        (
            object(
                "$defs",
                json!({ "d": { "allOf": [{ "$ref": "http://127.0.0.1/" }] } }),
            ),
            &["stay inside"],
        ),
        (String::new(), &["not valid JSON"]),
        ("{".into(), &["not valid JSON"]),
        ("type: object".into(), &["not valid JSON"]),
        ("[]".into(), &["not a JSON object"]),
        ("null".into(), &["not a JSON object"]),
        ("true".into(), &["not a JSON object"]),
        ("{}".into(), &["root type `object`"]),
        (r#"{"type":"string"}"#.into(), &["root type `object`"]),
        (
            r#"{"type":["object","null"]}"#.into(),
            &["root type `object`"],
        ),
        (
            object("properties", json!([])),
            &["not a valid JSON Schema"],
        ),
        (
            property(json!({ "type": "strng" })),
            &["not a valid JSON Schema", "/properties/p/type"],
        ),
        (
            property(json!({ "minLength": -1 })),
            &["not a valid JSON Schema"],
        ),
        (property(json!(5)), &["not a valid JSON Schema"]),
        (
            object("required", json!("p")),
            &["not a valid JSON Schema", "/required"],
        ),
        (property(json!({ "pattern": "^a+$" })), &[]),
        (
            property(json!({ "pattern": "(" })),
            &["not a valid JSON Schema"],
        ),
        (
            property(json!({ "pattern": "^((ab?){1,99}){1,99}c{9}((d?e){1,99}){1,99}$" })),
            &["not a valid JSON Schema"],
        ),
        (object("not", nested_schema(63)), &[]),
        (object("not", nested_schema(64)), &["65 levels deep", "64"]),
        (
            object("description", json!("x".repeat((256 << 10) - 40))),
            &[],
        ),
        (
            object("description", json!("x".repeat(256 << 10))),
            &["262144 bytes"],
        ),
    ];
    for (schema, expected) in &input {
        let case = &schema[..schema.len().min(100)];
        let with_names: Vec<_> = ["input schema", "`t`"]
            .into_iter()
            .chain(expected.iter().copied())
            .collect();
        let expected = if expected.is_empty() {
            &[][..]
        } else {
            &with_names
        };
        check(case, Tool::new("t").taking(schema), expected).await;
    }

    for (schema, expected) in [
        // Structured output may have any type.
        (r#"{"type":"array"}"#, &[][..]),
        ("{}", &[]),
        (
            r#"{"type":7}"#,
            &["output schema", "`t`", "not a valid JSON Schema"],
        ),
        ("[", &["output schema", "`t`", "not valid JSON"]),
        (
            r#"{"$ref":"https://example.com/"}"#,
            &["output schema", "`t`", "stay inside"],
        ),
    ] {
        check(schema, Tool::new("t").giving(schema), expected).await;
    }
}

/// The rules of MCP 2026-07-28 for `x-mcp-header`, which mirrors an argument in a request header.
#[tokio::test]
async fn mirrored_header_annotations_are_validated() {
    let property = |schema: Value| json!({ "type": "object", "properties": { "p": schema } });
    let mirrored = |type_name: &str, header: Value| {
        property(json!({ "type": type_name, "x-mcp-header": header }))
    };
    let two_headers = |first: &str, second: &str| {
        json!({ "type": "object", "properties": {
            "a": { "type": "string", "x-mcp-header": first },
            "b": { "type": "object", "properties": { "c": { "type": "string", "x-mcp-header": second } } },
        } })
    };
    let in_items =
        property(json!({ "type": "array", "items": { "type": "string", "x-mcp-header": "P" } }));
    let in_defs = json!({
        "type": "object", "$defs": { "d": { "type": "string", "x-mcp-header": "P" } },
    });
    let at_root = json!({ "type": "object", "x-mcp-header": "P" });
    let in_any_of = property(json!({ "anyOf": [{ "type": "string", "x-mcp-header": "P" }] }));
    for (schema, expected) in [
        (mirrored("string", json!("Region-1")), None),
        (mirrored("integer", json!("P")), None),
        (mirrored("boolean", json!("P")), None),
        (two_headers("P", "Q"), None),
        (
            mirrored("number", json!("P")),
            Some("not string, integer or boolean"),
        ),
        (
            mirrored("object", json!("P")),
            Some("not string, integer or boolean"),
        ),
        (
            property(json!({ "x-mcp-header": "P" })),
            Some("not string, integer or boolean"),
        ),
        (
            property(json!({ "type": ["string", "null"], "x-mcp-header": "P" })),
            Some("not string, integer or boolean"),
        ),
        (mirrored("string", json!("")), Some("not a header token")),
        (mirrored("string", json!("a b")), Some("not a header token")),
        (mirrored("string", json!("a:b")), Some("not a header token")),
        (
            mirrored("string", json!("zażółć")),
            Some("not a header token"),
        ),
        (
            mirrored("string", json!("a\r\nb")),
            Some("not a header token"),
        ),
        (mirrored("string", json!(7)), Some("not a header token")),
        (mirrored("string", Value::Null), Some("not a header token")),
        (two_headers("P", "P"), Some("twice")),
        (two_headers("Region", "rEGION"), Some("twice")),
        (in_items, Some("chain of `properties`")),
        (in_defs, Some("chain of `properties`")),
        (at_root, Some("chain of `properties`")),
        (in_any_of, Some("chain of `properties`")),
        // `x-mcp-header` as a property name or as a value is not an annotation.
        (
            property(json!({ "type": "string", "default": "x-mcp-header" })),
            None,
        ),
        (
            json!({ "type": "object", "properties": { "x-mcp-header": { "type": "string" } } }),
            None,
        ),
    ] {
        let expected: Vec<_> = expected.into_iter().collect();
        check(
            &schema.to_string(),
            Tool::new("t").taking(&schema),
            &expected,
        )
        .await;
    }
}
