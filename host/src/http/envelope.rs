//! What has to be known of a JSON-RPC message before MCP sees it: that it is
//! one, its id, its method, and the tool that it calls.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::error::{INVALID_PARAMS, INVALID_REQUEST, PARSE_ERROR};

/// A single JSON-RPC message.
pub(super) struct Envelope {
    /// The id of a request.
    pub(super) id: Option<Value>,
    /// Whether it opens a session of an older revision.
    pub(super) is_initialize: bool,
    /// Whether `_meta` names the revision.
    pub(super) names_version: bool,
    /// The tool of a `tools/call`.
    pub(super) tool: Option<String>,
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
    cursor: Option<&'a RawValue>,
    #[serde(borrow, rename = "_meta")]
    meta: Option<Meta<'a>>,
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
    let is_call = method == "tools/call";
    let malformed = match &params {
        None => is_call && message.params.is_some(),
        // `rmcp` would answer with the first page.
        Some(params) => method == "tools/list" && !params.cursor.is_none_or(is_text),
    };
    if malformed {
        return Err(Malformed {
            code: INVALID_PARAMS,
            message: format!("the parameters of `{method}` are malformed"),
            id,
        });
    }
    let (name, meta) = params.map_or((None, None), |params| (params.name, params.meta));
    Ok(Envelope {
        id,
        is_initialize: method == "initialize",
        names_version: meta.is_some_and(|meta| meta.version.is_some()),
        tool: name
            .filter(|_| is_call)
            .and_then(|name| serde_json::from_str(name.get()).ok()),
    })
}

fn is_text(value: &RawValue) -> bool {
    value.get().starts_with('"')
}
