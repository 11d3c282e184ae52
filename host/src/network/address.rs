//! The policy on network addresses: public ones and those that the configuration names.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

/// The addresses that may be contacted in addition to public ones.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AddressPolicy {
    /// Private addresses are allowed by configuration.
    private: bool,
    /// Loopback addresses are allowed because the configured URL names this machine.
    loopback: bool,
    /// The address that the configured URL names literally.
    literal: Option<IpAddr>,
    /// Public addresses are not allowed, because the requests are not encrypted.
    only_private: bool,
}

impl AddressPolicy {
    /// Creates the policy for requests to a configured URL and to URLs found through it.
    pub(crate) fn for_url(url: &Url, private_network: bool) -> AddressPolicy {
        AddressPolicy {
            private: private_network,
            loopback: is_loopback(url),
            literal: literal_address(url),
            only_private: false,
        }
    }

    /// Creates the policy for hosts that the configuration does not name.
    pub(crate) fn for_any_host(private_network: bool) -> AddressPolicy {
        AddressPolicy {
            private: private_network,
            loopback: false,
            literal: None,
            only_private: false,
        }
    }

    /// Creates the policy for requests to this machine only.
    pub(crate) fn loopback() -> AddressPolicy {
        AddressPolicy {
            private: false,
            loopback: true,
            literal: None,
            only_private: true,
        }
    }

    /// Returns whether loopback addresses may be contacted.
    pub(crate) fn permits_loopback(self) -> bool {
        self.loopback || self.private
    }

    /// Returns the same policy without public addresses.
    pub(crate) fn only_private(self) -> AddressPolicy {
        AddressPolicy {
            only_private: true,
            ..self
        }
    }

    /// Returns whether the address may be contacted.
    pub(crate) fn permits(self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        if self.only_private && is_public(address) {
            return false;
        }
        (self.literal == Some(address) && !is_always_rejected(address))
            || (self.loopback && address.is_loopback())
            || (self.private && !is_always_rejected(address))
            || is_public(address)
    }
}

/// Returns whether the URL's host is `localhost` or a loopback address.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.to_canonical().is_loopback(),
        None => false,
    }
}

/// Returns the URL's host if it is an IP address.
pub(crate) fn literal_address(url: &Url) -> Option<IpAddr> {
    match url.host()? {
        Host::Domain(_) => None,
        Host::Ipv4(address) => Some(IpAddr::V4(address)),
        Host::Ipv6(address) => Some(IpAddr::V6(address).to_canonical()),
    }
}

/// Returns whether the address is rejected even if private networks are allowed: link-local addresses, cloud metadata,
/// and addresses that do not belong to a single host.
fn is_always_rejected(address: IpAddr) -> bool {
    /// Cloud instance metadata services outside the link-local range.
    const METADATA_ADDRESSES: [IpAddr; 2] = [
        IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
        IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    ];
    METADATA_ADDRESSES.contains(&address)
        || address.is_unspecified()
        || address.is_multicast()
        || match address {
            IpAddr::V4(address) => address.is_link_local() || address.is_broadcast(),
            IpAddr::V6(address) => {
                address.is_unicast_link_local()
                    || embedded_ipv4(address).is_some_and(is_always_rejected)
                    || translated_ipv4(address).into_iter().any(is_always_rejected)
            }
        }
}

/// Returns whether the address is public according to the IANA special-purpose registries (RFC 6890).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            !(a == 0
                || a == 10
                || a == 127
                || (a == 100 && (64..128).contains(&b))
                || (a == 169 && b == 254)
                || (a == 172 && (16..32).contains(&b))
                || (a == 192 && b == 0 && (c == 0 || c == 2))
                || (a == 192 && b == 168)
                || (a == 192 && b == 88 && c == 99)
                || (a == 198 && (b == 18 || b == 19))
                || (a == 198 && b == 51 && c == 100)
                || (a == 203 && b == 0 && c == 113)
                || a >= 224)
        }
        IpAddr::V6(address) => {
            if let Some(inner) = embedded_ipv4(address) {
                return is_public(inner);
            }
            let [a, b, ..] = address.segments();
            // Global unicast without 2001::/23 (which includes Teredo), documentation and SRv6.
            (0x2000..0x4000).contains(&a)
                && !(a == 0x2001 && b < 0x200)
                && !(a == 0x2001 && b == 0xdb8)
                && !(a == 0x3fff && b < 0x1000)
        }
    }
}

