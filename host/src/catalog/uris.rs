//! The prefix of a component's URIs. Clients see it, the component does not.

use crate::component::{Block, Component, Content};

/// Maximum number of links of one result that get the prefix. Each of them is matched against all templates.
const MAX_PREFIXED_LINKS: usize = 1_000;

/// Adds the prefix to those URIs in a result that the component announces. Clients may read them.
pub(super) fn add_prefix<'u>(
    prefix: &str,
    component: &Component,
    uris: impl Iterator<Item = &'u mut String>,
) {
    if prefix.is_empty() {
        return;
    }
    for uri in uris.take(MAX_PREFIXED_LINKS) {
        if announces(component, uri) {
            uri.insert_str(0, prefix);
        }
    }
}

fn announces(component: &Component, uri: &str) -> bool {
    let resources = &component.resources;
    let position = resources.binary_search_by(|resource| resource.uri.as_str().cmp(uri));
    let mut templates = component.templates.iter();
    position.is_ok() || templates.any(|template| template.matches(uri))
}

/// Returns the URI of a content that is a link to a resource, or a resource itself.
pub(super) fn linked_uri(content: &mut Content) -> Option<&mut String> {
    match &mut content.block {
        Block::Link(link) => Some(&mut link.uri),
        Block::Embedded(embedded) => Some(&mut embedded.uri),
        Block::Text(_) | Block::Image(_) | Block::Audio(_) => None,
    }
}
