//! The facts about a request, which its record collects.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use super::audit::Arguments;
use super::grant_uses::GrantUse;
use super::outcome::Outcome;
use crate::auth::Caller;

/// The tool, prompt or resource of a request.
#[derive(Debug, Clone)]
pub struct TargetFacts {
    /// `tool`, `prompt` or `resource`.
    pub kind: &'static str,
    /// The name, URI or URI template in the catalog.
    pub name: Arc<str>,
    /// The name of the component.
    pub component: Arc<str>,
    /// The SHA-256 digest of the component.
    pub digest: Arc<str>,
    /// The scopes that a call requires.
    pub scopes: Box<[String]>,
}

/// The facts about a request.
#[derive(Debug, Default)]
pub struct Facts {
    /// `http` or `stdio`.
    pub transport: &'static str,
    /// The method of JSON-RPC. Empty if the message was not read.
    pub method: Cow<'static, str>,
    /// The protocol revision. Empty if it is unknown.
    pub revision: &'static str,
    /// The target of a call.
    pub target: Option<Arc<TargetFacts>>,
    /// The verified caller.
    pub caller: Option<Arc<Caller>>,
    /// The outcome; `None` while it is unknown.
    pub outcome: Option<Outcome>,
    /// One sentence about a request that was not answered as it asks. Never arguments or a token.
    pub reason: Option<Cow<'static, str>>,
    /// The status of the HTTP response; 0 without one.
    pub status: u16,
    /// The id of the call in the log.
    pub call_id: Option<Box<str>>,
    /// The trace id: that of the request's span, else that of `_meta.traceparent`.
    pub trace_id: Option<Box<str>>,
    /// The arguments, for the audit only.
    pub(super) arguments: Option<Arguments>,
    /// Processor time of the guest. Set from the usage at the end.
    pub cpu: Duration,
    /// Largest linear memory of the guest, in bytes. Set from the usage at the end.
    pub peak_memory: u64,
    /// The grants that the guest used or was refused. Set from the usage at the end.
    pub(super) grants: Vec<GrantUse>,
    /// Uses of grants that are not among them.
    pub(super) grants_left_out: u32,
    /// Bytes of the request body.
    pub request_bytes: u64,
    /// Bytes of the response body.
    pub response_bytes: u64,
    /// Whether the response is a stream without an end of its own, whose duration means nothing.
    pub is_stream: bool,
}
