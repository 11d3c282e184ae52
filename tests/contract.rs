//! The tool contract: what a component says of its tools and returns from its calls reaches clients as the protocol has it,
//! and what breaks the contract does not.

mod arguments;
mod calls;
mod content;
mod definitions;
mod output;
mod versions;
