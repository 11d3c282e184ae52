//! Things that are nested as deep as their formats allow, or deeper: each is refused or served, and the host goes on.

use serde_json::{Value, json};

use crate::support::command::Toolcrib;
use crate::support::guest::{Guest, Tool, component};
use crate::support::server::{Host, load_problems};

/// A chain of definitions up to the size of a schema, each `levels` subschemas deep: `before` and `after` enclose the
/// next one.
fn chain(before: &str, after: &str, levels: usize, last: &str) -> String {
    const MAX_BYTES: usize = 250_000;
    let mut text = String::from(r##"{"type":"object","$ref":"#/$defs/0","$defs":{"##);
    let mut index = 0;
    while text.len() < MAX_BYTES {
        let (before, after) = (before.repeat(levels), after.repeat(levels));
        let next = index + 1;
        text += &format!(r##""{index}":{before}{{"$ref":"#/$defs/{next}"}}{after},"##);
        index = next;
    }
    format!("{text}\"{index}\":{last}}}}}")
}

/// Every keyword that applies a subschema to the same value.
const IN_PLACE: [(&str, &str); 10] = [
    (
        r#"{"unevaluatedProperties":false,"allOf":["#,
        r#"],"properties":{"a":true}}"#,
    ),
    (
        r#"{"unevaluatedItems":false,"allOf":["#,
        r#"],"prefixItems":[true]}"#,
    ),
    (r#"{"allOf":["#, "]}"),
    (r#"{"anyOf":["#, ",false]}"),
    (r#"{"oneOf":["#, ",false]}"),
    (r#"{"not":"#, "}"),
    (r#"{"if":"#, r#","then":true}"#),
    (r#"{"if":true,"then":"#, "}"),
    (r#"{"if":false,"else":"#, "}"),
    (r#"{"dependentSchemas":{"a":"#, "}}"),
];

/// Every keyword that applies a subschema to a part of the value.
const IN_PARTS: [(&str, &str); 8] = [
    (r#"{"properties":{"a":"#, "}}"),
    (r#"{"additionalProperties":"#, "}"),
    (r#"{"patternProperties":{"a":"#, "}}"),
    (r#"{"items":"#, "}"),
    (r#"{"prefixItems":["#, "]}"),
    (r#"{"contains":"#, "}"),
    (r#"{"propertyNames":"#, "}"),
    (r#"{"unevaluatedProperties":"#, "}"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn schemas_that_are_deep_through_references_fail_only_their_own_calls() {
    let too_deep = "they and the tool's schema are nested too deep to check them";
    let value = json!({ "a": [1] });
    for (before, after) in IN_PLACE {
        let deep = chain(before, after, 20, "{}");
        let flat = format!(
            r##"{{"type":"object","$ref":"#/$defs/0","$defs":{{"0":{}{{"$ref":"#/$defs/1"}}{},"1":{{}}}}}}"##,
            before.repeat(20),
            after.repeat(20),
        );
        let mut guest = Guest::new();
        let (ok, structured) = (guest.string("ok"), guest.string(value.to_string()));
        for (name, schema) in [("deep", &deep), ("flat", &flat)] {
            let takes = Tool::new(&format!("{name}-takes")).taking(schema);
            guest.tool(takes, format!("(call $text {ok})"));
            let returns = Tool::new(&format!("{name}-returns")).with_output_schema(schema);
            guest.tool(returns, format!("(call $structured {structured})"));
        }
        let host = Host::of(&guest).await;
        let call = async |tool: &str| host.client().call(tool, value.clone()).await;
        assert_eq!(call("deep-takes").await.failure(), too_deep, "{before}");
        assert_eq!(
            call("deep-returns").await.failure_with_id(),
            "the tool returned a result that does not fit its definition",
            "{before}"
        );
        for tool in ["flat-takes", "flat-returns"] {
            let answer = call(tool).await;
            assert_eq!(
                answer.result()["isError"],
                json!(false),
                "{before}: {answer:?}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn schemas_that_are_deep_in_parts_of_the_value_are_served() {
    let mut guest = Guest::new();
    let (ok, structured) = (
        guest.string("ok"),
        guest.string(nested_members(120).to_string()),
    );
    for (index, (before, after)) in IN_PARTS.into_iter().enumerate() {
        let schema = chain(before, after, 20, "false");
        guest.tool(
            Tool::new(&format!("takes{index}")).taking(&schema),
            format!("(call $text {ok})"),
        );
        guest.tool(
            Tool::new(&format!("returns{index}")).with_output_schema(&schema),
            format!("(call $structured {structured})"),
        );
    }
    let host = Host::of(&guest).await;
    for index in 0..IN_PARTS.len() {
        for arguments in [nested_members(100), json!({ "a": nested_items(100) })] {
            host.client()
                .call(&format!("takes{index}"), arguments)
                .await;
        }
        host.client()
            .call(&format!("returns{index}"), json!({}))
            .await;
        assert_eq!(host.client().call("takes0", json!({})).await.text(), "ok");
    }
}

/// A recursive schema that takes several steps for each level of the value.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deep_values_fit_a_recursive_schema_or_are_refused() {
    let tree = |steps: usize| {
        let mut definitions = serde_json::Map::new();
        for step in 0..steps {
            let next = json!({ "$ref": format!("#/$defs/{}", step + 1) });
            definitions.insert(step.to_string(), json!({ "oneOf": [next, false] }));
        }
        let member = json!({ "properties": { "a": { "$ref": "#/$defs/0" } } });
        definitions.insert(
            steps.to_string(),
            json!({ "anyOf": [{ "type": "string" }, member] }),
        );
        json!({ "type": "object", "$ref": "#/$defs/0", "$defs": definitions })
    };
    let mut guest = Guest::new();
    let (ok, deep) = (
        guest.string("ok"),
        guest.string(nested_members(120).to_string()),
    );
    for steps in [1, 50] {
        guest.tool(
            Tool::new(&format!("takes{steps}")).taking(tree(steps)),
            format!("(call $text {ok})"),
        );
        guest.tool(
            Tool::new(&format!("returns{steps}")).with_output_schema(tree(steps)),
            format!("(call $structured {deep})"),
        );
    }
    let host = Host::of(&guest).await;
    let call = async |tool: &str, levels| host.client().call(tool, nested_members(levels)).await;
    assert_eq!(call("takes1", 100).await.text(), "ok");
    assert_eq!(call("takes50", 2).await.text(), "ok");
    assert_eq!(
        call("takes50", 100).await.failure(),
        "they and the tool's schema are nested too deep to check them"
    );
    assert_eq!(
        call("returns50", 0).await.failure_with_id(),
        "the tool returned a result that does not fit its definition"
    );
    assert_eq!(call("takes1", 1).await.text(), "ok");
}

/// The parser of `serde_json` takes the text in this key for JSON of its own, with a new allowance of depth.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn json_of_guests_has_no_hidden_depth() {
    let mut text = String::from("1");
    for _ in 0..14 {
        let inner = Value::from(text);
        text = format!(
            r#"{}{{"$serde_json::private::RawValue":{inner}}}{}"#,
            "[".repeat(100),
            "]".repeat(100)
        );
    }
    let hidden = format!(r#"{{"a":{text}}}"#);
    let string = json!({ "type": "object", "properties": { "a": { "type": "string" } } });
    let mut guest = Guest::saying("hello", "hello");
    for (name, structured) in [
        ("deep", hidden.as_str()),
        (
            "object",
            r#"{"a":{"$serde_json::private::RawValue":"\"text\""}}"#,
        ),
        ("text", r#"{"a":"text"}"#),
    ] {
        let structured = guest.string(structured);
        let tool = Tool::new(name).with_output_schema(&string);
        guest.tool(tool, format!("(call $structured {structured})"));
    }
    let host = Host::of(&guest).await;
    for (name, is_error) in [("deep", true), ("object", true), ("text", false)] {
        let answer = host.client().call(name, json!({})).await;
        assert_eq!(
            answer.result()["isError"],
            json!(is_error),
            "{name}: {answer:?}"
        );
    }
    assert_eq!(host.client().call("hello", json!({})).await.text(), "hello");

    let mut tool = Tool::new("described");
    tool.meta = Some(r#"{"a":{"$serde_json::private::RawValue":"1"}}"#.into());
    let problems = load_problems(&Guest::with(tool, "unreachable")).await;
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(
        problems[0].contains("the meta of its tool `described` is not a JSON object"),
        "{problems:?}"
    );
    let schema = format!(r#"{{"type":"object","default":{text}}}"#);
    let tool = Tool::new("schema").taking(&schema);
    let problems = load_problems(&Guest::with(tool, "unreachable")).await;
    assert!(problems[0].contains("reserved key"), "{problems:?}");
}

/// Types of WIT that are nested deeper than any author writes.
#[test]
fn deep_types_and_components_are_refused() {
    let toolcrib = Toolcrib::new();
    let refused = |name: &str, bytes: &[u8]| {
        let file = toolcrib.write(name, bytes);
        let output = toolcrib.run(&["inspect", &file]);
        assert_eq!(output.status, 1, "{name}: {}", output.stderr);
        assert!(
            !output.stderr.contains("overflow"),
            "{name}: {}",
            output.stderr
        );
    };
    let types = |levels| {
        let aliases = (1..levels).map(|n| format!("type t{n} = list<t{}>;\n", n - 1));
        let aliases: String = aliases.collect();
        component(
            &format!(
                "type t0 = list<u32>;\n{aliases} export f: func(x: t{});",
                levels - 1
            ),
            r#"(module
                 (memory (export "memory") 1)
                 (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 8))
                 (func (export "f") (param i32 i32)))"#,
        )
    };
    refused("types.wasm", &types(90));
    let nested = (0..5_000).fold(empty_component(), |inner, _| enclosing_component(&inner));
    refused("components.wasm", &nested);
    let file = toolcrib.write("good.wasm", &types(20));
    assert_eq!(toolcrib.run(&["inspect", &file]).status, 0);
}

fn nested_members(levels: usize) -> Value {
    (0..levels).fold(json!({}), |inner, _| json!({ "a": inner }))
}

fn nested_items(levels: usize) -> Value {
    (0..levels).fold(json!([]), |inner, _| json!([inner]))
}

fn empty_component() -> Vec<u8> {
    b"\0asm\x0d\0\x01\0".to_vec()
}

/// Returns a component with another one in its component section.
fn enclosing_component(inner: &[u8]) -> Vec<u8> {
    const COMPONENT_SECTION: u8 = 4;
    let mut bytes = empty_component();
    bytes.push(COMPONENT_SECTION);
    let mut size = inner.len();
    while size >= 0x80 {
        bytes.push(size as u8 | 0x80);
        size >>= 7;
    }
    bytes.push(size as u8);
    bytes.extend_from_slice(inner);
    bytes
}
