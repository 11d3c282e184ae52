//! `[network]`: how the host itself reaches the issuers' keys, registries and web servers.

use url::Url;

use super::section::Section;

/// Upper limit of the file with certificates. Bundles of all public authorities have about 250 KiB.
const MAX_CA_BYTES: u64 = 4 << 20;

/// `[network]`: how the host itself reaches the issuers' keys, registries and web servers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NetworkConfig {
    /// The proxy for https; `None` means the one in `HTTPS_PROXY`.
    pub proxy: Option<Url>,
    /// PEM certificates of additional authorities.
    pub ca: Option<String>,
    /// Whether names of registries and web servers, and their redirects, may lead to private addresses. A reference may
    /// always name such an address itself. Keys of issuers have a setting of their own.
    pub private_network: bool,
}

/// Reads `[network]`.
pub(super) fn read_network(section: Section<'_, '_>) -> NetworkConfig {
    let proxy = section.parsed(
        "proxy",
        "the URL of a proxy such as \"http://proxy.example.com:3128\"",
        |text| Url::parse(text).ok(),
    );
    let path = section.string("ca").map(|text| section.base().join(text));
    let ca = path.and_then(|path| {
        section
            .read_file(&path, MAX_CA_BYTES)
            .map_err(|message| section.error("ca", message))
            .ok()
    });
    let private_network = section.boolean("private-network").unwrap_or(false);
    section.finish();
    NetworkConfig {
        proxy,
        ca,
        private_network,
    }
}
