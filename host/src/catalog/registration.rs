//! From a component and its settings to what stands in the catalog.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::admission::ComponentCallLimits;
use super::entries::{Entry, ToolEntry};
use super::overlay::{Overlay, ToolConfig};
use super::{Catalog, CatalogError, ComponentEntry};
use crate::component::{Component, Tool, is_tool_name};

/// A component, and how it is to stand in the catalog. Tools are named by their
/// own names here.
#[derive(Clone)]
pub struct Registration {
    /// The component.
    pub component: Arc<Component>,
    /// The places for its calls.
    pub places: Arc<ComponentCallLimits>,
    /// Put before the name of each of its tools and prompts.
    pub prefix: String,
    /// Scopes that every call of it needs.
    pub scopes: Vec<String>,
    /// The tools that its reference selects; `None` means all.
    pub selected: Option<Vec<String>>,
    /// The only tools that are served; `None` means all.
    pub only: Option<Vec<String>>,
    /// Tools that are not served.
    pub exclude: Vec<String>,
    /// What is different about single tools.
    pub tools: BTreeMap<String, ToolConfig>,
}

impl Catalog {
    /// Takes in what a component offers; what is wrong goes to `errors`.
    pub(super) fn list(&mut self, listing: &Registration, errors: &mut Vec<CatalogError>) {
        let served = Arc::new(ComponentEntry {
            component: listing.component.clone(),
            prefix: listing.prefix.clone(),
            places: listing.places.clone(),
        });
        for entry in listing.entries(&served, errors) {
            match self.tools.get(&entry.name) {
                Some(first) => errors.push(first.clash(&entry)),
                None => {
                    self.tools.insert(entry.name.clone(), Arc::new(entry));
                }
            }
        }
        // A reference that selects a tool names that tool alone.
        if listing.selected.is_none() {
            let scopes = sorted(&listing.scopes);
            self.list_prompts(&served, &scopes, errors);
            self.list_documents(&served, &scopes, errors);
        }
        self.components.push(served);
    }

    /// Takes back the component that was taken in last.
    pub(super) fn unlist(&mut self) {
        let Some(served) = self.components.pop() else {
            return;
        };
        let stays = |other: &Arc<ComponentEntry>| !Arc::ptr_eq(other, &served);
        self.tools.retain(|_, entry| stays(&entry.served));
        self.prompts.retain(|_, offer| stays(&offer.served));
        self.resources.retain(|_, offer| stays(&offer.served));
        self.templates.retain(|_, offer| stays(&offer.served));
    }

    fn list_prompts(
        &mut self,
        served: &Arc<ComponentEntry>,
        scopes: &[String],
        errors: &mut Vec<CatalogError>,
    ) {
        for (index, prompt) in served.component.prompts.iter().enumerate() {
            let name = match served.prefixed("prompt", &prompt.name) {
                Ok(name) => name,
                Err(error) => {
                    errors.push(error);
                    continue;
                }
            };
            if let Some(first) = self.prompts.get(&name) {
                errors.push(CatalogError::Duplicate {
                    kind: "prompt",
                    name,
                    first: first.component().name.clone(),
                    second: served.component.name.clone(),
                });
                continue;
            }
            let offer = served.offer(&name, scopes, |c| &c.prompts, index);
            self.prompts.insert(name, offer);
        }
    }

    fn list_documents(
        &mut self,
        served: &Arc<ComponentEntry>,
        scopes: &[String],
        errors: &mut Vec<CatalogError>,
    ) {
        let duplicate = |uri: &str, first: &Component| CatalogError::DuplicateResource {
            uri: uri.to_owned(),
            first: first.name.clone(),
            second: served.component.name.clone(),
        };
        for (index, resource) in served.component.resources.iter().enumerate() {
            let uri = &resource.uri;
            if let Some(first) = self.resources.get(uri) {
                errors.push(duplicate(uri, first.component()));
                continue;
            }
            let offer = served.offer(uri, scopes, |c| &c.resources, index);
            self.resources.insert(uri.clone(), offer);
        }
        for (index, template) in served.component.templates.iter().enumerate() {
            let uri = &template.template.uri_template;
            if let Some(first) = self.templates.get(uri) {
                errors.push(duplicate(uri, first.component()));
                continue;
            }
            let offer = served.offer(uri, scopes, |c| &c.templates, index);
            self.templates.insert(uri.clone(), offer);
        }
    }
}

