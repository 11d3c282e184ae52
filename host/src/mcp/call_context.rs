//! Everything that a call needs to know about its request.

use std::sync::Arc;

use rmcp::RoleServer;
use rmcp::model::{ClientCapabilities, LoggingLevel};
use rmcp::service::RequestContext;
use tokio_util::sync::CancellationToken;

use super::admission::{AdmissionError, authorize_and_admit, parse_trace_id, trace_headers};
use super::ask_client::AskClient;
use super::connection::Connection;
use super::notifications::{Notifier, Relay};
use super::quota::Share;
use super::request_scope::RequestScope;
use super::revision::Revision;
use crate::auth::Caller;
use crate::catalog::{CallTicket, LiveCatalog, TargetName};
use crate::telemetry::{Observer, Record, RequestTrace, TraceHeaders};

/// The context of a call, read once from the request.
pub(super) struct CallContext {
    /// The authenticated caller; `None` without authentication.
    pub(super) caller: Option<Arc<Caller>>,
    /// The protocol revision of the request.
    pub(super) revision: Revision,
    /// The capabilities that the client declared; `None` if no question can reach it.
    pub(super) client: Option<ClientCapabilities>,
    /// Sends notifications about the call.
    pub(super) relay: Relay,
    /// Asks the guest's questions.
    pub(super) ask: AskClient,
    /// Cancelled when the client cancels the request or disconnects.
    pub(super) cancelled: CancellationToken,
    /// The record of the request.
    pub(super) record: Arc<Record>,
    /// The memory that the message takes, counted until the call ends; `None` if it is small.
    pub(super) memory: Option<Share>,
    admission: Admission,
}

enum Admission {
    /// HTTP has admitted the call. `None` if it did not find the target: a newer catalog must not find it either, since
    /// nothing was authorized.
    Done(Option<CallTicket>),
    /// The call came over standard input.
    Pending,
}

impl CallContext {
    /// Reads the context of a request for a method. `connection` is the client's lasting connection, if it has one.
    pub(super) fn new(
        method: &'static str,
        context: RequestContext<RoleServer>,
        connection: Option<&Arc<Connection>>,
        observer: &Observer,
    ) -> Self {
        let revision = Revision::of(&context);
        let is_modern = revision.is_modern();
        let scope = RequestScope::of(&context.extensions);
        let can_ask = is_modern || connection.is_some();
        let client = context.client_capabilities().filter(|_| can_ask);
        let caller = scope.and_then(RequestScope::caller).cloned();
        let memory = scope.and_then(RequestScope::take_memory);
        // A request over standard input has no record yet.
        let record = scope.and_then(RequestScope::take_record);
        let record = record.unwrap_or_else(|| Record::start(observer, "stdio"));
        record.trace(|| RequestTrace {
            method,
            id: Some(context.id.to_string()),
            message: trace_headers(&context.meta),
            http: TraceHeaders::default(),
        });
        let trace_id = context.meta.get_traceparent().and_then(parse_trace_id);
        record.set(|facts| {
            facts.method = method.into();
            facts.revision = revision.name();
            if facts.trace_id.is_none() {
                facts.trace_id = trace_id.map(Into::into);
            }
        });
        let admission = match scope {
            Some(scope) => Admission::Done(scope.take_ticket()),
            None => Admission::Pending,
        };
        let ask = if is_modern {
            AskClient::ByRetry
        } else {
            AskClient::Waiting {
                peer: context.peer.clone(),
                permits: connection.map(|connection| connection.waiting.clone()),
                cancelled: context.ct.clone(),
            }
        };
        // 2026-07-28 has the log level in each request. Before, it is set for a connection; without one, the server
        // chooses (MCP 2025-11-25, logging).
        let level = match connection {
            _ if is_modern => context.meta.log_level(),
            Some(connection) => Some(connection.level()),
            None => Some(LoggingLevel::Info),
        };
        let notifications = scope.and_then(RequestScope::notifications).cloned();
        let notifier = match notifications {
            Some(response) => Notifier::Response(response),
            None => Notifier::Connection(context.peer),
        };
        Self {
            caller,
            revision,
            client,
            relay: Relay {
                notifier,
                progress: context.meta.get_progress_token(),
                level,
                revision,
            },
            cancelled: context.ct,
            record,
            memory,
            ask,
            admission,
        }
    }

    /// Returns the ticket of the call: the one from HTTP, else a new one.
    ///
    /// # Errors
    /// The reason the call does not start.
    pub(super) async fn take_ticket(
        &mut self,
        live: &LiveCatalog,
        target: &TargetName,
        observer: &Observer,
    ) -> Result<CallTicket, AdmissionError> {
        match &mut self.admission {
            Admission::Done(ticket) => ticket.take().ok_or(AdmissionError::UnknownTarget),
            Admission::Pending if !observer.accepts_calls() => Err(AdmissionError::NotRecorded),
            Admission::Pending => {
                authorize_and_admit(&live.current(), target, self.caller.as_deref()).await
            }
        }
    }
}
