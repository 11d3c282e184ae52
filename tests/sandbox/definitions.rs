//! Definitions that break a rule: each is refused when the component is loaded, in a sentence that names the tool.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::guest::{Guest, Icon, Tool};
use crate::support::server::{refusal, refusal_with};

/// Refused with one line that has all of `wanted` in it, or taken where there is none.
async fn check(what: &str, tool: Tool, wanted: &[&str]) {
    let lines = refusal(&Guest::with(tool, "unreachable")).await;
    if wanted.is_empty() {
        assert_eq!(lines, [""; 0], "{what}");
        return;
    }
    assert_eq!(lines.len(), 1, "{what}: {lines:?}");
    for wanted in wanted {
        assert!(
            lines[0].contains(wanted),
            "{what}: {:?} lacks {wanted:?}",
            lines[0]
        );
    }
    assert!(
        !lines[0].contains('\n') && lines[0].len() < 2_000,
        "{what}: {lines:?}"
    );
}

#[tokio::test]
async fn names() {
    for (name, good) in [
        ("a", true),
        ("A-Z_09", true),
        (&"x".repeat(64), true),
        (&"x".repeat(65), false),
        ("", false),
        ("a.b", false),
        ("a b", false),
        ("a/b", false),
        ("zażółć", false),
        ("a\nb", false),
        ("a\0", false),
    ] {
        let wanted: &[&str] = if good { &[] } else { &["`A-Z a-z 0-9 _ -`"] };
        check(name, Tool::new(name), wanted).await;
    }
}

#[tokio::test]
async fn texts() {
    let tool = || Tool::new("t");
    let icon = |src: &str| Tool {
        icons: vec![Icon {
            src: src.into(),
            media_type: None,
            sizes: Vec::new(),
        }],
        ..tool()
    };
    let icons = |number: usize| Tool {
        icons: vec![icon("data:,x").icons[0].clone(); number],
        ..tool()
    };
    let titled = |title: String| Tool {
        title: Some(title),
        ..tool()
    };
    let meta = |meta: &str| Tool {
        meta: Some(meta.into()),
        ..tool()
    };
    let cases: Vec<(&str, Tool, &[&str])> = vec![
        ("description", tool().described(&"x".repeat(16 << 10)), &[]),
        (
            "no description",
            tool().described(""),
            &["description", "`t`", "empty"],
        ),
        (
            "blank description",
            tool().described(" \n\t"),
            &["description", "`t`", "empty"],
        ),
        (
            "long description",
            tool().described(&"x".repeat((16 << 10) + 1)),
            &["description", "`t`", "16384 bytes"],
        ),
        ("title", titled("x".repeat(256)), &[]),
        (
            "long title",
            titled("x".repeat(257)),
            &["title", "`t`", "256 bytes"],
        ),
        ("16 icons", icons(16), &[]),
        ("17 icons", icons(17), &["icon", "`t`", "16"]),
        ("https icon", icon("https://example.com/i.png"), &[]),
        (
            "http icon",
            icon("http://example.com/i.png"),
            &["icon", "`t`", "`https:`"],
        ),
        (
            "script icon",
            icon("javascript:alert(1)"),
            &["icon", "`t`", "`https:`"],
        ),
        (
            "long icon",
            icon(&format!("data:,{}", "x".repeat(64 << 10))),
            &["icon", "`t`", "65536 bytes"],
        ),
        ("meta", meta("{}"), &[]),
        (
            "meta a list",
            meta("[]"),
            &["meta", "`t`", "not a JSON object"],
        ),
        (
            "meta no JSON",
            meta("{"),
            &["meta", "`t`", "not a JSON object"],
        ),
        (
            "long meta",
            meta(&format!("{{\"a\":\"{}\"}}", "x".repeat(64 << 10))),
            &["meta", "`t`", "65536 bytes"],
        ),
    ];
    for (what, tool, wanted) in cases {
        check(what, tool, wanted).await;
    }
}

/// `levels` schemas inside each other.
fn nested(levels: usize) -> Value {
    (1..levels).fold(json!({}), |inner, _| json!({ "not": inner }))
}

#[tokio::test]
async fn schemas() {
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
        (object("not", nested(63)), &[]),
        (object("not", nested(64)), &["65 levels deep", "64"]),
        (
            object("description", json!("x".repeat((256 << 10) - 40))),
            &[],
        ),
        (
            object("description", json!("x".repeat(256 << 10))),
            &["262144 bytes"],
        ),
    ];
    for (schema, wanted) in &input {
        let shown = &schema[..schema.len().min(100)];
        let named: Vec<_> = ["input schema", "`t`"]
            .into_iter()
            .chain(wanted.iter().copied())
            .collect();
        let named = if wanted.is_empty() { &[][..] } else { &named };
        check(shown, Tool::new("t").taking(schema), named).await;
    }

    for (schema, wanted) in [
        // Results may be anything.
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
        check(schema, Tool::new("t").giving(schema), wanted).await;
    }
}