impl Registration {
    /// Whether the same component stands in the same way.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.component, &other.component)
            && Arc::ptr_eq(&self.places, &other.places)
            && self.prefix == other.prefix
            && self.scopes == other.scopes
            && self.selected == other.selected
            && self.only == other.only
            && self.exclude == other.exclude
            && self.tools == other.tools
    }

    /// The entries of the tools that are served; what is wrong goes to `errors`.
    fn entries(
        &self,
        served: &Arc<ComponentEntry>,
        errors: &mut Vec<CatalogError>,
    ) -> Vec<ToolEntry> {
        let (selected, only) = (self.selected.as_deref(), self.only.as_deref());
        let before = errors.len();
        let named = |names: &[String], setting: &str| -> Vec<_> {
            let unknown = names
                .iter()
                .filter_map(|tool| served.unknown(tool, setting));
            unknown.collect()
        };
        errors.extend(named(selected.unwrap_or_default(), "the reference"));
        errors.extend(named(only.unwrap_or_default(), "`tools`"));
        errors.extend(named(&self.exclude, "`exclude`"));
        for tool in self.tools.keys() {
            errors.extend(served.unknown(tool, &format!("[component.tool.{tool}]")));
        }

        let is_served = |tool: &Tool| {
            selected.is_none_or(|selected| selected.contains(&tool.name))
                && only.is_none_or(|only| only.contains(&tool.name))
                && !self.exclude.contains(&tool.name)
                && self.tools.get(&tool.name).is_none_or(|own| own.enabled)
        };
        let all = served.component.tools.iter().enumerate();
        let offers_more = selected.is_none() && served.component.has_prompts_or_resources();
        let tools: Vec<_> = all.filter(|(_, tool)| is_served(tool)).collect();
        // A misspelt name is one fault, not two.
        if tools.is_empty() && !offers_more && errors.len() == before {
            errors.push(CatalogError::NoTools(served.component.name.clone()));
        }
        let default = ToolConfig::default();
        let entries = tools.into_iter().filter_map(|(index, tool)| {
            let settings = self.tools.get(&tool.name).unwrap_or(&default);
            let overlay = Overlay::new(tool, settings).unwrap_or_else(|faults| {
                errors.extend(faults.into_iter().map(|fault| CatalogError::Argument {
                    component: served.component.name.clone(),
                    tool: tool.name.clone(),
                    fault,
                }));
                Overlay::default()
            });
            let own = settings.rename.as_ref().unwrap_or(&tool.name);
            let name = match served.prefixed("tool", own) {
                Ok(name) => name,
                Err(error) => {
                    errors.push(error);
                    return None;
                }
            };
            Some(ToolEntry {
                name,
                scopes: sorted(self.scopes.iter().chain(&settings.scopes)),
                served: served.clone(),
                index,
                overlay,
            })
        });
        entries.collect()
    }
}

impl ComponentEntry {
    /// The name for clients.
    fn prefixed(&self, kind: &'static str, name: &str) -> Result<String, CatalogError> {
        let prefixed = format!("{}{name}", self.prefix);
        if is_tool_name(&prefixed) {
            return Ok(prefixed);
        }
        Err(CatalogError::Name {
            component: self.component.name.clone(),
            prefix: self.prefix.clone(),
            kind,
            name: prefixed,
        })
    }

    fn offer<T>(
        self: &Arc<Self>,
        name: &str,
        scopes: &[String],
        item: fn(&Component) -> &[T],
        index: usize,
    ) -> Arc<Entry<T>> {
        Arc::new(Entry {
            name: name.to_owned(),
            scopes: scopes.to_vec(),
            served: self.clone(),
            item,
            index,
        })
    }

    fn unknown(&self, tool: &str, setting: &str) -> Option<CatalogError> {
        let names = self.component.tools.iter().map(|tool| tool.name.as_str());
        if names.clone().any(|name| name == tool) {
            return None;
        }
        Some(CatalogError::UnknownTool {
            component: self.component.name.clone(),
            tool: tool.to_owned(),
            setting: setting.to_owned(),
            known: match names.len() {
                0 => "none".to_owned(),
                _ => names
                    .map(|name| format!("`{name}`"))
                    .collect::<Vec<_>>()
                    .join(", "),
            },
        })
    }
}

fn sorted<'a>(scopes: impl IntoIterator<Item = &'a String>) -> Vec<String> {
    let scopes: BTreeSet<_> = scopes.into_iter().cloned().collect();
    scopes.into_iter().collect()
}
