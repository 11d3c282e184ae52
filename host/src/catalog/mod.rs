//! The catalog: every tool that is served, by the name that clients use, and
//! the bounds on how many calls run at once.

mod listing;
mod overlay;

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::component::{Call, Outcome};
use crate::component::{CallError, Component, Schema, Tool};
pub use listing::Listing;
use overlay::Overlay;
pub use overlay::{ArgumentFault, ToolSettings};

/// How long a call waits for a place before it is refused.
const MAX_WAIT: Duration = Duration::from_secs(1);
/// Callers that the rate limits remember before those at rest are forgotten.
const MAX_CALLERS: usize = 10_000;

/// Name → tool; ordered, unique, unchanging.
pub struct Catalog {
    tools: BTreeMap<String, Entry>,
    components: Vec<Arc<Served>>,
    calls: Arc<Semaphore>,
}

/// One tool under the name that clients use.
pub struct Entry {
    /// The name: the component's prefix, and the tool's own name or the one that
    /// stands for it.
    pub name: String,
    /// The scopes that a call needs, sorted.
    pub scopes: Vec<String>,
    served: Arc<Served>,
    index: usize,
    overlay: Overlay,
}

/// A component in the catalog.
pub struct Served {
    /// The component.
    pub component: Component,
    /// Put before the name of each of its tools.
    pub prefix: String,
    calls: Arc<Semaphore>,
    rate: Option<DefaultKeyedRateLimiter<String>>,
}

/// Why components cannot stand beside each other.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// Two tools of one name.
    #[error(
        "the tool `{tool}` is in both `{first}` and `{second}`; give one of them a `prefix` in its \
         [[component]], such as prefix = \"{second}_\", or one of the tools a `rename`"
    )]
    Duplicate {
        /// The name.
        tool: String,
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
        fault: ArgumentFault,
    },
    /// The settings leave nothing of a component.
    #[error(
        "`{0}`: `tools`, `exclude` and `enabled` leave nothing of it to be served; leave one tool, or \
         take the component out"
    )]
    NoTools(String),
    /// The prefix makes a name that clients refuse.
    #[error(
        "`{component}`: with the prefix `{prefix}` its tool would be called `{tool}`, which is not \
         1 to 64 characters of `A-Z a-z 0-9 _ -`; choose another prefix or `rename`"
    )]
    Name {
        /// The component.
        component: String,
        /// Its prefix.
        prefix: String,
        /// The name that came out.
        tool: String,
    },
}

/// A place for one call, given back when it is dropped.
#[derive(Clone)]
pub struct Permit(#[allow(dead_code)] Arc<[OwnedSemaphorePermit; 2]>);

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
    /// Puts components together. `calls` is how many may run at once in all.
    ///
    /// # Errors
    /// Every clash of names.
    pub fn build(listings: Vec<Listing>, calls: u32) -> Result<Self, Vec<CatalogError>> {
        let mut tools: BTreeMap<String, Entry> = BTreeMap::new();
        let mut all = Vec::new();
        let mut errors = Vec::new();
        for listing in listings {
            let (served, entries) = listing.entries(&mut errors);
            for entry in entries {
                match tools.get(&entry.name) {
                    Some(first) => errors.push(first.clash(&entry)),
                    None => {
                        tools.insert(entry.name.clone(), entry);
                    }
                }
            }
            all.push(served);
        }
        if errors.is_empty() {
            Ok(Self {
                tools,
                components: all,
                calls: Arc::new(Semaphore::new(calls as usize)),
            })
        } else {
            Err(errors)
        }
    }

    /// The tool of this name.
    pub fn tool(&self, name: &str) -> Option<&Entry> {
        self.tools.get(name)
    }

    /// All tools in name order.
    pub fn tools(&self) -> impl ExactSizeIterator<Item = &Entry> {
        self.tools.values()
    }

    /// The tools of one component of this catalog, in name order.
    pub fn tools_of<'a>(&'a self, served: &'a Arc<Served>) -> impl Iterator<Item = &'a Entry> {
        let entries = self.tools.values();
        entries.filter(|entry| Arc::ptr_eq(&entry.served, served))
    }

    /// All components in the order they were named.
    pub fn components(&self) -> &[Arc<Served>] {
        &self.components
    }

    /// Takes a place for one call of `entry`, waiting for a moment where all are
    /// taken. `caller` is who the rate is counted for.
    ///
    /// # Errors
    /// When there is none, with the time after which to try again.
    pub async fn admit(&self, entry: &Entry, caller: &str) -> Result<Permit, Refused> {
        entry.served.check_rate(caller)?;
        let places = async {
            // The component's place first: a call that waits for its component
            // must not hold a place that another component could use.
            let own = entry.served.calls.clone().acquire_owned().await.ok()?;
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
    /// What it is in its component; clients see the name, title, description and
    /// arguments of the entry.
    pub fn tool(&self) -> &Tool {
        &self.served.component.tools[self.index]
    }

    /// A name for people.
    pub fn title(&self) -> Option<&str> {
        let own = self.tool().title.as_deref();
        self.overlay.title.as_deref().or(own)
    }

    /// What the model reads.
    pub fn description(&self) -> &str {
        let own = &self.tool().description;
        self.overlay.description.as_ref().unwrap_or(own)
    }

    /// What the arguments of callers must be.
    pub fn input(&self) -> &Schema {
        match &self.overlay.arguments {
            Some(arguments) => &arguments.schema,
            None => &self.tool().input,
        }
    }

    /// Whose it is.
    pub fn component(&self) -> &Component {
        &self.served.component
    }

    /// Runs one call. The permit ends with it.
    ///
    /// # Errors
    /// Why there is no result.
    pub async fn call(&self, mut call: Call, permit: Permit) -> Result<Outcome, CallError> {
        if let Some(arguments) = &self.overlay.arguments {
            call.arguments = arguments
                .complete(call.arguments)
                .map_err(CallError::InvalidArguments)?;
        }
        let outcome = self.component().call(self.tool(), call).await;
        drop(permit);
        outcome
    }

    /// Another one came out under the same name.
    fn clash(&self, second: &Self) -> CatalogError {
        let tool = self.name.clone();
        if Arc::ptr_eq(&self.served, &second.served) {
            return CatalogError::SameName {
                component: self.component().name.clone(),
                tool,
                first: self.tool().name.clone(),
                second: second.tool().name.clone(),
            };
        }
        CatalogError::Duplicate {
            tool,
            first: self.component().name.clone(),
            second: second.component().name.clone(),
        }
    }
}

impl Served {
    fn new(component: Component, prefix: String) -> Self {
        let per_minute = component.limits.calls_per_minute;
        Self {
            calls: Arc::new(Semaphore::new(component.limits.concurrency as usize)),
            rate: per_minute.map(|calls: NonZeroU32| RateLimiter::keyed(Quota::per_minute(calls))),
            component,
            prefix,
        }
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
