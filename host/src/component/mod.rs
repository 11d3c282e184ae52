//! WebAssembly components: loaded once, then called in a new instance each time.
//!
//! A component offers tools, prompts and resources through the contract `toolcrib:mcp`, or tools as plain functions.
//! Its files, from the lowest layer to the highest; a file uses only files of lower groups:
//!
//! - `binary_format`, `engine_error`, `guest_json`, then `schema`: formats and errors, independent of the contract;
//! - `contract`: generated bindings, the host's imports, the guest's exports;
//! - `definitions`, `output_validation`, `tool_result`, `call_error`: checks of what a guest says and returns;
//! - `describe`, `functions`: the two sources of tools, the contract and plain functions;
//! - `load_error`, `spare_instances`, then `load`: [`Component`];
//! - `execute`, then `call`: one call.

mod binary_format;
mod engine_error;
mod guest_json;

mod schema;

mod contract;

mod call_error;
mod definitions;
mod output_validation;
mod tool_result;

mod describe;
mod functions;

mod load_error;
mod spare_instances;

mod load;

mod execute;

mod call;

pub use call::Call;
pub use call_error::{CallError, TargetKind};
pub use contract::{
    Annotations, Answer, Audience, Block, Body, ClientFeatures, Completion, CompletionRequest,
    CompletionSubject, Content, DescribeCaller, Embedded, Event, GuestContext, Icon, Level, Link,
    Outcome, Principal, Prompt, PromptArgument, PromptMessage, PromptResult, Question, Questions,
    Resource, Role, Template,
};
pub use definitions::{
    MAX_DESCRIPTION_BYTES, MAX_TITLE_BYTES, ResourceTemplate, TaskMode, Tool, is_tool_name,
};
pub(crate) use definitions::{TooMuchWork, UriPattern, Work};
#[doc(hidden)]
pub use functions::GeneratedFunction;
pub use functions::{SkippedExport, World};
pub(crate) use guest_json::parse as parse_guest_json;
pub use load::{Component, digest};
pub use load_error::LoadError;
pub use schema::Schema;
pub(crate) use schema::Strings;
pub use tool_result::ToolResult;

pub use crate::sandbox::ImportReport;
