//! The prefix of a component's URIs. Clients see it, the component does not.

use super::entries::ComponentEntry;
use crate::component::{Block, Content};

/// Maximum number of links of one result that get the prefix. Each of them is matched against all templates.
const MAX_PREFIXED_LINKS: usize = 1_000;

impl ComponentEntry {
    /// Returns the URI or URI template that clients use for one of the component's own.
    pub(super) fn prefixed_uri(&self, own: &str) -> String {
        format!("{}{own}", self.uri_prefix)
    }

    /// Returns the component's own URI for one that a client uses; `None` if it lacks the prefix.
    pub(super) fn own_uri<'u>(&self, uri: &'u str) -> Option<&'u str> {
        uri.strip_prefix(self.uri_prefix.as_str())
    }

    /// Adds the prefix to those URIs in a result that the component announces. Clients may read them.
    pub(super) fn prefix_uris<'u>(&self, uris: impl Iterator<Item = &'u mut String>) {
        if self.uri_prefix.is_empty() {
            return;
        }
        for uri in uris.take(MAX_PREFIXED_LINKS) {
            if self.announces(uri) {
                uri.insert_str(0, &self.uri_prefix);
            }
        }
    }

    fn announces(&self, own: &str) -> bool {
        let resources = &self.component.resources;
        let mut templates = self.component.templates.iter();
        let position = resources.binary_search_by(|resource| resource.uri.as_str().cmp(own));
        position.is_ok() || templates.any(|template| template.matches(own))
    }
}

/// Returns the URI of a content that is a link to a resource, or a resource itself.
pub(super) fn linked_uri(content: &mut Content) -> Option<&mut String> {
    match &mut content.block {
        Block::Link(link) => Some(&mut link.uri),
        Block::Embedded(embedded) => Some(&mut embedded.uri),
        Block::Text(_) | Block::Image(_) | Block::Audio(_) => None,
    }
}
