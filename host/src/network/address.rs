//! Which network addresses may be reached: public ones, and what the operator named.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

/// Which addresses the operator's words cover, beside the public ones.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reach {
    private: bool,
    loopback: bool,
    named: Option<IpAddr>,
}

impl Reach {
    /// What an operator covers who wrote this URL.
    pub(crate) fn new(named: &Url, private_network: bool) -> Reach {
        Reach {
            private: private_network,
            loopback: is_loopback(named),
            named: literal_address(named),
        }
    }

    /// What an operator covers who named no host: the public network, and the private one where it is allowed.
    pub(crate) fn anywhere(private_network: bool) -> Reach {
        Reach {
            private: private_network,
            loopback: false,
            named: None,
        }
    }

    pub(crate) fn permits(self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.named == Some(address)
            || (self.loopback && address.is_loopback())
            || (self.private && !is_never_meant(address))
            || is_public(address)
    }
}

/// Whether the URL's host is this machine by its own words.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.to_canonical().is_loopback(),
        None => false,
    }
}

/// The address that the URL's host is, where it is no name.
pub(crate) fn literal_address(url: &Url) -> Option<IpAddr> {
    match url.host()? {
        Host::Domain(_) => None,
        Host::Ipv4(address) => Some(IpAddr::V4(address)),
        Host::Ipv6(address) => Some(IpAddr::V6(address).to_canonical()),
    }
}

/// What nobody means by a private network: link-local, which includes cloud metadata, and what is no one host.
fn is_never_meant(address: IpAddr) -> bool {
    /// Where clouds serve instance metadata outside the link-local range.
    const METADATA: [IpAddr; 2] = [
        IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
        IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    ];
    METADATA.contains(&address)
        || address.is_unspecified()
        || address.is_multicast()
        || match address {
            IpAddr::V4(address) => address.is_link_local() || address.is_broadcast(),
            IpAddr::V6(address) => {
                address.is_unicast_link_local()
                    || embedded(address).is_some_and(is_never_meant)
                    || translated(address).into_iter().any(is_never_meant)
            }
        }
}

/// Whether the address is one of the public internet (the IANA special-purpose registries, RFC 6890).
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
            if let Some(inner) = embedded(address) {
                return is_public(inner);
            }
            let [a, b, ..] = address.segments();
            // Global unicast, less Teredo and the rest of 2001::/23, documentation and SRv6.
            (0x2000..0x4000).contains(&a)
                && !(a == 0x2001 && b < 0x200)
                && !(a == 0x2001 && b == 0xdb8)
                && !(a == 0x3fff && b < 0x1000)
        }
    }
}

/// The IPv4 address that an IPv6 one leads to: mapped, NAT64 (RFC 6052) or 6to4 (RFC 3056).
fn embedded(address: Ipv6Addr) -> Option<IpAddr> {
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

/// The IPv4 addresses that a network may make of an IPv6 one which is not public: its own NAT64 (RFC 8215), whose prefix
/// may have any of the lengths of RFC 6052 §2.2; its SIIT (RFC 7915); or the long forgotten compatible form (RFC 4291
/// §2.5.5.1).
fn translated(address: Ipv6Addr) -> Vec<IpAddr> {
    let octets = address.octets();
    let at = |places: [usize; 4]| IpAddr::from(places.map(|place| octets[place]));
    let last = [12, 13, 14, 15];
    let places = match address.segments() {
        // The ninth octet is left out.
        [0x64, 0xff9b, 1, ..] => vec![[6, 7, 9, 10], [7, 9, 10, 11], [9, 10, 11, 12], last],
        [0, 0, 0, 0, 0xffff, 0, ..] | [0, 0, 0, 0, 0, 0, ..] => vec![last],
        _ => Vec::new(),
    };
    let found = places.into_iter().map(at);
    // Where there is nothing, that is not the prefix's length.
    found.filter(|address| !address.is_unspecified()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_named_host_and_the_public_ones_are_within_reach() {
        // What the operator wrote, whether the private network is allowed, an address, whether it may be asked.
        for (named, private, address, within) in [
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
            let url = Url::parse(named).expect("the table holds URLs");
            let ip = address.parse().expect("the table holds addresses");
            let reach = Reach::new(&url, private);
            assert_eq!(reach.permits(ip), within, "{named} {private} {address}");
        }
    }
}
