//! Outgoing connections: the policy on addresses, and a resolver and HTTP clients that apply it. The fetching of the
//! guard's keys and of components uses them, and the policy applies to the requests of guests too.

mod address;
mod proxy;

mod resolver;

mod outbound;

pub(crate) use address::{AddressPolicy, is_loopback, literal_address};
pub(crate) use outbound::{Outbound, OutboundError};
pub(crate) use resolver::{PrivateAddress, Resolver, Unresolved, cause};
