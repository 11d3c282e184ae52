//! Guests that use TCP sockets. Their tools return the received text, or `E` and the index of the error code.

use std::net::SocketAddrV4;

use super::{Guest, Tool};

/// Adds the imports and functions that [`connecting`] needs.
pub(crate) fn can_connect(guest: &mut Guest) {
    guest.import(include_str!("sockets_imports.wat"));
    guest.item(include_str!("sockets.wat"));
}

/// Adds a tool that connects to an address.
pub(crate) fn connecting(guest: &mut Guest, name: &str, address: SocketAddrV4) {
    let octets = address
        .ip()
        .octets()
        .map(|octet| format!("(i32.const {octet})"));
    let body = format!(
        "(call $connect {} (i32.const {}))",
        octets.join(" "),
        address.port()
    );
    guest.tool(Tool::new(name), format!("{body} (call $said)"));
}
