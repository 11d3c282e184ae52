//! Problems with references and components, each one sentence that names the thing and the way out.

use std::sync::Arc;

use crate::artifact::FetchError;
use crate::catalog::CatalogError;
use crate::component::LoadError;
use crate::engine::EngineError;
use crate::reference::ReferenceError;
use crate::sandbox::keyvalue::StoreError;
use crate::text::{error_chain, escape_untrusted, truncate};
use crate::trust::TrustError;

/// Upper limit of [`ComponentProblem::line`]: part of it comes from a component.
const MAX_LINE_BYTES: usize = 2_000;

/// A reason why a reference or a component is not served as configured.
#[derive(Debug, thiserror::Error)]
pub enum ComponentProblem {
    /// There are no references.
    #[error("nothing is named to be served; name a component, a directory or a glob pattern")]
    NothingNamed,
    /// Settings for a single component have a reference to several.
    #[error(
        "`{0}` names {1} components; `name`, `digest`, `with`, `path`, `tools`, `exclude` and [component.tool.…] \
         are for one, so name its file"
    )]
    SettingsForMany(String, usize),
    /// Two `[[component]]` sections apply to the same file, and their components would have the same name.
    #[error(
        "`{0}` and `{1}` have a [[component]] each and are of one file; name the file in one of them, \
         with `tools` and [component.tool.…], or in both with a `name` and a `prefix` of their own to \
         serve it twice"
    )]
    DuplicateSettings(String, String),
    /// Grants have a reference that components can be added to.
    #[error(
        "`{0}` names every component there, also those to come, and [component.allow] is for one; \
         name the file"
    )]
    GrantsForMany(String),
    /// Two components with access to `wasi:keyvalue` have the same name, which is the key of their data.
    #[error(
        "two components that are granted `kv` are called `{0}`, and what they keep would be \
         shared; give each a `name` of its own"
    )]
    SameName(String),
    /// The key-value store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A reference cannot be resolved.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// A setting of `[network]` or a variable of the environment is wrong.
    #[error("{0}")]
    Network(String),
    /// A remote component cannot be fetched.
    #[error("`{reference}`: {error}")]
    Remote {
        /// The reference.
        reference: String,
        /// The reason.
        #[source]
        error: Arc<FetchError>,
    },
    /// A remote component is not pinned.
    #[error(
        "`{reference}` is not pinned, so that its server decides what runs; review it, then pin it in its \
         [[component]] with `digest = \"{digest}\"`, or accept any version with `allow-unpinned = true` \
         (on the command line --allow-unpinned)"
    )]
    Unpinned {
        /// The reference.
        reference: String,
        /// The digest that it has now.
        digest: String,
    },
    /// A remote part of a composition is not pinned.
    #[error(
        "`{reference}` is not pinned, so that its server decides what runs; review it, then pin it in the \
         [[component]] with `with-digests = {{ \"{reference}\" = \"{digest}\" }}`, or accept any version with \
         `allow-unpinned = true` (on the command line --allow-unpinned)"
    )]
    UnpinnedPart {
        /// The reference.
        reference: String,
        /// The digest that it has now.
        digest: String,
    },
    /// A remote component is followed without required signatures.
    #[error(
        "`{0}` has `follow`, which takes in what its server offers later, and that needs required signatures; \
         require them in [trust], or take `follow` out"
    )]
    FollowUnsigned(String),
    /// A component cannot be loaded.
    #[error("{component}: {error}")]
    Component {
        /// The component's file or reference in quotes, and its name if the file is loaded several times.
        component: String,
        /// The reason.
        error: LoadError,
    },
    /// A file beside a component that describes it is not valid.
    #[error("{0}")]
    Description(String),
    /// A component is not trusted.
    #[error("{component}: {error}")]
    Untrusted {
        /// The component's file or reference in quotes, and its name if the file is loaded several times.
        component: String,
        /// The reason.
        error: TrustError,
    },
    /// A component conflicts with another one or with its settings.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The engine cannot be created.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl ComponentProblem {
    /// Formats the problem and its causes as one line that is safe to print.
    pub(super) fn line(&self) -> String {
        let mut line = escape_untrusted(&error_chain(self)).into_owned();
        line.truncate(truncate(&line, MAX_LINE_BYTES).len());
        line
    }

    /// Returns whether everything else can be served without the component or reference.
    pub(super) fn is_skippable(&self) -> bool {
        matches!(
            self,
            Self::Reference(_)
                | Self::Remote { .. }
                | Self::Unpinned { .. }
                | Self::UnpinnedPart { .. }
                | Self::Component { .. }
                | Self::Description(_)
                | Self::Untrusted { .. }
                | Self::Catalog(_)
        )
    }

    /// Returns whether the configuration or the command line is at fault.
    pub(crate) fn is_configuration(&self) -> bool {
        matches!(
            self,
            Self::NothingNamed
                | Self::Network(_)
                | Self::Unpinned { .. }
                | Self::UnpinnedPart { .. }
                | Self::FollowUnsigned(_)
                | Self::SettingsForMany(..)
                | Self::DuplicateSettings(..)
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
