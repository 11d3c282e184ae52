//! Parses a request body into one typed MCP message.
//!
//! The text is parsed once, strictly: a key that occurs twice is rejected, so that no two readers of a message can see
//! different tools. `rmcp`'s own deserializer keeps the last of two equal keys.

use std::borrow::Cow;

use rmcp::model::{
    ClientJsonRpcMessage, ClientNotification, ClientRequest, ClientResult, ErrorData, GetMeta,
    ProtocolVersion, RequestId,
};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::responses::{INVALID_PARAMS, INVALID_REQUEST, PARSE_ERROR};
use super::strict_json::StrictJson;

/// The methods that run a guest.
const CALL_METHODS: [&str; 4] = [
    "tools/call",
    "prompts/get",
    "resources/read",
    "completion/complete",
];
/// The methods that return a page of a list.
const LIST_METHODS: [&str; 4] = [
    "tools/list",
    "prompts/list",
    "resources/list",
    "resources/templates/list",
];

const NOT_MCP: &str = "the body is not a JSON-RPC message of MCP";

/// A message from a client.
#[derive(Debug)]
pub(super) struct Incoming {
    /// The id as the client wrote it.
    pub(super) id: Option<Value>,
    pub(super) message: ClientJsonRpcMessage,
}

/// The JSON-RPC error for a body that is not an MCP message.
#[derive(Debug)]
pub(super) struct Malformed {
    pub(super) code: i32,
    pub(super) message: String,
    pub(super) id: Option<Value>,
}

impl Incoming {
    /// The request; `None` for a notification or a response.
    pub(super) fn request(&self) -> Option<&ClientRequest> {
        match &self.message {
            ClientJsonRpcMessage::Request(request) => Some(&request.request),
            _ => None,
        }
    }

    /// The protocol version in the request's `_meta`.
    pub(super) fn declared_version(&self) -> Option<ProtocolVersion> {
        self.request()?.get_meta().protocol_version()
    }
}

/// Parses the body of a POST.
///
/// # Errors
/// The error to answer with, including the id where it could be read.
pub(super) fn parse(body: &[u8]) -> Result<Incoming, Malformed> {
    let fields = match serde_json::from_slice::<Fields<'_, StrictJson, Value>>(body) {
        // serde also reads a struct from an array.
        Ok(_) if body.trim_ascii_start().starts_with(b"[") => return Err(not_a_message()),
        Ok(fields) => fields,
        Err(error) if error.is_data() => return Err(not_a_message()),
        Err(error) => return Err(diagnose(body, &error)),
    };
    let id = fields.checked_id()?;
    let malformed = |code, message: String| Malformed {
        code,
        message,
        id: id.clone(),
    };
    let not_mcp = || malformed(INVALID_REQUEST, NOT_MCP.into());
    let message = match fields {
        Fields {
            method: Some(method),
            params,
            result: None,
            error: None,
            ..
        } => {
            if params
                .as_ref()
                .is_some_and(|params| has_malformed_params(&method, params))
            {
                let message = format!("the parameters of `{method}` are malformed");
                return Err(malformed(INVALID_PARAMS, message));
            }
            // The method comes first: the variants of the untagged enum that do not match fail early.
            let mut message = Map::new();
            message.insert("method".into(), method.into_owned().into());
            message.extend(params.map(|params| ("params".into(), params.value)));
            let message = Value::Object(message);
            match fields.id {
                // Parameters of a wrong type make a `CustomRequest`, which the MCP server rejects.
                Some(id) => request_id(&id).and_then(|id| {
                    let request: ClientRequest = serde_json::from_value(message).ok()?;
                    Some(ClientJsonRpcMessage::request(request, id))
                }),
                None => serde_json::from_value::<ClientNotification>(message)
                    .ok()
                    .map(ClientJsonRpcMessage::notification),
            }
        }
        Fields {
            id: Some(id),
            method: None,
            result: Some(result),
            error: None,
            ..
        } => request_id(&id).and_then(|id| {
            let result: ClientResult = serde_json::from_value(result).ok()?;
            Some(ClientJsonRpcMessage::response(result, id))
        }),
        Fields {
            id,
            method: None,
            result: None,
            error: Some(error),
            ..
        } => serde_json::from_value::<ErrorData>(error)
            .ok()
            .map(|error| ClientJsonRpcMessage::error(error, id.as_ref().and_then(request_id))),
        _ => None,
    };
    match message {
        Some(message) => Ok(Incoming { id, message }),
        None => Err(not_mcp()),
    }
}

/// The fields of any JSON-RPC message. Unlike a map, a struct rejects a duplicate key.
#[derive(Deserialize)]
struct Fields<'a, P, V> {
    #[serde(borrow)]
    jsonrpc: Option<Cow<'a, str>>,
    /// `Some(Value::Null)` for an explicit null, which is not a request id.
    #[serde(default, deserialize_with = "even_null")]
    id: Option<Value>,
    #[serde(borrow)]
    method: Option<Cow<'a, str>>,
    params: Option<P>,
    result: Option<V>,
    error: Option<V>,
}

impl<P, V> Fields<'_, P, V> {
    /// Checks the id and the version, and returns the id for the answer.
    fn checked_id(&self) -> Result<Option<Value>, Malformed> {
        let id = self.id.as_ref().filter(|id| !id.is_null()).cloned();
        let is_valid = |id: &Value| id.is_string() || id.is_i64() || id.is_u64();
        let (id, message) = match id {
            Some(id) if !is_valid(&id) => (None, "the id of a request is a string or an integer"),
            id if self.jsonrpc.as_deref() != Some("2.0") => (id, "`jsonrpc` must be \"2.0\""),
            id => return Ok(id),
        };
        Err(Malformed {
            code: INVALID_REQUEST,
            message: message.into(),
            id,
        })
    }
}