/// The rules for arguments that are mirrored in headers.
#[tokio::test]
async fn mirrored_headers() {
    let property = |schema: Value| json!({ "type": "object", "properties": { "p": schema } });
    let mirrored =
        |kind: &str, header: Value| property(json!({ "type": kind, "x-mcp-header": header }));
    let two = |first: &str, second: &str| {
        json!({ "type": "object", "properties": {
            "a": { "type": "string", "x-mcp-header": first },
            "b": { "type": "object", "properties": { "c": { "type": "string", "x-mcp-header": second } } },
        } })
    };
    let inside =
        property(json!({ "type": "array", "items": { "type": "string", "x-mcp-header": "P" } }));
    let in_definitions = json!({
        "type": "object", "$defs": { "d": { "type": "string", "x-mcp-header": "P" } },
    });
    let at_root = json!({ "type": "object", "x-mcp-header": "P" });
    let in_any_of = property(json!({ "anyOf": [{ "type": "string", "x-mcp-header": "P" }] }));
    for (schema, wanted) in [
        (mirrored("string", json!("Region-1")), None),
        (mirrored("integer", json!("P")), None),
        (mirrored("boolean", json!("P")), None),
        (two("P", "Q"), None),
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
        (two("P", "P"), Some("twice")),
        (two("Region", "rEGION"), Some("twice")),
        (inside, Some("chain of `properties`")),
        (in_definitions, Some("chain of `properties`")),
        (at_root, Some("chain of `properties`")),
        (in_any_of, Some("chain of `properties`")),
        // A property of that name, and an example that has one, are none.
        (
            property(json!({ "type": "string", "default": "x-mcp-header" })),
            None,
        ),
        (
            json!({ "type": "object", "properties": { "x-mcp-header": { "type": "string" } } }),
            None,
        ),
    ] {
        let wanted: Vec<_> = wanted.into_iter().collect();
        check(&schema.to_string(), Tool::new("t").taking(&schema), &wanted).await;
    }
}

#[tokio::test]
async fn numbers_of_tools() {
    let many = |number: usize| {
        let mut guest = Guest::new();
        for index in 0..number {
            guest.tool(Tool::new(&format!("t{index}")), "unreachable");
        }
        guest
    };
    for (number, wanted) in [
        (0, vec!["`it defines no tool`"]),
        (1, vec![]),
        (1000, vec![]),
        (1001, vec!["it defines 1001 tools; 1000 are allowed"]),
    ] {
        let lines = refusal(&many(number)).await;
        assert_eq!(lines.len(), wanted.len(), "{lines:?}");
        for wanted in wanted {
            assert!(lines[0].contains(wanted.trim_matches('`')), "{lines:?}");
        }
    }
}

/// Every fault of every tool is told at once.
#[tokio::test]
async fn all_faults() {
    let mut guest = Guest::new();
    guest
        .tool(Tool::new("good"), "unreachable")
        .tool(Tool::new("bad name"), "unreachable")
        .tool(Tool::new("twice"), "unreachable")
        .tool(Tool::new("twice"), "unreachable")
        .tool(
            Tool::new("worse").described("").taking("[]").giving("["),
            "unreachable",
        );
    let lines = refusal(&guest).await;
    for wanted in [
        "\"bad name\"",
        "`twice` twice",
        "the description of its tool `worse`",
        "the input schema of its tool `worse`",
        "the output schema of its tool `worse`",
    ] {
        assert!(
            lines.iter().any(|line| line.contains(wanted)),
            "{wanted}: {lines:?}"
        );
    }
    assert_eq!(lines.len(), 5, "{lines:?}");
    assert!(
        lines.iter().all(|line| line.contains("guest.wasm")),
        "{lines:?}"
    );
}

/// A guest whose definitions never come, crash or are rubbish does not hold up the start.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn definitions_that_do_not_come() {
    let spins_at_start = |guest: &mut Guest| {
        guest.item("(func $begin (drop (call $spin))) (start $begin)");
    };
    let traps_at_start = |guest: &mut Guest| {
        guest.item("(func $begin unreachable) (start $begin)");
    };
    type Change<'a> = &'a dyn Fn(&mut Guest);
    let cases: [(&str, Change<'_>, &str); 8] = [
        (
            "spins",
            &|g: &mut Guest| {
                g.before_definitions("(drop (call $spin))");
            },
            "limit of 300ms",
        ),
        ("spins at the start", &spins_at_start, "limit of 300ms"),
        (
            "traps",
            &|g: &mut Guest| {
                g.before_definitions("unreachable");
            },
            "unreachable",
        ),
        ("traps at the start", &traps_at_start, "unreachable"),
        (
            "returns outside",
            &|g: &mut Guest| {
                g.before_definitions("(return (i32.const -8))");
            },
            "definitions",
        ),
        (
            "returns a list without end",
            &|g: &mut Guest| {
                g.before_definitions("(i32.store (i32.const 256) (i32.const 1024)) (i32.store (i32.const 260) (i32.const -1)) (return (i32.const 256))");
            },
            "definitions",
        ),
        (
            "no UTF-8",
            &|g: &mut Guest| {
                g.before_definitions("(i64.store (i32.const 1024) (i64.const -1)) (i32.store (i32.const 264) (i32.const 1024)) (i32.store (i32.const 268) (i32.const 8)) (i32.store (i32.const 256) (i32.const 264)) (i32.store (i32.const 260) (i32.const 1)) (return (i32.const 256))");
            },
            "definitions",
        ),
        (
            "takes all memory",
            &|g: &mut Guest| {
                g.before_definitions("(loop $again (if (i32.eq (memory.grow (i32.const 16)) (i32.const -1)) (then unreachable)) (br $again))");
            },
            "memory",
        ),
    ];
    for (what, change, wanted) in cases {
        let mut guest = Guest::saying("hello", "hello");
        change(&mut guest);
        let begun = Instant::now();
        let lines = refusal_with(&guest, |config| {
            config.limits.cpu = Duration::from_millis(300);
            config.limits.memory_bytes = 8 << 20;
        })
        .await;
        assert!(
            lines.len() == 1 && lines[0].contains(wanted),
            "{what}: {lines:?}"
        );
        assert!(
            lines[0].contains("guest.wasm") && !lines[0].contains('\n'),
            "{what}: {lines:?}"
        );
        assert!(
            begun.elapsed() < Duration::from_secs(5),
            "{what}: {:?}",
            begun.elapsed()
        );
    }
}
