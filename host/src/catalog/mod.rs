//! The catalog: every tool, prompt and document that is served, by the name that
//! clients use, and the bounds on how many calls run at once.

mod admission;
mod entries;
mod overlay;
mod registration;

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;

use crate::component::{Component, Prompt, Resource, ResourceTemplate};
pub use admission::{Admitted, CallLimits, CallPermit, CallTicket, ComponentCallLimits, Refused};
pub use entries::{Entry, Target, ToolEntry};
pub use overlay::{ArgumentOverrideError, ToolConfig};
pub use registration::Registration;

/// Name → tool, prompt, document; ordered, unique, unchanging.
pub struct Catalog {
    tools: BTreeMap<String, Arc<ToolEntry>>,
    prompts: BTreeMap<String, Arc<Entry<Prompt>>>,
    resources: BTreeMap<String, Arc<Entry<Resource>>>,
    templates: BTreeMap<String, Arc<Entry<ResourceTemplate>>>,
    components: Vec<Arc<ComponentEntry>>,
    calls: Arc<CallLimits>,
}

/// The catalog that is served now. Cheap to clone; whoever holds what it gave out
/// keeps that, however often it is swapped.
#[derive(Clone)]
pub struct LiveCatalog(Arc<watch::Sender<Arc<Catalog>>>);

/// What a request is for, as the client names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetName {
    /// `tools/call`
    Tool(String),
    /// `prompts/get`, and the completion of a prompt's arguments.
    Prompt(String),
    /// `resources/read`
    Resource(String),
    /// The completion of a template's arguments.
    Template(String),
}

/// A component in the catalog.
pub struct ComponentEntry {
    /// The component.
    pub component: Arc<Component>,
    /// Put before the name of each of its tools and prompts.
    pub prefix: String,
    places: Arc<ComponentCallLimits>,
}

/// Why components cannot stand beside each other.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// Two tools, or two prompts, of one name.
    #[error(
        "the {kind} `{name}` is in both `{first}` and `{second}`; give one of them a `prefix` in its \
         [[component]], such as prefix = \"{second}_\"{}",
        if is_tool(.kind) { ", or one of the tools a `rename`" } else { "" }
    )]
    Duplicate {
        /// `tool` or `prompt`.
        kind: &'static str,
        /// The name.
        name: String,
        /// The component that came first.
        first: String,
        /// The component that came second.
        second: String,
    },
    /// Two documents of one URI.
    #[error(
        "the resource `{uri}` is in both `{first}` and `{second}`; serve one of them, or give one a \
         URI of its own"
    )]
    DuplicateResource {
        /// Its URI, or the template.
        uri: String,
        /// The component that came first.
        first: String,
        /// The component that came second.
        second: String,
    },
    /// Two tools of one component would have one name.
    #[error(
        "`{component}`: its tools `{first}` and `{second}` would both be called `{tool}`; give one \
         of them another `rename`"
    )]
    SameName {
        /// The component.
        component: String,
        /// The name that both would have.
        tool: String,
        /// The tool that came first.
        first: String,
        /// The tool that came second.
        second: String,
    },
    /// Settings for a tool that is not there.
    #[error("`{component}` has no tool `{tool}`, which {setting} names; it has {known}")]
    UnknownTool {
        /// The component.
        component: String,
        /// The tool that is not there.
        tool: String,
        /// What names it.
        setting: String,
        /// The tools that it has.
        known: String,
    },
    /// Settings for arguments that do not go with the tool.
    #[error("`{component}`: [component.tool.{tool}] {fault}")]
    Argument {
        /// The component.
        component: String,
        /// Its tool.
        tool: String,
        /// Why.
        fault: ArgumentOverrideError,
    },
    /// The settings leave nothing of a component.
    #[error(
        "`{0}`: `tools`, `exclude` and `enabled` leave nothing of it to be served; leave one tool, or \
         take the component out"
    )]
    NoTools(String),
    /// The prefix makes a name that clients refuse.
    #[error(
        "`{component}`: with the prefix `{prefix}` its {kind} would be called `{name}`, which is not \
         1 to 64 characters of `A-Z a-z 0-9 _ -`; choose another prefix{}",
        if is_tool(.kind) { " or `rename`" } else { "" }
    )]
    Name {
        /// The component.
        component: String,
        /// Its prefix.
        prefix: String,
        /// `tool` or `prompt`.
        kind: &'static str,
        /// The name that came out.
        name: String,
    },
}

/// Only tools can have another name.
fn is_tool(kind: &str) -> bool {
    kind == "tool"
}

impl Catalog {
    /// A catalog of nothing. `calls` are the places for calls in all.
    pub fn new(calls: Arc<CallLimits>) -> Self {
        Self {
            tools: BTreeMap::new(),
            prompts: BTreeMap::new(),
            resources: BTreeMap::new(),
            templates: BTreeMap::new(),
            components: Vec::new(),
            calls,
        }
    }