/// Returns the IPv4 address embedded in a mapped, NAT64 (RFC 6052) or 6to4 (RFC 3056) address.
fn embedded_ipv4(address: Ipv6Addr) -> Option<IpAddr> {
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Some(IpAddr::V4(Ipv4Addr::new(a, b, c, d)))
    };
    match address.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] => v4(high, low),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => v4(high, low),
        [0x2002, high, low, ..] => v4(high, low),
        _ => None,
    }
}

/// Returns the IPv4 addresses into which a network may translate a non-public IPv6 address: local-use NAT64 (RFC 8215),
/// whose prefix may have any length of RFC 6052 §2.2; SIIT (RFC 7915); and the deprecated IPv4-compatible form (RFC
/// 4291 §2.5.5.1).
fn translated_ipv4(address: Ipv6Addr) -> Vec<IpAddr> {
    let octets = address.octets();
    let ipv4_at = |indexes: [usize; 4]| IpAddr::from(indexes.map(|index| octets[index]));
    let last = [12, 13, 14, 15];
    let positions = match address.segments() {
        // RFC 6052 skips the ninth octet.
        [0x64, 0xff9b, 1, ..] => vec![[6, 7, 9, 10], [7, 9, 10, 11], [9, 10, 11, 12], last],
        [0, 0, 0, 0, 0xffff, 0, ..] | [0, 0, 0, 0, 0, 0, ..] => vec![last],
        _ => Vec::new(),
    };
    let candidates = positions.into_iter().map(ipv4_at);
    // An unspecified address means that the prefix has another length.
    candidates
        .filter(|address| !address.is_unspecified())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_addresses_can_be_excluded() {
        for (url, address, is_permitted) in [
            ("http://keys.svc", "10.1.2.3", true),
            ("http://keys.svc", "fd12::1", true),
            ("http://keys.svc", "93.184.216.34", false),
            ("http://keys.svc", "64:ff9b::5db8:d822", false),
            ("http://keys.svc", "169.254.169.254", false),
            ("http://93.184.216.34", "93.184.216.34", false),
            ("http://169.254.169.254", "169.254.169.254", false),
            ("http://localhost", "127.0.0.1", true),
        ] {
            let parsed = Url::parse(url).expect("valid URL");
            let ip = address.parse().expect("valid address");
            let policy = AddressPolicy::for_url(&parsed, true).only_private();
            assert_eq!(policy.permits(ip), is_permitted, "{url} {address}");
        }
    }

    #[test]
    fn public_addresses_and_the_configured_host_are_permitted() {
        // Configured URL, `private-network`, address, expected result.
        for (url, private, address, is_permitted) in [
            ("https://login.example", false, "93.184.216.34", true),
            ("https://login.example", false, "2606:2800:220:1::1", true),
            ("https://login.example", false, "127.0.0.1", false),
            ("https://login.example", false, "::1", false),
            ("https://login.example", false, "::ffff:127.0.0.1", false),
            ("https://login.example", false, "::127.0.0.1", false),
            ("https://login.example", false, "10.1.2.3", false),
            ("https://login.example", false, "172.16.0.1", false),
            ("https://login.example", false, "172.31.255.255", false),
            ("https://login.example", false, "172.32.0.1", true),
            ("https://login.example", false, "192.168.0.1", false),
            ("https://login.example", false, "100.64.0.1", false),
            ("https://login.example", false, "100.128.0.1", true),
            ("https://login.example", false, "169.254.169.254", false),
            ("https://login.example", false, "0.0.0.0", false),
            ("https://login.example", false, "0.1.2.3", false),
            ("https://login.example", false, "192.0.0.8", false),
            ("https://login.example", false, "192.0.2.1", false),
            ("https://login.example", false, "198.18.0.1", false),
            ("https://login.example", false, "198.51.100.1", false),
            ("https://login.example", false, "203.0.113.1", false),
            ("https://login.example", false, "224.0.0.1", false),
            ("https://login.example", false, "255.255.255.255", false),
            ("https://login.example", false, "::", false),
            ("https://login.example", false, "fe80::1", false),
            ("https://login.example", false, "fc00::1", false),
            ("https://login.example", false, "fd00:ec2::254", false),
            ("https://login.example", false, "ff02::1", false),
            ("https://login.example", false, "fec0::1", false),
            ("https://login.example", false, "2001:db8::1", false),
            ("https://login.example", false, "2001::1", false),
            ("https://login.example", false, "64:ff9b::a00:1", false),
            ("https://login.example", false, "64:ff9b::5db8:d822", true),
            ("https://login.example", false, "2002:a00:1::", false),
            ("https://login.example", false, "2002:5db8:d822::", true),
            ("https://login.example", true, "10.1.2.3", true),
            ("https://login.example", true, "127.0.0.1", true),
            ("https://login.example", true, "fd12::1", true),
            ("https://login.example", true, "169.254.169.254", false),
            (
                "https://login.example",
                true,
                "::ffff:169.254.169.254",
                false,
            ),
            ("https://login.example", true, "64:ff9b::a9fe:a9fe", false),
            ("https://login.example", true, "64:ff9b:1::a9fe:a9fe", false),
            ("https://login.example", true, "64:ff9b:1::a00:1", true),
            (
                "https://login.example",
                true,
                "64:ff9b:1:a9fe:a9:fe00::",
                false,
            ),
            (
                "https://login.example",
                true,
                "64:ff9b:1:a9:fe:a9fe::",
                false,
            ),
            (
                "https://login.example",
                true,
                "64:ff9b:1:0:a9:fea9:fe00:0",
                false,
            ),
            ("https://login.example", true, "64:ff9b:1:a00:0:100::", true),
            ("https://login.example", true, "::ffff:0:a9fe:a9fe", false),
            ("https://login.example", true, "::ffff:0:a00:1", true),
            ("https://login.example", false, "::ffff:0:5db8:d822", false),
            ("https://login.example", true, "::a9fe:a9fe", false),
            ("https://login.example", true, "::1", true),
            ("https://login.example", true, "fd00:ec2::254", false),
            ("https://login.example", true, "100.100.100.200", false),
            ("https://login.example", true, "fe80::1", false),
            ("https://login.example", true, "0.0.0.0", false),
            ("https://10.1.2.3", false, "10.1.2.3", true),
            ("https://10.1.2.3", false, "10.1.2.4", false),
            ("https://169.254.169.254", true, "169.254.169.254", false),
            ("https://100.100.100.200", false, "100.100.100.200", false),
            ("https://10.1.2.3", false, "127.0.0.1", false),
            ("https://167838211", false, "10.1.2.3", true),
            ("https://[fd12::1]", false, "fd12::1", true),
            ("http://localhost", false, "127.0.0.1", true),
            ("http://localhost", false, "::1", true),
            ("http://127.0.0.1", false, "127.0.0.2", true),
            ("http://[::1]", false, "127.0.0.1", true),
            ("http://localhost", false, "10.1.2.3", false),
            ("http://localhost", false, "::ffff:127.0.0.1", true),
            ("https://10.1.2.3", false, "::ffff:10.1.2.3", true),
            ("https://localhost.example", false, "127.0.0.1", false),
        ] {
            let url = Url::parse(url).expect("valid URL");
            let ip = address.parse().expect("valid address");
            let policy = AddressPolicy::for_url(&url, private);
            assert_eq!(
                policy.permits(ip),
                is_permitted,
                "{url} {private} {address}"
            );
        }
    }
}
