//! WebAssembly components: loaded once, then called in a new instance each time.
//!
//! A component offers tools, prompts and resources through the contract `toolcrib:mcp`, or tools as plain functions or
//! as a command.
//! Its files, from the lowest layer to the highest; a file uses only files of lower groups:
//!
//! - `binary_format`, `component_bytes`, `engine_error`, `guest_json`, `interface_names`, then `schema`: formats and errors,
//!   independent of the contract;
//! - `contract`: generated bindings, the host's imports, the guest's exports;
//! - `definitions`, `imports`, `preview3`, `output_validation`, `tool_result`, `call_error`: checks of what a guest imports,
//!   needs, says and returns;
//! - `composition`: several components as one;
//! - `describe`, `exported`: the two sources of tools, the contract and other exports;
//! - `command`, `functions`: the kinds of exports that are tools;
//! - `load_error`, `spare_instances`, then `load`: [`Component`];
//! - `execute`, then `call` and `handler`: one call, one HTTP request.

mod binary_format;
mod component_bytes;
mod engine_error;
mod guest_json;
mod interface_names;

mod schema;

mod contract;

mod definitions;

mod call_error;
mod imports;
mod output_validation;
mod preview3;
mod tool_result;

mod composition;

mod describe;
mod exported;

mod command;
mod functions;

mod load_error;
mod spare_instances;

mod load;

mod execute;

mod call;
mod handler;

pub use call::Call;
pub use call_error::{CallError, TargetKind};
pub use component_bytes::{ComponentBytes, digest};
pub use composition::{CompositionError, Part, PartImport};
pub(crate) use composition::{PartFile, compose, exports_import};
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
pub use exported::SkippedExport;
#[doc(hidden)]
pub use functions::GeneratedFunction;
pub use functions::World;
pub(crate) use functions::check_wit;
pub(crate) use guest_json::parse as parse_guest_json;
pub use handler::{HandlerBody, HandlerBodyError, HandlerError};
pub use imports::MissingImports;
pub(crate) use interface_names::InterfaceNames;
pub use load::{Component, LoadSettings};
pub use load_error::LoadError;
pub use schema::Schema;
pub(crate) use schema::Strings;
pub use tool_result::ToolResult;

pub use crate::sandbox::ImportReport;
