//! Tools as their authors write them, defined and called natively.

use serde_json::{Value, json};
use toolcrib_guest::__private::{self, CallError, Outcome, Request};
use toolcrib_guest::ask::{self, Form};
use toolcrib_guest::bindings::toolcrib::mcp::types::Answer;
use toolcrib_guest::{Arguments, Block, Content, Error, IntoOutput, Json, Output, Tool, schemars, serde, tool};

/// Returns the text in capitals.
#[tool]
fn shout(text: String) -> String {
    text.to_uppercase()
}

/// Repeats a text
/// many times.
///
/// - at most 9 times
#[tool(name = "again-and-again", title = "Again", read_only, idempotent = true, open_world = false, meta = "{\"a\":1}")]
fn repeat(
    /// The text.
    text: String,
    /// How often.
    #[serde(default = "twice")]
    #[schemars(range(min = 1, max = 9))]
    times: u8,
    separator: Option<String>,
) -> Result<(String, Json<Vec<String>>), String> {
    if text.is_empty() {
        return Err("the text is empty".into());
    }
    let parts = vec![text; times.into()];
    Ok((parts.join(separator.as_deref().unwrap_or(" ")), Json(parts)))
}

fn twice() -> u8 {
    2
}

#[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
struct Size {
    /// In pixels.
    width: u32,
    unit: Option<Unit>,
}

#[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Unit {
    Pixel,
    Point,
}

/// Doubles a size.
#[tool]
fn double(Arguments(size): Arguments<Size>) -> Result<Json<Size>, Error> {
    let width = size.width.checked_mul(2).ok_or_else(|| Error::invalid_arguments("width is too large"))?;
    Ok(Json(Size { width, unit: size.unit }))
}

