//! The hosts that grants name, and whether they can be reached.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use tokio::net::TcpStream;
use url::Host;

use super::grants::Grants;
use super::sockets::TcpRule;
use crate::network::AddressPolicy;

/// A host and port that a component may connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantedHost {
    host: Host<String>,
    port: u16,
    private_network: bool,
}

/// The reason why a host cannot be reached.
#[derive(Debug, thiserror::Error)]
pub enum Unreachable {
    /// The name does not resolve.
    #[error("the name does not resolve: {0}")]
    Unresolved(std::io::Error),
    /// Without `private-network`, the grant allows no private address.
    #[error("the address is private, which needs `private-network = true`")]
    Private,
    /// Nothing accepts connections.
    #[error("no connection: {0}")]
    Connect(std::io::Error),
}

impl GrantedHost {
    /// Returns the hosts in `http` and `tcp`. An entry with `*` names none.
    pub fn of(grants: &Grants) -> Vec<Self> {
        let private_network = grants.http.private_network;
        let http = grants.http.rules.iter().filter_map(|rule| rule.endpoint());
        let tcp = grants.tcp.iter().map(TcpRule::endpoint);
        let mut hosts: Vec<Self> = Vec::new();
        for (host, port) in http.chain(tcp) {
            let host = Self {
                host: host.clone(),
                port,
                private_network,
            };
            if !hosts.contains(&host) {
                hosts.push(host);
            }
        }
        hosts
    }

    /// Opens a connection and closes it.
    ///
    /// # Errors
    /// None can be opened to an address that the grant allows.
    pub async fn connect(&self) -> Result<(), Unreachable> {
        let policy = AddressPolicy::for_any_host(self.private_network);
        let addresses: Vec<SocketAddr> = match &self.host {
            // With `private-network`, an address that is named literally is always permitted.
            Host::Ipv4(address) => vec![(IpAddr::V4(*address), self.port).into()],
            Host::Ipv6(address) => vec![(IpAddr::V6(*address), self.port).into()],
            Host::Domain(name) => {
                let resolved = tokio::net::lookup_host((name.as_str(), self.port)).await;
                let resolved = resolved.map_err(Unreachable::Unresolved)?;
                resolved
                    .filter(|found| policy.permits(found.ip()))
                    .collect()
            }
        };
        let mut failure = Unreachable::Private;
        for address in addresses {
            match TcpStream::connect(address).await {
                Ok(_) => return Ok(()),
                Err(error) => failure = Unreachable::Connect(error),
            }
        }
        Err(failure)
    }
}

impl fmt::Display for GrantedHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}
