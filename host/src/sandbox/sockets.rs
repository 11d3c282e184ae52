//! TCP connections to the addresses and ports of `tcp`, and nothing else of `wasi:sockets`: no UDP, no listening, no
//! name but those that are granted.

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

/// An entry of `tcp`, such as `10.0.0.5:5432` or `db.internal:5432`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TcpRule {
    host: Host<String>,
    port: u16,
}

/// What a component may connect to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct TcpGrant {
    pub(super) rules: Vec<TcpRule>,
    pub(super) private_network: bool,
}

impl TcpRule {
    /// Reads an entry.
    ///
    /// # Errors
    /// What is wrong with it, to be put behind its text.
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

    fn address(&self) -> Option<IpAddr> {
        match self.host {
            Host::Domain(_) => None,
            Host::Ipv4(address) => Some(IpAddr::V4(address)),
            Host::Ipv6(address) => Some(IpAddr::V6(address).to_canonical()),
        }
    }

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
    /// The first entry that could never be used: it names a private address without leave for one.
    pub(super) fn contradiction(&self) -> Option<&TcpRule> {
        self.rules.iter().find(|rule| {
            let local = rule
                .name()
                .is_some_and(|n| n == "localhost" || n.ends_with(".localhost"));
            let private = rule
                .address()
                .is_some_and(|address| !self.permits_literal(address));
            !self.private_network && (local || private)
        })
    }

    /// Whether this name may be looked up.
    fn knows(&self, name: &str) -> bool {
        let asked = Host::parse(name);
        asked.is_ok_and(|asked| self.rules.iter().any(|rule| rule.host == asked))
    }

    /// What is written literally beside `private-network` is meant.
    fn permits_literal(&self, address: IpAddr) -> bool {
        let reach = AddressPolicy::for_any_host(self.private_network);
        self.private_network || reach.permits(address)
    }

    /// Whether a connection may go there: the address is granted, or one that a granted name has now.
    async fn permits(&self, to: SocketAddr) -> bool {
        let (address, reach) = (
            to.ip().to_canonical(),
            AddressPolicy::for_any_host(self.private_network),
        );
        let rules = || self.rules.iter().filter(|rule| rule.port == to.port());
        if rules().any(|rule| rule.address() == Some(address)) {
            return self.permits_literal(address);
        }
        if !reach.permits(address) {
            return false;
        }
        for name in rules().filter_map(TcpRule::name) {
            if let Ok(mut found) = tokio::net::lookup_host((name, to.port())).await
                && found.any(|found| found.ip().to_canonical() == address)
            {
                return true;
            }
        }
        false
    }
}

/// Lets a call's guest connect as granted.
pub(super) fn allow(builder: &mut WasiCtxBuilder, grant: &Arc<TcpGrant>) {
    if grant.rules.is_empty() {
        return;
    }
    let grant = grant.clone();
    builder
        .allow_tcp(true)
        // Each name is judged before it is looked up.
        .allow_ip_name_lookup(true)
        .socket_addr_check(move |address, used| {
            let grant = grant.clone();
            Box::pin(async move {
                match used {
                    // What the system chooses itself for a connection.
                    SocketAddrUse::TcpBind => address.ip().is_unspecified() && address.port() == 0,
                    SocketAddrUse::TcpConnect => {
                        // A task of its own: looking up is nothing that can be shared by reference.
                        let judged = tokio::spawn(async move { grant.permits(address).await });
                        let permitted = judged.await.unwrap_or(false);
                        if !permitted {
                            tracing::info!(tcp.address = %address, "connection refused");
                        }
                        permitted
                    }
                    _ => false,
                }
            })
        });
}

/// `resolve-addresses`, of granted names alone.
pub(super) fn resolve_addresses(
    mut sockets: WasiSocketsCtxView<'_>,
    grant: &TcpGrant,
    network: Resource<Network>,
    name: String,
) -> wasmtime::Result<Result<Resource<ip_name_lookup::ResolveAddressStream>, network::ErrorCode>> {
    use ip_name_lookup::Host;
    use network::Host as _;

    if !grant.knows(&name) {
        return Ok(Err(network::ErrorCode::AccessDenied));
    }
    match sockets.resolve_addresses(network, name) {
        Ok(stream) => Ok(Ok(stream)),
        Err(error) => Ok(Err(sockets.convert_error_code(error)?)),
    }
}

/// `create-tcp-socket`, as the engine's crate has it.
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
