//! The catalog as clients see it: made once for each catalog, listed for each
//! caller.

use std::collections::HashMap;
use std::sync::Arc;

use rmcp::ErrorData;
use rmcp::model::{
    Implementation, Prompt, Resource, ResourceTemplate, ServerCapabilities, ServerConfig, Tool,
};

use super::convert;
use super::options::ServerOptions;
use crate::auth::Caller;
use crate::catalog::Catalog;
use crate::component::Component;

/// Entries on one page of a list; many clients read only the first page.
const PAGE_ENTRIES: usize = 1_000;

/// One catalog, announced.
pub(super) struct View {
    pub(super) catalog: Arc<Catalog>,
    pub(super) tools: Announced<Tool>,
    pub(super) prompts: Announced<Prompt>,
    pub(super) resources: Announced<Resource>,
    pub(super) templates: Announced<ResourceTemplate>,
    pub(super) config: ServerConfig,
}

impl View {
    pub(super) fn new(
        catalog: Arc<Catalog>,
        settings: &ServerOptions,
        info: &Implementation,
    ) -> Self {
        let tools = catalog.tools().map(|entry| {
            let tool = convert::tool(entry);
            (entry.name.clone(), entry.scopes.clone(), tool)
        });
        let prompts = catalog.prompts().map(|offer| {
            let prompt = convert::prompt(&offer.name, offer.item());
            (offer.name.clone(), offer.scopes.clone(), prompt)
        });
        let resources = catalog.resources().map(|offer| {
            let resource = convert::resource(offer.item());
            (offer.name.clone(), offer.scopes.clone(), resource)
        });
        let templates = catalog.templates().map(|offer| {
            let template = convert::template(&offer.item().template);
            (offer.name.clone(), offer.scopes.clone(), template)
        });
        let mut view = Self {
            tools: Announced::new(tools),
            prompts: Announced::new(prompts),
            resources: Announced::new(resources),
            templates: Announced::new(templates),
            config: ServerConfig::new(ServerCapabilities::default()).with_server_info(info.clone()),
            catalog,
        };
        view.config.capabilities = view.capabilities(settings.changes);
        view.config.instructions.clone_from(&settings.instructions);
        view
    }

    /// What the server can do; only a catalog that can change notifies of it.
    fn capabilities(&self, changes: bool) -> ServerCapabilities {
        let mut can = ServerCapabilities::builder()
            .enable_tools()
            .enable_logging()
            .enable_tasks()
            .build();
        let changed = changes.then_some(true);
        if let Some(tools) = &mut can.tools {
            tools.list_changed = changed;
        }
        if !self.prompts.is_empty() {
            let mut prompts = rmcp::model::PromptsCapability::default();
            prompts.list_changed = changed;
            can.prompts = Some(prompts);
        }
        if !self.resources.is_empty() || !self.templates.is_empty() {
            let mut resources = rmcp::model::ResourcesCapability::default();
            resources.list_changed = changed;
            resources.subscribe = changed;
            can.resources = Some(resources);
        }
        let prompts = self.catalog.prompts().map(|offer| offer.component());
        let families = self.catalog.templates().map(|offer| offer.component());
        if prompts.chain(families).any(Component::completes) {
            can.completions = Some(serde_json::Map::new());
        }
        can
    }
}

/// A list in the order of its names, and where each name stands in it.
pub(super) struct Announced<T> {
    entries: Vec<Entry<T>>,
    places: HashMap<String, usize>,
}

struct Entry<T> {
    name: String,
    scopes: Vec<String>,
    item: T,
}

impl<T: Clone + PartialEq> Announced<T> {
    fn new(items: impl Iterator<Item = (String, Vec<String>, T)>) -> Self {
        let entries: Vec<_> = items
            .map(|(name, scopes, item)| Entry { name, scopes, item })
            .collect();
        let places = entries.iter().enumerate();
        let places = places
            .map(|(place, entry)| (entry.name.clone(), place))
            .collect();
        Self { entries, places }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn get(&self, name: &str) -> Option<&T> {
        let place = self.places.get(name)?;
        Some(&self.entries[*place].item)
    }

    /// Whether clients see the same list.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let ours = self.entries.iter().map(|e| (&e.scopes, &e.item));
        ours.eq(other.entries.iter().map(|e| (&e.scopes, &e.item)))
    }

    /// What this caller may use, from the cursor on: the last name of the page
    /// before. With it the cursor of the page after.
    ///
    /// # Errors
    /// A cursor that this server did not give out.
    pub(super) fn page(
        &self,
        cursor: Option<&str>,
        principal: Option<&Caller>,
    ) -> Result<(Vec<T>, Option<String>), ErrorData> {
        let start = match cursor {
            None => 0,
            Some(name) => match self.places.get(name) {
                Some(place) => place + 1,
                None => return Err(ErrorData::invalid_params("invalid cursor", None)),
            },
        };
        let mut visible = self.entries[start..]
            .iter()
            .filter(|entry| principal.is_none_or(|p| p.has_scopes(&entry.scopes)));
        let page: Vec<_> = visible.by_ref().take(PAGE_ENTRIES).collect();
        let next = visible.next().and(page.last());
        let next = next.map(|entry| entry.name.clone());
        Ok((
            page.into_iter().map(|entry| entry.item.clone()).collect(),
            next,
        ))
    }
}
