//! Problems that prevent an application from being built, each one sentence that names the thing and the way out.

use std::io;
use std::path::PathBuf;

use crate::auth;
use crate::config;
use crate::http::TlsError;
use crate::reload::ComponentProblem;
use crate::shared::SharedError;

/// Every problem that prevents an application from being built.
#[derive(Debug)]
pub struct BuildError {
    /// Never empty.
    pub problems: Vec<Problem>,
}

/// One problem that prevents an application from being built.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The configuration cannot be read.
    #[error(transparent)]
    Config(#[from] config::ConfigError),
    /// A setting of `[auth]` is invalid.
    #[error(transparent)]
    Auth(#[from] auth::GuardConfigError),
    /// The certificate or the key of `[server.tls]` cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The configuration does not say who may call.
    #[error(
        "nobody said who may call: give an [auth] section with `issuer` and `audience`, or \
         --no-auth to serve everybody on a loopback address"
    )]
    NoAccess,
    /// Authentication is off, other machines can reach the address, and the operator has not accepted that.
    #[error(
        "--no-auth is refused on {0}, which others can reach; listen on 127.0.0.1, give an [auth] \
         section, or add --i-know-this-is-open to let everybody call who reaches the address"
    )]
    OpenToAll(config::Listen),
    /// The key that seals request states is too short.
    #[error(
        "`server.state-key` has less than {} bytes; make one with `openssl rand -hex 32`",
        config::MIN_STATE_KEY_BYTES
    )]
    StateKey,
    /// Replicas share state without a key that protects it.
    #[error(
        "`shared` needs `server.state-key`, which protects what the replicas share and is the same on all of them; make one \
         with `openssl rand -hex 32`"
    )]
    SharedWithoutKey,
    /// The state that replicas share cannot be kept where the configuration says.
    #[error(transparent)]
    Shared(#[from] SharedError),
    /// A key has changed that cannot change while the application runs.
    #[error(
        "`{0}` has changed, which needs a restart; restart the host, or undo the change so that the others are taken in"
    )]
    NeedsRestart(&'static str),
    /// The audit cannot be written.
    #[error("`telemetry.audit` names `{}`, which cannot be used: {error}", path.display())]
    Audit {
        /// The file.
        path: PathBuf,
        /// The cause.
        error: io::Error,
    },
    /// Traces cannot be sent.
    #[error("`telemetry.otlp`: traces cannot be sent: {0}")]
    Traces(String),
    /// The log cannot be written.
    #[error("`telemetry.log-file` names `{}`, which cannot be written: {error}", path.display())]
    Log {
        /// The file.
        path: PathBuf,
        /// The cause.
        error: io::Error,
    },
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

impl From<Vec<config::ConfigError>> for BuildError {
    fn from(errors: Vec<config::ConfigError>) -> Self {
        Self {
            problems: errors.into_iter().map(Problem::Config).collect(),
        }
    }
}

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
