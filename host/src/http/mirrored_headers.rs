//! `Mcp-Method`, `Mcp-Name` and `Mcp-Param-*`, which mirror parts of a message (SEP-2243).
//!
//! The rules and sentences are those of `rmcp`, whose functions are private. Errors are one sentence for the client.

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderName};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rmcp::model::{ClientRequest, JsonObject};
use serde_json::Value;

const METHOD: HeaderName = HeaderName::from_static("mcp-method");
const NAME: HeaderName = HeaderName::from_static("mcp-name");
const PARAM_PREFIX: &str = "Mcp-Param-";

/// `initialize` may omit `Mcp-Method`, since its client does not know the revision yet.
pub(super) fn check_initialize_method(headers: &HeaderMap) -> Result<(), String> {
    let mut methods = headers.get_all(METHOD).iter();
    match (methods.next(), methods.next()) {
        (None, _) => Ok(()),
        (Some(_), Some(_)) => Err(
            "multiple Mcp-Method header values supplied; initialize requires exactly one".into(),
        ),
        (Some(method), None) if method == "initialize" => Ok(()),
        (Some(method), None) => Err(format!(
            "Mcp-Method header `{}` does not match body method `initialize`",
            String::from_utf8_lossy(method.as_bytes())
        )),
    }
}

/// Compares `Mcp-Method` with the method of the message.
pub(super) fn check_method(headers: &HeaderMap, method: &str) -> Result<(), String> {
    match only_value(headers, &METHOD, "Mcp-Method")? {
        None => Err("missing required Mcp-Method header".into()),
        Some(value) if value != method => Err(format!(
            "Mcp-Method header `{value}` does not match body method `{method}`"
        )),
        Some(_) => Ok(()),
    }
}

/// Compares `Mcp-Name` with the parameter that it mirrors.
pub(super) fn check_name(headers: &HeaderMap, request: &ClientRequest) -> Result<(), String> {
    let Some(expected) = mirrored_name(request) else {
        return Ok(());
    };
    let Some(value) = only_value(headers, &NAME, "Mcp-Name")? else {
        let method = request.method();
        return Err(format!("missing required Mcp-Name header for `{method}`"));
    };
    let name = decode(value).ok_or("Mcp-Name header is not valid Base64")?;
    if name != expected {
        return Err(format!(
            "Mcp-Name header `{name}` does not match body value `{expected}`"
        ));
    }
    Ok(())
}

/// Compares the arguments of a tool that its schema annotates with `x-mcp-header`.
pub(super) fn check_params(
    headers: &HeaderMap,
    request: &ClientRequest,
    input_schema: impl Fn(&str) -> Option<Arc<JsonObject>>,
) -> Result<(), String> {
    // The server rejects a call with malformed parameters, so only a typed one is compared.
    let ClientRequest::CallToolRequest(call) = request else {
        return Ok(());
    };
    let Some(schema) = input_schema(&call.params.name) else {
        return Ok(());
    };
    let arguments = call.params.arguments.as_ref();
    for_each_mirrored_param(&schema, &mut Vec::new(), &mut |path, annotation| {
        let property = path.join(".");
        let header = format!("{PARAM_PREFIX}{annotation}");
        let in_header = match HeaderName::from_bytes(header.as_bytes()) {
            Ok(name) => only_value(headers, &name, &header)?,
            // A name that no request can carry.
            Err(_) => None,
        };
        let in_body = arguments
            .and_then(|arguments| value_at(arguments, path))
            .and_then(primitive_text);
        match (in_header, in_body) {
            (None, None) => Ok(()),
            (Some(_), None) => Err(format!(
                "unexpected {header} header for absent or null `{property}`"
            )),
            (None, Some(_)) => Err(format!("missing {header} header for `{property}`")),
            (Some(value), Some(expected)) => {
                let value =
                    decode(value).ok_or_else(|| format!("{header} header is not valid Base64"))?;
                if value == expected {
                    return Ok(());
                }
                Err(format!(
                    "{header} header `{value}` does not match body value `{expected}`"
                ))
            }
        }
    })
}

/// Calls `check` with the path and the header name of every annotated property, nested ones included.
fn for_each_mirrored_param<'s>(
    schema: &'s JsonObject,
    path: &mut Vec<&'s str>,
    check: &mut impl FnMut(&[&'s str], &str) -> Result<(), String>,
) -> Result<(), String> {
    let Some(Value::Object(properties)) = schema.get("properties") else {
        return Ok(());
    };
    for (name, property) in properties {
        let Value::Object(property) = property else {
            continue;
        };
        path.push(name);
        if let Some(Value::String(header)) = property.get("x-mcp-header")
            && !header.is_empty()
        {
            check(path, header)?;
        }
        for_each_mirrored_param(property, path, check)?;
        path.pop();
    }
    Ok(())
}

fn value_at<'a>(arguments: &'a JsonObject, path: &[&str]) -> Option<&'a Value> {
    let (first, rest) = path.split_first()?;
    let value = arguments.get(*first)?;
    rest.iter().try_fold(value, |value, key| value.get(key))
}

