//! Compares the headers of a POST with its message (MCP 2026-07-28, Streamable HTTP; SEP-2243).
//!
//! Proxies route on `MCP-Protocol-Version`, `Mcp-Method`, `Mcp-Name` and `Mcp-Param-*` without reading the body, so a
//! header that contradicts the body is rejected. The rules and sentences are those of `rmcp`, whose functions are
//! private.

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderName};
use rmcp::ErrorData;
use rmcp::model::{
    ClientJsonRpcMessage, ClientNotification, ClientRequest, GetMeta, JsonObject, ProtocolVersion,
};

use super::mirrored_headers::{check_initialize_method, check_method, check_name, check_params};

pub(super) const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");

/// Returns the version in the `MCP-Protocol-Version` header.
pub(super) fn protocol_version(headers: &HeaderMap) -> Option<&str> {
    headers
        .get(PROTOCOL_VERSION)
        .and_then(|value| value.to_str().ok())
}

/// Compares all headers with the message. `input_schema` returns the schema of a tool, which says which arguments are
/// mirrored in headers.
///
/// # Errors
/// The JSON-RPC error of the first contradiction.
pub(super) fn check(
    headers: &HeaderMap,
    message: &ClientJsonRpcMessage,
    input_schema: impl Fn(&str) -> Option<Arc<JsonObject>>,
) -> Result<(), ErrorData> {
    let requires_standard_headers = protocol_version(headers)
        .is_some_and(|version| version >= ProtocolVersion::STANDARD_HEADERS.as_str());
    let mismatch = |message: String| ErrorData::header_mismatch(message, None);
    match message {
        ClientJsonRpcMessage::Request(request) => match &request.request {
            ClientRequest::InitializeRequest(initialize) => {
                check_initialize_version(headers, initialize.params.protocol_version.as_str())?;
                if requires_standard_headers {
                    check_initialize_method(headers).map_err(mismatch)?;
                }
                Ok(())
            }
            request => {
                if requires_standard_headers {
                    check_method(headers, request.method()).map_err(mismatch)?;
                    check_name(headers, request).map_err(mismatch)?;
                    check_params(headers, request, input_schema).map_err(mismatch)?;
                }
                check_declared_version(headers, request)
            }
        },
        ClientJsonRpcMessage::Notification(notification) if requires_standard_headers => {
            check_method(headers, notification_method(&notification.notification)).map_err(mismatch)
        }
        _ => Ok(()),
    }
}

/// The version of `initialize` is in its parameters; the header is optional.
fn check_initialize_version(headers: &HeaderMap, in_body: &str) -> Result<(), ErrorData> {
    let Some(value) = headers.get(PROTOCOL_VERSION) else {
        return Ok(());
    };
    let message = match value.to_str() {
        Ok(in_header) if in_header == in_body => return Ok(()),
        Ok(in_header) => format!(
            "Invalid Request: MCP-Protocol-Version header ({in_header}) does not match initialize \
             params.protocolVersion ({in_body})"
        ),
        Err(_) => "Invalid Request: MCP-Protocol-Version header is not valid UTF-8".into(),
    };
    Err(ErrorData::invalid_request(message, None))
}

/// The version that a request declares in `_meta` must be in the header too, and the reverse since 2026-07-28.
fn check_declared_version(headers: &HeaderMap, request: &ClientRequest) -> Result<(), ErrorData> {
    let in_header = protocol_version(headers);
    let meta = request.get_meta();
    let message = match (meta.protocol_version(), in_header) {
        (None, in_header) => {
            let is_required = matches!(request, ClientRequest::DiscoverRequest(_))
                || in_header
                    .is_some_and(|version| version >= ProtocolVersion::V_2026_07_28.as_str());
            if !is_required {
                return Ok(());
            }
            let missing = meta.missing_required_keys(&ProtocolVersion::V_2026_07_28);
            let message = format!(
                "Invalid params: request _meta is missing or has malformed required fields: {}",
                missing.join(", ")
            );
            return Err(ErrorData::invalid_params(message, None));
        }
        (Some(_), None) if headers.contains_key(PROTOCOL_VERSION) => {
            let message = "Bad Request: Invalid MCP-Protocol-Version header encoding";
            return Err(ErrorData::invalid_request(message, None));
        }
        (Some(_), None) => {
            "request _meta protocolVersion requires MCP-Protocol-Version header".into()
        }
        (Some(declared), Some(in_header)) if declared.as_str() == in_header => return Ok(()),
        (Some(declared), Some(in_header)) => format!(
            "MCP-Protocol-Version header ({in_header}) does not match request _meta \
             protocolVersion ({declared})"
        ),
    };
    Err(ErrorData::header_mismatch(message, None))
}

