//! What can be wrong with an application, each in one sentence.

use std::path::PathBuf;

use super::chain;
use crate::auth;
use crate::catalog::CatalogError;
use crate::component::LoadError;
use crate::config;
use crate::engine::EngineError;
use crate::http::TlsError;
use crate::reference::ReferenceError;
use crate::sandbox;
use crate::sandbox::keyvalue::StoreError;

/// What is said of one problem in its line; some of it comes from a component.
const MAX_LINE_BYTES: usize = 2_000;

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
    Config(#[from] config::Fault),
    /// A fault of `[auth]`.
    #[error(transparent)]
    Auth(#[from] auth::Fault),
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
    /// Nothing is to be served.
    #[error("nothing is named to be served; name a component, a directory or a glob pattern")]
    NothingNamed,
    /// A setting that is for one component stands at many.
    #[error(
        "`{0}` names {1} components; `name`, `digest`, `tools`, `exclude` and [component.tool.…] are \
         for one, so name its file"
    )]
    NotOne(String, usize),
    /// Settings for single tools of one file stand apart.
    #[error(
        "`{0}` and `{1}` have a [[component]] each and are of one file; name the file in one of them, \
         with `tools` and [component.tool.…]"
    )]
    OneFile(String, String),
    /// Grants at a reference that others can add components to.
    #[error(
        "`{0}` names every component there, also those to come, and [component.allow] is for one; \
         name the file"
    )]
    GrantsForMany(String),
    /// Data of `wasi:keyvalue` would belong to two components.
    #[error(
        "two components that are granted `kv` are called `{0}`, and what they keep would be \
         shared; give each a `name` of its own"
    )]
    SameName(String),
    /// The data of `wasi:keyvalue` cannot be had.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A reference names nothing.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// A component cannot be served.
    #[error("`{}`: {error}", path.display())]
    Component {
        /// Its file.
        path: PathBuf,
        /// Why.
        error: LoadError,
    },
    /// Components cannot stand beside each other.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// There is no engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl Problem {
    /// It in one line that is safe to print.
    pub(super) fn line(&self) -> String {
        let mut line = sandbox::printable(&chain(self)).into_owned();
        line.truncate(line.floor_char_boundary(MAX_LINE_BYTES));
        line
    }
}

impl Problem {
    /// Whether it is one component's, or one reference's, and the rest can be
    /// served without it.
    pub(super) fn is_of_component(&self) -> bool {
        matches!(
            self,
            Self::Reference(_) | Self::Component { .. } | Self::Catalog(_)
        )
    }

    /// Whether the configuration or the command line is at fault.
    pub fn is_configuration(&self) -> bool {
        matches!(
            self,
            Self::Config(_)
                | Self::Auth(_)
                | Self::Tls(_)
                | Self::NoAccess
                | Self::OpenToAll(_)
                | Self::StateKey
                | Self::NothingNamed
                | Self::NotOne(..)
                | Self::OneFile(..)
                | Self::Catalog(
                    CatalogError::UnknownTool { .. }
                        | CatalogError::SameName { .. }
                        | CatalogError::Argument { .. }
                        | CatalogError::NoTools(_)
                )
                | Self::GrantsForMany(_)
                | Self::SameName(_)
                | Self::Component {
                    error: LoadError::Grant(_),
                    ..
                }
        )
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
