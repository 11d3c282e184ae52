//! An admitted call on its way from admission to execution.

use std::sync::{Arc, Mutex, PoisonError};

use super::call_limits::CallPermit;
use super::target::Target;

/// The target of a request and the permit to call it.
///
/// The target is looked up once, so the call runs what was authorised even if the catalog is replaced meanwhile.
pub struct CallTicket {
    /// The target of the call.
    pub target: Target,
    /// The permit for the call.
    pub permit: CallPermit,
}

/// A ticket inside extensions, which have to be `Clone` and live longer than the call. It can be taken once.
#[derive(Clone)]
pub struct Admitted(Arc<Mutex<Option<CallTicket>>>);

impl Admitted {
    /// Wraps a ticket.
    pub fn new(ticket: CallTicket) -> Self {
        Self(Arc::new(Mutex::new(Some(ticket))))
    }

    /// Takes the ticket; `None` if it has been taken already.
    pub fn take(&self) -> Option<CallTicket> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