fn not_a_message() -> Malformed {
    Malformed {
        code: INVALID_REQUEST,
        message: "the body is not a single JSON-RPC message; batches are not part of MCP".into(),
        id: None,
    }
}

/// Tells invalid JSON from JSON whose values cannot be represented: nested too deeply, a number out of range, or an
/// unpaired surrogate. The latter still has an id.
fn diagnose(body: &[u8], error: &serde_json::Error) -> Malformed {
    let syntax_error = |error: &serde_json::Error| Malformed {
        code: PARSE_ERROR,
        message: format!("the body is not valid JSON: {error}"),
        id: None,
    };
    if std::str::from_utf8(body).is_err() {
        return syntax_error(error);
    }
    match serde_json::from_slice::<Fields<'_, IgnoredAny, IgnoredAny>>(body) {
        Err(error) => syntax_error(&error),
        Ok(fields) => match fields.checked_id() {
            Err(malformed) => malformed,
            Ok(id) => Malformed {
                code: INVALID_REQUEST,
                message: NOT_MCP.into(),
                id,
            },
        },
    }
}

/// Returns whether the parameters have a shape that the typed request would accept or misread silently.
fn has_malformed_params(method: &str, params: &StrictJson) -> bool {
    if params.has_duplicate_key {
        return true;
    }
    let Value::Object(members) = &params.value else {
        return CALL_METHODS.contains(&method);
    };
    let is_meta_malformed = members
        .get("_meta")
        .is_some_and(|meta| !meta.is_object() && !meta.is_null());
    // `rmcp` reads a cursor of another type as a missing one and would return the first page.
    let is_cursor_malformed = members
        .get("cursor")
        .is_some_and(|cursor| !cursor.is_string() && !cursor.is_null());
    is_meta_malformed && CALL_METHODS.contains(&method)
        || is_cursor_malformed && LIST_METHODS.contains(&method)
}

fn request_id(id: &Value) -> Option<RequestId> {
    RequestId::deserialize(id).ok()
}

fn even_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rejected_bodies() {
        for (body, code, id) in [
            ("{", PARSE_ERROR, Value::Null),
            ("[]", INVALID_REQUEST, Value::Null),
            (
                r#"["2.0",1,"ping",null,null,null]"#,
                INVALID_REQUEST,
                Value::Null,
            ),
            (
                r#"{"jsonrpc":"1.0","id":5,"method":"ping"}"#,
                INVALID_REQUEST,
                json!(5),
            ),
            (
                r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
                INVALID_REQUEST,
                Value::Null,
            ),
            (r#"{"jsonrpc":"2.0","id":6}"#, INVALID_REQUEST, json!(6)),
            (
                r#"{"jsonrpc":"2.0","id":6,"method":"ping","result":{}}"#,
                INVALID_REQUEST,
                json!(6),
            ),
            (
                r#"{"jsonrpc":"2.0","id":6,"method":"tools/list","params":{"x":1e999}}"#,
                INVALID_REQUEST,
                json!(6),
            ),
            (
                r#"{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"a","name":"b"}}"#,
                INVALID_PARAMS,
                json!(3),
            ),
            (
                r#"{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"a","_meta":{"x":1,"x":2}}}"#,
                INVALID_PARAMS,
                json!(3),
            ),
            (
                r#"{"jsonrpc":"2.0","id":3,"method":"tools/list","params":{"cursor":7}}"#,
                INVALID_PARAMS,
                json!(3),
            ),
        ] {
            let malformed = parse(body.as_bytes()).unwrap_err();
            let found = (malformed.code, malformed.id.unwrap_or_default());
            assert_eq!(found, (code, id), "{body}");
        }
    }

    #[test]
    fn messages_become_typed() {
        let parse = |body: Value| parse(body.to_string().as_bytes()).unwrap();
        let call = parse(json!({
            "jsonrpc": "2.0", "id": "a", "method": "tools/call",
            "params": { "name": "hello", "arguments": { "n": 1 },
                "_meta": { "io.modelcontextprotocol/protocolVersion": "2026-07-28" } },
        }));
        assert_eq!(call.id, Some(json!("a")));
        assert_eq!(call.declared_version(), Some(ProtocolVersion::V_2026_07_28));
        let Some(ClientRequest::CallToolRequest(request)) = call.request() else {
            panic!("{call:?}");
        };
        assert_eq!(request.params.name, "hello");
        // Parameters of a wrong type reach the server as an untyped request.
        let untyped = parse(json!({
            "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": 7 },
        }));
        let request = untyped.request();
        assert!(matches!(request, Some(ClientRequest::CustomRequest(_))));
        for (message, is_expected) in [
            (
                json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }),
                (|m| matches!(m, ClientJsonRpcMessage::Notification(_)))
                    as fn(&ClientJsonRpcMessage) -> bool,
            ),
            (json!({ "jsonrpc": "2.0", "id": 1, "result": {} }), |m| {
                matches!(m, ClientJsonRpcMessage::Response(_))
            }),
            (
                json!({ "jsonrpc": "2.0", "id": 1, "error": { "code": 1, "message": "" } }),
                |m| matches!(m, ClientJsonRpcMessage::Error(_)),
            ),
        ] {
            let text = message.to_string();
            assert!(is_expected(&parse(message).message), "{text}");
        }
    }
}
