//! The lists of tools, prompts, resources and templates: built once for each catalog, filtered for each caller.

use std::collections::HashMap;
use std::sync::Arc;

use rmcp::ErrorData;
use rmcp::model::{Prompt, Resource, ResourceTemplate, ServerCapabilities, ServerConfig, Tool};

use super::announced::Announced;
use super::convert;
use crate::auth::Caller;
use crate::catalog::Catalog;
use crate::component::Component;

/// The maximum number of entries on one page. Large, because many clients read only the first page.
const MAX_PAGE_ENTRIES: usize = 1_000;

/// The lists and the server information of one catalog.
pub(super) struct View {
    pub(super) catalog: Arc<Catalog>,
    pub(super) announced: Arc<Announced>,
    pub(super) tools: NamedList<Tool>,
    pub(super) prompts: NamedList<Prompt>,
    pub(super) resources: NamedList<Resource>,
    pub(super) templates: NamedList<ResourceTemplate>,
    pub(super) config: ServerConfig,
}

impl View {
    /// The lists of a catalog. `changes` tells whether it can be replaced.
    pub(super) fn new(catalog: Arc<Catalog>, changes: bool, announced: &Arc<Announced>) -> Self {
        let info = announced.info.clone();
        let tools = catalog.tools().map(|entry| {
            let tool = convert::tool(entry);
            (entry.name.clone(), entry.scopes.clone(), tool)
        });
        let prompts = catalog.prompts().map(|entry| {
            let prompt = convert::prompt(&entry.name, entry.item());
            (entry.name.clone(), entry.scopes.clone(), prompt)
        });
        let resources = catalog.resources().map(|entry| {
            let mut resource = convert::resource(entry.item());
            resource.uri.clone_from(&entry.name);
            (entry.name.clone(), entry.scopes.clone(), resource)
        });
        let templates = catalog.templates().map(|entry| {
            let mut template = convert::template(&entry.item().template);
            template.uri_template.clone_from(&entry.name);
            (entry.name.clone(), entry.scopes.clone(), template)
        });
        let mut view = Self {
            tools: NamedList::new(tools),
            prompts: NamedList::new(prompts),
            resources: NamedList::new(resources),
            templates: NamedList::new(templates),
            config: ServerConfig::new(ServerCapabilities::default()).with_server_info(info),
            catalog,
            announced: announced.clone(),
        };
        view.config.capabilities = view.capabilities(changes);
        view.config.instructions.clone_from(&announced.instructions);
        view
    }

    /// Returns the server's capabilities. It announces change notifications only if the catalog can change.
    fn capabilities(&self, changes: bool) -> ServerCapabilities {
        let mut capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_logging()
            .enable_tasks()
            .build();
        let list_changed = changes.then_some(true);
        if let Some(tools) = &mut capabilities.tools {
            tools.list_changed = list_changed;
        }
        if !self.prompts.is_empty() {
            let mut prompts = rmcp::model::PromptsCapability::default();
            prompts.list_changed = list_changed;
            capabilities.prompts = Some(prompts);
        }
        if !self.resources.is_empty() || !self.templates.is_empty() {
            let mut resources = rmcp::model::ResourcesCapability::default();
            resources.list_changed = list_changed;
            resources.subscribe = list_changed;
            capabilities.resources = Some(resources);
        }
        let prompts = self.catalog.prompts().map(|entry| entry.component());
        let templates = self.catalog.templates().map(|entry| entry.component());
        if prompts.chain(templates).any(Component::has_completions) {
            capabilities.completions = Some(serde_json::Map::new());
        }
        capabilities
    }
}

/// A list sorted by name, with the position of each name.
pub(super) struct NamedList<T> {
    entries: Vec<Entry<T>>,
    positions: HashMap<String, usize>,
}

/// An entry and the scopes that a caller needs to see it.
struct Entry<T> {
    name: String,
    scopes: Vec<String>,
    item: T,
}

impl<T: Clone + PartialEq> NamedList<T> {
    fn new(items: impl Iterator<Item = (String, Vec<String>, T)>) -> Self {
        let entries: Vec<_> = items
            .map(|(name, scopes, item)| Entry { name, scopes, item })
            .collect();
        let positions = entries.iter().enumerate();
        let positions = positions
            .map(|(position, entry)| (entry.name.clone(), position))
            .collect();
        Self { entries, positions }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns the item with this name, whatever the caller's scopes.
    pub(super) fn get(&self, name: &str) -> Option<&T> {
        let position = self.positions.get(name)?;
        Some(&self.entries[*position].item)
    }

    /// Returns whether both lists are the same to clients.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let ours = self.entries.iter().map(|e| (&e.scopes, &e.item));
        ours.eq(other.entries.iter().map(|e| (&e.scopes, &e.item)))
    }

    /// Returns a page of the entries that this caller may use, and the cursor of the next page. A cursor is the name of
    /// the last entry of the page before; some clients send an empty one for the first page.
    ///
    /// # Errors
    /// The cursor was not issued by this server.
    pub(super) fn page(
        &self,
        cursor: Option<&str>,
        caller: Option<&Caller>,
    ) -> Result<(Vec<T>, Option<String>), ErrorData> {
        let start = match cursor {
            None | Some("") => 0,
            Some(name) => match self.positions.get(name) {
                Some(position) => position + 1,
                None => return Err(ErrorData::invalid_params("invalid cursor", None)),
            },
        };
        let mut visible = self.entries[start..]
            .iter()
            .filter(|entry| caller.is_none_or(|caller| caller.has_scopes(&entry.scopes)));
        let page: Vec<_> = visible.by_ref().take(MAX_PAGE_ENTRIES).collect();
        let next = visible.next().and(page.last());
        let next = next.map(|entry| entry.name.clone());
        Ok((
            page.into_iter().map(|entry| entry.item.clone()).collect(),
            next,
        ))
    }
}
