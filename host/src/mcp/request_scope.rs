//! The value that a transport attaches to a message for the MCP server.

use std::sync::{Arc, Mutex, PoisonError};

use rmcp::model::Extensions;

use super::notifications::NotificationSender;
use super::quota::Share;
use crate::auth::Caller;
use crate::catalog::CallTicket;
use crate::telemetry::Record;

/// The facts that HTTP has established about a message. Messages over standard input have none.
#[derive(Clone)]
pub struct RequestScope {
    caller: Option<Arc<Caller>>,
    /// Taken once: `rmcp` clones the extensions of a request and may keep them after its call has ended, but the permit
    /// must be released with the call.
    ticket: Arc<Mutex<Option<CallTicket>>>,
    /// The way to the client, for a request without a lasting connection.
    notifications: Option<NotificationSender>,
    /// Taken once, like the ticket.
    memory: Arc<Mutex<Option<Share>>>,
    /// Taken once, since the request ends with its record. `None` if no guest runs.
    record: Arc<Mutex<Option<Arc<Record>>>>,
}

impl RequestScope {
    /// A scope with the authenticated caller, for a request that runs a guest the ticket of its admission and its record,
    /// and the share of the memory that the message takes.
    pub(crate) fn new(
        caller: Option<Arc<Caller>>,
        ticket: Option<CallTicket>,
        memory: Option<Share>,
        record: Option<Arc<Record>>,
    ) -> Self {
        Self {
            caller,
            record: Arc::new(Mutex::new(record)),
            ticket: Arc::new(Mutex::new(ticket)),
            memory: Arc::new(Mutex::new(memory)),
            notifications: None,
        }
    }

    /// Returns the same scope with a way to send notifications before the result of the request.
    pub fn with_notifications(self, notifications: NotificationSender) -> Self {
        let notifications = Some(notifications);
        Self {
            notifications,
            ..self
        }
    }

    /// Returns the scope of a message. The only place that reads `rmcp`'s extensions.
    pub(super) fn of(extensions: &Extensions) -> Option<&Self> {
        extensions.get()
    }

    pub(super) fn notifications(&self) -> Option<&NotificationSender> {
        self.notifications.as_ref()
    }

    pub(super) fn caller(&self) -> Option<&Arc<Caller>> {
        self.caller.as_ref()
    }

    /// Returns the ticket on the first call, `None` afterwards or if the target is unknown.
    pub(super) fn take_ticket(&self) -> Option<CallTicket> {
        let mut ticket = self.ticket.lock().unwrap_or_else(PoisonError::into_inner);
        ticket.take()
    }

    /// Returns the record of the request, on the first call.
    pub(super) fn take_record(&self) -> Option<Arc<Record>> {
        let mut record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
        record.take()
    }

    /// Returns the share of the memory that the message takes, on the first call.
    pub(super) fn take_memory(&self) -> Option<Share> {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        memory.take()
    }
}
