//! Parses a request body into one typed MCP message.
//!
//! The text is parsed once, strictly: a key that occurs twice is rejected, so that no two readers of a message can see
//! different tools. `rmcp`'s own deserializer keeps the last of two equal keys.

use rmcp::model::{
    CallToolRequest, CallToolRequestMethod, CallToolRequestParams, ClientJsonRpcMessage,
    ClientNotification, ClientRequest, ClientResult, CompleteRequest, ConstString, ErrorData,
    GetMeta, GetPromptRequest, JsonObject, ListPromptsRequest, ListResourceTemplatesRequest,
    ListResourcesRequest, ListToolsRequest, ProtocolVersion, ReadResourceRequest, RequestId,
};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::envelope::{Fields, Malformed, NOT_MCP, read_fields};
use super::responses::{INVALID_PARAMS, INVALID_REQUEST};
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

/// A message from a client.
#[derive(Debug)]
pub(super) struct Incoming {
    /// The id as the client wrote it.
    pub(super) id: Option<Value>,
    pub(super) message: ClientJsonRpcMessage,
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
    parse_fields::<false>(body)
}

/// Parses the body of a POST that calls an unknown target, without building the arguments.
///
/// # Errors
/// Those of [`parse`].
pub(super) fn parse_without_arguments(body: &[u8]) -> Result<Incoming, Malformed> {
    parse_fields::<true>(body)
}

fn parse_fields<const SKIP: bool>(body: &[u8]) -> Result<Incoming, Malformed> {
    let fields: Fields<'_, StrictJson<SKIP>, Value> = read_fields(body)?;
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
            let params = params.map(|params| params.value);
            match fields.id {
                Some(id) => request_id(&id).and_then(|id| {
                    let request = typed_request(&method, params)?;
                    Some(ClientJsonRpcMessage::request(request, id))
                }),
                None => serde_json::from_value::<ClientNotification>(untyped(&method, params))
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

/// Returns the typed request. Parameters of a wrong type make a `CustomRequest`, which the MCP server rejects.
fn typed_request(method: &str, mut params: Option<Value>) -> Option<ClientRequest> {
    let arguments = params.as_mut().and_then(take_arguments);
    let call = params
        .as_ref()
        .filter(|_| method == CallToolRequestMethod::VALUE);
    let mut request = match call.and_then(tool_call) {
        Some(request) => request,
        None => {
            let message = untyped(method, params);
            match of_method(method, &message) {
                Some(request) => request,
                None => serde_json::from_value(message).ok()?,
            }
        }
    };
    put_arguments(&mut request, arguments);
    Some(request)
}

/// Returns a `tools/call` if the parameters are of its type. The untagged enum would try a dozen types before it.
fn tool_call(params: &Value) -> Option<ClientRequest> {
    let mut params = CallToolRequestParams::deserialize(params).ok()?;
    let meta = params.meta.take();
    let mut request = CallToolRequest::new(params);
    if let Some(meta) = meta {
        request.extensions.insert(meta);
    }
    Some(ClientRequest::CallToolRequest(request))
}

/// Returns a request of another frequent method if the message is of its type. The untagged enum would try other types before
/// it too.
fn of_method(method: &str, message: &Value) -> Option<ClientRequest> {
    fn typed<'a, T>(message: &'a Value) -> Option<ClientRequest>
    where
        T: Deserialize<'a> + Into<ClientRequest>,
    {
        T::deserialize(message).ok().map(Into::into)
    }
    match method {
        "tools/list" => typed::<ListToolsRequest>(message),
        "prompts/list" => typed::<ListPromptsRequest>(message),
        "prompts/get" => typed::<GetPromptRequest>(message),
        "resources/list" => typed::<ListResourcesRequest>(message),
        "resources/templates/list" => typed::<ListResourceTemplatesRequest>(message),
        "resources/read" => typed::<ReadResourceRequest>(message),
        "completion/complete" => typed::<CompleteRequest>(message),
        _ => None,
    }
}

/// Returns a message for the untagged enums. The method comes first: variants that do not match fail early.
fn untyped(method: &str, params: Option<Value>) -> Value {
    let mut message = Map::new();
    message.insert("method".into(), method.into());
    message.extend(params.map(|params| ("params".into(), params)));
    Value::Object(message)
}

/// Takes the arguments out of the parameters of a request, because the untagged enum would copy them several times.
fn take_arguments(params: &mut Value) -> Option<JsonObject> {
    let arguments = params.get_mut("arguments")?;
    match arguments.is_object() {
        true => match arguments.take() {
            Value::Object(arguments) => Some(arguments),
            _ => None,
        },
        false => None,
    }
}

fn put_arguments(request: &mut ClientRequest, arguments: Option<JsonObject>) {
    match request {
        ClientRequest::CallToolRequest(request) => request.params.arguments = arguments,
        ClientRequest::GetPromptRequest(request) => request.params.arguments = arguments,
        _ => {}
    }
}

/// Returns whether the parameters have a shape that the typed request would accept or misread silently.
fn has_malformed_params<const SKIP: bool>(method: &str, params: &StrictJson<SKIP>) -> bool {
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use serde_json::json;

    use super::super::responses::PARSE_ERROR;
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
    fn frequent_requests_are_those_of_the_untagged_enum() {
        let meta = json!({ "io.modelcontextprotocol/protocolVersion": "2026-07-28", "x": 1 });
        let argument = json!({ "name": "n", "value": "v" });
        let reference = json!({ "type": "ref/prompt", "name": "p" });
        for (method, params) in [
            ("tools/call", json!({ "name": "t" })),
            ("tools/list", json!({ "cursor": "c" })),
            ("prompts/list", json!({ "cursor": "c" })),
            ("prompts/get", json!({ "name": "p" })),
            ("resources/list", json!({ "cursor": "c" })),
            ("resources/templates/list", json!({ "cursor": "c" })),
            ("resources/read", json!({ "uri": "u:v" })),
            (
                "completion/complete",
                json!({ "ref": reference, "argument": argument }),
            ),
        ] {
            let mut with_meta = params.clone();
            with_meta["_meta"] = meta.clone();
            for params in [Some(params), Some(with_meta), Some(json!({})), None] {
                let message = untyped(method, params.clone());
                let typed = match method {
                    "tools/call" => params.as_ref().and_then(tool_call),
                    _ => of_method(method, &message),
                };
                let untagged: ClientRequest = serde_json::from_value(message).unwrap();
                let is_custom = matches!(untagged, ClientRequest::CustomRequest(_));
                assert_eq!(typed.is_none(), is_custom, "{method} {params:?}");
                if let Some(typed) = typed {
                    let described = |request: &ClientRequest| {
                        let meta = request.get_meta().clone();
                        (serde_json::to_value(request).unwrap(), meta)
                    };
                    assert_eq!(described(&typed), described(&untagged));
                }
            }
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
