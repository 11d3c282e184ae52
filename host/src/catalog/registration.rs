//! Turns a component and the settings it is served under into catalog entries.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::call_limits::ComponentCallLimits;
use super::entries::{ComponentEntry, Entry, ToolEntry};
use super::error::CatalogError;
use super::overlay::{Overlay, ToolConfig};
use crate::component::{Component, Tool, is_tool_name};
use crate::telemetry::TargetCell;

/// A component and the settings it is served under. Tools are named as the component names them.
#[derive(Clone)]
pub struct Registration {
    /// The component.
    pub component: Arc<Component>,
    /// Limits on its calls.
    pub call_limits: Arc<ComponentCallLimits>,
    /// The path at which it answers HTTP requests, in place of offering tools; `None` for tools.
    pub mount: Option<String>,
    /// Prefix of the names of its tools and prompts.
    pub prefix: String,
    /// Prefix of the URIs of its resources and resource templates.
    pub uri_prefix: String,
    /// Scopes required by every call.
    pub scopes: Vec<String>,
    /// Tools selected by its references; `None` means all.
    pub selected: Option<Vec<String>>,
    /// The only tools to serve; `None` means all.
    pub include: Option<Vec<String>>,
    /// Tools not to serve.
    pub exclude: Vec<String>,
    /// Settings for single tools, by name.
    pub tools: BTreeMap<String, ToolConfig>,
}

impl Registration {
    /// A component without settings.
    pub fn new(component: Arc<Component>, call_limits: Arc<ComponentCallLimits>) -> Self {
        Self {
            component,
            call_limits,
            mount: None,
            prefix: String::new(),
            uri_prefix: String::new(),
            scopes: Vec::new(),
            selected: None,
            include: None,
            exclude: Vec::new(),
            tools: BTreeMap::new(),
        }
    }

    /// Returns whether both serve the same loaded component under the same settings.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.component, &other.component)
            && Arc::ptr_eq(&self.call_limits, &other.call_limits)
            && self.mount == other.mount
            && self.prefix == other.prefix
            && self.uri_prefix == other.uri_prefix
            && self.scopes == other.scopes
            && self.selected == other.selected
            && self.include == other.include
            && self.exclude == other.exclude
            && self.tools == other.tools
    }

    pub(super) fn component_entry(&self) -> Arc<ComponentEntry> {
        Arc::new(ComponentEntry {
            component: self.component.clone(),
            prefix: self.prefix.clone(),
            uri_prefix: self.uri_prefix.clone(),
            call_limits: self.call_limits.clone(),
        })
    }

    /// Returns whether the component's prompts and resources are served. A reference that selects a tool serves that
    /// tool only.
    pub(super) fn has_prompts_and_resources(&self) -> bool {
        self.selected.is_none()
    }

    /// Returns the scopes required by prompts, resources and mounts, sorted.
    pub(super) fn sorted_scopes(&self) -> Vec<String> {
        sorted(&self.scopes)
    }

    /// Creates the entries of the tools to serve. Problems are added to `errors`.
    pub(super) fn tool_entries(
        &self,
        owner: &Arc<ComponentEntry>,
        errors: &mut Vec<CatalogError>,
    ) -> Vec<ToolEntry> {
        let errors_before = errors.len();
        self.check_tool_names(errors);
        let tools = owner.component.tools.iter().enumerate();
        let tools: Vec<_> = tools.filter(|(_, tool)| self.is_served(tool)).collect();
        let has_more =
            self.has_prompts_and_resources() && owner.component.has_prompts_or_resources();
        // A misspelt tool name is reported once, not also as a component without tools.
        if tools.is_empty() && !has_more && errors.len() == errors_before {
            errors.push(CatalogError::NoTools(owner.component.name.clone()));
        }
        let default = ToolConfig::default();
        let entries = tools.into_iter().filter_map(|(index, tool)| {
            let config = self.tools.get(&tool.name).unwrap_or(&default);
            let overlay = Overlay::new(tool, config).unwrap_or_else(|found| {
                errors.extend(found.into_iter().map(|error| CatalogError::Argument {
                    component: owner.component.name.clone(),
                    tool: tool.name.clone(),
                    error,
                }));
                Overlay::default()
            });
            let name = config.rename.as_ref().unwrap_or(&tool.name);
            let name = owner
                .prefixed("tool", name)
                .map_err(|error| errors.push(error))
                .ok()?;
            Some(ToolEntry {
                name,
                scopes: sorted(self.scopes.iter().chain(&config.scopes)),
                owner: owner.clone(),
                index,
                overlay,
                recorded: TargetCell::default(),
            })
        });
        entries.collect()
    }

    fn is_served(&self, tool: &Tool) -> bool {
        let includes = |names: &Option<Vec<String>>| {
            let names = names.as_ref();
            names.is_none_or(|names| names.contains(&tool.name))
        };
        includes(&self.selected)
            && includes(&self.include)
            && !self.exclude.contains(&tool.name)
            && self.tools.get(&tool.name).is_none_or(|own| own.enabled)
    }

    /// Checks that every tool named in the settings exists.
    fn check_tool_names(&self, errors: &mut Vec<CatalogError>) {
        let selected = self.selected.iter().flatten();
        let include = self.include.iter().flatten();
        let named = selected
            .map(|tool| (tool, "the reference".to_owned()))
            .chain(include.map(|tool| (tool, "`tools`".to_owned())))
            .chain(
                self.exclude
                    .iter()
                    .map(|tool| (tool, "`exclude`".to_owned())),
            )
            .chain(
                self.tools
                    .keys()
                    .map(|tool| (tool, format!("[component.tool.{tool}]"))),
            );
        let tools = &self.component.tools;
        for (name, setting) in named {
            if !tools.iter().any(|tool| tool.name == *name) {
                let known: Vec<_> = tools
                    .iter()
                    .map(|tool| format!("`{}`", tool.name))
                    .collect();
                errors.push(CatalogError::UnknownTool {
                    component: self.component.name.clone(),
                    tool: name.clone(),
                    setting,
                    known: match known.is_empty() {
                        true => "none".to_owned(),
                        false => known.join(", "),
                    },
                });
            }
        }
    }
}

impl ComponentEntry {
    /// Returns the name clients use for a tool or prompt of the component.
    pub(super) fn prefixed(&self, kind: &'static str, name: &str) -> Result<String, CatalogError> {
        let prefixed = format!("{}{name}", self.prefix);
        if is_tool_name(&prefixed) {
            return Ok(prefixed);
        }
        Err(CatalogError::InvalidName {
            component: self.component.name.clone(),
            prefix: self.prefix.clone(),
            kind,
            name: prefixed,
        })
    }

    /// Creates the entry of a prompt, resource or resource template.
    pub(super) fn entry<T>(
        self: &Arc<Self>,
        name: &str,
        scopes: &[String],
        list: fn(&Component) -> &[T],
        index: usize,
    ) -> Arc<Entry<T>> {
        Arc::new(Entry {
            name: name.to_owned(),
            scopes: scopes.to_vec(),
            owner: self.clone(),
            list,
            index,
            recorded: TargetCell::default(),
        })
    }
}

fn sorted<'a>(scopes: impl IntoIterator<Item = &'a String>) -> Vec<String> {
    let scopes: BTreeSet<_> = scopes.into_iter().cloned().collect();
    scopes.into_iter().collect()
}