/// Returns the method of a notification.
pub(super) fn notification_method(notification: &ClientNotification) -> &str {
    match notification {
        ClientNotification::CancelledNotification(_) => "notifications/cancelled",
        ClientNotification::ProgressNotification(_) => "notifications/progress",
        ClientNotification::InitializedNotification(_) => "notifications/initialized",
        ClientNotification::RootsListChangedNotification(_) => "notifications/roots/list_changed",
        ClientNotification::CustomNotification(custom) => &custom.method,
        _ => "",
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const LEGACY: &str = "2025-11-25";
    const MODERN: &str = "2026-07-28";
    const HEADER_MISMATCH: i32 = -32020;
    const INVALID_PARAMS: i32 = -32602;
    const INVALID_REQUEST: i32 = -32600;

    fn code(headers: &[(&str, &str)], method: &str, params: Value) -> Option<i32> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name: HeaderName = name.parse().unwrap();
            map.append(name, value.parse().unwrap());
        }
        let message = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let message = serde_json::from_value(message).unwrap();
        let result = check(&map, &message, |_| None);
        result.err().map(|error| error.code.0)
    }

    #[test]
    fn initialize() {
        let params = |version: &str| {
            json!({
                "protocolVersion": version, "capabilities": {},
                "clientInfo": { "name": "test", "version": "1" },
            })
        };
        let version = |version| ("mcp-protocol-version", version);
        let method = |method| ("mcp-method", method);
        for (headers, in_body, error) in [
            (vec![], LEGACY, None),
            (vec![version(LEGACY)], LEGACY, None),
            (vec![version(MODERN)], LEGACY, Some(INVALID_REQUEST)),
            (vec![version(MODERN)], MODERN, None),
            (vec![version(MODERN), method("initialize")], MODERN, None),
            (
                vec![version(MODERN), method("tools/call")],
                MODERN,
                Some(HEADER_MISMATCH),
            ),
            (
                vec![version(MODERN), method("initialize"), method("initialize")],
                MODERN,
                Some(HEADER_MISMATCH),
            ),
            // Older revisions have no such header.
            (vec![version(LEGACY), method("tools/call")], LEGACY, None),
        ] {
            assert_eq!(
                code(&headers, "initialize", params(in_body)),
                error,
                "{headers:?}"
            );
        }
    }

    #[test]
    fn declared_version() {
        let declaring = |version: &str| json!({ "_meta": { "io.modelcontextprotocol/protocolVersion": version } });
        let modern = [
            ("mcp-protocol-version", MODERN),
            ("mcp-method", "tools/list"),
        ];
        let legacy = [("mcp-protocol-version", LEGACY)];
        for (headers, params, error) in [
            (&[][..], json!({}), None),
            (&legacy, json!({}), None),
            (&modern, declaring(MODERN), None),
            (&modern[..1], declaring(MODERN), Some(HEADER_MISMATCH)),
            (&[], declaring(MODERN), Some(HEADER_MISMATCH)),
            (&legacy, declaring(MODERN), Some(HEADER_MISMATCH)),
            (&modern, declaring(LEGACY), Some(HEADER_MISMATCH)),
            (&modern, json!({}), Some(INVALID_PARAMS)),
        ] {
            assert_eq!(code(headers, "tools/list", params), error, "{headers:?}");
        }
        assert_eq!(
            code(&[], "server/discover", json!({})),
            Some(INVALID_PARAMS)
        );
    }
}
