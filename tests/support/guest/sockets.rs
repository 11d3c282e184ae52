//! Guests that use sockets: what they say is what they hear, or `E` and the number of the error.

use std::net::SocketAddrV4;

use super::{Guest, Tool};

/// Imports and functions of guests that use sockets.
pub(crate) fn can_connect(guest: &mut Guest) {
    guest.import(include_str!("sockets_imports.wat"));
    guest.item(include_str!("sockets.wat"));
}

/// A tool that connects there.
pub(crate) fn connecting(guest: &mut Guest, name: &str, to: SocketAddrV4) {
    let octets = to.ip().octets().map(|octet| format!("(i32.const {octet})"));
    let body = format!(
        "(call $connect {} (i32.const {}))",
        octets.join(" "),
        to.port()
    );
    guest.tool(Tool::new(name), format!("{body} (call $said)"));
}