/// Returns a picture and a caption.
#[tool]
fn picture() -> Vec<Content> {
    vec![Content::image(vec![1, 2], "image/png"), Content::text("two bytes")]
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Confirmation {
    sure: bool,
}

/// Deletes everything, after a question.
#[tool(destructive)]
fn delete() -> Result<String, Error> {
    let remembered = ask::kept().unwrap_or_default();
    ask::keep(vec![7]);
    match ask::form("sure", "Really?")? {
        Form::Accepted(Confirmation { sure: true }) => Ok(format!("deleted {remembered:?}")),
        Form::Accepted(_) => Ok("kept".into()),
        Form::Declined => Err("declined")?,
        Form::Cancelled => Ok("cancelled".into()),
    }
}

toolcrib_guest::export!(shout, repeat, double, picture, delete);

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn text(output: &Output) -> &str {
    match &output.content[0].block {
        Block::Text(text) => text,
        other => panic!("{other:?}"),
    }
}

#[test]
fn schemas_follow_from_the_parameters() {
    let cases = [
        (
            shout::definition(),
            json!({
                "type": "object",
                "properties": { "text": { "type": "string" } },
                "required": ["text"],
                "additionalProperties": false,
            }),
        ),
        (
            repeat::definition(),
            json!({
                "type": "object",
                "properties": {
                    "text": { "type": "string", "description": "The text." },
                    "times": {
                        "type": "integer", "format": "uint8", "minimum": 1, "maximum": 9, "default": 2,
                        "description": "How often.",
                    },
                    "separator": { "type": ["string", "null"] },
                },
                "required": ["text"],
                "additionalProperties": false,
            }),
        ),
        (
            double::definition(),
            json!({
                "type": "object",
                "properties": {
                    "width": { "type": "integer", "format": "uint32", "minimum": 0, "description": "In pixels." },
                    "unit": { "type": ["string", "null"], "enum": ["pixel", "point", null] },
                },
                "required": ["width"],
                "additionalProperties": false,
            }),
        ),
        (picture::definition(), json!({ "type": "object", "properties": {}, "additionalProperties": false })),
    ];
    for (definition, expected) in cases {
        let schema = json(&definition.input_schema);
        assert_eq!(schema, expected, "{}: {schema:#}", definition.name);
    }
    let schema = repeat::definition().input_schema;
    let places = ["text", "times", "separator"].map(|name| schema.find(&format!("\"{name}\":")));
    assert!(places.is_sorted(), "the order of the parameters: {schema}");
}

#[test]
fn definitions_have_the_options_and_the_documentation() {
    let definition = repeat::definition();
    assert_eq!(definition.name, "again-and-again");
    assert_eq!(definition.title.as_deref(), Some("Again"));
    assert_eq!(definition.description, "Repeats a text many times.\n\n- at most 9 times");
    assert_eq!(definition.meta.as_deref(), Some("{\"a\":1}"));
    let hints = definition.annotations.unwrap();
    assert_eq!((hints.read_only, hints.destructive), (Some(true), None));
    assert_eq!((hints.idempotent, hints.open_world), (Some(true), Some(false)));
    assert_eq!(shout::definition().output_schema, None);
}

/// A result that is not an object is wrapped in one.
#[test]
fn structured_results_have_a_schema() {
    let schema = json(&repeat::definition().output_schema.unwrap());
    assert_eq!(schema["properties"]["result"], json!({ "type": "array", "items": { "type": "string" } }));
    assert_eq!(schema["additionalProperties"], false);
    let output = repeat::call(r#"{"text":"a","separator":"-"}"#.into()).unwrap();
    assert_eq!((text(&output), output.structured.as_deref()), ("a-a", Some(r#"{"result":["a","a"]}"#)));

    let schema = json(&double::definition().output_schema.unwrap());
    assert_eq!(schema["required"], json!(["width", "unit"]));
    let output = double::call(r#"{"width":4}"#.into()).unwrap();
    assert_eq!(output.structured.as_deref(), Some(r#"{"width":8,"unit":null}"#));
    assert_eq!(text(&output), r#"{"width":8,"unit":null}"#);
}

#[derive(serde::Serialize, schemars::JsonSchema)]
struct Node {
    name: &'static str,
    children: Vec<Node>,
}

#[derive(serde::Serialize, schemars::JsonSchema)]
#[serde(tag = "kind")]
enum Shape {
    Circle { radius: u8 },
    Point,
}

#[derive(serde::Serialize, schemars::JsonSchema)]
#[serde(untagged)]
enum Tree {
    Leaf(u8),
    Branches(Vec<Tree>),
    Named { name: &'static str, tree: Box<Tree> },
}

/// Returns the schema of a result, and the JSON of each value.
fn structured<T: serde::Serialize + schemars::JsonSchema, const N: usize>(values: [T; N]) -> (Value, [Value; N]) {
    let schema = <Json<T> as IntoOutput>::output_schema().unwrap();
    assert_eq!(schema["type"], "object", "{schema:#}");
    let json = values.map(|value| json(&Json(value).into_output().unwrap().structured.unwrap()));
    (schema, json)
}

/// Values that are not objects are wrapped, and references in a wrapped schema lead to its definitions.
#[test]
fn structured_results_of_all_types_are_objects() {
    let node = |children| Node { name: "a", children };
    let leaf = || json!({ "name": "a", "children": [] });
    let (schema, values) = structured([node(vec![node(vec![])])]);
    assert_eq!(schema["properties"]["children"]["items"], json!({ "$ref": "#" }));
    assert_eq!(values, [json!({ "name": "a", "children": [leaf()] })]);

    let (schema, values) = structured([vec![node(vec![])]]);
    let items = &schema["properties"]["result"]["items"];
    assert_eq!(items["properties"]["children"]["items"], json!({ "$ref": "#/$defs/Node" }));
    assert_eq!(schema["$defs"]["Node"]["type"], "object");
    assert_eq!(values, [json!({ "result": [leaf()] })]);

    let (schema, values) = structured([Some(node(vec![])), None]);
    assert_eq!(schema["anyOf"][1]["required"], json!(["result"]));
    assert_eq!(schema["$defs"]["Node"]["type"], "object");
    assert_eq!(values, [leaf(), json!({ "result": null })]);

    let (schema, values) = structured([Shape::Circle { radius: 1 }, Shape::Point]);
    assert_eq!(schema["oneOf"][0]["properties"]["kind"]["const"], "Circle");
    assert_eq!(values, [json!({ "kind": "Circle", "radius": 1 }), json!({ "kind": "Point" })]);

    let tree = Tree::Named { name: "b", tree: Box::new(Tree::Leaf(1)) };
    let (schema, values) = structured([Tree::Branches(vec![Tree::Leaf(1)]), tree]);
    assert_eq!(schema["$defs"]["Tree"]["anyOf"][1]["items"], json!({ "$ref": "#/$defs/Tree" }));
    assert_eq!(values, [json!({ "result": [1] }), json!({ "name": "b", "tree": 1 })]);
}

#[test]
fn errors_tell_invalid_arguments_from_failures() {
    let invalid = |result| matches!(result, Err(Error::InvalidArguments(_)));
    assert!(invalid(double::call(r#"{"width":4294967295}"#.into())));
    assert!(invalid(shout::call(r#"{"text":1}"#.into())));
    assert!(invalid(shout::call(r#"{"text":"a","more":1}"#.into())));
    assert!(matches!(repeat::call(r#"{"text":""}"#.into()), Err(Error::Failed(text)) if text == "the text is empty"));
    assert_eq!(shout("a".into()), "A");
}

/// Calls `delete` with answers and a state, as the host does.
fn round(answers: &[(&str, &str)], state: Option<Vec<u8>>) -> Result<Outcome, CallError> {
    let answers = answers.iter().map(|(key, value)| Answer { key: (*key).into(), value: (*value).into() }).collect();
    let request = Request { tool: "delete".into(), arguments: "{}".into(), answers, state };
    __private::call(request, &[("delete", delete::call)])
}

#[test]
fn questions_end_a_round_and_their_answers_continue_it() {
    let Ok(Outcome::InputRequired(questions)) = round(&[], None) else { panic!() };
    assert_eq!((questions.asked[0].key.as_str(), questions.asked[0].method.as_str()), ("sure", ask::ELICITATION));
    let params = json(&questions.asked[0].params);
    assert_eq!(params["message"], "Really?");
    assert_eq!(params["requestedSchema"]["properties"]["sure"], json!({ "type": "boolean" }));
    assert_eq!(questions.state, Some(vec![7]));

    for (answer, expected) in [
        (r#"{"action":"accept","content":{"sure":true}}"#, Ok("deleted [7]")),
        (r#"{"action":"accept","content":{"sure":false}}"#, Ok("kept")),
        (r#"{"action":"cancel"}"#, Ok("cancelled")),
        (r#"{"action":"decline"}"#, Err("declined")),
        (
            r#"{"action":"accept","content":{}}"#,
            Err("the answer to `sure` does not fit its form: missing field `sure`"),
        ),
    ] {
        match (round(&[("sure", answer)], questions.state.clone()), expected) {
            (Ok(Outcome::Complete(output)), Ok(expected)) => assert_eq!(text(&output), expected),
            (Err(CallError::Failed(message)), Err(expected)) => assert_eq!(message, expected),
            (other, _) => panic!("{answer}: {other:?}"),
        }
    }
}

#[test]
fn unknown_tools_are_refused() {
    let request = Request { tool: "x".into(), arguments: "{}".into(), answers: vec![], state: None };
    assert!(matches!(__private::call(request, &[]), Err(CallError::InvalidArguments(_))));
}
