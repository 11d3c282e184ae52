//! The catalog: every tool, prompt and document that is served, by the name that
//! clients use, and the bounds on how many calls run at once.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::component::{
    Call, CallError, Completion, CompletionRequest, Component, Context, Embedded, Family, Filled,
    Outcome, Prompt, Resource, Tool, is_tool_name,
};

/// How long a call waits for a place before it is refused.
const MAX_WAIT: Duration = Duration::from_secs(1);
/// Callers that the rate limits remember before those at rest are forgotten.
const MAX_CALLERS: usize = 10_000;

/// Name → tool, prompt, document; ordered, unique, unchanging.
pub struct Catalog {
    tools: BTreeMap<String, Arc<Entry>>,
    prompts: BTreeMap<String, Arc<Offer<Prompt>>>,
    resources: BTreeMap<String, Arc<Offer<Resource>>>,
    families: BTreeMap<String, Arc<Offer<Family>>>,
    components: Vec<Arc<Served>>,
    calls: Arc<Semaphore>,
}

/// The catalog that is served now. Cheap to clone; whoever holds what it gave out
/// keeps that, however often it is swapped.
#[derive(Clone)]
pub struct Live(Arc<watch::Sender<Arc<Catalog>>>);

/// One tool under the name that clients use.
pub struct Entry {
    /// The name: the component's prefix and the tool's own name.
    pub name: String,
    /// The scopes that a call needs, sorted.
    pub scopes: Vec<String>,
    served: Arc<Served>,
    index: usize,
}

/// Something else than a tool, under the name that clients use.
pub struct Offer<T> {
    /// A prompt's name, a document's URI, a family's template.
    pub name: String,
    /// The scopes that a call needs, sorted.
    pub scopes: Vec<String>,
    served: Arc<Served>,
    item: fn(&Component) -> &[T],
    index: usize,
}

/// What a request is for, as the client names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// `tools/call`
    Tool(String),
    /// `prompts/get`, and the completion of a prompt's arguments.
    Prompt(String),
    /// `resources/read`
    Resource(String),
    /// The completion of a template's arguments.
    Template(String),
}

/// What a subject names.
#[derive(Clone)]
pub enum Found {
    /// A tool.
    Tool(Arc<Entry>),
    /// A prompt.
    Prompt(Arc<Offer<Prompt>>),
    /// A document with a name of its own.
    Resource(Arc<Offer<Resource>>),
    /// The family that a document belongs to.
    Family(Arc<Offer<Family>>),
}

/// A component, and how it is to stand in the catalog.
pub struct Listing {
    /// The component.
    pub component: Arc<Component>,
    /// Put before the name of each of its tools.
    pub prefix: String,
    /// Scopes that every call of it needs.
    pub scopes: Vec<String>,
    /// Scopes that single tools need beside those, by the tools' own names.
    pub tool_scopes: BTreeMap<String, Vec<String>>,
}

/// A component in the catalog.
pub struct Served {
    /// The component.
    pub component: Arc<Component>,
    /// Put before the name of each of its tools.
    pub prefix: String,
    calls: Arc<Semaphore>,
    rate: Option<DefaultKeyedRateLimiter<String>>,
}

/// Why components cannot stand beside each other.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// Two tools, or two prompts, of one name.
    #[error(
        "the {kind} `{name}` is in both `{first}` and `{second}`; give one of them a `prefix` in its \
         [[component]], such as prefix = \"{second}_\""
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
    /// Settings for a tool that is not there.
    #[error(
        "`{component}` has no tool `{tool}`, which [component.tool.{tool}] is for; it has {known}"
    )]
    UnknownTool {
        /// The component.
        component: String,
        /// The tool that the settings are for.
        tool: String,
        /// The tools that it has.
        known: String,
    },
    /// The prefix makes a name that clients refuse.
    #[error(
        "`{component}`: with the prefix `{prefix}` its {kind} would be called `{name}`, which is not \
         1 to 64 characters of `A-Z a-z 0-9 _ -`; choose another prefix"
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

