//! The grants of a component as they are configured in `[component.allow]`.

use std::collections::BTreeMap;
use std::fmt;

use super::egress::HttpGrant;
use super::filesystem::{self, DirGrant};
use super::keyvalue::BucketGrant;
use super::sockets::{TcpGrant, TcpRule};

/// `[component.allow]`. The default grants nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants {
    /// `http` and `private-network`: outgoing HTTP requests.
    pub http: HttpGrant,
    /// `tcp`: outgoing TCP connections. `private-network` of [`HttpGrant`] applies to them as well.
    pub tcp: Vec<TcpRule>,
    /// `dirs`: directories of the host.
    pub dirs: Vec<DirGrant>,
    /// `env`: environment variables.
    pub env: Variables,
    /// `config`: values of `wasi:config`.
    pub config: Variables,
    /// `kv`: buckets of `wasi:keyvalue`.
    pub kv: Vec<BucketGrant>,
}

/// Names and values. Values may be secrets, so `Debug` prints only the names.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Variables(pub BTreeMap<String, String>);

/// A grant that cannot be enforced as it is written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`allow.{key}` {reason}")]
pub struct GrantError {
    /// The key in `[component.allow]`.
    pub key: &'static str,
    /// The rest of the sentence, beginning with a verb.
    pub reason: String,
}

impl Grants {
    /// Whether nothing is granted.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Returns the keys under which something is granted.
    pub fn keys(&self) -> Vec<&'static str> {
        let keys = [
            ("http", !self.http.rules.is_empty()),
            ("tcp", !self.tcp.is_empty()),
            ("private-network", self.http.private_network),
            ("dirs", !self.dirs.is_empty()),
            ("env", !self.env.0.is_empty()),
            ("config", !self.config.0.is_empty()),
            ("kv", !self.kv.is_empty()),
        ];
        let granted = keys.into_iter().filter(|(_, is_granted)| *is_granted);
        granted.map(|(key, _)| key).collect()
    }

    /// Checks the grants without looking at the file system or the network.
    pub fn validate(&self) -> Vec<GrantError> {
        let mut errors = Vec::new();
        let mut error = |key, reason| errors.push(GrantError { key, reason });
        let private = |rule: &dyn fmt::Display| {
            format!("has \"{rule}\", which is private; it needs `private-network = true` beside it")
        };
        if let Some(rule) = self.http.first_unusable_rule() {
            error("http", private(rule));
        }
        if let Some(rule) = self.tcp().first_unusable_rule() {
            error("tcp", private(rule));
        }
        for reason in filesystem::validate(&self.dirs) {
            error("dirs", reason);
        }
        for (name, value) in &self.env.0 {
            if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
                error(
                    "env",
                    format!("has {name:?}, which no environment variable can be"),
                );
            }
        }
        errors
    }

    /// Returns the grant for TCP connections.
    pub(super) fn tcp(&self) -> TcpGrant {
        TcpGrant {
            rules: self.tcp.clone(),
            private_network: self.http.private_network,
        }
    }
}

impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
