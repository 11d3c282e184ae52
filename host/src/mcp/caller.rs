//! The caller and the protocol revision of a request.

use std::sync::Arc;

use rmcp::RoleServer;
use rmcp::service::RequestContext;

use super::request_scope::RequestScope;
use super::revision::Revision;
use crate::auth::Caller;

/// Returns the authenticated caller; `None` without authentication.
pub(super) fn caller(context: &RequestContext<RoleServer>) -> Option<&Arc<Caller>> {
    RequestScope::of(&context.extensions)?.caller()
}

/// Returns the key of a user, for rates and concurrency. Without authentication all callers share one.
pub(crate) fn user_key(caller: Option<&Caller>) -> &str {
    caller.map_or("anonymous", Caller::user_key)
}

/// Returns the key of a user at one client, for tasks, sessions and quotas. Without authentication all callers share one.
pub fn user_client_key(caller: Option<&Caller>) -> &str {
    caller.map_or("", Caller::user_client_key)
}

/// Returns whether a request uses 2026-07-28 or a later revision.
pub(super) fn is_modern(context: &RequestContext<RoleServer>) -> bool {
    Revision::of(context).is_modern()
}
