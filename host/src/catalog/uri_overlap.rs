//! Overlaps of the URIs that components serve. A component must not answer for the resources of another one.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::entries::{ComponentEntry, ResourceEntry, TemplateEntry};
use super::error::CatalogError;
use crate::component::{TooMuchWork, UriPattern, Work};

/// Upper limit of the work of comparing one component's URIs with those of the others. It takes less than a second.
const MAX_WORK: u64 = 50_000_000;

/// The resources and templates of all components by the URIs that clients use.
pub(super) struct Served<'a> {
    pub(super) resources: &'a BTreeMap<String, Arc<ResourceEntry>>,
    pub(super) templates: &'a BTreeMap<String, Arc<TemplateEntry>>,
}

/// A resource or a template of the component that is added.
struct Own<'a> {
    uri: &'a str,
    pattern: UriPattern,
    is_template: bool,
}

/// Finds overlaps of the URIs of `owner` with those of other components: the first one with each component that is not
/// in `reported`.
pub(super) fn find(
    owner: &Arc<ComponentEntry>,
    served: &Served<'_>,
    reported: Vec<Arc<ComponentEntry>>,
) -> Vec<CatalogError> {
    let mut finder = Finder {
        owner,
        reported,
        errors: Vec::new(),
        work: Work(MAX_WORK),
    };
    if finder.compare_all(served).is_err() {
        let name = owner.component.name.clone();
        finder.errors.push(CatalogError::TooManyUris(name));
    }
    finder.errors
}

struct Finder<'a> {
    owner: &'a Arc<ComponentEntry>,
    /// Components that are known to overlap.
    reported: Vec<Arc<ComponentEntry>>,
    errors: Vec<CatalogError>,
    work: Work,
}

impl Finder<'_> {
    fn compare_all(&mut self, served: &Served<'_>) -> Result<(), TooMuchWork> {
        for (scheme, own) in self.own_by_scheme(served) {
            // The URIs of a template begin with its scheme, because an expression cannot be in there.
            let templates: Vec<_> = starting_with(served.templates, scheme)
                .filter(|(_, entry)| !Arc::ptr_eq(&entry.owner, self.owner))
                .map(|(uri, entry)| (uri, &entry.owner, pattern_of(entry)))
                .collect();
            for own in &own {
                for (uri, other, pattern) in &templates {
                    self.compare(own, uri, other, pattern)?;
                }
                if own.is_template {
                    let literal = own.uri.split('{').next().unwrap_or_default();
                    for (uri, entry) in starting_with(served.resources, literal) {
                        let pattern = UriPattern::of_uri(uri);
                        self.compare(own, uri, &entry.owner, &pattern)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn own_by_scheme<'s>(&self, served: &Served<'s>) -> BTreeMap<&'s str, Vec<Own<'s>>> {
        let resources = served.resources.iter();
        let resources = resources
            .filter(|(_, entry)| Arc::ptr_eq(&entry.owner, self.owner))
            .map(|(uri, _)| Own {
                uri,
                pattern: UriPattern::of_uri(uri),
                is_template: false,
            });
        let templates = served.templates.iter();
        let templates = templates
            .filter(|(_, entry)| Arc::ptr_eq(&entry.owner, self.owner))
            .map(|(uri, entry)| Own {
                uri,
                pattern: pattern_of(entry),
                is_template: true,
            });
        let mut by_scheme: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for own in resources.chain(templates) {
            by_scheme.entry(scheme(own.uri)).or_default().push(own);
        }
        by_scheme
    }

    fn compare(
        &mut self,
        own: &Own<'_>,
        uri: &str,
        other: &Arc<ComponentEntry>,
        pattern: &UriPattern,
    ) -> Result<(), TooMuchWork> {
        let is_other = |known: &Arc<ComponentEntry>| Arc::ptr_eq(known, other);
        if is_other(self.owner) || self.reported.iter().any(is_other) {
            return Ok(());
        }
        if own.pattern.overlaps(pattern, &mut self.work)? {
            self.reported.push(other.clone());
            self.errors.push(CatalogError::UriOverlap {
                first: other.component.name.clone(),
                first_uri: uri.to_owned(),
                second: self.owner.component.name.clone(),
                second_uri: own.uri.to_owned(),
            });
        }
        Ok(())
    }
}

fn pattern_of(entry: &TemplateEntry) -> UriPattern {
    let own = entry.item().pattern();
    own.with_prefix(&entry.owner.uri_prefix)
}

/// Returns the scheme of an absolute URI, with its colon.
fn scheme(uri: &str) -> &str {
    uri.find(':').map_or(uri, |colon| &uri[..=colon])
}

/// Returns the entries whose URI starts with a text.
fn starting_with<'m, T>(
    entries: &'m BTreeMap<String, T>,
    start: &'m str,
) -> impl Iterator<Item = (&'m String, &'m T)> {
    use std::ops::Bound::{Included, Unbounded};
    let from = entries.range::<str, _>((Included(start), Unbounded));
    from.take_while(move |(uri, _)| uri.starts_with(start))
}