    /// Puts components together. `calls` are the places for calls in all.
    ///
    /// # Errors
    /// Every clash of names.
    pub fn build<'a>(
        listings: impl IntoIterator<Item = &'a Registration>,
        calls: Arc<CallLimits>,
    ) -> Result<Self, Vec<CatalogError>> {
        let mut catalog = Self::new(calls);
        let mut errors = Vec::new();
        for listing in listings {
            catalog.list(listing, &mut errors);
        }
        if errors.is_empty() {
            Ok(catalog)
        } else {
            Err(errors)
        }
    }

    /// Takes in one more component, or nothing of it.
    ///
    /// # Errors
    /// Every clash with those that are there.
    pub fn add(&mut self, listing: &Registration) -> Result<(), Vec<CatalogError>> {
        let mut errors = Vec::new();
        self.list(listing, &mut errors);
        if errors.is_empty() {
            return Ok(());
        }
        self.unlist();
        Err(errors)
    }

    /// The tool of this name.
    pub fn tool(&self, name: &str) -> Option<&Arc<ToolEntry>> {
        self.tools.get(name)
    }

    /// All tools in name order.
    pub fn tools(&self) -> impl ExactSizeIterator<Item = &Arc<ToolEntry>> {
        self.tools.values()
    }

    /// The prompts of one component of this catalog, in name order.
    pub fn prompts_of<'a>(
        &'a self,
        served: &'a Arc<ComponentEntry>,
    ) -> impl Iterator<Item = &'a Entry<Prompt>> {
        of(self.prompts.values(), served)
    }

    /// The documents of one component of this catalog, in URI order.
    pub fn resources_of<'a>(
        &'a self,
        served: &'a Arc<ComponentEntry>,
    ) -> impl Iterator<Item = &'a Entry<Resource>> {
        of(self.resources.values(), served)
    }

    /// The families of one component of this catalog, in the order of their
    /// templates.
    pub fn templates_of<'a>(
        &'a self,
        served: &'a Arc<ComponentEntry>,
    ) -> impl Iterator<Item = &'a Entry<ResourceTemplate>> {
        of(self.templates.values(), served)
    }

    /// The tools of one component of this catalog, in name order.
    pub fn tools_of<'a>(
        &'a self,
        served: &'a Arc<ComponentEntry>,
    ) -> impl Iterator<Item = &'a ToolEntry> {
        let entries = self.tools.values().map(|entry| &**entry);
        entries.filter(|entry| Arc::ptr_eq(&entry.served, served))
    }

    /// All prompts in name order.
    pub fn prompts(&self) -> impl ExactSizeIterator<Item = &Arc<Entry<Prompt>>> {
        self.prompts.values()
    }

    /// All documents that have a name of their own, in URI order.
    pub fn resources(&self) -> impl ExactSizeIterator<Item = &Arc<Entry<Resource>>> {
        self.resources.values()
    }

    /// All families of documents, in the order of their templates.
    pub fn templates(&self) -> impl ExactSizeIterator<Item = &Arc<Entry<ResourceTemplate>>> {
        self.templates.values()
    }

    /// What a client's request is for.
    pub fn find(&self, subject: &TargetName) -> Option<Target> {
        match subject {
            TargetName::Tool(name) => self.tools.get(name).cloned().map(Target::Tool),
            TargetName::Prompt(name) => self.prompts.get(name).cloned().map(Target::Prompt),
            TargetName::Template(uri) => self.templates.get(uri).cloned().map(Target::Template),
            TargetName::Resource(uri) => match self.resources.get(uri) {
                Some(resource) => Some(Target::Resource(resource.clone())),
                None => {
                    let mut templates = self.templates.values();
                    let template = templates.find(|template| template.item().matches(uri));
                    template.cloned().map(Target::Template)
                }
            },
        }
    }

    /// All components in the order they were named.
    pub fn components(&self) -> &[Arc<ComponentEntry>] {
        &self.components
    }
}

fn of<'a, T: 'a>(
    offers: impl Iterator<Item = &'a Arc<Entry<T>>>,
    served: &'a Arc<ComponentEntry>,
) -> impl Iterator<Item = &'a Entry<T>> {
    let offers = offers.map(|offer| &**offer);
    offers.filter(|offer| Arc::ptr_eq(&offer.served, served))
}

impl LiveCatalog {
    /// Serves this catalog from now on.
    pub fn new(catalog: Catalog) -> Self {
        Self(Arc::new(watch::Sender::new(Arc::new(catalog))))
    }

    /// The catalog that is served now.
    pub fn now(&self) -> Arc<Catalog> {
        self.0.borrow().clone()
    }

    /// Serves another catalog from now on. Calls that run keep what they have.
    pub fn swap(&self, catalog: Catalog) {
        self.0.send_replace(Arc::new(catalog));
    }

    /// Hears of every swap.
    pub fn changes(&self) -> watch::Receiver<Arc<Catalog>> {
        self.0.subscribe()
    }
}
