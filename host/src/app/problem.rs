//! What can be wrong with an application, each in one sentence.

use crate::auth;
use crate::config;
use crate::http::TlsError;
use crate::reload::ComponentProblem;

/// Everything that is wrong, at once.
#[derive(Debug)]
pub struct BuildError {
    /// Never empty.
    pub problems: Vec<Problem>,
}

/// One thing that is wrong. `Display` is one sentence that names it and the way
/// out.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// A fault of the configuration.
    #[error(transparent)]
    Config(#[from] config::ConfigError),
    /// A fault of `[auth]`.
    #[error(transparent)]
    Auth(#[from] auth::GuardConfigError),
    /// HTTPS is asked for and cannot be served.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Nobody said who may call.
    #[error(
        "nobody said who may call: give an [auth] section with `issuer` and `audience`, or \
         --no-auth to serve everybody on a loopback address"
    )]
    NoAccess,
    /// Everybody could call, from everywhere.
    #[error(
        "--no-auth is refused on {0}, which others can reach; listen on 127.0.0.1, or give an \
         [auth] section"
    )]
    OpenToAll(std::net::SocketAddr),
    /// The key that seals states of calls is too short.
    #[error(
        "`server.state-key` has less than {} bytes; make one with `openssl rand -hex 32`",
        config::MIN_STATE_KEY_BYTES
    )]
    StateKey,
    /// A reference or a component cannot be served.
    #[error(transparent)]
    Component(#[from] ComponentProblem),
}

impl Problem {
    /// Returns whether the configuration or the command line is at fault.
    pub fn is_configuration(&self) -> bool {
        match self {
            Self::Component(problem) => problem.is_configuration(),
            _ => true,
        }
    }
}

impl std::fmt::Display for BuildError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for BuildError {}

impl From<Vec<ComponentProblem>> for BuildError {
    fn from(problems: Vec<ComponentProblem>) -> Self {
        Self {
            problems: problems.into_iter().map(Problem::Component).collect(),
        }
    }
}

impl From<ComponentProblem> for BuildError {
    fn from(problem: ComponentProblem) -> Self {
        vec![problem].into()
    }
}
