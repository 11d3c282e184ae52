//! Looks up tools, prompts and resources by the names clients use.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::call_limits::{CallLimits, CallPermit, Places, Rejection};
use super::entries::{ComponentEntry, Entry, PromptEntry, ResourceEntry, TemplateEntry, ToolEntry};
use super::error::CatalogError;
use super::mounts::{MountEntry, Mounts};
use super::registration::Registration;
use super::target::{Target, TargetName};
use super::uri_overlap::{self, Served};
use crate::component::Component;

/// An immutable set of components with unique names, and the limits on their calls.
pub struct Catalog {
    tools: BTreeMap<String, Arc<ToolEntry>>,
    prompts: BTreeMap<String, Arc<PromptEntry>>,
    /// By URI.
    resources: BTreeMap<String, Arc<ResourceEntry>>,
    /// By URI template.
    templates: BTreeMap<String, Arc<TemplateEntry>>,
    mounts: Mounts,
    components: Vec<Arc<ComponentEntry>>,
    call_limits: Arc<CallLimits>,
}

impl Catalog {
    /// Creates an empty catalog with the limits for all its calls.
    pub fn new(call_limits: Arc<CallLimits>) -> Self {
        Self {
            tools: BTreeMap::new(),
            prompts: BTreeMap::new(),
            resources: BTreeMap::new(),
            templates: BTreeMap::new(),
            mounts: Mounts::default(),
            components: Vec::new(),
            call_limits,
        }
    }

