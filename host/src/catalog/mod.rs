//! The catalog: every served tool, prompt and resource by the name clients use, and the limits on concurrent calls.
//!
//! `registration` turns a component and its settings into entries, `index` looks them up, and `live` holds the catalog
//! that is served now.

mod argument_schema;
mod call_limits;
mod command_line;

mod overlay;
mod uris;

mod error;

mod entries;

mod mounts;
mod target;
mod uri_overlap;

mod registration;
mod ticket;

mod index;

mod live;

pub use argument_schema::ArgumentOverrideError;
pub use call_limits::{CallLimits, CallPermit, ComponentCallLimits, Places, Rejection};
pub use command_line::CommandLine;
pub use entries::{ComponentEntry, Entry, PromptEntry, ResourceEntry, TemplateEntry, ToolEntry};
pub use error::CatalogError;
pub use index::Catalog;
pub use live::LiveCatalog;
pub use mounts::MountEntry;
pub use overlay::{Hints, ToolConfig};
pub use registration::Registration;
pub use target::{Target, TargetName};
pub use ticket::CallTicket;