fn primitive_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Returns the parameter that `Mcp-Name` mirrors.
fn mirrored_name(request: &ClientRequest) -> Option<&str> {
    Some(match request {
        ClientRequest::CallToolRequest(request) => &request.params.name,
        ClientRequest::GetPromptRequest(request) => &request.params.name,
        ClientRequest::ReadResourceRequest(request) => &request.params.uri,
        ClientRequest::SubscribeRequest(request) => &request.params.uri,
        ClientRequest::UnsubscribeRequest(request) => &request.params.uri,
        ClientRequest::GetTaskRequest(request) => &request.params.task_id,
        ClientRequest::UpdateTaskRequest(request) => &request.params.task_id,
        ClientRequest::CancelTaskRequest(request) => &request.params.task_id,
        // A request whose parameters are malformed.
        ClientRequest::CustomRequest(request) => {
            let key = match request.method.as_str() {
                "tools/call" | "prompts/get" => "name",
                "resources/read" | "resources/subscribe" | "resources/unsubscribe" => "uri",
                "tasks/get" | "tasks/update" | "tasks/cancel" => "taskId",
                _ => return None,
            };
            request.params.as_ref()?.get(key)?.as_str()?
        }
        _ => return None,
    })
}

/// Returns the value of a header that may occur once; an intermediary could act on another one of several values.
fn only_value<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
    shown_name: &str,
) -> Result<Option<&'h str>, String> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(_), Some(_)) => Err(format!("duplicate {shown_name} header")),
        (Some(value), None) => value
            .to_str()
            .map(Some)
            .map_err(|_| format!("{shown_name} header contains invalid characters")),
    }
}

/// Decodes `=?base64?…?=`, the form of values that cannot be sent as a header.
fn decode(value: &str) -> Option<String> {
    let encoded = value
        .strip_prefix("=?base64?")
        .and_then(|rest| rest.strip_suffix("?="));
    match encoded {
        Some(encoded) => String::from_utf8(BASE64.decode(encoded).ok()?).ok(),
        None => Some(value.to_owned()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use serde_json::json;

    use super::*;

    /// Runs the three checks on a `tools/call` of the tool `deploy`.
    fn check(headers: &[(&str, &str)], arguments: Value) -> Result<(), String> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name: HeaderName = name.parse().unwrap();
            map.append(name, value.parse().unwrap());
        }
        let request: ClientRequest = serde_json::from_value(json!({
            "method": "tools/call", "params": { "name": "deploy", "arguments": arguments },
        }))
        .unwrap();
        let schema = json!({ "type": "object", "properties": {
            "region": { "type": "string", "x-mcp-header": "Region" },
            "location": { "type": "object", "properties": {
                "zone": { "type": "integer", "x-mcp-header": "Zone" },
            } },
            "free": { "type": "string" },
        } });
        let schema = Arc::new(schema.as_object().unwrap().clone());
        check_method(&map, request.method())?;
        check_name(&map, &request)?;
        check_params(&map, &request, |_| Some(schema.clone()))
    }

    const METHOD_AND_NAME: [(&str, &str); 2] =
        [("Mcp-Method", "tools/call"), ("Mcp-Name", "deploy")];

    #[test]
    fn method_and_name() {
        let call = ("mcp-method", "tools/call");
        for (headers, error) in [
            (&METHOD_AND_NAME[..], None),
            (&[call, ("mcp-name", "=?base64?ZGVwbG95?=")], None),
            (
                &[("mcp-name", "deploy")],
                Some("missing required Mcp-Method header"),
            ),
            (
                &[call],
                Some("missing required Mcp-Name header for `tools/call`"),
            ),
            (
                &[("mcp-method", "tools/list"), ("mcp-name", "deploy")],
                Some("Mcp-Method header `tools/list` does not match body method `tools/call`"),
            ),
            (
                &[call, ("mcp-name", "other")],
                Some("Mcp-Name header `other` does not match body value `deploy`"),
            ),
            (
                &[call, ("mcp-name", "=?base64?!!?=")],
                Some("Mcp-Name header is not valid Base64"),
            ),
            (
                &[call, call, ("mcp-name", "deploy")],
                Some("duplicate Mcp-Method header"),
            ),
            (
                &[call, ("mcp-name", "deploy"), ("mcp-name", "deploy")],
                Some("duplicate Mcp-Name header"),
            ),
        ] {
            let found = check(headers, json!({}));
            assert_eq!(found.err().as_deref(), error, "{headers:?}");
        }
    }

    #[test]
    fn params() {
        let eu = || json!({ "region": "eu" });
        let zone = || json!({ "location": { "zone": 3 } });
        let region = ("Mcp-Param-Region", "eu");
        for (arguments, headers, error) in [
            (json!({ "free": "x" }), vec![], None),
            (eu(), vec![region], None),
            (zone(), vec![("mcp-param-zone", "3")], None),
            (
                json!({ "region": "\u{e9}" }),
                vec![("mcp-param-region", "=?base64?w6k=?=")],
                None,
            ),
            (
                eu(),
                vec![],
                Some("missing Mcp-Param-Region header for `region`"),
            ),
            (
                zone(),
                vec![],
                Some("missing Mcp-Param-Zone header for `location.zone`"),
            ),
            (
                json!({ "region": null }),
                vec![region],
                Some("unexpected Mcp-Param-Region header for absent or null `region`"),
            ),
            (
                eu(),
                vec![("mcp-param-region", "us")],
                Some("Mcp-Param-Region header `us` does not match body value `eu`"),
            ),
            (
                eu(),
                vec![region, region],
                Some("duplicate Mcp-Param-Region header"),
            ),
            (
                json!({}),
                vec![region, region],
                Some("duplicate Mcp-Param-Region header"),
            ),
        ] {
            let headers = [&METHOD_AND_NAME[..], &headers].concat();
            let found = check(&headers, arguments);
            assert_eq!(found.err().as_deref(), error, "{headers:?}");
        }
    }
}
