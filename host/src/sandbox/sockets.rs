//! Outgoing TCP connections to the addresses and ports granted by `tcp`.
//!
//! No other part of `wasi:sockets` works: UDP, listening, and looking up a name that is not granted are refused.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use url::Host;
use wasmtime::component::Resource;
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::p2::bindings::sockets::{ip_name_lookup, network, tcp_create_socket};
use wasmtime_wasi::p2::{Network, TcpSocket};
use wasmtime_wasi::sockets::{SocketAddrUse, WasiSocketsCtxView};

use crate::network::AddressPolicy;
use crate::telemetry::{grant_used, in_call};

/// An entry of `tcp`, such as `10.0.0.5:5432` or `db.internal:5432`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TcpRule {
    host: Host<String>,
    port: u16,
}

/// The TCP connections that a component may open.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct TcpGrant {
    pub(super) rules: Vec<TcpRule>,
    pub(super) private_network: bool,
}

impl TcpRule {
    /// Parses an entry.
    ///
    /// # Errors
    /// The problem, phrased to follow the entry's text.
    pub fn parse(text: &str) -> Result<Self, String> {
        const FORM: &str = "an entry is a name or an address and a port, such as \
                            \"db.example.com:5432\" or \"[2001:db8::5]:5432\"";
        let (host, port) = text.rsplit_once(':').ok_or(FORM)?;
        let port: u16 = port.parse().map_err(|_| FORM)?;
        if port == 0 || host.contains(['*', '/', '@']) || host.ends_with('.') {
            return Err(FORM.into());
        }
        let host = Host::parse(host).map_err(|error| format!("{error}; {FORM}"))?;
        Ok(Self { host, port })
    }

    pub(super) fn endpoint(&self) -> (&Host<String>, u16) {
        (&self.host, self.port)
    }

    /// Returns the host if it is an IP address.
    fn address(&self) -> Option<IpAddr> {
        match self.host {
            Host::Domain(_) => None,
            Host::Ipv4(address) => Some(IpAddr::V4(address)),
            Host::Ipv6(address) => Some(IpAddr::V6(address).to_canonical()),
        }
    }

    /// Returns the host if it is a name.
    fn name(&self) -> Option<&str> {
        match &self.host {
            Host::Domain(name) => Some(name),
            _ => None,
        }
    }
}

impl fmt::Display for TcpRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl TcpGrant {
    /// Returns the first entry that can never match, because it names a private address and `private-network` is off.
    pub(super) fn first_unusable_rule(&self) -> Option<&TcpRule> {
        self.rules.iter().find(|rule| {
            let is_local_name = rule
                .name()
                .is_some_and(|n| n == "localhost" || n.ends_with(".localhost"));
            let is_refused_address = rule
                .address()
                .is_some_and(|address| !self.permits_literal(address));
            !self.private_network && (is_local_name || is_refused_address)
        })
    }

    /// Whether the guest may look up this name.
    fn permits_lookup(&self, name: &str) -> bool {
        Host::parse(name).is_ok_and(|host| self.rules.iter().any(|rule| rule.host == host))
    }

    /// Whether an address that an entry names literally may be connected to. With `private-network` any such address
    /// may, even one that a name must not resolve to.
    fn permits_literal(&self, address: IpAddr) -> bool {
        self.private_network || AddressPolicy::for_any_host(false).permits(address)
    }

    /// Whether a connection to `to` is granted: an entry has this address, or a name that currently resolves to it.
    async fn permits(&self, to: SocketAddr) -> bool {
        let address = to.ip().to_canonical();
        let rules = || self.rules.iter().filter(|rule| rule.port == to.port());
        if rules().any(|rule| rule.address() == Some(address)) {
            return self.permits_literal(address);
        }
        if !AddressPolicy::for_any_host(self.private_network).permits(address) {
            return false;
        }
        for name in rules().filter_map(TcpRule::name) {
            if let Ok(mut resolved) = tokio::net::lookup_host((name, to.port())).await
                && resolved.any(|resolved| resolved.ip().to_canonical() == address)
            {
                return true;
            }
        }
        false
    }
}

/// Lets the guest of a call open the granted connections.
pub(super) fn allow_granted(builder: &mut WasiCtxBuilder, grant: &Arc<TcpGrant>) {
    if grant.rules.is_empty() {
        return;
    }
    let grant = grant.clone();
    builder
        .allow_tcp(true)
        // `resolve_addresses` below checks each name first.
        .allow_ip_name_lookup(true)
        .socket_addr_check(move |address, used| {
            let grant = grant.clone();
            Box::pin(async move {
                match used {
                    // The implicit bind before `connect`; the system chooses the address and the port.
                    SocketAddrUse::TcpBind => address.ip().is_unspecified() && address.port() == 0,
                    SocketAddrUse::TcpConnect => {
                        // A task of its own, because the future of a lookup is not `Sync`, which wasmtime requires.
                        let check = tokio::spawn(async move { grant.permits(address).await });
                        let is_permitted = check.await.unwrap_or(false);
                        grant_used("tcp", &address.to_string(), is_permitted);
                        if !is_permitted {
                            in_call(|| {
                                tracing::info!(tcp.address = %address, "connection refused");
                            });
                        }
                        is_permitted
                    }
                    _ => false,
                }
            })
        });
}

/// Implements `resolve-addresses` for granted names.
pub(super) fn resolve_addresses(
    mut sockets: WasiSocketsCtxView<'_>,
    grant: &TcpGrant,
    network: Resource<Network>,
    name: String,
) -> wasmtime::Result<Result<Resource<ip_name_lookup::ResolveAddressStream>, network::ErrorCode>> {
    use ip_name_lookup::Host;
    use network::Host as _;

    let is_permitted = grant.permits_lookup(&name);
    grant_used("tcp", &name, is_permitted);
    if !is_permitted {
        return Ok(Err(network::ErrorCode::AccessDenied));
    }
    match sockets.resolve_addresses(network, name) {
        Ok(stream) => Ok(Ok(stream)),
        Err(error) => Ok(Err(sockets.convert_error_code(error)?)),
    }
}

/// Implements `create-tcp-socket` as wasmtime does.
pub(super) fn create_tcp_socket(
    mut sockets: WasiSocketsCtxView<'_>,
    family: network::IpAddressFamily,
) -> wasmtime::Result<Result<Resource<TcpSocket>, network::ErrorCode>> {
    use network::Host as _;
    use tcp_create_socket::Host;

    match sockets.create_tcp_socket(family) {
        Ok(socket) => Ok(Ok(socket)),
        Err(error) => Ok(Err(sockets.convert_error_code(error)?)),
    }
}