/// A place for one call, given back when it is dropped.
#[derive(Clone)]
pub struct Permit(#[allow(dead_code)] Arc<[OwnedSemaphorePermit; 2]>);

/// What a request is for, with the place for its call. It was looked up once, so
/// that what was judged is what runs.
#[derive(Clone)]
pub struct Admission {
    /// What is called.
    pub found: Found,
    /// The place.
    pub permit: Permit,
}

/// Why there is no place for a call now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Every place is taken.
    #[error("the server is at its limit of concurrent calls; try again in {} s", .0.as_secs())]
    Saturated(Duration),
    /// The caller has made its calls of this minute.
    #[error("too many calls of this tool; try again in {} s", .0.as_secs())]
    Rate(Duration),
}

impl Catalog {
    /// Puts components together. `calls` are the places for calls in all.
    ///
    /// # Errors
    /// Every clash of names.
    pub fn build(listings: Vec<Listing>, calls: Arc<Semaphore>) -> Result<Self, Vec<CatalogError>> {
        let mut catalog = Self {
            tools: BTreeMap::new(),
            prompts: BTreeMap::new(),
            resources: BTreeMap::new(),
            families: BTreeMap::new(),
            components: Vec::new(),
            calls,
        };
        let mut errors = Vec::new();
        for listing in listings {
            let served = Arc::new(Served::new(
                listing.component.clone(),
                listing.prefix.clone(),
            ));
            catalog.list_tools(&served, &listing, &mut errors);
            catalog.list_offers(&served, &listing.scopes, &mut errors);
            catalog.components.push(served);
        }
        if errors.is_empty() {
            Ok(catalog)
        } else {
            Err(errors)
        }
    }

    fn list_tools(
        &mut self,
        served: &Arc<Served>,
        listing: &Listing,
        errors: &mut Vec<CatalogError>,
    ) {
        for tool in listing.tool_scopes.keys() {
            errors.extend(served.unknown(tool));
        }
        for (index, tool) in served.component.tools.iter().enumerate() {
            let Some(name) = served.prefixed("tool", &tool.name, errors) else {
                continue;
            };
            if let Some(first) = self.tools.get(&name) {
                errors.push(served.duplicate("tool", name, &first.served));
                continue;
            }
            let own = listing.tool_scopes.get(&tool.name);
            let entry = Entry {
                name: name.clone(),
                scopes: sorted(listing.scopes.iter().chain(own.into_iter().flatten())),
                served: served.clone(),
                index,
            };
            self.tools.insert(name, Arc::new(entry));
        }
    }

    fn list_offers(
        &mut self,
        served: &Arc<Served>,
        scopes: &[String],
        errors: &mut Vec<CatalogError>,
    ) {
        let component = &served.component;
        let scopes = sorted(scopes);
        for (index, prompt) in component.prompts.iter().enumerate() {
            let Some(name) = served.prefixed("prompt", &prompt.name, errors) else {
                continue;
            };
            match self.prompts.get(&name) {
                Some(first) => errors.push(served.duplicate("prompt", name, &first.served)),
                None => {
                    let offer = served.offer(&name, &scopes, |c| &c.prompts, index);
                    self.prompts.insert(name, offer);
                }
            }
        }
        for (index, resource) in component.resources.iter().enumerate() {
            let uri = &resource.uri;
            match self.resources.get(uri) {
                Some(first) => errors.push(served.duplicate_resource(uri, &first.served)),
                None => {
                    let offer = served.offer(uri, &scopes, |c| &c.resources, index);
                    self.resources.insert(uri.clone(), offer);
                }
            }
        }
        for (index, family) in component.families.iter().enumerate() {
            let uri = &family.template.uri_template;
            match self.families.get(uri) {
                Some(first) => errors.push(served.duplicate_resource(uri, &first.served)),
                None => {
                    let offer = served.offer(uri, &scopes, |c| &c.families, index);
                    self.families.insert(uri.clone(), offer);
                }
            }
        }
    }

    /// The tool of this name.
    pub fn tool(&self, name: &str) -> Option<&Arc<Entry>> {
        self.tools.get(name)
    }

    /// All tools in name order.
    pub fn tools(&self) -> impl ExactSizeIterator<Item = &Arc<Entry>> {
        self.tools.values()
    }

