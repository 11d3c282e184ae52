//! Definitions of tools, prompts and resources, checked. A guest wrote them, so they are untrusted input.

mod rules;

mod mirrored_headers;
mod uri_pattern;

mod uri_template;

mod prompts;
mod resources;
mod tools;

pub(super) use prompts::check_prompts;
pub(super) use resources::{check_resources, check_templates};
pub(super) use rules::{DefinitionError, MAX_NAME_BYTES, display_name};
pub use rules::{MAX_DESCRIPTION_BYTES, MAX_TITLE_BYTES, is_tool_name};
pub(super) use tools::{MAX_TOOLS, check_tools};
pub use tools::{TaskMode, Tool};
pub(crate) use uri_pattern::{TooMuchWork, UriPattern, Work};
pub use uri_template::ResourceTemplate;
