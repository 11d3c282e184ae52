//! Selects the changes of components that take effect while they are served.

use crate::reference::Reference;

/// The changes of components that take effect while they are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WatchMode {
    /// No changes. Clients are told that the lists never change.
    Never,
    /// Changes found by [`App::reload`](crate::App::reload).
    Manual,
    /// Changes in directories and of glob patterns, as they happen.
    Directories,
    /// Changes of every reference, as they happen.
    Everything,
}

impl WatchMode {
    /// Returns whether changes of this reference take effect as they happen.
    pub(crate) fn is_watched(self, reference: &Reference) -> bool {
        match self {
            Self::Never | Self::Manual => false,
            Self::Directories => reference.is_open(),
            Self::Everything => true,
        }
    }
}
