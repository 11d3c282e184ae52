//! Authorization and admission of a call, the same for HTTP and standard input.

use rmcp::model::{ClientRequest, GetMeta, RequestMetaObject};

use super::caller::user_key;
use super::convert;
use crate::auth::Caller;
use crate::catalog::{CallPermit, CallTicket, Catalog, MountEntry, Rejection, TargetName};
use crate::telemetry::TraceHeaders;

/// The reason a call does not start. `Display` is one sentence for the client.
#[derive(Debug, thiserror::Error)]
pub enum AdmissionError {
    /// The catalog has no such tool, prompt, resource or template.
    #[error("unknown target")]
    UnknownTarget,
    /// The caller's token lacks one of these scopes.
    #[error("the call needs the scopes {}", .0.join(" "))]
    MissingScopes(Vec<String>),
    /// The audit is required and cannot be written.
    #[error("calls are not accepted while they cannot be recorded; try again later")]
    NotRecorded,
    /// A rate or concurrency limit is reached.
    #[error("{0}")]
    LimitReached(Rejection),
}

/// Returns whether a request runs a guest, if its target exists.
pub fn is_call(request: &ClientRequest) -> bool {
    matches!(
        request,
        ClientRequest::CallToolRequest(_)
            | ClientRequest::GetPromptRequest(_)
            | ClientRequest::ReadResourceRequest(_)
            | ClientRequest::CompleteRequest(_)
    )
}

/// Returns the trace id of a request's `_meta.traceparent` (W3C Trace Context, section 3.2.2).
pub fn trace_id(request: &ClientRequest) -> Option<&str> {
    parse_trace_id(request.get_meta().get_traceparent()?)
}

/// Returns the trace headers of a request's `_meta` (MCP 2026-07-28, basic, `_meta`).
pub fn request_trace_headers(request: &ClientRequest) -> TraceHeaders<'_> {
    trace_headers(request.get_meta())
}

/// Returns the trace headers of a `_meta`.
pub(super) fn trace_headers(meta: &RequestMetaObject) -> TraceHeaders<'_> {
    TraceHeaders {
        parent: meta.get_traceparent(),
        state: meta.get_tracestate(),
    }
}

/// Returns the trace id in a `traceparent`.
pub(super) fn parse_trace_id(traceparent: &str) -> Option<&str> {
    const DIGITS: usize = 32;
    let (_version, rest) = traceparent.split_once('-')?;
    let id = rest.get(..DIGITS)?;
    let is_hexadecimal = id
        .bytes()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    (is_hexadecimal && rest.as_bytes().get(DIGITS) == Some(&b'-')).then_some(id)
}

/// Returns what a request would run; `None` if it runs no guest.
pub fn target_name(request: &ClientRequest) -> Option<TargetName> {
    match request {
        ClientRequest::CallToolRequest(request) => {
            Some(TargetName::Tool(request.params.name.to_string()))
        }
        ClientRequest::GetPromptRequest(request) => {
            Some(TargetName::Prompt(request.params.name.clone()))
        }
        ClientRequest::ReadResourceRequest(request) => {
            Some(TargetName::Resource(request.params.uri.clone()))
        }
        ClientRequest::CompleteRequest(request) => {
            convert::completion_target(&request.params.r#ref).map(|(target, _)| target)
        }
        _ => None,
    }
}

/// Looks up the target, checks the caller's scopes, and takes a permit for one call.
///
/// The target is looked up once and travels in the ticket, so what was authorized is what runs, even if the catalog is
/// replaced meanwhile.
///
/// # Errors
/// The first check that fails, in this order.
pub async fn authorize_and_admit(
    catalog: &Catalog,
    target: &TargetName,
    caller: Option<&Caller>,
) -> Result<CallTicket, AdmissionError> {
    let Some(found) = catalog.find(target) else {
        return Err(AdmissionError::UnknownTarget);
    };
    if caller.is_some_and(|caller| !caller.has_scopes(found.scopes())) {
        return Err(AdmissionError::MissingScopes(found.scopes().to_vec()));
    }
    match catalog.admit(&found, user_key(caller)).await {
        Ok(permit) => Ok(CallTicket {
            target: found,
            permit,
        }),
        Err(limit) => Err(AdmissionError::LimitReached(limit)),
    }
}

/// Checks the caller's scopes for a mounted component, and takes a permit for one request to it.
///
/// # Errors
/// The first check that fails, in this order.
pub(super) async fn authorize_and_admit_to(
    catalog: &Catalog,
    mount: &MountEntry,
    caller: Option<&Caller>,
) -> Result<CallPermit, AdmissionError> {
    if caller.is_some_and(|caller| !caller.has_scopes(&mount.scopes)) {
        return Err(AdmissionError::MissingScopes(mount.scopes.clone()));
    }
    let admitted = catalog.admit_to(mount, user_key(caller)).await;
    admitted.map_err(AdmissionError::LimitReached)
}
