//! What has to be known of a JSON-RPC message before MCP sees it: that it is
//! one, its id, its method, and what it is for.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::catalog::TargetName;

use super::responses::{INVALID_PARAMS, INVALID_REQUEST, PARSE_ERROR};

/// A single JSON-RPC message.
pub(super) struct Envelope {
    /// The id of a request.
    pub(super) id: Option<Value>,
    /// Whether it opens a session of an older revision.
    pub(super) is_initialize: bool,
    /// Whether `_meta` names the revision.
    pub(super) names_version: bool,
    /// What would run: a tool, a prompt, a document.
    pub(super) subject: Option<TargetName>,
}

/// Why the body is not one: the JSON-RPC error to answer with.
pub(super) struct Malformed {
    pub(super) code: i32,
    pub(super) message: String,
    pub(super) id: Option<Value>,
}

/// Only what is needed, so that a message is parsed once more and not twice.
/// Unlike a map, these types refuse a key that stands twice, so no two readers
/// of a message can see different tools.
#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    jsonrpc: Option<Cow<'a, str>>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Params<'a> {
    #[serde(borrow)]
    name: Option<&'a RawValue>,
    #[serde(borrow)]
    uri: Option<&'a RawValue>,
    #[serde(borrow, rename = "ref")]
    reference: Option<&'a RawValue>,
    #[serde(borrow)]
    cursor: Option<&'a RawValue>,
    #[serde(borrow, rename = "_meta")]
    meta: Option<Meta<'a>>,
}

/// Whose argument `completion/complete` is about.
#[derive(Deserialize)]
#[serde(tag = "type")]
enum Reference {
    #[serde(rename = "ref/prompt")]
    Prompt { name: String },
    #[serde(rename = "ref/resource")]
    Template { uri: String },
}

#[derive(Deserialize)]
struct Meta<'a> {
    #[serde(borrow, rename = "io.modelcontextprotocol/protocolVersion")]
    version: Option<&'a RawValue>,
}

/// Reads the envelope of `body`.
pub(super) fn parse(body: &[u8]) -> Result<Envelope, Malformed> {
    let invalid = |message: &str, id: Option<Value>| Malformed {
        code: INVALID_REQUEST,
        message: message.into(),
        id,
    };
    let message: Message<'_> = match serde_json::from_slice(body) {
        Ok(message) => message,
        Err(error) if error.is_data() => {
            return Err(invalid(
                "the body is not a single JSON-RPC message; batches are not part of MCP",
                None,
            ));
        }
        Err(error) => {
            return Err(Malformed {
                code: PARSE_ERROR,
                message: format!("the body is not valid JSON: {error}"),
                id: None,
            });
        }
    };
    let id = match message.id.map(|id| serde_json::from_str::<Value>(id.get())) {
        None => None,
        Some(Ok(id)) if id.is_string() || id.is_i64() || id.is_u64() => Some(id),
        Some(_) => {
            return Err(invalid(
                "the id of a request is a string or an integer",
                None,
            ));
        }
    };
    if message.jsonrpc.as_deref() != Some("2.0") {
        return Err(invalid("`jsonrpc` must be \"2.0\"", id));
    }
    // Parameters that are no object are `rmcp`'s to refuse.
    let params = message
        .params
        .and_then(|params| serde_json::from_str::<Params<'_>>(params.get()).ok());
    let method = message.method.as_deref().unwrap_or_default();
    let is_list = LISTS.contains(&method);
    let malformed = match &params {
        None => CALLS.contains(&method) && message.params.is_some(),
        // `rmcp` would answer with the first page.
        Some(params) => is_list && !params.cursor.is_none_or(is_text),
    };
    if malformed {
        return Err(Malformed {
            code: INVALID_PARAMS,
            message: format!("the parameters of `{method}` are malformed"),
            id,
        });
    }
    Ok(Envelope {
        id,
        is_initialize: method == "initialize",
        names_version: params
            .as_ref()
            .and_then(|params| params.meta.as_ref())
            .is_some_and(|meta| meta.version.is_some()),
        subject: params.and_then(|params| subject(method, &params)),
    })
}

/// The methods that run a guest.
const CALLS: [&str; 4] = [
    "tools/call",
    "prompts/get",
    "resources/read",
    "completion/complete",
];
/// The methods that list pages.
const LISTS: [&str; 4] = [
    "tools/list",
    "prompts/list",
    "resources/list",
    "resources/templates/list",
];

fn subject(method: &str, params: &Params<'_>) -> Option<TargetName> {
    let text = |value: Option<&RawValue>| -> Option<String> {
        value.and_then(|value| serde_json::from_str(value.get()).ok())
    };
    match method {
        "tools/call" => text(params.name).map(TargetName::Tool),
        "prompts/get" => text(params.name).map(TargetName::Prompt),
        "resources/read" => text(params.uri).map(TargetName::Resource),
        "completion/complete" => {
            let reference = params.reference?.get();
            match serde_json::from_str(reference).ok()? {
                Reference::Prompt { name } => Some(TargetName::Prompt(name)),
                Reference::Template { uri } => Some(TargetName::Template(uri)),
            }
        }
        _ => None,
    }
}

fn is_text(value: &RawValue) -> bool {
    value.get().starts_with('"')
}
