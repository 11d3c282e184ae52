//! From a component and its settings to entries of the catalog.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::overlay::{Overlay, ToolSettings};
use super::{CatalogError, Entry, Served};
use crate::component::{Component, Tool, is_tool_name};

/// A component, and how it is to stand in the catalog. Tools are named by their
/// own names here.
pub struct Listing {
    /// The component.
    pub component: Component,
    /// Put before the name of each of its tools.
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
    pub tools: BTreeMap<String, ToolSettings>,
}

impl Listing {
    /// The entries of the tools that are served; what is wrong goes to `errors`.
    pub(super) fn entries(self, errors: &mut Vec<CatalogError>) -> (Arc<Served>, Vec<Entry>) {
        let served = Arc::new(Served::new(self.component, self.prefix));
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
        let tools: Vec<_> = all.filter(|(_, tool)| is_served(tool)).collect();
        // A misspelt name is one fault, not two.
        if tools.is_empty() && errors.len() == before {
            errors.push(CatalogError::NoTools(served.component.name.clone()));
        }
        let default = ToolSettings::default();
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
            let name = format!("{}{own}", served.prefix);
            if !is_tool_name(&name) {
                errors.push(CatalogError::Name {
                    component: served.component.name.clone(),
                    prefix: served.prefix.clone(),
                    tool: name,
                });
                return None;
            }
            let scopes = self.scopes.iter().chain(&settings.scopes);
            let scopes: BTreeSet<_> = scopes.cloned().collect();
            Some(Entry {
                name,
                scopes: scopes.into_iter().collect(),
                served: served.clone(),
                index,
                overlay,
            })
        });
        let entries = entries.collect();
        (served, entries)
    }
}
