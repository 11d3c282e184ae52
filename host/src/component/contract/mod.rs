//! The contract between host and guest, `toolcrib:mcp` (`wit/`), in generated bindings.
//!
//! The contract's types are also the crate's own types for what components offer and return.

mod bindings;

mod outcome;

mod host;

mod logging;
mod stubs;

mod guest;

pub use bindings::exports::toolcrib::mcp::completions::{
    Completion, Request as CompletionRequest, Subject as CompletionSubject,
};
pub(super) use bindings::exports::toolcrib::mcp::prompts::Request as PromptRequest;
pub use bindings::exports::toolcrib::mcp::prompts::{
    Argument as PromptArgument, Definition as Prompt, Message as PromptMessage,
    Prompt as PromptResult,
};
pub(super) use bindings::exports::toolcrib::mcp::resources::Request as ResourceRequest;
pub use bindings::exports::toolcrib::mcp::resources::{Resource, Template};
pub use bindings::toolcrib::mcp::call::{Level, Principal};
pub use bindings::toolcrib::mcp::types::{
    Annotations, Answer, Audience, Block, Body, Content, Embedded, Icon, Link, Question, Questions,
    Role,
};
pub(super) use bindings::toolcrib::mcp::types::{
    Definition as ToolDefinition, Output, Request as ToolRequest,
};
pub(super) use guest::{
    Guest, GuestError, HANDLER_INTERFACE, PreparedStore, TOOL_INTERFACE, TrapState,
    has_supported_version, is_contract_interface, is_handler_interface, is_host_interface, trap,
};
pub(super) use host::{CallData, GuestStore};
pub use host::{ClientFeatures, DescribeCaller, Event, GuestContext};
pub use outcome::Outcome;
pub(super) use stubs::StubCalled;
