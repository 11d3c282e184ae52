//! The entries of the audit and their form as JSON.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::Serialize;

use super::arguments::{ArgumentMembers, HashKey};
use crate::telemetry::GrantUse;
use crate::telemetry::ended_request::EndedRequest;
use crate::telemetry::outcome::Outcome;
use crate::text::truncate;

/// Length of a text of a client in a record, such as the method or the reason.
const MAX_TEXT_BYTES: usize = 512;
/// Length of most records.
const USUAL_BYTES: usize = 1 << 10;

/// An entry and its time.
pub(super) struct Entry {
    pub(super) kind: EntryKind,
    pub(super) time: SystemTime,
}

pub(super) enum EntryKind {
    /// The process has started.
    Started,
    /// The process ends.
    Stopped,
    Request(Arc<EndedRequest>),
    Component(ComponentChange),
    Configuration(ConfigurationRead),
    /// Records that were lost because the queue was full.
    Lost(u64),
    /// Refused requests without a caller that have no record of their own.
    LeftOut(u64),
}

/// A change of the served components.
#[derive(Debug, Clone, Serialize)]
pub struct ComponentChange {
    /// `loaded`, `replaced` or `removed`.
    pub change: &'static str,
    /// The name of the component.
    pub component: String,
    /// The digest of the component, the new one if it was replaced.
    pub digest: String,
}

/// A configuration that was read, and whether it is in force.
#[derive(Debug, Clone, Serialize)]
pub struct ConfigurationRead {
    /// `file`: the configuration file; `values`: a file that it names as a value; `certificate`: that of `[server.tls]`.
    pub source: &'static str,
    /// `success`, or `failure` if the one before stays in force.
    pub outcome: &'static str,
    /// The digest of the configuration file; `None` if it could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Number of faults, which the log has.
    pub faults: usize,
}

/// Returns whether the outcome is a decision against the request.
pub(super) fn is_denial(outcome: Outcome) -> bool {
    matches!(
        outcome,
        Outcome::Denied | Outcome::Limited | Outcome::Unauthenticated | Outcome::Refused
    )
}

impl Entry {
    /// Returns whether anybody can cause any number of such entries, without a token.
    pub(super) fn is_anonymous_refusal(&self) -> bool {
        match &self.kind {
            EntryKind::Request(request) => {
                let facts = &request.facts;
                facts.caller.is_none() && facts.target.is_none() && is_denial(request.outcome)
            }
            _ => false,
        }
    }

    /// Returns the record as JSON, without its number and the digest of the line before. `replica` is the name of this host,
    /// `key` that of the hashes of arguments.
    pub(super) fn to_json(&self, replica: &str, key: &HashKey) -> Vec<u8> {
        let time = humantime::format_rfc3339_millis(self.time).to_string();
        let record = Record {
            time: &time,
            replica,
            members: self.kind.members(key),
        };
        let mut json = Vec::with_capacity(USUAL_BYTES);
        // All of it is strings, numbers, lists and objects with string keys, which serialize.
        let _ = serde_json::to_writer(&mut json, &record);
        json
    }
}

impl EntryKind {
    fn members(&self, key: &HashKey) -> Members<'_> {
        match self {
            Self::Started => Members::Started {
                version: env!("CARGO_PKG_VERSION"),
                process: std::process::id(),
            },
            Self::Stopped => Members::Stopped,
            Self::Request(ended) => Members::Request(Box::new(request(ended, key))),
            Self::Component(change) => Members::Component(change),
            Self::Configuration(read) => Members::Configuration(read),
            Self::Lost(records) => Members::Lost { records: *records },
            Self::LeftOut(requests) => Members::Refused {
                requests: *requests,
            },
        }
    }
}

/// A record without its number and the digest of the line before.
#[derive(Serialize)]
struct Record<'e> {
    time: &'e str,
    replica: &'e str,
    #[serde(flatten)]
    members: Members<'e>,
}

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
enum Members<'e> {
    Started { version: &'static str, process: u32 },
    Stopped,
    Request(Box<Request<'e>>),
    Component(&'e ComponentChange),
    Configuration(&'e ConfigurationRead),
    Lost { records: u64 },
    Refused { requests: u64 },
}

#[derive(Serialize)]
struct Request<'e> {
    transport: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    method: &'e str,
    #[serde(skip_serializing_if = "str::is_empty")]
    revision: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<TargetMembers<'e>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    caller: Option<CallerMembers<'e>>,
    decision: &'static str,
    rule: &'static str,
    scopes: &'e [String],
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    call: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    arguments: Option<ArgumentMembers<'e>>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    grants: &'e [GrantUse],
    #[serde(skip_serializing_if = "is_zero")]
    grants_left_out: u32,
    duration_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peak_memory: Option<u64>,
    request_bytes: u64,
    response_bytes: u64,
}

#[derive(Serialize)]
struct TargetMembers<'e> {
    kind: &'static str,
    name: &'e str,
    component: &'e str,
    digest: &'e str,
}

#[derive(Serialize)]
struct CallerMembers<'e> {
    issuer: &'e str,
    subject: &'e str,
    client: Option<&'e str>,
}

fn request<'e>(ended: &'e EndedRequest, key: &HashKey) -> Request<'e> {
    let (facts, outcome) = (&ended.facts, ended.outcome);
    let is_call = facts.call_id.is_some();
    let scopes = facts.target.as_ref().map(|target| &*target.scopes);
    let scopes = scopes.unwrap_or_default();
    let arguments = facts.arguments.as_ref();
    Request {
        transport: facts.transport,
        method: truncate(&facts.method, MAX_TEXT_BYTES),
        revision: facts.revision,
        target: facts.target.as_ref().map(|target| TargetMembers {
            kind: target.kind,
            name: truncate(&target.name, MAX_TEXT_BYTES),
            component: &target.component,
            digest: &target.digest,
        }),
        caller: facts.caller.as_ref().map(|caller| CallerMembers {
            issuer: &caller.issuer,
            subject: &caller.subject,
            client: caller.client_id.as_deref(),
        }),
        decision: if is_denial(outcome) { "deny" } else { "allow" },
        rule: match outcome {
            Outcome::Unauthenticated => "token",
            Outcome::Limited => "limit",
            Outcome::Refused => "request",
            _ if scopes.is_empty() => "none",
            _ => "scopes",
        },
        scopes,
        outcome: outcome.as_str(),
        reason: facts
            .reason
            .as_deref()
            .map(|reason| truncate(reason, MAX_TEXT_BYTES)),
        status: (facts.status > 0).then_some(facts.status),
        call: facts.call_id.as_deref(),
        trace: facts.trace_id.as_deref(),
        arguments: arguments.map(|arguments| arguments.members(key)),
        grants: &facts.grants,
        grants_left_out: facts.grants_left_out,
        duration_ms: milliseconds(ended.duration),
        cpu_ms: is_call.then(|| milliseconds(facts.cpu)),
        peak_memory: is_call.then_some(facts.peak_memory),
        request_bytes: facts.request_bytes,
        response_bytes: facts.response_bytes,
    }
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature that serde calls"
)]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// Returns milliseconds with three decimals.
fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}
