//! The protocol revisions that are served.

use rmcp::RoleServer;
use rmcp::model::ProtocolVersion;
use rmcp::service::RequestContext;

/// The supported protocol revisions, oldest first.
pub const PROTOCOL_VERSIONS: [&str; 5] = [
    "2024-11-05",
    "2025-03-26",
    "2025-06-18",
    "2025-11-25",
    "2026-07-28",
];

/// The same in the type of `rmcp`; a test of the handshake compares both.
pub(super) const SUPPORTED: [ProtocolVersion; 5] = [
    ProtocolVersion::V_2024_11_05,
    ProtocolVersion::V_2025_03_26,
    ProtocolVersion::V_2025_06_18,
    ProtocolVersion::V_2025_11_25,
    ProtocolVersion::V_2026_07_28,
];

/// A protocol revision. Older ones are less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Revision {
    November2024,
    March2025,
    June2025,
    November2025,
    July2026,
}

impl Revision {
    /// Returns the revision of a request.
    pub(super) fn of(context: &RequestContext<RoleServer>) -> Self {
        // A client that names no version has the revision before the header was introduced.
        let version = context.protocol_version();
        version.map_or(Self::March2025, |version| Self::at(&version))
    }

    /// Returns the newest revision that is not newer than a version.
    pub(super) fn at(version: &ProtocolVersion) -> Self {
        // ISO dates compare as text.
        let is_since = |since: ProtocolVersion| version.as_str() >= since.as_str();
        if is_since(ProtocolVersion::V_2026_07_28) {
            Self::July2026
        } else if is_since(ProtocolVersion::V_2025_11_25) {
            Self::November2025
        } else if is_since(ProtocolVersion::V_2025_06_18) {
            Self::June2025
        } else if is_since(ProtocolVersion::V_2025_03_26) {
            Self::March2025
        } else {
            Self::November2024
        }
    }

    /// Returns the name of the revision.
    pub(super) fn name(self) -> &'static str {
        PROTOCOL_VERSIONS[self as usize]
    }

    /// Returns whether this is 2026-07-28 or a later revision.
    pub(super) fn is_modern(self) -> bool {
        self >= Self::July2026
    }
}