    /// Creates a catalog of components with the limits for all its calls.
    ///
    /// # Errors
    /// Every conflict of names and every setting that does not fit.
    pub fn build<'a>(
        registrations: impl IntoIterator<Item = &'a Registration>,
        call_limits: Arc<CallLimits>,
    ) -> Result<Self, Vec<CatalogError>> {
        let mut catalog = Self::new(call_limits);
        let mut errors = Vec::new();
        for registration in registrations {
            catalog.insert(registration, &mut errors);
        }
        if errors.is_empty() {
            Ok(catalog)
        } else {
            Err(errors)
        }
    }

    /// Adds a component as a whole, or leaves the catalog as it is.
    ///
    /// # Errors
    /// Every conflict with the components added before, and every setting that does not fit.
    pub fn add(&mut self, registration: &Registration) -> Result<(), Vec<CatalogError>> {
        let mut errors = Vec::new();
        self.insert(registration, &mut errors);
        if errors.is_empty() {
            return Ok(());
        }
        self.remove_last();
        Err(errors)
    }

    /// Returns the tool of this name.
    pub fn tool(&self, name: &str) -> Option<&Arc<ToolEntry>> {
        self.tools.get(name)
    }

    /// Returns all tools in order of name.
    pub fn tools(&self) -> impl ExactSizeIterator<Item = &Arc<ToolEntry>> {
        self.tools.values()
    }

    /// Returns all prompts in order of name.
    pub fn prompts(&self) -> impl ExactSizeIterator<Item = &Arc<PromptEntry>> {
        self.prompts.values()
    }

    /// Returns all resources with a fixed URI in order of URI.
    pub fn resources(&self) -> impl ExactSizeIterator<Item = &Arc<ResourceEntry>> {
        self.resources.values()
    }

    /// Returns all resource templates in order of URI template.
    pub fn templates(&self) -> impl ExactSizeIterator<Item = &Arc<TemplateEntry>> {
        self.templates.values()
    }

    /// Returns all components in the order in which they were added.
    pub fn components(&self) -> &[Arc<ComponentEntry>] {
        &self.components
    }

    /// Returns the tools of one component in order of name.
    pub fn tools_of<'a>(
        &'a self,
        owner: &'a Arc<ComponentEntry>,
    ) -> impl Iterator<Item = &'a ToolEntry> {
        let entries = self.tools.values().map(|entry| &**entry);
        entries.filter(|entry| Arc::ptr_eq(&entry.owner, owner))
    }

    /// Returns the prompts of one component in order of name.
    pub fn prompts_of<'a>(
        &'a self,
        owner: &'a Arc<ComponentEntry>,
    ) -> impl Iterator<Item = &'a PromptEntry> {
        owned_by(self.prompts.values(), owner)
    }

    /// Returns the resources with a fixed URI of one component in order of URI.
    pub fn resources_of<'a>(
        &'a self,
        owner: &'a Arc<ComponentEntry>,
    ) -> impl Iterator<Item = &'a ResourceEntry> {
        owned_by(self.resources.values(), owner)
    }

    /// Returns the resource templates of one component in order of URI template.
    pub fn templates_of<'a>(
        &'a self,
        owner: &'a Arc<ComponentEntry>,
    ) -> impl Iterator<Item = &'a TemplateEntry> {
        owned_by(self.templates.values(), owner)
    }

    /// Returns the mounts of one component in order of path.
    pub fn mounts_of<'a>(
        &'a self,
        owner: &'a Arc<ComponentEntry>,
    ) -> impl Iterator<Item = &'a MountEntry> {
        self.mounts.of(owner)
    }

    /// Returns the mount that answers requests to a path: the one there or, of those above it, the nearest.
    pub fn mount(&self, path: &str) -> Option<&Arc<MountEntry>> {
        self.mounts.find(path)
    }

    /// Finds the target that a client names. A URI that is no resource's own is matched against the templates.
    pub fn find(&self, name: &TargetName) -> Option<Target> {
        match name {
            TargetName::Tool(name) => self.tools.get(name).cloned().map(Target::Tool),
            TargetName::Prompt(name) => self.prompts.get(name).cloned().map(Target::Prompt),
            TargetName::Template(uri) => self.templates.get(uri).cloned().map(Target::Template),
            TargetName::Resource(uri) => match self.resources.get(uri) {
                Some(resource) => Some(Target::Resource(resource.clone())),
                None => {
                    let mut templates = self.templates.values();
                    let template = templates.find(|template| template.matches(uri));
                    template.cloned().map(Target::Template)
                }
            },
        }
    }

    /// Returns the places for calls of all components.
    pub fn places(&self) -> Places {
        self.call_limits.places()
    }

    /// Admits one call of the target, waiting a moment for a permit. `caller` is the caller's rate key.
    ///
    /// # Errors
    /// The limit that was reached.
    pub async fn admit(&self, target: &Target, caller: &str) -> Result<CallPermit, Rejection> {
        let component = &target.owner().call_limits;
        self.call_limits.admit(component, caller).await
    }

    /// Admits one request to a mount, as [`Self::admit`].
    ///
    /// # Errors
    /// The limit that was reached.
    pub async fn admit_to(
        &self,
        mount: &MountEntry,
        caller: &str,
    ) -> Result<CallPermit, Rejection> {
        let component = &mount.owner.call_limits;
        self.call_limits.admit(component, caller).await
    }

    /// Adds a component, skipping its entries that conflict. Problems are added to `errors`.
    fn insert(&mut self, registration: &Registration, errors: &mut Vec<CatalogError>) {
        let owner = registration.component_entry();
        if let Some(path) = &registration.mount {
            let scopes = registration.sorted_scopes();
            let inserted = self.mounts.insert(path, scopes, &owner);
            errors.extend(inserted.err());
            self.components.push(owner);
            return;
        }
        for entry in registration.tool_entries(&owner, errors) {
            match self.tools.get(&entry.name) {
                Some(first) => errors.push(duplicate_tool(first, &entry)),
                None => {
                    self.tools.insert(entry.name.clone(), Arc::new(entry));
                }
            }
        }
        if registration.has_prompts_and_resources() {
            let scopes = registration.sorted_scopes();
            self.insert_prompts(&owner, &scopes, errors);
            self.insert_resources(&owner, &scopes, errors);
        }
        self.components.push(owner);
    }

    fn insert_prompts(
        &mut self,
        owner: &Arc<ComponentEntry>,
        scopes: &[String],
        errors: &mut Vec<CatalogError>,
    ) {
        for (index, prompt) in owner.component.prompts.iter().enumerate() {
            let name = match owner.prefixed("prompt", &prompt.name) {
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
                    second: owner.component.name.clone(),
                });
                continue;
            }
            let entry = owner.entry(&name, scopes, |c| &c.prompts, index);
            self.prompts.insert(name, entry);
        }
    }

    fn insert_resources(
        &mut self,
        owner: &Arc<ComponentEntry>,
        scopes: &[String],
        errors: &mut Vec<CatalogError>,
    ) {
        let duplicate = |uri: &str, first: &Component| CatalogError::DuplicateResource {
            uri: uri.to_owned(),
            first: first.name.clone(),
            second: owner.component.name.clone(),
        };
        let mut reported = Vec::new();
        for (index, resource) in owner.component.resources.iter().enumerate() {
            let uri = owner.prefixed_uri(&resource.uri);
            if let Some(first) = self.resources.get(&uri) {
                errors.push(duplicate(&uri, first.component()));
                reported.push(first.owner.clone());
                continue;
            }
            let entry = owner.entry(&uri, scopes, |c| &c.resources, index);
            self.resources.insert(uri, entry);
        }
        for (index, template) in owner.component.templates.iter().enumerate() {
            let uri = owner.prefixed_uri(&template.template.uri_template);
            if let Some(first) = self.templates.get(&uri) {
                errors.push(duplicate(&uri, first.component()));
                reported.push(first.owner.clone());
                continue;
            }
            let entry = owner.entry(&uri, scopes, |c| &c.templates, index);
            self.templates.insert(uri, entry);
        }
        let served = Served {
            resources: &self.resources,
            templates: &self.templates,
        };
        errors.extend(uri_overlap::find(owner, &served, reported));
    }

    /// Removes the component that was added last.
    fn remove_last(&mut self) {
        let Some(removed) = self.components.pop() else {
            return;
        };
        let is_kept = |owner: &Arc<ComponentEntry>| !Arc::ptr_eq(owner, &removed);
        self.tools.retain(|_, entry| is_kept(&entry.owner));
        self.prompts.retain(|_, entry| is_kept(&entry.owner));
        self.resources.retain(|_, entry| is_kept(&entry.owner));
        self.templates.retain(|_, entry| is_kept(&entry.owner));
        self.mounts.remove_of(&removed);
    }
}

fn owned_by<'a, T: 'a>(
    entries: impl Iterator<Item = &'a Arc<Entry<T>>>,
    owner: &'a Arc<ComponentEntry>,
) -> impl Iterator<Item = &'a Entry<T>> {
    let entries = entries.map(|entry| &**entry);
    entries.filter(|entry| Arc::ptr_eq(&entry.owner, owner))
}

/// Describes two tools that have the same name for clients.
fn duplicate_tool(first: &ToolEntry, second: &ToolEntry) -> CatalogError {
    let name = first.name.clone();
    if Arc::ptr_eq(&first.owner, &second.owner) {
        return CatalogError::SameName {
            component: first.component().name.clone(),
            tool: name,
            first: first.tool().name.clone(),
            second: second.tool().name.clone(),
        };
    }
    CatalogError::Duplicate {
        kind: "tool",
        name,
        first: first.component().name.clone(),
        second: second.component().name.clone(),
    }
}
