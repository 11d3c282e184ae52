//! An admitted call on its way from admission to execution.

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
