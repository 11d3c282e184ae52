//! Guests that use TCP sockets. Their tools return the received text, or `E` and the index of the error code.

use std::net::SocketAddrV4;

use super::{Guest, Tool};

/// Adds the imports and functions that [`add_connect_tool`] needs.
pub(crate) fn add_socket_imports(guest: &mut Guest) {
    guest.import(include_str!("sockets_imports.wat"));
    guest.item(include_str!("sockets.wat"));
}

/// Adds a tool that connects to an address.
pub(crate) fn add_connect_tool(guest: &mut Guest, name: &str, address: SocketAddrV4) {
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
