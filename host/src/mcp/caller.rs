//! Who makes a request, and in which revision.

use std::sync::Arc;

use rmcp::RoleServer;
use rmcp::model::ProtocolVersion;
use rmcp::service::RequestContext;
use serde_json::json;

use crate::auth::Caller;

/// Whom the guard let in; `None` without a guard.
pub(super) fn principal(context: &RequestContext<RoleServer>) -> Option<&Caller> {
    shared_principal(context).map(Arc::as_ref)
}

/// The same, to keep.
pub(super) fn shared_principal(context: &RequestContext<RoleServer>) -> Option<&Arc<Caller>> {
    let parts = context.extensions.get::<http::request::Parts>()?;
    parts.extensions.get()
}

/// Whom a rate is counted for.
pub(crate) fn rate_key(principal: Option<&Caller>) -> String {
    match principal {
        Some(principal) => format!("{}\n{}", principal.issuer, principal.subject),
        None => "anonymous".into(),
    }
}

/// Whose a task is: issuer, subject and client, as with sessions.
pub(super) fn owner(principal: Option<&Caller>) -> String {
    principal.map_or_else(String::new, |p| {
        json!([p.issuer, p.subject, p.client_id]).to_string()
    })
}

/// ISO dates compare as text.
pub(super) fn is_modern(context: &RequestContext<RoleServer>) -> bool {
    context
        .protocol_version()
        .is_some_and(|version| version.as_str() >= ProtocolVersion::V_2026_07_28.as_str())
}