    /// All prompts in name order.
    pub fn prompts(&self) -> impl ExactSizeIterator<Item = &Arc<Offer<Prompt>>> {
        self.prompts.values()
    }

    /// All documents that have a name of their own, in URI order.
    pub fn resources(&self) -> impl ExactSizeIterator<Item = &Arc<Offer<Resource>>> {
        self.resources.values()
    }

    /// All families of documents, in the order of their templates.
    pub fn families(&self) -> impl ExactSizeIterator<Item = &Arc<Offer<Family>>> {
        self.families.values()
    }

    /// What a client's request is for.
    pub fn find(&self, subject: &Subject) -> Option<Found> {
        match subject {
            Subject::Tool(name) => self.tools.get(name).cloned().map(Found::Tool),
            Subject::Prompt(name) => self.prompts.get(name).cloned().map(Found::Prompt),
            Subject::Template(uri) => self.families.get(uri).cloned().map(Found::Family),
            Subject::Resource(uri) => match self.resources.get(uri) {
                Some(resource) => Some(Found::Resource(resource.clone())),
                None => {
                    let mut families = self.families.values();
                    let family = families.find(|family| family.item().has(uri));
                    family.cloned().map(Found::Family)
                }
            },
        }
    }

    /// All components in the order they were named.
    pub fn components(&self) -> &[Arc<Served>] {
        &self.components
    }

    /// Takes a place for one call of what was found, waiting for a moment where
    /// all are taken. `caller` is who the rate is counted for.
    ///
    /// # Errors
    /// When there is none, with the time after which to try again.
    pub async fn admit(&self, found: &Found, caller: &str) -> Result<Permit, Refused> {
        let served = found.served();
        served.check_rate(caller)?;
        let places = async {
            // The component's place first: a call that waits for its component
            // must not hold a place that another component could use.
            let own = served.calls.clone().acquire_owned().await.ok()?;
            let shared = self.calls.clone().acquire_owned().await.ok()?;
            Some(Permit(Arc::new([own, shared])))
        };
        match tokio::time::timeout(MAX_WAIT, places).await {
            Ok(Some(permit)) => Ok(permit),
            // The semaphores are never closed, so only the wait can end.
            Ok(None) | Err(_) => Err(Refused::Saturated(MAX_WAIT)),
        }
    }
}

impl Entry {
    /// What it is.
    pub fn tool(&self) -> &Tool {
        &self.served.component.tools[self.index]
    }

    /// Whose it is.
    pub fn component(&self) -> &Component {
        &self.served.component
    }

    /// Runs one call. The permit ends with it.
    ///
    /// # Errors
    /// Why there is no result.
    pub async fn call(&self, call: Call, permit: Permit) -> Result<Outcome, CallError> {
        let outcome = self.component().call(self.tool(), call).await;
        drop(permit);
        outcome
    }
}

impl<T> Offer<T> {
    /// What it is.
    pub fn item(&self) -> &T {
        &(self.item)(&self.served.component)[self.index]
    }

    /// Whose it is.
    pub fn component(&self) -> &Component {
        &self.served.component
    }
}

impl Offer<Prompt> {
    /// Fills it in. The permit ends with the call.
    ///
    /// # Errors
    /// Why there is no result.
    pub async fn fill(
        &self,
        call: Call<Vec<(String, String)>>,
        permit: Permit,
    ) -> Result<Outcome<Filled>, CallError> {
        let outcome = self.component().fill(self.item(), call).await;
        drop(permit);
        outcome
    }
}

impl Found {
    /// The scopes that a call needs, sorted.
    pub fn scopes(&self) -> &[String] {
        match self {
            Self::Tool(entry) => &entry.scopes,
            Self::Prompt(offer) => &offer.scopes,
            Self::Resource(offer) => &offer.scopes,
            Self::Family(offer) => &offer.scopes,
        }
    }

    /// The name under which clients know it.
    pub fn name(&self) -> &str {
        match self {
            Self::Tool(entry) => &entry.name,
            Self::Prompt(offer) => &offer.name,
            Self::Resource(offer) => &offer.name,
            Self::Family(offer) => &offer.name,
        }
    }

