//! The smallest useful tool component: `echo` returns its text, `whoami` the caller and the remaining time.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

mod bindings {
    wit_bindgen::generate!({ path: "../../../wit", world: "tool-component" });
}

use bindings::exports::toolcrib::mcp::tool::{Definition, Error, Guest, Outcome, Request};
use bindings::toolcrib::mcp::call;
use bindings::toolcrib::mcp::types::{Annotations, Block, Content, Output};

struct Echo;

bindings::export!(Echo with_types_in bindings);

impl Guest for Echo {
    fn definitions() -> Vec<Definition> {
        vec![
            Definition {
                name: "echo".into(),
                title: Some("Echo".into()),
                description: "Returns the given text unchanged. Use it to check that tools can be called.".into(),
                input_schema: ECHO_INPUT.into(),
                output_schema: Some(ECHO_OUTPUT.into()),
                annotations: Some(READ_ONLY),
                icons: Vec::new(),
                meta: None,
            },
            Definition {
                name: "whoami".into(),
                title: Some("Who am I".into()),
                description: "Returns who is calling, as the server authenticated it, and how many milliseconds \
                              are left for the call. `caller` is null where the server runs without authentication."
                    .into(),
                input_schema: WHOAMI_INPUT.into(),
                output_schema: Some(WHOAMI_OUTPUT.into()),
                annotations: Some(READ_ONLY),
                icons: Vec::new(),
                meta: None,
            },
        ]
    }

    fn call(request: Request) -> Result<Outcome, Error> {
        match request.tool.as_str() {
            "echo" => echo(&request.arguments),
            "whoami" => whoami(),
            other => Err(Error::InvalidArguments(format!("there is no tool named {other}"))),
        }
    }
}

fn echo(arguments: &str) -> Result<Outcome, Error> {
    /// Both the arguments and the structured content.
    #[derive(Deserialize, Serialize)]
    #[serde(deny_unknown_fields)]
    struct Message {
        text: String,
    }
    let message: Message =
        serde_json::from_str(arguments).map_err(|error| Error::InvalidArguments(error.to_string()))?;
    let structured = json(&message)?;
    Ok(complete(message.text, structured))
}

fn whoami() -> Result<Outcome, Error> {
    #[derive(Serialize)]
    struct Whoami {
        caller: Option<Caller>,
        time_left_ms: u64,
    }
    #[derive(Serialize)]
    struct Caller {
        issuer: String,
        subject: String,
        client_id: Option<String>,
        scopes: Vec<String>,
        claims: Box<RawValue>,
    }
    let caller = call::caller()
        .map(|principal| {
            Ok(Caller {
                issuer: principal.issuer,
                subject: principal.subject,
                client_id: principal.client_id,
                scopes: principal.scopes,
                claims: RawValue::from_string(principal.claims).map_err(|error| Error::Failed(error.to_string()))?,
            })
        })
        .transpose()?;
    call::log(call::Level::Info, "whoami was asked");
    let structured = json(&Whoami { caller, time_left_ms: call::time_left() })?;
    Ok(complete(structured.clone(), structured))
}

fn json(value: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|error| Error::Failed(error.to_string()))
}

/// Returns the outcome of a completed call: text for clients that read only text, and the same as structured content.
fn complete(text: String, structured: String) -> Outcome {
    Outcome::Complete(Output {
        content: vec![Content { block: Block::Text(text), audience: None }],
        structured: Some(structured),
        meta: None,
    })
}

const READ_ONLY: Annotations =
    Annotations { read_only: Some(true), destructive: Some(false), idempotent: Some(true), open_world: Some(false) };

const ECHO_INPUT: &str = r#"{
  "type": "object",
  "properties": {
    "text": { "type": "string", "description": "The text to return" }
  },
  "required": ["text"],
  "additionalProperties": false
}"#;

const ECHO_OUTPUT: &str = r#"{
  "type": "object",
  "properties": {
    "text": { "type": "string", "description": "The text that was given" }
  },
  "required": ["text"],
  "additionalProperties": false
}"#;

const WHOAMI_INPUT: &str = r#"{ "type": "object", "properties": {}, "additionalProperties": false }"#;

const WHOAMI_OUTPUT: &str = r#"{
  "type": "object",
  "properties": {
    "caller": {
      "type": ["object", "null"],
      "description": "Who is calling; null without authentication",
      "properties": {
        "issuer": { "type": "string" },
        "subject": { "type": "string" },
        "client_id": { "type": ["string", "null"] },
        "scopes": { "type": "array", "items": { "type": "string" } },
        "claims": { "type": "object", "description": "The claims that the operator passes on" }
      },
      "required": ["issuer", "subject", "client_id", "scopes", "claims"],
      "additionalProperties": false
    },
    "time_left_ms": { "type": "integer", "minimum": 0, "description": "Milliseconds until the host stops the call" }
  },
  "required": ["caller", "time_left_ms"],
  "additionalProperties": false
}"#;
