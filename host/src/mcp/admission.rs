//! Authorization and admission of a call, the same for HTTP and standard input.

use rmcp::model::ClientRequest;

use super::caller::user_key;
use super::convert;
use crate::auth::Caller;
use crate::catalog::{CallTicket, Catalog, Rejection, TargetName};

/// The reason a call does not start. `Display` is one sentence for the client.
#[derive(Debug, thiserror::Error)]
pub enum AdmissionError {
    /// The catalog has no such tool, prompt, resource or template.
    #[error("unknown target")]
    UnknownTarget,
    /// The caller's token lacks one of these scopes.
    #[error("the call needs the scopes {}", .0.join(" "))]
    MissingScopes(Vec<String>),
    /// A rate or concurrency limit is reached.
    #[error("{0}")]
    LimitReached(Rejection),
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
    if let Some(caller) = caller.filter(|caller| !caller.has_scopes(found.scopes())) {
        tracing::info!(
            call.name = %found.name(),
            caller.issuer = %caller.issuer,
            caller.subject = %caller.subject,
            "call denied"
        );
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