    /// The component that offers it.
    pub fn component(&self) -> &Component {
        &self.served().component
    }

    fn served(&self) -> &Served {
        match self {
            Self::Tool(entry) => &entry.served,
            Self::Prompt(offer) => &offer.served,
            Self::Resource(offer) => &offer.served,
            Self::Family(offer) => &offer.served,
        }
    }

    /// Reads a document that its component offers. The permit ends with the call.
    ///
    /// # Errors
    /// Why there is no result.
    pub async fn read(
        &self,
        call: Call<String>,
        permit: Permit,
    ) -> Result<Outcome<Vec<Embedded>>, CallError> {
        let outcome = self.served().component.read(call).await;
        drop(permit);
        outcome
    }

    /// Completes an argument. The permit ends with the call.
    ///
    /// # Errors
    /// Why there is no result.
    pub async fn complete(
        &self,
        request: CompletionRequest,
        context: Context,
        permit: Permit,
    ) -> Result<Completion, CallError> {
        let completion = self.served().component.complete(request, context).await;
        drop(permit);
        completion
    }

    /// Whether its component completes arguments.
    pub fn completes(&self) -> bool {
        self.served().component.completes()
    }
}

impl Live {
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

fn sorted<'a>(scopes: impl IntoIterator<Item = &'a String>) -> Vec<String> {
    let scopes: BTreeSet<_> = scopes.into_iter().cloned().collect();
    scopes.into_iter().collect()
}

impl Served {
    fn new(component: Arc<Component>, prefix: String) -> Self {
        let per_minute = component.limits.calls_per_minute;
        Self {
            calls: Arc::new(Semaphore::new(component.limits.concurrency as usize)),
            rate: per_minute.map(|calls: NonZeroU32| RateLimiter::keyed(Quota::per_minute(calls))),
            component,
            prefix,
        }
    }

    /// The name for clients, where it is one.
    fn prefixed(
        &self,
        kind: &'static str,
        name: &str,
        errors: &mut Vec<CatalogError>,
    ) -> Option<String> {
        let prefixed = format!("{}{name}", self.prefix);
        if is_tool_name(&prefixed) {
            return Some(prefixed);
        }
        errors.push(CatalogError::Name {
            component: self.component.name.clone(),
            prefix: self.prefix.clone(),
            kind,
            name: prefixed,
        });
        None
    }

    fn offer<T>(
        self: &Arc<Self>,
        name: &str,
        scopes: &[String],
        item: fn(&Component) -> &[T],
        index: usize,
    ) -> Arc<Offer<T>> {
        Arc::new(Offer {
            name: name.to_owned(),
            scopes: scopes.to_vec(),
            served: self.clone(),
            item,
            index,
        })
    }

    fn duplicate(&self, kind: &'static str, name: String, first: &Self) -> CatalogError {
        CatalogError::Duplicate {
            kind,
            name,
            first: first.component.name.clone(),
            second: self.component.name.clone(),
        }
    }

    fn duplicate_resource(&self, uri: &str, first: &Self) -> CatalogError {
        CatalogError::DuplicateResource {
            uri: uri.to_owned(),
            first: first.component.name.clone(),
            second: self.component.name.clone(),
        }
    }

    fn unknown(&self, tool: &str) -> Option<CatalogError> {
        let names = self.component.tools.iter().map(|tool| tool.name.as_str());
        if names.clone().any(|name| name == tool) {
            return None;
        }
        Some(CatalogError::UnknownTool {
            component: self.component.name.clone(),
            tool: tool.to_owned(),
            known: names
                .map(|name| format!("`{name}`"))
                .collect::<Vec<_>>()
                .join(", "),
        })
    }

    fn check_rate(&self, caller: &str) -> Result<(), Refused> {
        let Some(rate) = &self.rate else {
            return Ok(());
        };
        if rate.len() > MAX_CALLERS {
            rate.retain_recent();
        }
        rate.check_key(&caller.to_owned()).map_err(|until| {
            let wait = until.wait_time_from(DefaultClock::default().now());
            Refused::Rate(Duration::from_secs(wait.as_secs() + 1))
        })
    }
}
